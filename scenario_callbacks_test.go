package posthaste_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// notebook is what interceptors and callbacks of one test write down, in order.
type notebook struct {
	mu    sync.Mutex
	lines []string
}

func (n *notebook) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notebook) want(t *testing.T, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := cmp.Diff(want, n.lines); d != "" {
		t.Errorf("noted (-want +got):\n%s", d)
	}
	n.lines = nil
}

// witness is an interceptor that marks values and writes down what it sees.
type witness struct {
	name  string
	notes *notebook
	fail  string // "error" or "panic": in both methods, after the change
}

func (w *witness) OnSend(r *posthaste.InterceptedRecord) error {
	value, _ := r.Value.([]byte)
	r.Value = append(slices.Clone(value), w.name...)
	r.Headers = append(r.Headers, posthaste.Header{Key: w.name})
	switch w.fail {
	case "error":
		return errors.New("not today")
	case "panic":
		panic("not today")
	}
	return nil
}

func (w *witness) OnAcknowledgement(a posthaste.Acknowledgement) {
	outcome := "ok"
	if a.Err != nil {
		outcome = "failed"
	}
	w.notes.add("%s: %s-%d@%d %s %d headers", w.name, a.Metadata.Topic, a.Metadata.Partition,
		a.Metadata.Offset, outcome, len(a.Headers))
	if w.fail == "panic" {
		panic("not today")
	}
}

func (w *witness) Close() error {
	w.notes.add("%s closed", w.name)
	return nil
}

// noted is a callback that writes its outcome down.
func (n *notebook) noted(name string) posthaste.Callback {
	return func(md posthaste.RecordMetadata, err error) {
		outcome := "ok"
		if err != nil {
			outcome = "failed"
		}
		n.add("%s: %s-%d@%d %s", name, md.Topic, md.Partition, md.Offset, outcome)
	}
}

// 69, 70, 71, 75, 76, 77: interceptors see what those before them made, one that
// fails changes nothing and stops nobody, all hear of outcomes, before the
// callback, with the record's headers; each is closed once.
func TestInterceptors(t *testing.T) {
	tests := []struct {
		name    string
		fail    [3]string
		value   string
		headers int
	}{
		{"in order", [3]string{}, "vabc", 3},
		{"one returns an error", [3]string{"", "error", ""}, "vac", 2},
		{"one panics", [3]string{"panic", "", ""}, "vbc", 2},
		{"all fail", [3]string{"error", "panic", "error"}, "v", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			notes := &notebook{}
			play(t, one, func(c *posthaste.Config) {
				for i, name := range []string{"a", "b", "c"} {
					c.Interceptors = append(c.Interceptors,
						&witness{name: name, notes: notes, fail: tt.fail[i]})
				}
			}, func(s *scenario) {
				s.p.SendAsync(s.Context(), posthaste.Record{Topic: "t", Value: []byte("v")},
					notes.noted("callback"))
				s.flush()
				if got := s.cluster.Values("t", 0); !slices.Equal(got, []string{tt.value}) {
					s.Errorf("the log has %q, want %q", got, tt.value)
				}
				ack := fmt.Sprintf("t-0@0 ok %d headers", tt.headers)
				notes.want(s.T, "a: "+ack, "b: "+ack, "c: "+ack, "callback: t-0@0 ok")
			})
			notes.want(t, "a closed", "b closed", "c closed")
		})
	}
}

// 72 to 75: a record that never left is acknowledged with an error all the same,
// after its callback, with the partition if one is known.
func TestInterceptorsHearOfRecordsThatNeverLeft(t *testing.T) {
	notes := &notebook{}
	play(t, one, func(c *posthaste.Config) {
		c.Interceptors = []posthaste.Interceptor{&witness{name: "a", notes: notes}}
		c.MaxBlock, c.MaxRequestSize = time.Second, 1000
	}, func(s *scenario) {
		big := posthaste.Record{Topic: "t", Value: make([]byte, 2000)}
		for _, partition := range []posthaste.Partition{{}, posthaste.ToPartition(0)} {
			big.Partition = partition
			s.p.SendAsync(s.Context(), big, notes.noted("callback"))
		}
		notes.want(s.T,
			"callback: t--1@-1 failed", "a: t--1@-1 failed 1 headers",
			"callback: t-0@-1 failed", "a: t-0@-1 failed 1 headers")
		s.p.SendAsync(s.Context(), posthaste.Record{Topic: "nowhere"}, notes.noted("callback"))
		notes.want(s.T, "callback: nowhere--1@-1 failed", "a: nowhere--1@-1 failed 1 headers")
		if _, err := s.p.Send(s.Context(), posthaste.Record{}); err == nil {
			s.Error("a record without topic was accepted")
		}
		notes.want(s.T, "a: --1@-1 failed 1 headers")
	})
}

// 71, 72: a record that a broker refused, and one that Close gave up.
func TestInterceptorsHearOfRecordsThatFailed(t *testing.T) {
	notes := &notebook{}
	synctest.Test(t, func(t *testing.T) {
		c := scriptedbroker.Start(t, one)
		p := newProducer(t, c, func(cfg *posthaste.Config) {
			cfg.Interceptors = []posthaste.Interceptor{&witness{name: "a", notes: notes}}
		})
		c.Next(protocol.Produce, scriptedbroker.Fail(errcode.InvalidRecord), scriptedbroker.Silence)
		for range 2 {
			if _, err := p.Send(t.Context(), posthaste.Record{Topic: "t"}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *posthaste.CloseError
		if err := p.Close(ctx); !errors.As(err, &left) {
			t.Errorf("Close: %v, want a CloseError", err)
		}
	})
	notes.want(t, "a: t-0@-1 failed 1 headers", "a: t-0@-1 failed 1 headers", "a closed")
}

// 78, 79: a callback that panics is logged; the others of the batch have theirs,
// each once, in the order of the records, one at a time.
func TestCallbacksInOrderAndOnce(t *testing.T) {
	play(t, scriptedbroker.Options{Topics: map[string]int{"t": 3}},
		func(c *posthaste.Config) { c.BatchSize = 200 }, func(s *scenario) {
			s.cluster.Next(protocol.Produce, scriptedbroker.OK, scriptedbroker.Lose,
				scriptedbroker.Fail(errcode.NotEnoughReplicas))
			const n = 300
			next := map[int32]int{}
			running, called := false, 0
			for i := range n {
				partition := int32(i % 3)
				s.p.SendAsync(s.Context(), posthaste.Record{
					Topic: "t", Partition: posthaste.ToPartition(partition), Value: fmt.Append(nil, i),
				}, func(md posthaste.RecordMetadata, err error) {
					if running {
						s.Error("two callbacks run at once")
					}
					running = true
					if err != nil || md.Partition != partition || next[partition] != i/3 {
						s.Errorf("record %d of partition %d: %+v, %v; record %d was due",
							i/3, partition, md, err, next[partition])
					}
					next[partition]++
					called++
					running = false
					if i%7 == 0 {
						panic("a bug in the application")
					}
				})
			}
			s.flush()
			if called != n {
				s.Errorf("%d callbacks ran, want %d", called, n)
			}
		})
}

// 173: a callback may send, also one of a record that expired: there is no
// deadlock, and a wait for memory ends with max.block.ms.
func TestCallbacksThatSend(t *testing.T) {
	play(t, one, func(c *posthaste.Config) {
		c.DeliveryTimeout, c.RequestTimeout = 10*time.Second, 5*time.Second
	}, func(s *scenario) {
		s.delivered(s.send("t", "warm"))
		s.cluster.Down(1)
		second := make(chan posthaste.Delivery, 1)
		s.p.SendAsync(s.Context(), posthaste.Record{Topic: "t", Value: []byte("first")},
			func(_ posthaste.RecordMetadata, err error) {
				if !errors.Is(err, posthaste.ErrTimeout) {
					s.Errorf("first: %v, want a timeout", err)
				}
				s.cluster.Up(1)
				second <- s.send("t", "second")
			})
		s.delivered(<-second)
	})
	play(t, one, func(c *posthaste.Config) {
		c.BufferMemory, c.MaxBlock = 20_000, 5*time.Second
	}, func(s *scenario) {
		held := make(chan struct{})
		s.cluster.Next(protocol.Produce, scriptedbroker.OK, scriptedbroker.Hold(held))
		done := make(chan struct{})
		entered := make(chan struct{})
		s.p.SendAsync(s.Context(), posthaste.Record{Topic: "t"},
			func(posthaste.RecordMetadata, error) {
				defer close(done)
				<-entered
				took := elapsed(func() {
					_, err := s.p.Send(s.Context(), posthaste.Record{Topic: "t", Value: make([]byte, 5000)})
					if !errors.Is(err, posthaste.ErrBufferExhausted) {
						s.Errorf("Send in a callback: %v, want ErrBufferExhausted", err)
					}
				})
				if took != 5*time.Second {
					s.Errorf("it took %v, want 5s", took)
				}
			})
		synctest.Wait()
		big := posthaste.Record{Topic: "t", Value: make([]byte, 19_000)}
		if _, err := s.p.Send(s.Context(), big); err != nil {
			s.Fatal(err)
		}
		close(entered)
		<-done
		close(held)
	})
}

// Slow callbacks: what waits for them is bounded by buffer.memory, and answers are
// read all the while.
func TestSlowCallbacksBoundMemory(t *testing.T) {
	play(t, one, func(c *posthaste.Config) {
		c.BufferMemory, c.MaxBlock = 1<<20, 100*time.Millisecond
	}, func(s *scenario) {
		release := make(chan struct{})
		accepted, called := 0, 0
		var refused error
		for refused == nil && accepted < 1_000_000 {
			s.p.SendAsync(s.Context(), posthaste.Record{Topic: "t", Value: make([]byte, 100)},
				func(_ posthaste.RecordMetadata, err error) {
					if err != nil {
						refused = err
						return
					}
					<-release
					called++
				})
			accepted++
			if accepted%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		if !errors.Is(refused, posthaste.ErrBufferExhausted) {
			s.Errorf("after %d records: %v, want ErrBufferExhausted", accepted, refused)
		}
		if accepted > 40_000 {
			s.Errorf("%d records were accepted while no callback returned", accepted)
		}
		close(release)
		s.flush()
		if called != accepted-1 {
			s.Errorf("%d callbacks ran for %d records", called, accepted)
		}
	})
}
