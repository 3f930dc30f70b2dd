package groupcoordinator

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memLog is __consumer_offsets in memory. It can be full.
type memLog struct {
	mu      sync.Mutex
	full    bool
	entries map[int32][]Entry
}

func (l *memLog) Partitions() (int32, error) { return 50, nil }

func (l *memLog) Append(p int32, txn *Txn, records []Record) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return -1, errors.New("no space left on device")
	}
	base := int64(len(l.entries[p]))
	for i, r := range records {
		e := Entry{Record: r, Offset: base + int64(i), ProducerID: -1}
		if txn != nil {
			e.ProducerID = txn.ProducerID
		}
		l.entries[p] = append(l.entries[p], e)
	}
	return base, nil
}

func (l *memLog) Replay(p int32, fn func(Entry) error) error {
	l.mu.Lock()
	entries := slices.Clone(l.entries[p])
	l.mu.Unlock()
	for _, e := range entries {
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func (l *memLog) Existing() ([]int32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []int32
	for p := range l.entries {
		list = append(list, p)
	}
	return list, nil
}

// world is a coordinator in virtual time, which can be restarted.
type world struct {
	t   *testing.T
	log *memLog
	cfg Config
	*Coordinator
}

func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: &memLog{entries: make(map[int32][]Entry)}}
		w.cfg = Config{Log: w.log, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
			MinSessionTimeout: time.Second, MaxSessionTimeout: time.Hour,
			MaxSize: 3, MaxMetadataSize: 10, OffsetsRetention: 24 * time.Hour}
		w.Coordinator = New(w.cfg)
		test(t, w)
		w.Close()
	})
}

// fetch is Fetch where no transaction is open.
func (w *world) fetch(group string, wanted []Offset) ([]Offset, errcode.Code) {
	fetched, code := w.Fetch(group, wanted, true)
	list := make([]Offset, len(fetched))
	for i, f := range fetched {
		list[i] = f.Offset
		if f.Unstable {
			w.t.Errorf("the offset of %s-%d is unstable", f.Topic, f.Partition)
		}
	}
	return list, code
}

// restart forgets what is not in the log.
func (w *world) restart() {
	w.Close()
	w.Coordinator = New(w.cfg)
}

// consumer is a member-to-be.
type consumer struct {
	w        *world
	instance string
	id       string // as the coordinator gave it
	joined   JoinResult
	protos   []Protocol
}

func (w *world) consumer(instance string) *consumer {
	return &consumer{w: w, instance: instance, protos: []Protocol{{"range", []byte("r")}}}
}

func (c *consumer) request() JoinRequest {
	return JoinRequest{Group: "readers", MemberID: c.id, InstanceID: c.instance,
		ClientID: "app", ClientHost: "/127.0.0.1", SessionTimeout: 10 * time.Second,
		RebalanceTimeout: time.Minute, ProtocolType: "consumer", Protocols: c.protos,
		RequireKnownMember: true, CanSkipAssignment: true}
}

// join joins, a second time if it is given an id first.
func (c *consumer) join() errcode.Code {
	r := c.w.Join(context.Background(), c.request())
	if r.Code == errcode.MemberIdRequired {
		c.id = r.MemberID
		r = c.w.Join(context.Background(), c.request())
	}
	c.id, c.joined = r.MemberID, r
	return r.Code
}

func (c *consumer) ref() MemberRef {
	return MemberRef{Group: "readers", Generation: c.joined.Generation, MemberID: c.id,
		InstanceID: c.instance}
}

func (c *consumer) leads() bool { return c.joined.Leader == c.id }

// sync asks for the assignment; a leader gives each member its own id.
func (c *consumer) sync() (string, errcode.Code) {
	r := SyncRequest{MemberRef: c.ref(), Assignments: make(map[string][]byte)}
	if c.leads() {
		for _, m := range c.joined.Members {
			r.Assignments[m.ID] = []byte("for " + m.ID)
		}
	}
	result := c.w.Sync(context.Background(), r)
	return string(result.Assignment), result.Code
}

func (c *consumer) heartbeat() errcode.Code { return c.w.Heartbeat(c.ref()) }

// stable makes a stable group of consumers.
func (w *world) stable(instances ...string) []*consumer {
	w.t.Helper()
	var list []*consumer
	for _, i := range instances {
		list = append(list, w.consumer(i))
	}
	// One first: those that come later find a group that rebalances.
	each(w, list[:1], (*consumer).join, errcode.None)
	if len(list) > 1 {
		var rest sync.WaitGroup
		for _, c := range list[1:] {
			rest.Go(func() { w.must(c.join(), errcode.None) })
		}
		synctest.Wait()
		w.must(list[0].join(), errcode.None)
		rest.Wait()
	}
	var wg sync.WaitGroup
	for _, c := range list {
		wg.Go(func() {
			got, code := c.sync()
			w.must(code, errcode.None)
			if want := "for " + c.id; got != want {
				w.t.Errorf("assignment = %q, want %q", got, want)
			}
		})
	}
	wg.Wait()
	return list
}

func each(w *world, list []*consumer, do func(*consumer) errcode.Code, want errcode.Code) {
	w.t.Helper()
	for _, c := range list {
		w.must(do(c), want)
	}
}

func (w *world) must(got, want errcode.Code) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("code = %v, want %v", got.Name(), want.Name())
	}
}

func (w *world) state() State {
	d, code := w.Describe("readers")
	if code != errcode.None && code != errcode.GroupIdNotFound {
		w.t.Errorf("Describe: %v", code.Name())
	}
	return d.State
}

func (w *world) members() []string {
	d, _ := w.Describe("readers")
	var ids []string
	for _, m := range d.Members {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	return ids
}

// pass lets virtual time go by, and what is due then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
