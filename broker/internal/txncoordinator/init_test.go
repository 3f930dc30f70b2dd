package txncoordinator

import (
	"math"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// What a producer is given, by what it expects and by what is known (KIP-360).
func TestInitializing(t *testing.T) {
	newID := func() (int64, error) { return 50, nil }
	e := func(id int64, epoch int16) *Producer { return &Producer{id, epoch} }
	tests := []struct {
		name     string
		known    Producer
		previous int64
		last     int16
		expected *Producer
		want     Producer
		wantLast int16
		code     errcode.Code
	}{
		{"a new id", Producer{7, -1}, -1, -1, nil, Producer{7, 0}, -1, 0},
		{"another producer", Producer{7, 3}, 7, 2, nil, Producer{7, 4}, -1, 0},
		{"the same producer recovers", Producer{7, 3}, 7, -1, e(7, 3), Producer{7, 4}, 3, 0},
		{"it asks again", Producer{7, 4}, 7, 3, e(7, 3), Producer{7, 4}, 3, 0},
		{"it is too late", Producer{7, 5}, 7, -1, e(7, 3), Producer{}, 0, errcode.ProducerFenced},
		{"one that was forgotten recovers", Producer{7, -1}, -1, -1, e(3, 9), Producer{7, 0}, -1, 0},
		{"the last epoch", Producer{7, lastEpoch - 1}, 7, -1, nil, Producer{7, lastEpoch}, -1, 0},
		{"no epoch is left", Producer{7, lastEpoch}, 7, -1, nil, Producer{50, 0}, -1, 0},
		{"no epoch is left for the same", Producer{7, lastEpoch}, 7, -1, e(7, lastEpoch),
			Producer{50, 0}, lastEpoch, 0},
		{"it asks again for the new id", Producer{50, 0}, 7, lastEpoch, e(7, lastEpoch),
			Producer{50, 0}, lastEpoch, 0},
		{"it asks again for the last epoch", Producer{7, lastEpoch}, 7, lastEpoch - 1,
			e(7, lastEpoch-1), Producer{7, lastEpoch}, lastEpoch - 1, 0},
		{"a fence took the last epoch", Producer{7, math.MaxInt16}, 7, -1, nil, Producer{50, 0}, -1, 0},
		{"another producer's id", Producer{7, 3}, 6, 2, e(6, 3), Producer{}, 0, errcode.ProducerFenced},
	}
	for _, tt := range tests {
		for _, state := range []State{Empty, CompleteCommit, CompleteAbort} {
			t.Run(tt.name+" after "+state.String(), func(t *testing.T) {
				m := metadata{Producer: tt.known, previousID: tt.previous, nextID: noID, nextEpoch: noEpoch,
					lastEpoch: tt.last, state: state, start: 1}
				if !m.expects(tt.expected) {
					if tt.code != errcode.ProducerFenced {
						t.Error("fenced")
					}
					return
				}
				got, code := m.initializing(tt.expected, 100, 5, newID)
				if code != tt.code {
					t.Fatalf("%s, want %s", code.Name(), tt.code.Name())
				}
				if code != errcode.None {
					return
				}
				if got.Producer != tt.want || got.lastEpoch != tt.wantLast {
					t.Errorf("%v after epoch %d, want %v after %d",
						got.Producer, got.lastEpoch, tt.want, tt.wantLast)
				}
				if got.state != Empty || got.start != -1 || got.timeout != 100 || got.updated != 5 {
					t.Errorf("metadata %+v", got)
				}
			})
		}
	}
}

func TestInitChecksWhatItIsAsked(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		tests := []struct {
			name string
			r    InitRequest
			want errcode.Code
		}{
			{"an empty id", InitRequest{Timeout: 1}, errcode.InvalidRequest},
			{"no timeout", InitRequest{TransactionalID: "x"}, errcode.InvalidTransactionTimeout},
			{"the longest timeout", InitRequest{TransactionalID: "x", Timeout: 900_000}, errcode.None},
			{"a longer one", InitRequest{TransactionalID: "x", Timeout: 900_001},
				errcode.InvalidTransactionTimeout},
			{"two-phase commit", InitRequest{TransactionalID: "x", Timeout: 1, TwoPhaseCommit: true},
				errcode.TransactionalIdAuthorizationFailed},
			{"a transaction to keep without it",
				InitRequest{TransactionalID: "x", Timeout: 1, KeepPrepared: true},
				errcode.UnsupportedVersion},
		}
		for _, tt := range tests {
			if _, code := w.Init(tt.r); code != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, code.Name(), tt.want.Name())
			}
		}
	})
}

// A transaction of two-phase commit is open until somebody ends it (KIP-939).
func TestTwoPhaseCommitHasNoTimeout(t *testing.T) {
	bubble(t, func(c *Config) { c.TwoPhaseCommit = true }, func(t *testing.T, w *world) {
		p, code := w.Init(InitRequest{TransactionalID: "x", Timeout: 1000, TwoPhaseCommit: true})
		w.must(code, errcode.None)
		w.must(w.add(p.Producer, Version2, t0), errcode.None)
		time.Sleep(24 * time.Hour)
		w.is(Ongoing, p.Producer)
	})
}

// An open transaction is aborted under an epoch that nobody has; the producer
// asks again and gets a higher one.
func TestInitFencesAnOpenTransaction(t *testing.T) {
	for _, tt := range []struct {
		version     Version
		marker, new int16
	}{{Version1, 1, 2}, {Version2, 2, 3}} {
		bubble(t, func(c *Config) { c.Version = tt.version }, func(t *testing.T, w *world) {
			p := w.init(nil)
			w.must(w.add(p, tt.version, t0, t1), errcode.None)
			_, code := w.Init(InitRequest{TransactionalID: "x", Timeout: 60_000})
			w.must(code, errcode.ConcurrentTransactions)
			for _, m := range w.took() {
				if m.Commit || m.Epoch != tt.marker || m.CoordinatorEpoch != 3 {
					t.Errorf("marker %+v", m)
				}
			}
			if got := w.init(nil); got != (Producer{p.ID, tt.new}) {
				t.Errorf("then it is %v", got)
			}
			_, code = w.End("x", p, true, tt.version)
			w.must(code, errcode.ProducerFenced)
			w.must(w.add(p, tt.version, t0), errcode.ProducerFenced)
			w.must(w.Verify("x", p, []TopicPartition{t0})[0], errcode.ProducerFenced)
		})
	}
}

// A fence that could not be stored raises the epoch once, not with each try.
func TestAFenceThatIsNotStoredTakesOneEpoch(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		p := w.init(nil)
		w.must(w.add(p, Version2, t0), errcode.None)
		w.log.full = true
		for range 3 {
			_, code := w.Init(InitRequest{TransactionalID: "x", Timeout: 60_000})
			w.must(code, errcode.CoordinatorNotAvailable)
		}
		w.is(Ongoing, Producer{p.ID, p.Epoch + 1})
		w.log.full = false
		if got := w.init(nil); got != (Producer{p.ID, p.Epoch + 3}) {
			t.Errorf("then it is %v", got)
		}
	})
}
