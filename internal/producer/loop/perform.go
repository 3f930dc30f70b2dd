package loop

import (
	"errors"
	"maps"
	"sync"

	"github.com/posthaste-go/posthaste/internal/producer/accumulator"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/conn"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// perform does what Core decided.
func (l *Loop) perform(effects []sender.Effect, stopping bool) {
	for i := range effects {
		e := &effects[i]
		switch e.Do {
		case sender.Dial:
			if stopping {
				l.extra = append(l.extra, &sender.ConnDown{Conn: e.Conn, Err: errStopping})
				continue
			}
			l.conns[e.Conn] = conn.Start(&l.settings.Conn, e.Conn, conn.Target{
				Addr: e.Addr, Setup: e.Timeout, Cluster: e.Cluster, Node: e.Node,
			})
		case sender.HangUp, sender.Produce, sender.AskMetadata, sender.AskProducerID,
			sender.AskCoordinator:
			l.talk(e)
		case sender.Compress:
			l.compress(e.Batch)
		case sender.Complete:
			l.complete(e.Batch)
		case sender.Release:
			if !l.completion.Keep(e.Batch) {
				l.Accumulator.Release(e.Batch)
			}
		case sender.FlushDone:
			l.completion.Flush(e.Flush)
		case sender.Unqueued:
			l.Accumulator.Sent(e.Batch, e.Count)
		case sender.Transacted:
			l.completion.Flush(&e.Transact.Finished)
		case sender.PublishTransaction:
			l.publishState(e)
		case sender.PublishMetadata:
			l.publish(e.Snapshot)
		case sender.PublishFatal:
			l.settings.Logger.Error("producer has failed for good", "error", e.Failure.Cause())
			l.fatal.Store(e.Failure)
			l.settings.Fatal(e.Failure)
			l.Metadata.Wake()
		case sender.BlockNode:
			l.blocked[e.Node] = true
			l.spread(l.core.Snapshot(), true)
		case sender.UnblockNode:
			delete(l.blocked, e.Node)
			l.spread(l.core.Snapshot(), true)
		case sender.Gone:
			delete(l.conns, e.Conn)
			l.note(e)
		}
	}
}

// talk passes something to a connection.
func (l *Loop) talk(e *sender.Effect) {
	c := l.conns[e.Conn]
	if c == nil {
		return // it is gone, and Core will hear of that
	}
	switch e.Do {
	case sender.HangUp:
		c.Close()
	case sender.Produce:
		c.Produce(e.Request)
	case sender.AskMetadata:
		c.Metadata(e.Topics)
	case sender.AskProducerID:
		c.ProducerID()
	case sender.AskCoordinator:
		c.Transaction(e.Ask)
	}
}

// publishState lets records in while a transaction is open for them. Otherwise
// Core hears what was let in before.
func (l *Loop) publishState(e *sender.Effect) {
	if e.State == txn.InTransaction {
		l.Accumulator.Resume()
		l.settings.Transaction(e.State, nil)
		return
	}
	l.settings.Transaction(e.State, e.Err)
	l.extra = append(l.extra, sender.Held{Gate: e.Count, Partitions: l.Accumulator.Hold()})
}

func (l *Loop) note(e *sender.Effect) {
	if e.Err == nil || errors.Is(e.Err, conn.ErrHungUp) || errors.Is(e.Err, errStopping) {
		return
	}
	l.settings.Logger.Warn("connection lost", "broker", e.Node, "address", e.Addr, "error", e.Err)
	l.trouble.Store(&trouble{e.Err, e.Fatal})
	if e.Fatal {
		l.Metadata.Wake()
	}
}

func (l *Loop) complete(b *batch.Batch) {
	if b.Verdict != nil {
		l.undeliveredMu.Lock()
		if l.collecting {
			l.undelivered = append(l.undelivered, b.Copy()) // its buffer goes back to the pool
		}
		l.undeliveredMu.Unlock()
	}
	if len(b.Entries) > 0 {
		l.completion.Complete(b)
	}
}

// publish makes a snapshot known: first to the accumulator, so that whoever
// waits for a topic finds its partitions.
func (l *Loop) publish(s *metadata.Snapshot) {
	l.trouble.Store(nil)
	l.spread(s, false)
	l.Metadata.Publish(s)
}

// spread tells the accumulator of leaders that changed, or of all.
func (l *Loop) spread(s *metadata.Snapshot, all bool) {
	for name := range l.topics {
		if s.Topics[name] == nil {
			l.Accumulator.Forget(name)
			delete(l.topics, name)
		}
	}
	for name, t := range s.Topics {
		if l.topics[name] == t && !all {
			continue
		}
		if len(t.Partitions) == 0 {
			if l.topics[name] != nil { // refused from now on: senders are to hear of it
				l.Accumulator.Forget(name)
				delete(l.topics, name)
			}
			continue
		}
		l.topics[name] = t
		nodes := make([]int32, len(t.Partitions))
		for i, p := range t.Partitions {
			nodes[i] = p.Leader
		}
		l.Accumulator.SetPartitions(l.Accumulator.Topic(name), accumulator.Leaders{
			Nodes: nodes, Near: l.near(s), Blocked: maps.Clone(l.blocked),
		})
	}
}

// near is the nodes in the client's rack, if that matters.
func (l *Loop) near(s *metadata.Snapshot) map[int32]bool {
	if l.settings.Rack == "" {
		return nil
	}
	near := map[int32]bool{}
	for id, b := range s.Brokers {
		if b.Rack == l.settings.Rack {
			near[id] = true
		}
	}
	return near
}

func (l *Loop) hangUpAll() {
	for _, c := range l.conns {
		c.Close()
	}
}

// smallBatch is the size below which compressing costs less than handing over.
const smallBatch = 1 << 10

// compress makes a batch Ready, on a worker unless that is done in no time.
func (l *Loop) compress(b *batch.Batch) {
	if !l.Accumulator.Compresses() || b.Size() < smallBatch {
		l.Accumulator.Compress(b)
		l.extra = append(l.extra, sender.Sealed{Batch: b})
		return
	}
	l.workers.do(func() {
		l.Accumulator.Compress(b)
		l.mailbox.post(sender.Sealed{Batch: b})
	})
}

// workers runs jobs on at most limit goroutines, which exist only while there
// are jobs.
type workers struct {
	limit int

	mu      sync.Mutex
	jobs    []func()
	running int
	group   sync.WaitGroup
}

func (w *workers) do(job func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = append(w.jobs, job)
	if w.running < w.limit {
		w.running++
		w.group.Add(1)
		go w.work()
	}
}

func (w *workers) work() {
	defer w.group.Done()
	for {
		w.mu.Lock()
		if len(w.jobs) == 0 {
			w.running--
			w.mu.Unlock()
			return
		}
		job := w.jobs[0]
		w.jobs = w.jobs[1:]
		w.mu.Unlock()
		job()
	}
}

func (w *workers) wait() { w.group.Wait() }
