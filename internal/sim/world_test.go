package sim

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/simnet"
)

// address is a node's first one.
func address(node int) string { return addressOf(node, 0) }

// addressOf is a node's address after it has moved some times.
func addressOf(node, moves int) string {
	name := "node" + strconv.Itoa(node)
	if moves > 0 {
		name += "-" + strconv.Itoa(moves)
	}
	return name + ":9092"
}

// bootstrap is a name that leads to a node wherever it is.
func bootstrap(node int) string { return "boot" + strconv.Itoa(node) + ":9092" }

// world is the cluster: one embedded broker that poses as some nodes, its disk
// and the network before it.
//
// Locks: mu is held for a moment; down is what keeps two faults from ending one
// broker twice.
type world struct {
	t    *testing.T
	plan *cluster
	net  *simnet.Network
	disk *broker.Disk
	log  *slog.Logger
	end  chan struct{} // closed when faults end, whatever they are at

	random *rand.ChaCha8 // of topic ids; the broker uses it under a lock

	mu     sync.Mutex
	broker *broker.Broker // nil while it is down
	moves  []int          // of each node, to another address
	gone   []partitionLog // of topics that were deleted
	down   bool
	err    error // the first of what cannot go wrong

	faults sync.WaitGroup
}

// partitionLog is what a partition holds, or held when its topic was deleted.
type partitionLog struct {
	topic     string
	life      int // of the topic: how often it was deleted before
	partition int32
	records   []broker.Record
}

func newWorld(t *testing.T, p *cluster, log *slog.Logger) *world {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], p.seed)
	w := &world{t: t, plan: p, log: log, net: simnet.New(p.net), disk: broker.NewDisk(nil),
		end: make(chan struct{}), moves: make([]int, p.nodes), random: rand.NewChaCha8(seed)}
	w.start()
	return w
}

// start starts the broker on what the disk has.
func (w *world) start() {
	cfg := broker.Config{
		Nodes: w.plan.nodes, Disk: w.disk, Topics: map[string]int{},
		Properties: w.plan.broker, Logger: w.log, DisableAutoCreate: w.plan.manual,
		Rand: w.random,
	}
	for _, t := range w.plan.topics {
		cfg.Topics[t.name] = t.partitions
	}
	for i := range w.plan.nodes {
		l, err := w.net.Listen(w.addr(i))
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

// addr is where a node is now.
func (w *world) addr(node int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return addressOf(node, w.moves[node])
}

// dial is the producer's way into the network; it looks names up.
func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	for i := range w.plan.nodes {
		if addr == bootstrap(i) {
			addr = w.addr(i)
		}
	}
	return w.net.Dial(ctx, network, addr)
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
	addr := w.addr(f.node)
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
	case kill, powerCut, restart, readdress:
		w.bounce(f)
	case recreate:
		w.recreate(f)
	case pause, moveLeader, grow, inject:
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
		if err := b.MoveLeader(f.topic, int32(f.n), f.node); err != nil {
			w.log.Info("leader did not move", "error", err)
		}
	case grow: // the same holds
		if err := b.AddPartitions(f.topic, f.n); err != nil {
			w.log.Info("topic did not grow", "error", err)
		}
	case inject:
		b.Inject(f.rules...)
	}
}

// recreate deletes a topic and makes it anew later.
func (w *world) recreate(f fault) {
	if !w.remove(f.topic) || !w.pause(f.last/8) {
		return
	}
	if b := w.running(); b != nil {
		if err := b.CreateTopic(f.topic, f.n); err != nil { // a client may have made it
			w.log.Info("topic was not made again", "error", err)
		}
	}
}

// remove deletes a topic and keeps what was in it. Nothing else happens at its
// instant of virtual time, so nothing is appended between the two.
func (w *world) remove(topic string) bool {
	b := w.running()
	if b == nil {
		return false
	}
	logs, err := w.read(b, topic)
	if err != nil { // on a full disk a partition may not open; then this is not the moment
		w.log.Info("topic was not read", "error", err)
		return false
	}
	if err := b.DeleteTopic(topic); err != nil { // as on a full disk
		w.log.Info("topic was not deleted", "error", err)
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = append(w.gone, logs...)
	return true
}

// read reads all partitions of a topic.
func (w *world) read(b *broker.Broker, topic string) ([]partitionLog, error) {
	w.mu.Lock()
	life := 0
	for _, l := range w.gone {
		if l.topic == topic {
			life = max(life, l.life+1)
		}
	}
	w.mu.Unlock()
	var list []partitionLog
	for i := range b.Topics()[topic] {
		records, err := b.Records(topic, int32(i))
		if err != nil {
			return nil, fmt.Errorf("read partition %s-%d: %w", topic, i, err)
		}
		list = append(list, partitionLog{topic, life, int32(i), records})
	}
	return list, nil
}

// bounce ends the broker and starts it again later.
func (w *world) bounce(f fault) {
	b := w.take()
	if b == nil {
		return
	}
	end := b.Kill
	if f.kind == restart || f.kind == readdress {
		end = b.Close
	}
	if err := end(); err != nil && (f.kind == kill || f.kind == powerCut) {
		// In order, a full disk may spoil it.
		w.fail(fmt.Errorf("%s: %w", f.kind, err))
	}
	w.pause(f.last)
	w.disk.Free() // or it could not start
	if f.kind == powerCut {
		w.disk.PowerCut(w.plan.seed)
	}
	if f.kind == readdress {
		w.mu.Lock()
		w.moves[f.node]++
		w.mu.Unlock()
	}
	w.start()
}

// heal ends all faults.
func (w *world) heal() {
	close(w.end)
	w.faults.Wait()
	w.disk.Free()
	for i, moves := range w.moves {
		for m := range moves + 1 {
			addr := addressOf(i, m)
			w.net.Hold(addr, simnet.Both, false)
			w.net.Slow(addr, 0)
			w.net.Refuse(addr, false)
		}
	}
	b := w.running()
	if b == nil {
		return
	}
	b.ClearFaults()
	if b.Topics() == nil { // it should have restarted, and the disk was full
		w.bounce(fault{kind: restart})
	}
}

// logs ends the broker, starts it on its disk once more, and reads what is in
// every partition.
func (w *world) logs() ([]partitionLog, error) {
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
	all := slices.Clone(w.gone)
	for _, topic := range slices.Sorted(maps.Keys(b.Topics())) {
		logs, err := w.read(b, topic)
		if err != nil {
			return nil, err
		}
		all = append(all, logs...)
	}
	return all, w.err
}
