package clock

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

var _ Clock = System{}

func TestSystemTellsTheBubblesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock = System{}
		start := c.Now()
		<-c.NewTimer(time.Hour).C
		if d := c.Now().Sub(start); d != time.Hour {
			t.Errorf("virtual time moved by %v, want an hour", d)
		}
		if !c.Now().Equal(Now()) {
			t.Error("System and Now tell different times")
		}
	})
}

// ticking reports whether c's goroutine runs.
func ticking(c *Coarse) bool {
	w := c.word.Load()
	return w != parked && w != closed
}

// busy calls Milli until c ticks.
func busy(t *testing.T, c *Coarse) {
	t.Helper()
	for range 10 * startAfter {
		c.Milli()
	}
	if !ticking(c) {
		t.Fatal("many calls in one millisecond do not start the ticker")
	}
}

func TestMilliIsTheTimeWhetherParkedOrTicking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCoarse()
		defer c.Close()
		check := func() {
			t.Helper()
			synctest.Wait() // until a tick due now has been taken
			if got, want := c.Milli(), time.Now().UnixMilli(); got != want {
				t.Errorf("Milli = %d, want %d", got, want)
			}
		}
		check()
		busy(t, c)
		for range 20 {
			check()
			time.Sleep(tick)
		}
		time.Sleep(time.Hour)
		if ticking(c) {
			t.Error("still ticking an hour after the last call")
		}
		check()
	})
}

func TestFewCallsDoNotStartTheTicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCoarse()
		defer c.Close()
		for range 100 {
			for range startAfter {
				c.Milli()
			}
			time.Sleep(tick)
		}
		if ticking(c) {
			t.Errorf("%d calls in a millisecond start the ticker", startAfter)
		}
	})
}

func TestTheTickerRunsAsLongAsItIsUsedAndStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCoarse()
		defer c.Close()
		for range 3 {
			busy(t, c)
			for range 50 { // one call a tick keeps it
				time.Sleep(tick)
				c.Milli()
			}
			if !ticking(c) {
				t.Fatal("parked although it was used in every tick")
			}
			time.Sleep((parkAfter + 2) * tick)
			synctest.Wait()
			if ticking(c) {
				t.Fatalf("still ticking after %d ticks without a call", parkAfter+2)
			}
		}
	})
}

func TestNoGoroutineIsLeftAfterClose(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := NewCoarse()
	for !ticking(c) {
		c.Milli()
	}
	c.Close()
	c.Close() // twice is once
	goleak.VerifyNone(t, before)
	for range 10 * startAfter {
		before := time.Now().UnixMilli()
		if got := c.Milli(); got < before || got > time.Now().UnixMilli() {
			t.Fatalf("a closed clock says %d at %d", got, before)
		}
	}
	if ticking(c) {
		t.Error("a closed clock started again")
	}
}

func TestManyGoroutinesReadWhileItParksAndCloses(t *testing.T) {
	c := NewCoarse()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				for range 1000 {
					before := time.Now().UnixMilli()
					got := c.Milli()
					if got < before-5000 || got > time.Now().UnixMilli() {
						t.Errorf("Milli = %d at %d", got, before)
						return
					}
				}
				runtime.Gosched()
			}
		})
	}
	wg.Go(func() {
		for range 1000 {
			c.Milli()
		}
		c.Close()
	})
	wg.Wait()
	c.Close()
}

func TestMilliDoesNotAllocate(t *testing.T) {
	c := NewCoarse()
	defer c.Close()
	if n := testing.AllocsPerRun(1000, func() { c.Milli() }); n != 0 {
		t.Errorf("Milli allocates %v times, want 0", n)
	}
}

func BenchmarkMilli(b *testing.B) {
	c := NewCoarse()
	defer c.Close()
	for b.Loop() {
		c.Milli()
	}
}

func BenchmarkMilliParallel(b *testing.B) {
	c := NewCoarse()
	defer c.Close()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Milli()
		}
	})
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		Now()
	}
}
