package sender

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
)

// world is a cluster that does its worst, on virtual time and from a seed:
// requests and answers are lost, late or refused, leaders move, connections
// break, metadata lags behind.
type world struct {
	*harness
	rand       *rand.Rand
	agenda     agenda
	logs       map[batch.PartitionID]*replica
	leaders    map[batch.PartitionID]metadata.Partition
	stale      map[batch.PartitionID]metadata.Partition // what a lagging broker still says
	busy       map[ConnID]time.Time                     // a connection's requests are served in turn
	alive      map[ConnID]bool
	onTheWay   map[ConnID][]func() // requests that a connection carries
	records    map[*batch.Batch][]uint32
	made       []*batch.Batch
	nextID     uint32
	nextPID    int64
	firstEpoch int16   // near its end for some seeds
	trouble    float64 // 0 for none
	harm       map[errcode.Code]float64
}

// entry is something that will happen.
type entry struct {
	at time.Time
	n  int // keeps equal times in order
	do func()
}

type agenda []entry

func (a agenda) Len() int      { return len(a) }
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(entry)) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].n < a[j].n
}

func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (w *world) after(d time.Duration, do func()) {
	w.nextID++
	heap.Push(&w.agenda, entry{w.now.Add(d), int(w.nextID), do})
}

// run lets time pass until end, doing what is on the agenda.
func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); ; {
		next := end
		if len(w.agenda) > 0 && w.agenda[0].at.Before(next) {
			next = w.agenda[0].at
		}
		if wake := w.core.NextWake(); !wake.IsZero() && wake.Before(next) {
			next = later(wake, w.now)
		}
		w.pass(max(0, next.Sub(w.now)))
		if len(w.agenda) > 0 && !w.agenda[0].at.After(w.now) {
			heap.Pop(&w.agenda).(entry).do()
		} else if !w.now.Before(end) {
			return
		}
	}
}

func (w *world) millis(n int) time.Duration {
	return time.Duration(w.rand.IntN(n+1)) * time.Millisecond
}

// unlucky is true with probability p while there is trouble.
func (w *world) unlucky(p float64) bool { return w.rand.Float64() < p*w.trouble }

func newWorld(t testing.TB, seed uint64, change func(*Settings)) *world {
	w := &world{
		rand: rand.New(rand.NewPCG(seed, 1)), logs: map[batch.PartitionID]*replica{},
		leaders: map[batch.PartitionID]metadata.Partition{},
		stale:   map[batch.PartitionID]metadata.Partition{},
		busy:    map[ConnID]time.Time{}, alive: map[ConnID]bool{},
		onTheWay: map[ConnID][]func(){},
		records:  map[*batch.Batch][]uint32{}, trouble: 1,
	}
	w.harness = newHarness(t, func(s *Settings) {
		s.DeliveryTimeout, s.RequestTimeout = 3*time.Second, time.Second
		s.Bootstrap = []string{"broker1:9092", "broker2:9092"}
		s.Linger = time.Duration(seed%3) * 4 * time.Millisecond
		s.Pause = min(s.Linger, time.Duration(seed%2)*3*time.Millisecond)
		s.AvailabilityTimeout = 200 * time.Millisecond
		change(s)
	})
	w.hook = w.respond
	if seed%4 == 3 {
		w.firstEpoch = math.MaxInt16 - 3
	}
	w.setManual([]string{"dial", "metadata", "pid", "compress", "hangup", "write"}, true)
	w.src.compresses = seed%2 == 0
	for i, name := range []string{"t-0", "t-1", "u-0", "u-1"} {
		q := w.src.add(name[:1], int32(i%2), name)
		w.logs[q.id] = &replica{writers: map[int64]*writer{}}
		w.leaders[q.id] = metadata.Partition{Leader: int32(i%3 + 1), Epoch: 1}
		w.stale[q.id] = w.leaders[q.id]
	}
	return w
}

// respond plays what is around the core.
func (w *world) respond(e *Effect) {
	conn := e.Conn
	switch e.Do {
	case Dial:
		w.after(w.millis(30), func() {
			if w.unlucky(0.2) {
				w.post(&ConnDown{Conn: conn, Err: errors.New("refused")})
				return
			}
			w.alive[conn], w.busy[conn] = true, w.now
			w.post(&ConnUp{Conn: conn, Idempotent: true})
		})
	case HangUp:
		w.after(w.millis(20), func() { w.cut(conn) })
	case AskMetadata:
		lagging := w.unlucky(0.3)
		w.reply(conn, func() { w.tellMetadata(conn, lagging) })
	case AskProducerID:
		w.reply(conn, func() {
			w.nextPID++
			ev := &ProducerIDAnswer{Conn: conn, ID: producerid.ID{ID: w.nextPID, Epoch: w.firstEpoch}}
			if w.unlucky(0.3) {
				ev.Code = errcode.CoordinatorLoadInProgress
			}
			w.post(ev)
		})
	case Compress:
		w.after(w.millis(8), func() { w.compressed(e.Batch); w.post() })
	case Produce:
		n, r := w.count, e.Request
		w.serve(conn, n, r)
	}
}

// reply answers a control request on a connection, if that lives.
func (w *world) reply(conn ConnID, answer func()) {
	w.busy[conn] = w.busy[conn].Add(w.millis(10))
	w.after(max(0, w.busy[conn].Sub(w.now))+w.millis(15), func() {
		if w.alive[conn] {
			answer()
		}
	})
}

// serve lets a produce request arrive, be carried out and be answered, each if
// nothing comes between.
func (w *world) serve(conn ConnID, n int, r *Request) {
	if w.unlucky(0.03) { // the connection breaks before, or after, the bytes are out
		r.Written = w.rand.IntN(2) == 0
		w.after(w.millis(3), func() { w.cut(conn) })
		return
	}
	if r.Acks == 0 {
		w.after(w.millis(2), func() { w.reallyAnswer(conn, n, nil) })
	}
	var batches []copied
	for i := range r.Entries {
		batches = append(batches, w.copy(r.Entries[i].Batch))
	}
	node, pause := w.connected(conn), w.millis(20)
	w.onTheWay[conn] = append(w.onTheWay[conn], func() { w.carryOut(node, batches) })
	if w.unlucky(0.02) {
		pause += w.millis(3000) // past request.timeout.ms, and delivery.timeout.ms
	}
	w.busy[conn] = later(w.busy[conn], w.now).Add(pause)
	w.after(w.busy[conn].Sub(w.now), func() {
		if !w.alive[conn] {
			return
		}
		w.onTheWay[conn] = w.onTheWay[conn][1:]
		fill := w.carryOut(node, batches)
		if w.unlucky(0.03) {
			w.cut(conn) // carried out, and the answer is lost
		}
		if r.Acks != 0 {
			w.busy[conn] = w.busy[conn].Add(w.millis(5))
			w.after(w.busy[conn].Sub(w.now), func() { w.reallyAnswer(conn, n, fill) })
		}
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *world) reallyAnswer(conn ConnID, n int, fill func(*Request)) {
	if w.alive[conn] && w.requests[n] != nil {
		w.answer(n, fill)
		w.post()
	}
}

// outcome is a broker's answer about one partition.
type outcome struct {
	code   errcode.Code
	offset int64
	leader metadata.Partition
}

// carryOut does what a request asks for, as the broker that got it.
func (w *world) carryOut(node string, batches []copied) (fill func(*Request)) {
	var outcomes []outcome
	for _, b := range batches {
		o := w.carryOutOne(node, b)
		w.log("   %s takes %s: %v@%d", node, b.name, o.code.Name(), o.offset)
		outcomes = append(outcomes, o)
	}
	throttle := time.Duration(0)
	if w.unlucky(0.02) {
		throttle = w.millis(500)
	}
	return func(r *Request) {
		r.Throttle = throttle
		for i, o := range outcomes {
			e := &r.Entries[i]
			e.Code, e.BaseOffset = o.code, o.offset
			if o.code == errcode.NotLeaderOrFollower && o.leader.Epoch > 0 {
				e.Leader, e.LeaderEpoch = o.leader.Leader, o.leader.Epoch
				r.Nodes = append(r.Nodes, broker(o.leader.Leader))
			}
		}
	}
}

func (w *world) carryOutOne(node string, b copied) outcome {
	at := w.leaders[b.partition]
	if fmt.Sprintf("broker%d", at.Leader) != node {
		o := outcome{code: errcode.NotLeaderOrFollower, offset: -1}
		if w.rand.IntN(2) == 0 {
			o.leader = at
		}
		return o
	}
	for _, code := range troubles {
		if w.unlucky(w.harm[code]) && (code != errcode.MessageTooLarge || len(b.records) > 1) {
			return outcome{code: code, offset: -1}
		}
	}
	offset, code := w.logs[b.partition].append(b)
	if code == errcode.None && w.unlucky(0.02) {
		return outcome{code: errcode.NotEnoughReplicasAfterAppend, offset: -1}
	}
	if code == errcode.None && w.unlucky(0.02) {
		return outcome{code: errcode.RequestTimedOut, offset: -1}
	}
	return outcome{code: code, offset: offset}
}

// troubles are answers of a broker that has not written the batch.
var troubles = []errcode.Code{
	errcode.NotEnoughReplicas, errcode.KafkaStorageError, errcode.MessageTooLarge,
	errcode.TopicAuthorizationFailed,
}

func (w *world) connected(conn ConnID) string {
	if n := w.core.conns[conn]; n != nil {
		return nodeName(n.addr)
	}
	return ""
}

func broker(id int32) metadata.Broker {
	return metadata.Broker{ID: id, Host: fmt.Sprintf("broker%d", id), Port: 9092}
}

// cut ends a connection.
func (w *world) cut(conn ConnID) {
	if w.core.conns[conn] == nil {
		return
	}
	w.alive[conn] = false
	arrived := w.onTheWay[conn]
	for _, arrive := range arrived[:w.rand.IntN(len(arrived)+1)] {
		arrive() // the broker has it already, and will find nobody to answer
	}
	w.onTheWay[conn] = nil
	w.post(w.down(conn, errors.New("cut")))
}

func (w *world) tellMetadata(conn ConnID, lagging bool) {
	if w.unlucky(0.1) {
		w.post(&MetadataAnswer{Conn: conn, Err: errors.New("not understood")})
		return
	}
	a := &metadata.Answer{Brokers: []metadata.Broker{broker(1), broker(2), broker(3)}}
	for _, name := range []string{"t", "u"} {
		t := metadata.Topic{Name: name, ID: metadata.TopicID{name[0]}}
		for i := range 2 {
			q := w.src.byName[fmt.Sprintf("%s-%d", name, i)]
			p := w.leaders[q.id]
			if lagging {
				p = w.stale[q.id]
			}
			t.Partitions = append(t.Partitions, p)
		}
		a.Topics = append(a.Topics, t)
	}
	w.post(&MetadataAnswer{Conn: conn, Answer: a})
}

// produce opens a batch of 1 to 4 records.
func (w *world) produce(q *queue) {
	b := batch.New(q.id, q.topic, q.index, make([]byte, 0, 4096), w.now.UnixMilli())
	b.Created = w.now
	for range 1 + w.rand.IntN(4) {
		w.nextID++
		id := w.nextID
		value := binary.BigEndian.AppendUint32(nil, id)
		if _, ok := b.Append(w.now.UnixMilli(), nil, value, nil, 0); !ok {
			panic("test batch is full")
		}
		w.records[b] = append(w.records[b], id)
	}
	q.opened++
	name := fmt.Sprint("b", len(w.made))
	w.names[b], w.batches[name] = name, b
	w.made = append(w.made, b)
	w.queued[q.id]++
	if q.open != nil {
		w.src.fill(q)
	}
	w.src.put(q, b, w.rand.IntN(2) == 0, false)
	w.post()
}

// moveLeader elects another leader; some brokers hear of it late.
func (w *world) moveLeader() {
	q := w.src.queues[w.rand.IntN(len(w.src.queues))]
	p := w.leaders[q.id]
	w.stale[q.id] = p
	w.leaders[q.id] = metadata.Partition{Leader: int32(w.rand.IntN(3) + 1), Epoch: p.Epoch + 1}
}

func (w *world) cutSome() {
	for conn := range w.core.nextConn + 1 {
		if w.alive[conn] && w.unlucky(0.02) {
			w.cut(conn)
		}
	}
}

// play is a run: load and trouble for a while, then peace.
func (w *world) play() {
	for _, topic := range []string{"t", "u"} {
		w.post(WantTopic{Topic: topic})
	}
	for range 300 {
		w.produce(w.src.queues[w.rand.IntN(len(w.src.queues))])
		if w.unlucky(0.03) {
			w.moveLeader()
		}
		w.cutSome()
		if w.rand.IntN(50) == 0 {
			f := &batch.Flush{}
			w.flushes[f] = "f"
			w.post(FlushAll{Flush: f})
		}
		if w.unlucky(0.01) {
			w.run(w.millis(2000))
		}
		w.run(w.millis(40))
	}
	w.trouble = 0
	w.run(10 * time.Second)
	for _, q := range w.src.queues {
		w.produce(q)
	}
	w.run(5 * time.Second)
	w.finished()
}

// judge compares what was told with what is in the logs.
func (w *world) judge(exactlyOnce bool) {
	for i, b := range w.made {
		f := w.fates[b]
		if f == nil || b.State() != batch.Done || !b.Outcome.Resolved() {
			w.Errorf("batch %s has no outcome", w.names[b])
			continue
		}
		for j, id := range w.records[b] {
			w.judgeRecord(b, int32(j), id, exactlyOnce)
		}
		if _, _, failure := b.Outcome.Of(0); failure != nil && i >= len(w.made)-4 {
			w.Errorf("batch %s failed in peace: %s", w.names[b], reason(failure))
		}
	}
	for id, log := range w.logs {
		if !log.inOrder() {
			w.Errorf("partition %d is out of order: %v", id, log.records)
		}
	}
	for b, f := range w.fates {
		limit := b.Created.Add(w.core.settings.DeliveryTimeout + 10*time.Millisecond)
		if f.completed && f.resolved.After(limit) {
			w.Errorf("batch %s was resolved %v after it was opened", w.names[b], f.resolved.Sub(b.Created))
		}
	}
}

func (w *world) judgeRecord(b *batch.Batch, index int32, id uint32, exactlyOnce bool) {
	log := w.logs[b.Partition]
	offset, _, failure := b.Outcome.Of(index)
	n := log.count(id)
	switch {
	case failure == nil && n == 0 && w.core.settings.Acks != 0:
		w.Errorf("record %d of %s is acknowledged and not in the log", id, w.names[b])
	case failure == nil && exactlyOnce && offset >= 0 && log.records[offset] != id:
		w.Errorf("record %d of %s is not at the offset that was told, %d", id, w.names[b], offset)
	case failure != nil && !failure.MaybeWritten && n > 0:
		w.Errorf("record %d of %s is in the log, but failed as not written: %s",
			id, w.names[b], reason(failure))
	case exactlyOnce && n > 1:
		w.Errorf("record %d of %s is in the log %d times", id, w.names[b], n)
	}
}

// TestWhateverTheNetworkDoes is invariant 2 and 4 of the design, and 1 for the
// core's part: exactly once, in order, in time, whatever happens.
func TestWhateverTheNetworkDoes(t *testing.T) {
	soft := map[errcode.Code]float64{errcode.NotEnoughReplicas: 0.03, errcode.KafkaStorageError: 0.02}
	hard := map[errcode.Code]float64{
		errcode.NotEnoughReplicas: 0.03, errcode.MessageTooLarge: 0.03,
		errcode.TopicAuthorizationFailed: 0.02,
	}
	tests := []struct {
		name   string
		change func(*Settings)
		harm   map[errcode.Code]float64
		exact  bool
	}{
		{"an idempotent producer writes each record once and in order", func(*Settings) {}, soft, true},
		{"also when batches are refused and split", func(*Settings) {}, hard, true},
		{"also with small requests and one in flight", func(s *Settings) {
			s.MaxInFlight, s.MaxRequestSize = 1, 200
		}, hard, true},
		{"without idempotence one in flight keeps the order", func(s *Settings) {
			s.Idempotent, s.MaxInFlight = false, 1
		}, soft, false},
		{"few retries lose records and say so", func(s *Settings) { s.Retries = 1 }, hard, true},
	}
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	if n, err := strconv.ParseUint(os.Getenv("SEEDS"), 10, 64); err == nil {
		seeds = n
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range seeds {
				w := newWorld(t, seed, tt.change)
				w.harm = tt.harm
				w.play()
				w.judge(tt.exact)
				if t.Failed() {
					name := filepath.Join(t.ArtifactDir(), fmt.Sprintf("seed%d.txt", seed))
					if err := os.WriteFile(name, []byte(w.trace.String()), 0o644); err != nil {
						t.Error(err)
					}
					t.Fatalf("seed %d; its trace is in %s (with -artifacts)", seed, name)
				}
			}
		})
	}
}
