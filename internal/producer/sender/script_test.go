package sender

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/internal/backoff"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/golden"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// Each file of testdata is one scenario: blocks of commands, each followed by
// ---- and the trace of what the core did. go test -update rewrites the traces.
//
//	set linger=10ms retries=2 …        settings, before anything else
//	cluster brokers=1,2 t-0=1@3 t-1=none t.id=1 t.err=CODE
//	                                   what metadata answers say from now on
//	manual dial broker1 metadata pid compress write
//	                                   these are answered by the script, not at once
//	warm                               every partition has had a batch of one record: ids are
//	                                   known, connections open; no trace, requests count from 1
//	quiet                              forget the trace so far
//	want t / missing t                 a record wants a topic, or one more partition
//	ready|open|sealing t-0 a records=3 size=10
//	fill a / sealed a                  an open batch is full; a caller has compressed
//	compressed a                       the loop's helper has compressed
//	answer 1 a=ok@40 b=CODE:-1:text    the answer to request #1: offset, or log start and text
//	    leader=2@5 throttle=1s bad=0:text
//	lost broker1 [unwritten=1,2] [fatal]  the connection is gone
//	up broker1 / refuse broker1        a connection is made, or cannot be; the one aside to broker1
//	                                   is called broker1-aside, its second one broker1-detour
//	metadata ok [broker1]|CODE|rebootstrap / pid 7/0|CODE|fail
//	                                   by the node that was asked last, or another
//	flush f / abandon
//	starved / fed                      a caller waits for memory; nobody does any more
//	meanwhile fill|sealing a …         a caller does that right after the core's next look
//	serial 1ms                         brokers have been seen to take that long for each request
//	+100ms                             time passes
//	features 2                         transaction.version that brokers report from now on
//	session 10s                        brokers want new credentials after that (KIP-368)
//	init [keep] / begin / commit / abort [closing] / prepare / complete 7/1 /
//	offsets g t-0=5 / spoil t          the user's transactional calls
//	coordinate ok [pid=9/0] [ongoing=9/0] [old]|CODE|broker2|t-0=CODE …
//	                                   the answer to the transactional request that is out
//	end                                nothing may be left
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios in testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, file, []byte(play(t, string(text))))
		})
	}
}

// play runs a scenario and returns it with the traces that it has now.
func play(t testing.TB, text string) string {
	s := &script{}
	var out strings.Builder
	t.Cleanup(func() {
		if t.Failed() && s.h != nil {
			t.Logf("so far:\n%s", tail(out.String()+s.h.trace.String(), 80))
		}
	})
	block, inTrace := []string{}, false
	finish := func() {
		for _, line := range block {
			s.run(t, line)
		}
		if inTrace {
			out.WriteString("----\n")
			out.WriteString(s.h.trace.String())
			s.h.trace.Reset()
		}
		block, inTrace = nil, false
	}
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "----":
			inTrace = true
		case line == "":
			finish()
			out.WriteByte('\n')
		case inTrace: // the old trace
		default:
			out.WriteString(line + "\n")
			if !strings.HasPrefix(line, "#") {
				block = append(block, line)
			}
		}
	}
	finish()
	return out.String()
}

// tail is the last lines of s.
func tail(s string, lines int) string {
	all := strings.SplitAfter(s, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

type script struct {
	settings []func(*Settings)
	h        *harness
}

func (s *script) run(t testing.TB, line string) {
	t.Helper()
	words := strings.Fields(line)
	verb, args := words[0], words[1:]
	if verb == "set" {
		for _, a := range args {
			s.settings = append(s.settings, setting(t, a))
		}
		return
	}
	if s.h == nil {
		s.h = newHarness(t, func(to *Settings) {
			for _, f := range s.settings {
				f(to)
			}
		})
	}
	if strings.HasPrefix(verb, "+") {
		d, err := time.ParseDuration(verb[1:])
		if err != nil {
			t.Fatal(err)
		}
		s.h.pass(d)
		return
	}
	command, ok := commands[verb]
	if !ok {
		t.Fatalf("unknown command %q", line)
	}
	command(s.h, args)
}

func setting(t testing.TB, arg string) func(*Settings) {
	t.Helper()
	name, value, _ := strings.Cut(arg, "=")
	n, _ := strconv.Atoi(value)
	d, _ := time.ParseDuration(value)
	set := map[string]func(*Settings){
		"acks":              func(s *Settings) { s.Acks = int16(n) },
		"transactional":     func(s *Settings) { s.Transactional = value == "on" },
		"two.phase":         func(s *Settings) { s.TwoPhase = value == "on" },
		"idempotence":       func(s *Settings) { s.Idempotent = value == "on" },
		"max.in.flight":     func(s *Settings) { s.MaxInFlight = n },
		"max.request.size":  func(s *Settings) { s.MaxRequestSize = n },
		"linger":            func(s *Settings) { s.Linger = d },
		"pause":             func(s *Settings) { s.Pause = d },
		"delivery.timeout":  func(s *Settings) { s.DeliveryTimeout = d },
		"request.timeout":   func(s *Settings) { s.RequestTimeout = d },
		"retries":           func(s *Settings) { s.Retries = n },
		"retry.backoff":     func(s *Settings) { s.Backoff = backoff.Policy{Initial: d, Max: d * 8} },
		"reconnect.backoff": func(s *Settings) { s.Reconnect = backoff.Policy{Initial: d, Max: d * 8} },
		"max.idle":          func(s *Settings) { s.MaxIdle = d },
		"rebootstrap":       func(s *Settings) { s.Rebootstrap = d },
		"metadata.max.age":  func(s *Settings) { s.MetadataMaxAge = d },
		"metadata.max.idle": func(s *Settings) { s.MetadataMaxIdle = d },
		"bootstrap":         func(s *Settings) { s.Bootstrap = strings.Split(value, ",") },
		"availability":      func(s *Settings) { s.AvailabilityTimeout = d },
	}[name]
	if set == nil {
		t.Fatalf("unknown setting %q", arg)
	}
	return set
}

var commands map[string]func(h *harness, args []string)

func init() { // not an initializer: the commands refer to each other's helpers
	commands = map[string]func(h *harness, args []string){
		"cluster": (*harness).setCluster,
		"manual":  func(h *harness, args []string) { h.setManual(args, true) },
		"auto":    func(h *harness, args []string) { h.setManual(args, false) },
		"warm":    (*harness).warm,
		"quiet":   func(h *harness, _ []string) { h.trace.Reset() },
		"want":    func(h *harness, args []string) { h.post(WantTopic{Topic: args[0]}) },
		"missing": func(h *harness, args []string) {
			h.post(WantTopic{Topic: args[0], Missing: true})
		},
		"ready":      func(h *harness, args []string) { h.make(args, false, false) },
		"open":       func(h *harness, args []string) { h.make(args, true, false) },
		"sealing":    func(h *harness, args []string) { h.make(args, false, true) },
		"fill":       func(h *harness, args []string) { h.src.fill(h.queueOf(args[0])); h.post() },
		"sealed":     (*harness).sealed,
		"compresses": func(h *harness, _ []string) { h.src.compresses = true },
		"compressed": func(h *harness, args []string) { h.compressed(h.batches[args[0]]); h.post() },
		"answer":     (*harness).scriptAnswer,
		"lost":       (*harness).lost,
		"up":         func(h *harness, args []string) { h.up(args[0], true) },
		"old":        func(h *harness, args []string) { h.up(args[0], false) },
		"refuse":     (*harness).refuse,
		"metadata":   (*harness).scriptMetadata,
		"pid":        (*harness).scriptID,
		"flush":      (*harness).flush,
		"abandon":    (*harness).abandon,
		"starved":    func(h *harness, _ []string) { h.src.starving = true; h.post(Starved{}) },
		"fed":        func(h *harness, _ []string) { h.src.starving = false; h.post() },
		"meanwhile":  (*harness).meanwhile,
		"serial":     (*harness).serial,
		"features":   func(h *harness, args []string) { h.transactions = int16(atoi(h, args[0])) },
		"session":    func(h *harness, args []string) { h.session, _ = time.ParseDuration(args[0]) },
		"init":       (*harness).init,
		"begin":      func(h *harness, _ []string) { h.transact(txn.Begin) },
		"commit":     func(h *harness, _ []string) { h.transact(txn.Commit) },
		"abort":      (*harness).abort,
		"prepare":    func(h *harness, _ []string) { h.transact(txn.Prepare) },
		"complete":   (*harness).complete,
		"offsets":    (*harness).sendOffsets,
		"spoil":      (*harness).spoil,
		"coordinate": (*harness).coordinate,
		"end":        func(h *harness, _ []string) { h.finished() },
	}
}

// serial has the nodes measured as brokers that deal with one request after the other.
func (h *harness) serial(args []string) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		panic(err)
	}
	for _, n := range h.core.nodes {
		n.window = window{
			least: d.Seconds(), took: d.Seconds(), size: asBatches + 1,
			spacing: d.Seconds(), sizeAfter: asBatches + 1,
			alones: lastAlone, behinds: smooth, requests: 1,
		}
	}
}

// setCluster takes brokers=1,2 t-0=1@3 t.id=1 t.err=CODE.
func (h *harness) setCluster(args []string) {
	a := metadata.Answer{ClusterID: "c"}
	topics := map[string]*metadata.Topic{}
	var order []string
	topic := func(name string) *metadata.Topic {
		if topics[name] == nil {
			topics[name] = &metadata.Topic{Name: name, ID: metadata.TopicID{1}}
			order = append(order, name)
		}
		return topics[name]
	}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch {
		case name == "brokers":
			for id := range strings.SplitSeq(value, ",") {
				id, host, moved := strings.Cut(id, "@")
				if !moved {
					host = "broker" + id
				}
				a.Brokers = append(a.Brokers, metadata.Broker{
					ID: atoi(h, id), Host: host, Port: 9092,
				})
			}
		case strings.HasSuffix(name, ".id"):
			topic(strings.TrimSuffix(name, ".id")).ID = metadata.TopicID{byte(atoi(h, value))}
		case strings.HasSuffix(name, ".err"):
			topic(strings.TrimSuffix(name, ".err")).Err = code(h, value)
		default:
			t, index, _ := strings.Cut(name, "-")
			h.setPartition(topic(t), atoi(h, index), value)
		}
	}
	for _, name := range order {
		a.Topics = append(a.Topics, *topics[name])
	}
	h.cluster = a
}

func (h *harness) setPartition(t *metadata.Topic, index int32, value string) {
	for int(index) >= len(t.Partitions) {
		t.Partitions = append(t.Partitions, metadata.Partition{Leader: metadata.NoLeader, Epoch: -1})
	}
	leader, epoch, known := strings.Cut(value, "@")
	p := metadata.Partition{Leader: metadata.NoLeader, Epoch: -1}
	if leader != "none" {
		p.Leader = atoi(h, leader)
	}
	if known {
		p.Epoch = atoi(h, epoch)
	}
	t.Partitions[index] = p
	name := fmt.Sprintf("%s-%d", t.Name, index)
	if h.src.byName[name] == nil {
		h.src.add(t.Name, index, name)
	}
}

// warm sends one record to every partition.
func (h *harness) warm([]string) {
	for _, t := range h.cluster.Topics {
		h.post(WantTopic{Topic: t.Name})
	}
	pause := h.core.settings.Pause
	h.core.settings.Pause = 0
	defer func() { h.core.settings.Pause = pause }()
	for _, q := range h.src.queues {
		if leader, _ := h.core.Snapshot().Leader(q.topic, q.index); leader == metadata.NoLeader {
			continue
		}
		b := q.make(1, 10, h.now)
		h.names[b] = "warm"
		h.queued[q.id]++
		h.src.put(q, b, false, false)
		h.post()
		for n := range h.requests {
			h.answer(n, func(r *Request) { r.Entries[0].BaseOffset = 0 })
		}
		h.post()
	}
	h.count = 0
	h.trace.Reset()
}

func (h *harness) setManual(args []string, on bool) {
	for _, a := range args {
		h.manual[a] = on
	}
}

// make takes t-0 a records=3 size=10.
func (h *harness) make(args []string, open, sealing bool) {
	q, count, size := h.src.byName[args[0]], 1, 10
	if q == nil {
		h.Fatalf("no partition %s", args[0])
	}
	for _, a := range args[2:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "records":
			count = int(atoi(h, value))
		case "size":
			size = int(atoi(h, value))
		}
	}
	b := q.make(count, size, h.now)
	h.names[b], h.batches[args[1]] = args[1], b
	h.queued[q.id]++
	h.src.put(q, b, open, sealing)
	h.post()
}

func (h *harness) queueOf(name string) *queue {
	return h.src.queues[h.batches[name].Partition]
}

func (h *harness) sealed(args []string) {
	h.src.seal(h.queueOf(args[0]), h.batches[args[0]])
	h.post()
}

// scriptAnswer takes 1 a=ok@40 b=CODE:logstart:text leader=2@5 throttle=1s.
func (h *harness) scriptAnswer(args []string) {
	h.answer(int(atoi(h, args[0])), func(r *Request) {
		for _, a := range args[1:] {
			name, value, _ := strings.Cut(a, "=")
			switch name {
			case "throttle":
				r.Throttle, _ = time.ParseDuration(value)
			case "leader":
				h.hint(r, value)
			case "bad":
				index, text, _ := strings.Cut(value, ":")
				r.Entries[0].BadRecords = map[int32]string{atoi(h, index): text}
			default:
				h.fill(r, name, value)
			}
		}
	})
	h.post()
}

func (h *harness) fill(r *Request, name, value string) {
	for i := range r.Entries {
		e := &r.Entries[i]
		if h.names[e.Batch] != name {
			continue
		}
		if offset, ok := strings.CutPrefix(value, "ok@"); ok {
			e.BaseOffset = int64(atoi(h, offset))
			return
		}
		parts := strings.SplitN(value, ":", 3)
		if parts[0] == "missing" {
			e.Answered = false
			return
		}
		e.Code = code(h, parts[0])
		if len(parts) > 1 {
			e.LogStart = int64(atoi(h, parts[1]))
		}
		if len(parts) > 2 {
			e.Message = parts[2]
		}
		return
	}
	h.Fatalf("the request has no batch %s", name)
}

// hint names a new leader for all entries, and its address (KIP-951).
func (h *harness) hint(r *Request, value string) {
	leader, epoch, _ := strings.Cut(value, "@")
	id := atoi(h, leader)
	for i := range r.Entries {
		if r.Entries[i].Code == errcode.NotLeaderOrFollower {
			r.Entries[i].Leader, r.Entries[i].LeaderEpoch = id, atoi(h, epoch)
		}
	}
	r.Nodes = append(r.Nodes, metadata.Broker{ID: id, Host: "broker" + leader, Port: 9092})
}

func (h *harness) connOf(name string) ConnID {
	found := ConnID(-1)
	for id, n := range h.nodes {
		if n == name {
			found = max(found, id)
		}
	}
	if found < 0 {
		h.Fatalf("no connection to %s", name)
	}
	return found
}

func (h *harness) lost(args []string) {
	fatal := false
	for _, a := range args[1:] {
		if list, ok := strings.CutPrefix(a, "unwritten="); ok {
			for n := range strings.SplitSeq(list, ",") {
				h.requests[int(atoi(h, n))].Written = false
			}
		}
		fatal = fatal || a == "fatal"
	}
	ev := h.down(h.connOf(args[0]), fmt.Errorf("connection reset"))
	ev.Fatal = fatal
	h.post(ev)
}

func (h *harness) up(name string, idempotent bool) {
	h.post(h.connUp(h.connOf(name), idempotent))
}

func (h *harness) refuse(args []string) {
	h.post(&ConnDown{
		Conn: h.connOf(args[0]), Err: fmt.Errorf("connection refused"),
		Fatal: len(args) > 1 && args[1] == "fatal",
	})
}

func (h *harness) scriptMetadata(args []string) {
	switch args[0] {
	case "ok":
		if len(args) > 1 {
			h.askedBy["metadata"] = h.connOf(args[1])
		}
		h.answerMetadata(errcode.None)
	case "rebootstrap":
		h.pending = append(h.pending, &MetadataAnswer{
			Conn: h.askedBy["metadata"], Answer: &metadata.Answer{Rebootstrap: true},
		})
	default:
		h.answerMetadata(code(h, args[0]))
	}
	h.post()
}

func (h *harness) scriptID(args []string) {
	if args[0] == "fail" {
		h.pending = append(h.pending,
			&ProducerIDAnswer{Conn: h.askedBy["pid"], Err: fmt.Errorf("not understood")})
	} else if id, epoch, ok := strings.Cut(args[0], "/"); ok {
		h.answerID(errcode.None, producerid.ID{ID: int64(atoi(h, id)), Epoch: int16(atoi(h, epoch))})
	} else {
		h.answerID(code(h, args[0]), producerid.NoID)
	}
	h.post()
}

func (h *harness) flush(args []string) {
	f := &batch.Flush{}
	h.flushes[f] = args[0]
	h.post(FlushAll{Flush: f})
}

// meanwhile lets something happen between the core's next look at a partition
// and what it does then.
func (h *harness) meanwhile(args []string) {
	h.src.between = func() {
		switch args[0] {
		case "full": // an open batch is full, and its filler compresses it
			q := h.queueOf(args[1])
			b := q.open
			q.open = nil
			b.Close()
			q.closed = append(q.closed, b)
			h.src.happened(q, aFull)
		case "sealed":
			h.src.seal(h.queueOf(args[1]), h.batches[args[1]])
		}
	}
}

func (h *harness) abandon([]string) {
	h.post(Abandon{Failure: &batch.Failure{Err: fmt.Errorf("closed")}})
}

func atoi(t testing.TB, s string) int32 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int32(n)
}

func code(t testing.TB, name string) errcode.Code {
	t.Helper()
	c, ok := errcode.ByName(name)
	if !ok {
		t.Fatalf("no error code %s", name)
	}
	return c
}
