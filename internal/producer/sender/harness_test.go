package sender

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/internal/backoff"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// harness is Core with everything around it played: it performs effects, keeps
// a trace of them, and checks after each step what must always hold.
type harness struct {
	testing.TB
	core       *Core
	start, now time.Time
	src        *source
	trace      strings.Builder
	pending    []Event // to be applied in the next step

	cluster  metadata.Answer // what a metadata request is answered with
	hook     func(*Effect)   // sees every effect after it was performed
	manual   map[string]bool // dial, metadata, pid, compress: answered by the script only
	nodes    map[ConnID]string
	requests map[int]*Request // without an answer, by number
	count    int              // of requests
	names    map[*batch.Batch]string
	batches  map[string]*batch.Batch
	fates    map[*batch.Batch]*fate
	askedBy  map[string]ConnID // who was asked last for metadata and pid
	nextID   int64
	split    string // batch that is being split, and how many parts were seen
	parts    int
	flushes  map[*batch.Flush]string
	shown    map[string]string // states as last printed
	queued   map[batch.PartitionID]int

	transactions int16 // transaction.version, as brokers report it
	session      time.Duration
	asked        *TxnRequest
	askedConn    ConnID
}

// fate is what happened to one batch.
type fate struct {
	completed, released bool
	lent                *Request
	first               int // number of the request that carried it first
	resolved            time.Time
}

func newHarness(t testing.TB, change func(*Settings)) *harness {
	s := Settings{
		Acks: -1, Idempotent: true, MaxInFlight: 5, MaxRequestSize: 1 << 20,
		DeliveryTimeout: 30 * time.Second, RequestTimeout: 5 * time.Second, Retries: 1 << 30,
		Backoff:        backoff.Policy{Initial: 100 * time.Millisecond, Max: time.Second},
		Reconnect:      backoff.Policy{Initial: 50 * time.Millisecond, Max: time.Second},
		MetadataMaxAge: 5 * time.Minute, MetadataMaxIdle: 5 * time.Minute,
		Bootstrap: []string{"broker1:9092"},
	}
	if change != nil {
		change(&s)
	}
	h := &harness{
		TB: t, start: time.UnixMilli(1_700_000_000_000), src: &source{byName: map[string]*queue{}},
		manual: map[string]bool{}, nodes: map[ConnID]string{}, requests: map[int]*Request{},
		names: map[*batch.Batch]string{}, batches: map[string]*batch.Batch{},
		fates: map[*batch.Batch]*fate{}, askedBy: map[string]ConnID{}, nextID: 7,
		flushes: map[*batch.Flush]string{}, shown: map[string]string{},
		queued: map[batch.PartitionID]int{},
	}
	h.now = h.start
	h.core = New(s, h.src, h.src)
	return h
}

func (h *harness) log(format string, args ...any) {
	h.trace.WriteString(fmt.Sprintf("+%dms  ", h.now.Sub(h.start).Milliseconds()))
	fmt.Fprintf(&h.trace, format, args...)
	h.trace.WriteByte('\n')
}

// post applies events, and what they cause, until nothing is left to do now.
func (h *harness) post(events ...Event) {
	h.pending = append(h.pending, events...)
	for rounds := 0; ; rounds++ {
		if rounds > 1000 {
			h.Fatal("core and its surroundings go round in circles")
		}
		if len(h.src.notices) > 0 {
			noticed := Noticed(h.src.notices)
			h.pending = append([]Event{&noticed}, h.pending...)
			h.src.notices = nil
		}
		now := h.pending
		h.pending = nil
		effects := h.core.Step(h.now, now, nil)
		for i := range effects {
			h.perform(&effects[i])
		}
		h.showStates()
		h.check()
		if len(h.pending) == 0 && len(h.src.notices) == 0 {
			return
		}
	}
}

// pass lets d go by, waking the core when it asked for that.
func (h *harness) pass(d time.Duration) {
	end := h.now.Add(d)
	for rounds := 0; ; rounds++ {
		if rounds > 100_000 {
			h.Fatalf("the core wakes up again and again at %v", h.now.Sub(h.start))
		}
		wake := h.core.NextWake()
		if wake.IsZero() || wake.After(end) {
			break
		}
		if wake.After(h.now) {
			h.now = wake
		}
		h.post(Tick{})
	}
	h.now = end
	h.post(Tick{})
}

func (h *harness) perform(e *Effect) {
	if h.hook != nil {
		defer h.hook(e)
	}
	switch e.Do {
	case Dial:
		h.nodes[e.Conn] = nodeName(e.Addr)
		switch n := h.core.conns[e.Conn]; {
		case n.id == asideID:
			h.nodes[e.Conn] += "-aside"
		case n.home != nil:
			h.nodes[e.Conn] += "-detour"
		}
		h.log("dial %s", h.nodes[e.Conn])
		if !h.manual["dial"] && !h.manual[h.nodes[e.Conn]] {
			h.pending = append(h.pending, h.connUp(e.Conn, true))
		}
	case HangUp:
		h.log("hang up %s", h.nodes[e.Conn])
		if !h.manual["hangup"] {
			h.pending = append(h.pending, h.down(e.Conn, fmt.Errorf("hung up")))
		}
	case Produce:
		h.produce(e)
	case AskMetadata:
		h.askedBy["metadata"] = e.Conn
		h.log("ask %s for metadata of %v", h.nodes[e.Conn], e.Topics)
		if !h.manual["metadata"] {
			h.answerMetadata(errcode.None)
		}
	case AskProducerID:
		h.askedBy["pid"] = e.Conn
		h.log("ask %s for a producer id", h.nodes[e.Conn])
		if !h.manual["pid"] {
			h.answerID(errcode.None, producerid.ID{ID: h.nextID})
		}
	case Compress:
		h.name(e.Batch)
		h.log("compress %s", h.names[e.Batch])
		if !h.manual["compress"] {
			h.compressed(e.Batch)
		}
	case Complete, Release, Unqueued:
		h.performBatch(e)
	case FlushDone:
		h.log("flush %s is done", h.flushes[e.Flush])
		delete(h.flushes, e.Flush)
	case PublishFatal:
		h.log("the producer has failed for good: %v", reason(e.Failure))
	case BlockNode, UnblockNode:
		h.log("%s broker%d for unkeyed records",
			map[Action]string{BlockNode: "block", UnblockNode: "unblock"}[e.Do], e.Node)
	case Gone:
		if e.Err != nil {
			h.log("connection to %s is gone: %v%s", h.nodes[e.Conn], e.Err,
				map[bool]string{true: ", and there is no other"}[e.Fatal])
		}
		delete(h.nodes, e.Conn)
	case AskCoordinator, PublishTransaction, Transacted:
		h.performTransaction(e)
	case PublishMetadata:
	default:
		h.Fatalf("unknown effect %d", e.Do)
	}
}

func nodeName(addr string) string { return strings.TrimSuffix(addr, ":9092") }

func (h *harness) compressed(b *batch.Batch) {
	b.Uncompressed()
	h.pending = append(h.pending, Sealed{Batch: b})
}

// down is the loss of a connection, with what was in flight marked as written
// unless the script said otherwise.
func (h *harness) down(c ConnID, err error) *ConnDown {
	for n, r := range h.requests {
		if h.core.conns[c] != nil && slices.Contains(h.core.conns[c].inFlight, r) {
			delete(h.requests, n)
			h.takeBack(r)
		}
	}
	return &ConnDown{Conn: c, Err: err}
}

func (h *harness) takeBack(r *Request) {
	for i := range r.Entries {
		if f := h.fates[r.Entries[i].Batch]; f.lent == r {
			f.lent = nil
		}
	}
}

func (h *harness) produce(e *Effect) {
	h.count++
	h.requests[h.count] = e.Request
	e.Request.Written = true
	seen := map[batch.PartitionID]bool{}
	var text []string
	for i := range e.Request.Entries {
		b := e.Request.Entries[i].Batch
		if seen[b.Partition] {
			h.Errorf("request #%d carries two batches of one partition", h.count)
		}
		seen[b.Partition] = true
		f := h.fate(b)
		if f.lent != nil {
			h.Errorf("batch %s is in two requests at once", h.names[b])
		}
		if f.released || f.completed && f.lent == nil {
			h.Errorf("batch %s is sent although it is resolved", h.names[b])
		}
		f.lent = e.Request
		if f.first == 0 {
			f.first = h.count
		}
		text = append(text, h.entry(b))
	}
	h.log("send #%d %s: %s", h.count, h.nodes[e.Conn], strings.Join(text, ", "))
	if e.Request.Acks == 0 && !h.manual["write"] {
		n := h.count
		h.answer(n, nil)
	}
}

// entry is one batch of a request: a seq=0..2 pid=7/1.
func (h *harness) entry(b *batch.Batch) string {
	s := h.names[b]
	if b.Sequenced() {
		last := wire.AddSequence(b.BaseSequence, b.Count()-1)
		s += fmt.Sprintf(" seq=%d..%d id=%d/%d", b.BaseSequence, last, b.ProducerID, b.ProducerEpoch)
	}
	return s
}

func (h *harness) fate(b *batch.Batch) *fate {
	h.name(b)
	f := h.fates[b]
	if f == nil {
		f = &fate{}
		h.fates[b] = f
	}
	return f
}

// name names a batch that Core made: a part of a split one.
func (h *harness) name(b *batch.Batch) {
	if _, ok := h.names[b]; ok {
		return
	}
	h.parts++
	h.names[b] = fmt.Sprintf("%s.%d", h.split, h.parts)
	h.batches[h.names[b]] = b
}

func (h *harness) performBatch(e *Effect) {
	b, f := e.Batch, h.fate(e.Batch)
	name := h.names[b]
	switch e.Do {
	case Unqueued:
		h.queued[b.Partition] -= e.Count
	case Release:
		if f.lent != nil {
			h.Errorf("batch %s is released while a connection has it", name)
		}
		if f.released {
			h.Errorf("batch %s is released twice", name)
		}
		f.released = true
		if f.resolved != h.now {
			h.log("release %s", name)
		}
	case Complete:
		if f.completed {
			h.Errorf("batch %s is completed twice", name)
		}
		f.completed, f.resolved = true, h.now
		if b.Verdict == nil {
			offset, _, _ := b.Outcome.Of(0)
			h.log("complete %s offset=%d", name, offset)
			return
		}
		h.log("fail %s: %s", name, reason(b.Verdict))
	}
}

func reason(f *batch.Failure) string {
	s := f.Code.Name()
	if f.Err != nil {
		s = f.Err.Error()
	}
	if f.Message != "" {
		s += " (" + f.Message + ")"
	}
	s += fmt.Sprintf(", attempts=%d", f.Attempts)
	if f.MaybeWritten {
		s += ", maybe written"
	}
	return s
}

// showStates prints what changed: partitions that are neither idle nor sending,
// batches that wait to be sent again, the producer id.
func (h *harness) showStates() {
	for _, p := range h.core.partitions {
		if p == nil {
			continue
		}
		for _, b := range p.batches {
			h.name(b)
			h.showRetry(b)
		}
	}
	for _, q := range h.src.queues {
		name := fmt.Sprintf("%s-%d", q.topic, q.index)
		if int(q.id) >= len(h.core.partitions) || h.core.partitions[q.id] == nil {
			continue
		}
		s := h.core.partitions[q.id].State()
		text := s.String()
		if s == Idle || s == Sending {
			text = "Sending"
		}
		h.show("partition "+name, text)
	}
	id := h.core.identity.State().String()
	if h.core.identity.State() == producerid.Assigned {
		id += fmt.Sprintf(" %d/%d", h.core.identity.Current().ID, h.core.identity.Current().Epoch)
	}
	h.show("producer id", id)
}

// showRetry prints when a batch that was sent before goes again.
func (h *harness) showRetry(b *batch.Batch) {
	key, at := "batch "+h.names[b], ""
	if b.State() == batch.Ready && b.Attempts > 0 && !b.Settled {
		at = b.RetryAt.String()
	}
	if h.shown[key] != at && at != "" {
		h.log("%s goes again in %v", key, max(0, b.RetryAt.Sub(h.now)))
	}
	h.shown[key] = at
}

func (h *harness) show(what, state string) {
	old, known := h.shown[what]
	if old == state {
		return
	}
	h.shown[what] = state
	switch {
	case !known && (state == "Sending" || state == "None"):
	case !known:
		h.log("%s is %s", what, state)
	default:
		h.log("%s %s -> %s", what, old, state)
	}
}

// check holds what is true after every step.
func (h *harness) check() {
	for _, n := range h.core.sorted() {
		if len(n.inFlight) > h.core.settings.MaxInFlight {
			h.Errorf("%d requests are in flight to %s", len(n.inFlight), n.addr)
		}
		for _, p := range n.ready {
			if p.listed != n {
				h.Errorf("%s-%d is listed at %s, but does not know it", p.topic, p.index, n.addr)
			}
		}
	}
	for _, p := range h.core.partitions {
		if p == nil {
			continue
		}
		retrying := 0
		for _, b := range p.batches {
			if !b.Settled && b.Sequenced() && b.State() != batch.InFlight {
				retrying++
			}
		}
		if retrying != p.retrying {
			h.Errorf("%s-%d counts %d retried batches and has %d",
				p.topic, p.index, p.retrying, retrying)
		}
	}
}

// finished checks that nothing is left: call it when every batch has its fate.
func (h *harness) finished() {
	for b, f := range h.fates {
		if b.State() != batch.Done {
			h.Errorf("batch %s is %v at the end", h.names[b], b.State())
		}
		if !f.released {
			h.Errorf("batch %s was never released", h.names[b])
		}
	}
	for _, q := range h.src.queues {
		if h.queued[q.id] != 0 {
			h.Errorf("%s-%d: %d batches still count as queued", q.topic, q.index, h.queued[q.id])
		}
		if q.open != nil || len(q.closed) > 0 {
			h.Errorf("%s-%d still has batches", q.topic, q.index)
		}
	}
	if len(h.flushes) > 0 {
		h.Errorf("%d flushes are not done", len(h.flushes))
	}
}

// answer answers request n entry by entry; entries that the map leaves out
// succeed. nil answers a request with acks=0.
func (h *harness) answer(n int, fill func(*Request)) {
	r := h.requests[n]
	if r == nil {
		h.Fatalf("request #%d is not out", n)
	}
	delete(h.requests, n)
	for i := range r.Entries {
		r.Entries[i].Answered = fill != nil
	}
	if fill != nil {
		fill(r)
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Batch.Count() > 1 && e.Code == errcode.MessageTooLarge {
			h.split, h.parts = h.names[e.Batch], 0
		}
	}
	h.takeBack(r)
	h.pending = append(h.pending, &Answered{Request: r})
}

func (h *harness) answerMetadata(code errcode.Code) {
	ev := &MetadataAnswer{Conn: h.askedBy["metadata"]}
	if code != errcode.None {
		ev.Err = code
	} else {
		a := h.cluster
		a.Topics = nil
		for _, t := range h.cluster.Topics {
			t.Partitions = slices.Clone(t.Partitions)
			a.Topics = append(a.Topics, t)
		}
		ev.Answer = &a
	}
	h.pending = append(h.pending, ev)
}

func (h *harness) answerID(code errcode.Code, id producerid.ID) {
	h.pending = append(h.pending,
		&ProducerIDAnswer{Conn: h.askedBy["pid"], ID: id, Code: code})
}
