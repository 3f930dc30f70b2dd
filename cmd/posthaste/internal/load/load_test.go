package load

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste"
)

// fake acknowledges at once, or fails records.
type fake struct {
	mu     sync.Mutex
	sent   []time.Time
	m      posthaste.Metrics
	refuse error
	stall  map[int]time.Duration // before a record of that number is taken
}

func (f *fake) Send(_ context.Context, _ posthaste.Record) (posthaste.Delivery, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.stall[len(f.sent)]; d > 0 {
		time.Sleep(d)
	}
	f.sent = append(f.sent, time.Now())
	if f.refuse != nil {
		return posthaste.Delivery{}, f.refuse
	}
	f.m.RecordsSent++
	return posthaste.Delivery{}, nil
}

func (f *fake) SendAsync(ctx context.Context, r posthaste.Record, done posthaste.Callback) {
	_, err := f.Send(ctx, r)
	done(posthaste.RecordMetadata{}, err)
}

func (f *fake) Flush(context.Context) error { return nil }

func (f *fake) Metrics() posthaste.Metrics {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.m
}

// virtual runs a test on virtual time.
func virtual(t *testing.T, test func(t *testing.T)) {
	pause = time.Sleep
	defer func() { pause = nanosleep }()
	synctest.Test(t, test)
}

func value(int64) []byte { return make([]byte, 10) }

func TestEveryRecordCountsAlthoughOneInManyIsTimed(t *testing.T) {
	p := &fake{m: posthaste.Metrics{RecordsSent: 5}} // of an earlier load
	r, err := Run(t.Context(), p, &Workload{Topic: "t", Value: value, Records: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if r.Records != 1000 || r.Bytes != 10_000 || r.Failed != 0 {
		t.Errorf("result = %+v, want 1000 records of 10 bytes", r)
	}
	if got, want := r.Latency.Count(), int64(16); got != want {
		t.Errorf("%d records were timed, want %d", got, want)
	}
}

// What a stall holds up is late from when it was due, although it was sent in no
// time once the stall was over.
func TestAStallShowsInAllThatItHeldUp(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := &fake{stall: map[int]time.Duration{10: time.Second}}
		r, err := Run(t.Context(), p, &Workload{Value: value, Rate: 100, Records: 200})
		if err != nil {
			t.Fatal(err)
		}
		if n := r.Latency.Count(); n != 200 {
			t.Errorf("%d records were timed, want all 200", n)
		}
		// 100 records were due in the stall, and waited for half of it on average.
		if got := r.Latency.At(75); got < 400*time.Millisecond || got > 600*time.Millisecond {
			t.Errorf("p75 = %v, want about half a second", got)
		}
	})
}

func TestALoadEndsInTime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		p := &fake{}
		r, err := Run(t.Context(), p, &Workload{Value: value, Rate: 100, Length: time.Second})
		if err != nil || r.Records != 100 {
			t.Errorf("%d records, %v; want 100", r.Records, err)
		}
	})
}

func TestALoadOfWhichNothingArrivesSaysWhy(t *testing.T) {
	cause := errors.New("no such topic")
	p := &fake{refuse: cause}
	_, err := Run(t.Context(), p, &Workload{Value: value, Records: 1_000_000})
	if !errors.Is(err, cause) {
		t.Errorf("error = %v, want %v", err, cause)
	}
	if n := len(p.sent); n != SampleEvery {
		t.Errorf("%d records were tried, want to give up after %d", n, SampleEvery)
	}
}

func TestAnInterruptEndsALoad(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	for _, rate := range []float64{0, 10} {
		_, err := Run(ctx, &fake{}, &Workload{Value: value, Rate: rate, Records: 1_000_000})
		if !errors.Is(err, stop) {
			t.Errorf("at %v a second: %v, want %v", rate, err, stop)
		}
	}
}
