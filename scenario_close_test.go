package posthaste_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// linger makes records wait for an hour unless something sends them.
func linger(c *posthaste.Config) {
	c.Linger, c.DeliveryTimeout, c.RequestTimeout = time.Hour, 2*time.Hour, 30*time.Second
}

// 52: fifty records linger; Flush sends them now, and all are done when it
// returns, their callbacks run.
func TestFlushDeliversWhatLingers(t *testing.T) {
	play(t, one, linger, func(s *scenario) {
		var deliveries []posthaste.Delivery
		called := 0
		for i := range 50 {
			deliveries = append(deliveries, s.send("t", fmt.Sprint(i)))
			s.p.SendAsync(s.Context(), posthaste.Record{Topic: "t"},
				func(posthaste.RecordMetadata, error) { called++ })
		}
		if d := elapsed(func() { s.flush() }); d > time.Second {
			s.Errorf("Flush took %v", d)
		}
		for i, d := range deliveries {
			select {
			case <-d.Done():
			default:
				s.Errorf("record %d is not done after Flush", i)
			}
		}
		if called != 50 {
			s.Errorf("%d callbacks have run after Flush, want 50", called)
		}
	})
}

func (s *scenario) flush() {
	s.Helper()
	if err := s.p.Flush(s.Context()); err != nil {
		s.Errorf("Flush: %v", err)
	}
}

// 54: a Flush that is given up leaves no trace: linger works again.
func TestFlushGivenUpLeavesLingerAlone(t *testing.T) {
	play(t, one, linger, func(s *scenario) {
		held := make(chan struct{})
		s.cluster.Next(protocol.Produce, scriptedbroker.Hold(held))
		s.send("t", "a")
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if err := s.p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Flush: %v, want the context's error", err)
		}
		close(held)
		synctest.Wait()
		d := s.send("t", "b")
		time.Sleep(59 * time.Minute)
		select {
		case <-d.Done():
			s.Error("a record after the flush did not linger")
		default:
		}
		if took := elapsed(func() { s.delivered(d) }); took != time.Minute {
			s.Errorf("the record lingered %v more, want a minute", took)
		}
	})
}

// 55: Flush in a callback would wait for itself; it fails at once, however deep
// in the callback it is called.
func TestFlushInACallbackIsRefused(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		for _, depth := range []int{0, 200} {
			var err error
			s.p.SendAsync(s.Context(), posthaste.Record{Topic: "t"},
				func(posthaste.RecordMetadata, error) {
					deep(depth, func() { err = s.p.Flush(s.Context()) })
				})
			s.flush()
			if !errors.Is(err, posthaste.ErrInvalidState) {
				s.Errorf("Flush %d calls deep in a callback: %v, want ErrInvalidState", depth, err)
			}
		}
	})
}

//go:noinline
func deep(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	deep(n-1, f)
}

// 57, 47: Close without a limit delivers what lingers; whoever waits for metadata
// is freed at once.
func TestCloseDeliversAndFreesWhoWaits(t *testing.T) {
	play(t, one, linger, func(s *scenario) {
		d := s.send("t", "a")
		freed := make(chan error)
		go func() {
			_, err := s.p.Send(context.Background(), posthaste.Record{Topic: "nowhere"})
			freed <- err
		}()
		synctest.Wait()
		start := time.Now()
		go func() {
			if err := s.p.Close(context.Background()); err != nil {
				s.Errorf("Close: %v", err)
			}
		}()
		if err := <-freed; !errors.Is(err, posthaste.ErrClosed) {
			s.Errorf("Send that waited for metadata: %v, want ErrClosed", err)
		}
		if took := time.Since(start); took > time.Second {
			s.Errorf("it was freed after %v", took)
		}
		s.delivered(d)
	})
}

// 48, 61: a closed producer refuses records; Flush and a second Close do nothing.
func TestAClosedProducer(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		s.delivered(s.send("t", "a"))
		for range 2 {
			if err := s.p.Close(s.Context()); err != nil {
				s.Errorf("Close: %v", err)
			}
		}
		s.flush()
		for _, topic := range []string{"t", "unknown"} {
			if _, err := s.p.Send(s.Context(), posthaste.Record{Topic: topic}); !errors.Is(
				err, posthaste.ErrClosed) {
				s.Errorf("Send to %s after Close: %v, want ErrClosed", topic, err)
			}
		}
		called := 0
		s.p.SendAsync(s.Context(), posthaste.Record{Topic: "t"},
			func(_ posthaste.RecordMetadata, err error) {
				if called++; !errors.Is(err, posthaste.ErrClosed) {
					s.Errorf("callback after Close: %v, want ErrClosed", err)
				}
			})
		if called != 1 {
			s.Errorf("the callback ran %d times, want once", called)
		}
	})
}

// 58: Close that may not wait fails what is left, in flight or not, tells the
// callbacks, and returns the records with what is known of them.
func TestCloseWithoutWaitingReturnsTheUndelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, one)
		s := &scenario{T: t, cluster: c, p: newProducer(t, c, func(cfg *posthaste.Config) {
			cfg.MaxInFlight = 1
		})}
		s.delivered(s.send("t", "zero"))
		c.Next(protocol.Produce, scriptedbroker.Silence)
		var told []string
		for _, text := range []string{"a", "b", "c"} {
			s.p.SendAsync(t.Context(), posthaste.Record{
				Topic: "t", Key: []byte("k"), Value: []byte(text), Timestamp: time.UnixMilli(1234),
				Headers: []posthaste.Header{{Key: "h", Value: []byte("v")}},
			}, func(md posthaste.RecordMetadata, err error) {
				told = append(told, fmt.Sprint(text, md.Partition, " ", errors.Is(err, posthaste.ErrClosed)))
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("too long"))
		defer cancel()
		err := s.p.Close(ctx)
		var left *posthaste.CloseError
		if !errors.As(err, &left) || len(left.Undelivered) != 3 ||
			!strings.Contains(err.Error(), "3 records not delivered: too long") {
			t.Fatalf("Close: %v, want a CloseError with 3 records", err)
		}
		want := []posthaste.Certainty{posthaste.MaybeWritten, posthaste.NotWritten, posthaste.NotWritten}
		for i, u := range left.Undelivered {
			r := u.Record
			n, _ := r.Partition.Index()
			if string(r.Value) != string(rune('a'+i)) || string(r.Key) != "k" || r.Topic != "t" ||
				n != 0 || r.Timestamp.UnixMilli() != 1234 || len(r.Headers) != 1 ||
				r.Headers[0].Key != "h" || u.Certainty != want[i] {
				t.Errorf("undelivered %d: %+v", i, u)
			}
		}
		if !slices.Equal(told, []string{"a0 true", "b0 true", "c0 true"}) {
			t.Errorf("callbacks were told %v", told)
		}
		if again := s.p.Close(t.Context()); again != err {
			t.Errorf("second Close: %v, want the first one's error", again)
		}
	})
}

// 60: Close in a callback does not wait for itself: it gives up what is left.
func TestCloseInACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, one)
		p := newProducer(t, c, func(cfg *posthaste.Config) { cfg.MaxInFlight = 1 })
		held := make(chan struct{})
		c.Next(protocol.Produce, scriptedbroker.OK, scriptedbroker.Hold(held))
		var closed error
		sent := make(chan struct{})
		p.SendAsync(t.Context(), posthaste.Record{Topic: "t"}, func(posthaste.RecordMetadata, error) {
			<-sent
			closed = p.Close(context.Background())
		})
		synctest.Wait()
		d, err := p.Send(t.Context(), posthaste.Record{Topic: "t", Value: []byte("left")})
		if err != nil {
			t.Fatal(err)
		}
		close(sent)
		if _, err := d.Wait(t.Context()); !errors.Is(err, posthaste.ErrClosed) {
			t.Errorf("the record that was left: %v, want ErrClosed", err)
		}
		synctest.Wait()
		var left *posthaste.CloseError
		if !errors.As(closed, &left) || len(left.Undelivered) != 1 {
			t.Errorf("Close in a callback: %v, want one undelivered record", closed)
		}
		close(held)
	})
}

// 60, 61: a callback calls Close while another goroutine is in Close and waits
// for that callback.
func TestCloseInACallbackWhileClosing(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		entered, leave := make(chan struct{}), make(chan struct{})
		s.p.SendAsync(s.Context(), posthaste.Record{Topic: "t"},
			func(posthaste.RecordMetadata, error) {
				close(entered)
				<-leave
				if err := s.p.Close(s.Context()); err != nil {
					s.Errorf("Close in the callback: %v", err)
				}
			})
		<-entered
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := s.p.Close(s.Context()); err != nil {
				s.Errorf("Close: %v", err)
			}
		}()
		synctest.Wait()
		close(leave)
		<-done
	})
}

// 60, 119: Close in a callback while batches are being compressed: their
// outcomes are told all the same.
func TestCloseInACallbackWhileCompressing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, scriptedbroker.Options{Topics: map[string]int{"t": 8}})
		p := newProducer(t, c, func(cfg *posthaste.Config) {
			cfg.CompressionType, cfg.Linger = posthaste.CompressionGzip, 10*time.Millisecond
		})
		var wg sync.WaitGroup
		value := make([]byte, 10_000)
		for i := range int32(8) {
			wg.Add(1)
			p.SendAsync(t.Context(), posthaste.Record{
				Topic: "t", Partition: posthaste.ToPartition(i), Value: value,
			}, func(posthaste.RecordMetadata, error) {
				p.Close(context.Background())
				wg.Done()
			})
		}
		wg.Wait()
		synctest.Wait()
	})
}

// 62: whoever closes may give up; everything is shut down all the same.
func TestCloseGivenUpByItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, one)
		p := newProducer(t, c, nil)
		c.Always(protocol.Produce, scriptedbroker.Silence)
		if _, err := p.Send(t.Context(), posthaste.Record{Topic: "t"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := p.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v, want context.Canceled inside", err)
		}
		synctest.Wait()
		if n := c.Conns(); n != 0 {
			t.Errorf("%d connections are open after Close", n)
		}
	})
}

// 68: Close while the producer id is being asked for.
func TestCloseWhileTheProducerIDIsMissing(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		s.cluster.Next(protocol.InitProducerID, scriptedbroker.Delay(5*time.Second))
		d := s.send("t", "a")
		if err := s.p.Close(s.Context()); err != nil {
			s.Errorf("Close: %v", err)
		}
		s.delivered(d)
	})
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, one)
		p := newProducer(t, c, nil)
		c.Always(protocol.InitProducerID, scriptedbroker.Silence)
		if _, err := p.Send(t.Context(), posthaste.Record{Topic: "t"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		var left *posthaste.CloseError
		if err := p.Close(ctx); !errors.As(err, &left) || len(left.Undelivered) != 1 ||
			left.Undelivered[0].Certainty != posthaste.NotWritten {
			t.Errorf("Close: %v, want one record that was not written", err)
		}
	})
}
