package txncoordinator

import (
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

// memLog is __transaction_state in memory. It can be full.
type memLog struct {
	mu      sync.Mutex
	full    bool
	epoch   int32
	records map[int32][]Record
}

func (l *memLog) Partitions() (int32, error) { return 50, nil }

func (l *memLog) Epoch(int32) (int32, error) { return l.epoch, nil }

func (l *memLog) Append(p int32, r Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return errors.New("no space left on device")
	}
	l.records[p] = append(l.records[p], r)
	return nil
}

func (l *memLog) Replay(p int32, fn func(Record) error) error {
	l.mu.Lock()
	records := slices.Clone(l.records[p])
	l.mu.Unlock()
	for _, r := range records {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

func (l *memLog) Existing() ([]int32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []int32
	for p := range l.records {
		list = append(list, p)
	}
	return list, nil
}

// written is a marker and where it was written.
type written struct {
	TopicPartition
	Marker
}

// world is a coordinator in virtual time, which can be restarted, and the
// partitions that it writes markers to.
type world struct {
	t   *testing.T
	log *memLog
	cfg Config
	*Coordinator

	mu      sync.Mutex
	markers []written
	refuse  map[TopicPartition]errcode.Code
	nextID  int64
}

func (w *world) WriteMarker(tp TopicPartition, m Marker) errcode.Code {
	w.mu.Lock()
	defer w.mu.Unlock()
	if code := w.refuse[tp]; code != errcode.None {
		return code
	}
	w.markers = append(w.markers, written{tp, m})
	return errcode.None
}

// took is the markers since took was last called.
func (w *world) took() []written {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.markers
	w.markers = nil
	return list
}

func (w *world) newID() (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nextID++
	return w.nextID, nil
}

func bubble(t *testing.T, change func(*Config), test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, nextID: 999, log: &memLog{records: make(map[int32][]Record), epoch: 3},
			refuse: make(map[TopicPartition]errcode.Code)}
		w.cfg = Config{Log: w.log, Markers: w, NewID: w.newID, Now: time.Now,
			Logger: slog.New(slog.DiscardHandler), Version: Version2, MaxTimeout: 15 * time.Minute,
			Expiration: 7 * 24 * time.Hour, AbortInterval: 10 * time.Second, ExpireInterval: time.Hour}
		if change != nil {
			change(&w.cfg)
		}
		w.Coordinator = New(w.cfg)
		test(t, w)
		w.Close()
	})
}

// restart forgets what is not in the log.
func (w *world) restart() {
	w.Close()
	w.Coordinator = New(w.cfg)
	w.Recover()
}

func (w *world) must(got, want errcode.Code) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s, want %s", got.Name(), want.Name())
	}
}

// init owns the transactional id x; one that has a transaction to abort asks
// twice.
func (w *world) init(expected *Producer) Producer {
	w.t.Helper()
	r := InitRequest{TransactionalID: "x", Timeout: 60_000, Expected: expected}
	p, code := w.Init(r)
	if code == errcode.ConcurrentTransactions {
		p, code = w.Init(r)
	}
	w.must(code, errcode.None)
	return p.Producer
}

func (w *world) add(p Producer, v Version, list ...TopicPartition) errcode.Code {
	return w.Add("x", p, list, v)
}

// is checks what is known of x.
func (w *world) is(s State, p Producer) {
	w.t.Helper()
	d, code := w.Describe("x")
	w.must(code, errcode.None)
	if d.State != s || d.Producer != p {
		w.t.Errorf("x is %v of %v, want %v of %v", d.State, d.Producer, s, p)
	}
}

var t0, t1 = TopicPartition{"orders", 0}, TopicPartition{"orders", 1}
