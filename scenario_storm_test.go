package posthaste_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

const stormPartitions = 1000

// stormProducers is fewer under the race detector, which makes all of this slow.
var stormProducers = map[bool]int{false: 100, true: 10}[raced]

// storm is many producers of one topic with many partitions, and when they asked
// for metadata.
type storm struct {
	*testing.T
	cluster   *scriptedbroker.Cluster
	producers []*posthaste.Producer

	mu    sync.Mutex
	asked []time.Time
}

// round lets each producer send a record to each partition, and waits for them.
func (s *storm) round() {
	var wg sync.WaitGroup
	for _, p := range s.producers {
		wg.Go(func() {
			last := make([]posthaste.Delivery, stormPartitions)
			for i := range last {
				var err error
				last[i], err = p.Send(s.Context(), posthaste.Record{
					Topic: "t", Partition: posthaste.ToPartition(int32(i)), Value: []byte("value"),
				})
				if err != nil {
					s.Errorf("partition %d: %v", i, err)
					return
				}
			}
			for i, d := range last {
				if _, err := d.Wait(s.Context()); err != nil {
					s.Errorf("partition %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

// phase does something and checks how often metadata was asked for meanwhile, and
// at most in one second.
func (s *storm) phase(name string, most, perSecond int, do func()) {
	s.mu.Lock()
	s.asked = nil
	s.mu.Unlock()
	took := elapsed(do)
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds, busiest := map[int64]int{}, 0
	for _, at := range s.asked {
		seconds[at.Unix()]++
		busiest = max(busiest, seconds[at.Unix()])
	}
	s.Logf("%s: %d metadata requests of %d producers in %v, at most %d within a second",
		name, len(s.asked), stormProducers, took, busiest)
	if len(s.asked) > most || busiest > perSecond {
		s.Errorf("%s: %d metadata requests, %d within a second, want at most %d and %d",
			name, len(s.asked), busiest, most, perSecond)
	}
}

// lead makes a node the leader of every third partition.
func (s *storm) lead(first, node int32) {
	for i := first; i < stormPartitions; i += 3 {
		s.cluster.Lead("t", i, node)
	}
}

// A hundred producers with a thousand partitions each: whatever happens to the
// leaders, a producer asks once, not once a partition, and they do not ask in step.
func TestMetadataStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &storm{T: t, cluster: scriptedbroker.Start(t, scriptedbroker.Options{
			Nodes: 3, Topics: map[string]int{"t": stormPartitions}, Blind: true,
		})}
		s.cluster.Always(protocol.Metadata, func(x *scriptedbroker.Exchange) {
			s.mu.Lock()
			s.asked = append(s.asked, time.Now())
			s.mu.Unlock()
			x.Serve()
		})
		s.phase("start", 2*stormProducers, 2*stormProducers, func() {
			for i := range stormProducers {
				s.producers = append(s.producers, newProducer(t, s.cluster,
					func(c *posthaste.Config) { c.ClientID = "storm-" + strconv.Itoa(i) }))
			}
			s.round()
		})
		s.phase("nothing changes", 0, 0, s.round)
		s.phase("a third of the leaders move", 2*stormProducers, 2*stormProducers, func() {
			s.lead(0, 2)
			s.round()
		})
		s.phase("a broker is gone for 10 s", 30*stormProducers, 5*stormProducers, func() {
			s.cluster.Down(2)
			time.AfterFunc(10*time.Second, func() { s.lead(0, 1); s.lead(1, 3) })
			s.round()
		})
		s.phase("half an hour of idling", 7*stormProducers, max(stormProducers/4, 4), func() {
			time.Sleep(30 * time.Minute)
		})
		for _, p := range s.producers {
			if err := p.Close(context.Background()); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
}
