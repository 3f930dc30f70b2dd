package sim

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/simnet"
)

func address(node int) string { return "node" + strconv.Itoa(node) + ":9092" }

// world is the cluster: one embedded broker that poses as some nodes, its disk
// and the network before it.
//
// Locks: mu is held for a moment; down is what keeps two faults from ending one
// broker twice.
type world struct {
	t    *testing.T
	plan *plan
	net  *simnet.Network
	disk *broker.Disk
	log  *slog.Logger
	end  chan struct{} // closed when faults end, whatever they are at

	mu     sync.Mutex
	broker *broker.Broker // nil while it is down
	down   bool
	err    error // the first of what cannot go wrong

	faults sync.WaitGroup
}

func newWorld(t *testing.T, p *plan, log *slog.Logger) *world {
	w := &world{t: t, plan: p, net: simnet.New(p.net), disk: broker.NewDisk(nil), log: log,
		end: make(chan struct{})}
	w.start()
	return w
}

// start starts the broker on what the disk has.
func (w *world) start() {
	cfg := broker.Config{
		Nodes: w.plan.nodes, Disk: w.disk, Topics: map[string]int{topic: w.plan.partitions},
		Properties: w.plan.broker, Logger: w.log,
	}
	for i := range w.plan.nodes {
		l, err := w.net.Listen(address(i))
		if err != nil {
			w.fail(err)
			return
		}
		cfg.Listeners = append(cfg.Listeners, net.Listener(l))
	}
	b, err := broker.Start(cfg)
	if err != nil {
		w.fail(fmt.Errorf("start the broker: %w", err))
		return
	}
	w.mu.Lock()
	w.broker, w.down = b, false
	w.mu.Unlock()
}

func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// running is the broker, nil while it is down.
func (w *world) running() *broker.Broker {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broker
}

// take is running for whoever ends it.
func (w *world) take() *broker.Broker {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.broker
	w.broker, w.down = nil, true
	return b
}

// breakThings lets the faults of the plan happen.
func (w *world) breakThings() {
	for _, f := range w.plan.faults {
		w.faults.Go(func() {
			if w.pause(f.at) {
				w.happen(f)
			}
		})
	}
}

// pause waits, and reports false if the faults end first.
func (w *world) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.end:
		return false
	}
}

func (w *world) happen(f fault) {
	w.log.Info("fault", "is", f.String())
	addr := address(f.node)
	switch f.kind {
	case reset:
		w.net.Reset(addr)
	case cut:
		w.net.CutAfter(addr, f.direction, f.n)
	case lose:
		w.net.Lose(addr, f.direction)
	case hold:
		w.net.Hold(addr, f.direction, true)
		w.pause(f.last)
		w.net.Hold(addr, f.direction, false)
	case slow:
		w.net.Slow(addr, f.last/4)
		w.pause(f.last)
		w.net.Slow(addr, 0)
	case refuse:
		w.net.Refuse(addr, true)
		w.pause(f.last)
		w.net.Refuse(addr, false)
	case diskFull:
		w.disk.Fill()
		w.pause(f.last)
		w.disk.Free()
	case kill, powerCut, restart:
		w.bounce(f)
	case pause, moveLeader, inject:
		if b := w.running(); b != nil {
			w.tell(b, f)
		}
	}
}

// tell is faults of the broker's own.
func (w *world) tell(b *broker.Broker, f fault) {
	switch f.kind {
	case pause:
		b.Pause()
		w.pause(f.last)
		b.Resume()
	case moveLeader:
		// It fails while the broker restarts, or on a full disk, as it should.
		if err := b.MoveLeader(topic, int32(f.n), f.node); err != nil {
			w.log.Info("leader did not move", "error", err)
		}
	case inject:
		b.Inject(f.rules...)
	}
}

// bounce ends the broker and starts it again later.
func (w *world) bounce(f fault) {
	b := w.take()
	if b == nil {
		return
	}
	end := b.Kill
	if f.kind == restart {
		end = b.Close
	}
	if err := end(); err != nil && f.kind != restart { // a full disk spoils the order
		w.fail(fmt.Errorf("%s: %w", f.kind, err))
	}
	w.pause(f.last)
	w.disk.Free() // or it could not start
	if f.kind == powerCut {
		w.disk.PowerCut(w.plan.seed)
	}
	w.start()
}

// heal ends all faults.
func (w *world) heal() {
	close(w.end)
	w.faults.Wait()
	w.disk.Free()
	for i := range w.plan.nodes {
		w.net.Hold(address(i), simnet.Both, false)
		w.net.Slow(address(i), 0)
		w.net.Refuse(address(i), false)
	}
	if b := w.running(); b != nil {
		b.ClearFaults()
	}
}

// logs ends the broker, starts it on its disk once more, and reads what is in
// every partition.
func (w *world) logs() ([][]broker.Record, error) {
	if b := w.take(); b != nil {
		if err := b.Kill(); err != nil {
			w.fail(err)
		}
	}
	w.start()
	b := w.take()
	if b == nil {
		return nil, w.err
	}
	defer b.Close()
	all := make([][]broker.Record, w.plan.partitions)
	for i := range all {
		records, err := b.Records(topic, int32(i))
		if err != nil {
			return nil, fmt.Errorf("read partition %d: %w", i, err)
		}
		all[i] = records
	}
	return all, w.err
}
