package posthaste_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// 136, 154: memory is short while everything lingers: what lingers is sent, and the
// senders that wait are served in the order in which they came.
func TestShortMemorySendsWhatLingers(t *testing.T) {
	o := scriptedbroker.Options{Topics: map[string]int{"t": 4}}
	play(t, o, func(c *posthaste.Config) {
		linger(c)
		c.BufferMemory = 20_000
	}, func(s *scenario) {
		value := make([]byte, 4000)
		took := elapsed(func() {
			for i := range int32(40) {
				_, err := s.p.Send(s.Context(), posthaste.Record{
					Topic: "t", Partition: posthaste.ToPartition(i % 4), Value: value,
				})
				if err != nil {
					s.Fatalf("record %d: %v", i, err)
				}
			}
		})
		if took > time.Second {
			s.Errorf("it took %v, though records linger for an hour", took)
		}
	})
}

// 156, 157: memory stays full: the error comes at max.block.ms, says what holds the
// records up, and is counted; who gives up leaves no hole.
func TestExhaustedMemory(t *testing.T) {
	play(t, one, func(c *posthaste.Config) {
		c.BufferMemory, c.MaxBlock = 20_000, 5*time.Second
	}, func(s *scenario) {
		held := make(chan struct{})
		s.cluster.Next(protocol.Produce, scriptedbroker.Hold(held))
		value := make([]byte, 15_000)
		if _, err := s.p.Send(s.Context(), posthaste.Record{Topic: "t", Value: value}); err != nil {
			s.Fatal(err)
		}
		order := &notebook{}
		wait := func(name string, maxWait time.Duration) {
			go func() {
				ctx, cancel := context.WithTimeout(s.Context(), maxWait)
				defer cancel()
				_, err := s.p.Send(ctx, posthaste.Record{Topic: "t", Value: value})
				order.add("%s %v", name, err == nil)
			}()
			synctest.Wait()
		}
		wait("first", time.Second)
		wait("second", time.Minute)
		if n := s.p.Metrics().BufferWaiting; n != 2 {
			s.Errorf("%d senders wait, want 2", n)
		}
		time.Sleep(2 * time.Second)
		close(held)
		time.Sleep(time.Second)
		order.want(s.T, "first false", "second true")
		again := make(chan struct{})
		s.cluster.Next(protocol.Produce, scriptedbroker.Hold(again))
		if _, err := s.p.Send(s.Context(), posthaste.Record{Topic: "t", Value: value}); err != nil {
			s.Fatal(err)
		}
		took := elapsed(func() {
			_, err := s.p.Send(s.Context(), posthaste.Record{Topic: "t", Value: value})
			if !errors.Is(err, posthaste.ErrBufferExhausted) {
				s.Errorf("Send: %v, want ErrBufferExhausted", err)
			}
		})
		if n := s.p.Metrics().BufferExhausted; took != 5*time.Second || n != 1 {
			s.Errorf("it took %v, and %d were counted; want 5s and 1", took, n)
		}
		close(again)
	})
}

// 164: a batch that expired in flight keeps its memory until its answer comes.
func TestMemoryOfAnExpiredBatchInFlight(t *testing.T) {
	play(t, one, func(c *posthaste.Config) {
		c.DeliveryTimeout, c.RequestTimeout = 4*time.Second, 3*time.Second
		c.Retries = 0
		c.EnableIdempotence = posthaste.IdempotenceOff
	}, func(s *scenario) {
		held := make(chan struct{})
		s.delivered(s.send("t", "warm"))
		s.cluster.Next(protocol.Produce, scriptedbroker.Delay(2900*time.Millisecond),
			scriptedbroker.Hold(held))
		a := s.send("t", "a")
		time.Sleep(2 * time.Second)
		b := s.send("t", "b")
		s.delivered(a)
		s.failed(b, posthaste.KafkaError(13)) // NETWORK_EXCEPTION: no answer in time, no retry
		synctest.Wait()
		if m := s.p.Metrics(); m.BufferAvailable != m.BufferTotal {
			s.Errorf("%d bytes are held after the connection is gone", m.BufferTotal-m.BufferAvailable)
		}
		close(held)
	})
	play(t, one, func(c *posthaste.Config) {
		c.DeliveryTimeout, c.RequestTimeout = 4*time.Second, 3500*time.Millisecond
	}, func(s *scenario) {
		s.delivered(s.send("t", "warm"))
		s.cluster.Next(protocol.Produce, scriptedbroker.Mute)
		a := s.send("t", "a")
		time.Sleep(3 * time.Second)
		s.cluster.Next(protocol.Produce, scriptedbroker.Delay(3*time.Second))
		s.failed(a, posthaste.ErrTimeout)
		if m := s.p.Metrics(); m.BufferAvailable == m.BufferTotal {
			s.Error("the memory of a batch in flight was given back")
		}
	})
}

// mallocs is how often f allocates for each of n records, in all goroutines.
func mallocs(n int, f func()) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	f() // warm
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}

// TestSendDoesNotAllocate: a record costs no allocation, whether brokers answer or
// not; what a batch or a request costs is shared by its records.
func TestSendDoesNotAllocate(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	callback := func(posthaste.RecordMetadata, error) {}
	value, key := make([]byte, 100), []byte("a key")
	headers := []posthaste.Header{{Key: "h", Value: key}}
	tests := []struct {
		name   string
		record posthaste.Record
		async  bool
	}{
		{"without key", posthaste.Record{Topic: "t", Value: value}, false},
		{"with a key", posthaste.Record{Topic: "t", Key: key, Value: value}, false},
		{"with headers and a time", posthaste.Record{
			Topic: "t", Value: value, Headers: headers, Timestamp: time.UnixMilli(1),
		}, false},
		{"with a callback", posthaste.Record{Topic: "t", Value: value}, true},
	}
	for _, tt := range tests {
		for _, stalled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stalled %v", tt.name, stalled), func(t *testing.T) {
				c := scriptedbroker.Start(t, scriptedbroker.Options{
					Topics: map[string]int{"t": 4}, Blind: true,
				})
				c.Listen()
				cfg := posthaste.DefaultConfig()
				cfg.BootstrapServers = c.Bootstrap()
				cfg.BufferMemory = 64 << 20
				p, err := posthaste.NewProducer(cfg)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.SendSync(t.Context(), tt.record); err != nil {
					t.Fatal(err)
				}
				if stalled {
					c.Always(protocol.Produce, scriptedbroker.Silence)
				}
				const n = 100_000
				ctx := t.Context()
				got := mallocs(n, func() {
					for range n {
						if tt.async {
							p.SendAsync(ctx, tt.record, callback)
						} else if _, err := p.Send(ctx, tt.record); err != nil {
							t.Fatal(err)
						}
					}
				})
				t.Logf("%.4f allocations a record", got)
				if got > 0.2 { // a batch has some 130 records
					t.Errorf("%.3f allocations a record, want those of batches only", got)
				}
				over, cancel := context.WithCancel(ctx)
				cancel()
				if err := p.Close(over); err == nil && stalled {
					t.Error("Close delivered to a broker that does not answer")
				}
			})
		}
	}
}

// producerGoroutines counts what was started by the packages of the producer.
func producerGoroutines() int {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return bytes.Count(stacks, []byte("created by github.com/posthaste-go/posthaste/internal/producer/")) +
		bytes.Count(stacks, []byte("created by github.com/posthaste-go/posthaste/internal/clock"))
}

// The number of goroutines depends on brokers, not on topics and partitions, and
// none is left after Close.
func TestGoroutines(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	count := func(topics, partitions int) int {
		o := scriptedbroker.Options{Nodes: 3, Topics: map[string]int{}}
		for i := range topics {
			o.Topics[fmt.Sprint("t", i)] = partitions
		}
		running := 0
		synctest.Test(t, func(t *testing.T) {
			c := scriptedbroker.Start(t, o)
			p := newProducer(t, c, nil)
			for i := range topics * partitions {
				_, err := p.SendSync(t.Context(), posthaste.Record{
					Topic: fmt.Sprint("t", i%topics), Partition: posthaste.ToPartition(int32(i / topics)),
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second) // until nothing ticks any more
			synctest.Wait()
			running = producerGoroutines()
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
		return running
	}
	few, many := count(1, 3), count(20, 30)
	if few != 2+2*3 || many != few {
		t.Errorf("%d goroutines for 3 partitions and %d for 600; want 2, and 2 for each broker", few, many)
	}
}

// A connection of the operating system, with requests of all sizes: what is written
// in many pieces arrives in one.
func TestOverTCP(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, codec := range []posthaste.Compression{
		posthaste.CompressionNone, posthaste.CompressionZstd,
	} {
		c := scriptedbroker.Start(t, scriptedbroker.Options{Nodes: 2, Topics: map[string]int{"t": 6}})
		c.Listen()
		cfg := posthaste.DefaultConfig()
		cfg.BootstrapServers, cfg.CompressionType = c.Bootstrap(), codec
		p, err := posthaste.NewProducer(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var want [6][][]byte
		for i := range 600 {
			size := []int{0, 1, 100, 5_000, 20_000, 300_000}[(i/6)%6]
			value := bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(i * 7)}, size/3+1)
			want[i%6] = append(want[i%6], value)
			_, err := p.Send(t.Context(), posthaste.Record{
				Topic: "t", Partition: posthaste.ToPartition(int32(i % 6)), Value: value,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for i := range int32(6) {
			got := c.Records("t", i)
			if len(got) != 100 {
				t.Errorf("partition %d has %d records, want 100", i, len(got))
				continue
			}
			for j := range got {
				if !bytes.Equal(got[j].Value, want[i][j]) {
					t.Errorf("partition %d, record %d: other bytes", i, j)
				}
			}
		}
		c.Close()
	}
}
