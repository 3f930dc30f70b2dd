//go:build unix

package chaos

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/interop/kafka"
)

// How often the watcher asks each node.
const (
	watchKeen = 5 * time.Millisecond  // while an election is awaited
	watchIdle = 50 * time.Millisecond // otherwise
)

// A leadership is that some node knew a leader.
type leadership struct {
	Epoch  int32
	Leader int
	Seen   time.Time // when the first node said so
}

// A watcher notes who leads which partition, as the first node to know it says.
type watcher struct {
	keen atomic.Bool
	news func(partition int, l leadership) // of each change of a leader; or nil
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	history map[int][]leadership // by partition, by epoch
}

// watch asks the nodes, each at its own address, until close.
func watch(
	ctx context.Context, c *kafka.Cluster, news func(partition int, l leadership),
) (*watcher, error) {
	w := &watcher{history: map[int][]leadership{}, news: news}
	ctx, w.stop = context.WithCancel(ctx)
	for _, n := range c.Nodes {
		client, err := kgo.NewClient(kgo.SeedBrokers(n.Addr()), kgo.RequestRetries(0),
			kgo.DisableClientMetrics(), kgo.DialTimeout(time.Second))
		if err != nil {
			w.close()
			return nil, err
		}
		w.done.Go(func() {
			defer client.Close()
			w.ask(ctx, client)
		})
	}
	return w, nil
}

func (w *watcher) close() {
	w.stop()
	w.done.Wait()
}

func (w *watcher) ask(ctx context.Context, client *kgo.Client) {
	node := client.SeedBrokers()[0]
	for {
		request := kmsg.NewPtrMetadataRequest()
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		request.Topics = append(request.Topics, t)
		limited, cancel := context.WithTimeout(ctx, time.Second)
		answer, err := node.Request(limited, request)
		cancel()
		pause := watchIdle
		if err == nil { // a node that is down or frozen says nothing
			w.note(answer.(*kmsg.MetadataResponse), time.Now())
			if w.keen.Load() {
				pause = watchKeen
			}
		}
		if hold(ctx, pause) != nil {
			return
		}
	}
}

func (w *watcher) note(m *kmsg.MetadataResponse, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			h := w.history[int(p.Partition)]
			newer := len(h) == 0 || p.LeaderEpoch > h[len(h)-1].Epoch
			if p.ErrorCode == 0 && p.Leader > 0 && newer {
				l := leadership{p.LeaderEpoch, int(p.Leader), now}
				w.history[int(p.Partition)] = append(h, l)
				if w.news != nil && len(h) > 0 && h[len(h)-1].Leader != l.Leader {
					w.news(int(p.Partition), l)
				}
			}
		}
	}
}

// led is the partitions that a node leads, as far as is known, with the epochs.
func (w *watcher) led(node int) map[int]int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[int]int32{}
	for p, h := range w.history {
		if last := h[len(h)-1]; last.Leader == node {
			out[p] = last.Epoch
		}
	}
	return out
}

// successor is the first leader after an epoch that is not node, if there is one.
func (w *watcher) successor(partition int, epoch int32, node int) (leadership, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.history[partition] {
		if l.Epoch > epoch && l.Leader != node {
			return l, true
		}
	}
	return leadership{}, false
}

// moves is every change of a leader that was first seen between two times.
func (w *watcher) moves(from, to time.Time) map[int]leadership {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[int]leadership{}
	for p, h := range w.history {
		for i := 1; i < len(h); i++ {
			if h[i].Leader != h[i-1].Leader && h[i].Seen.After(from) && h[i].Seen.Before(to) {
				out[p] = h[i]
			}
		}
	}
	return out
}
