package txncoordinator

import (
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// kept makes x a transaction of two-phase commit in t0, which n producers take over
// in turn. It returns who began it, and who may end it.
func (w *world) kept(n int) (first, last Producer) {
	w.t.Helper()
	r := InitRequest{TransactionalID: "x", Timeout: 60_000, TwoPhaseCommit: true}
	p, code := w.Init(r)
	w.must(code, errcode.None)
	w.must(w.add(p.Producer, Version2, t0), errcode.None)
	first, last = p.Producer, p.Producer
	r.KeepPrepared = true
	for range n {
		p, code := w.Init(r)
		w.must(code, errcode.None)
		if p.Ongoing != first {
			w.t.Errorf("the transaction of %v is kept, want that of %v", p.Ongoing, first)
		}
		last = p.Producer
	}
	w.is(Ongoing, first)
	return first, last
}

func twoPhase(c *Config) { c.TwoPhaseCommit = true }

// KIP-939: whoever takes over ends the transaction; its marker is the first
// producer's, and what goes on has a higher epoch than all of them.
func TestAPreparedTransactionIsKeptAndEnded(t *testing.T) {
	for name, commit := range map[string]bool{"commit": true, "abort": false} {
		for _, restarts := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				bubble(t, twoPhase, func(t *testing.T, w *world) {
					first, last := w.kept(3)
					if last != (Producer{first.ID, first.Epoch + 3}) {
						t.Errorf("after %v comes %v", first, last)
					}
					if restarts {
						w.restart()
					}
					time.Sleep(24 * time.Hour)
					w.is(Ongoing, first)
					w.must(w.add(last, Version2, t1), errcode.InvalidTxnState)
					for _, old := range []Producer{first, {first.ID, first.Epoch + 2}} {
						w.must(w.add(old, Version2, t1), errcode.ProducerFenced)
						_, code := w.End("x", old, true, Version2)
						w.must(code, errcode.ProducerFenced)
					}
					next, code := w.End("x", last, commit, Version2)
					w.must(code, errcode.None)
					again, code := w.End("x", last, commit, Version2) // its answer was lost
					w.must(code, errcode.None)
					if want := (Producer{last.ID, last.Epoch + 1}); next != want || again != want {
						t.Errorf("%v goes on, and %v, want %v", next, again, want)
					}
					markers := w.took()
					if len(markers) != 1 || markers[0].Commit != commit ||
						markers[0].Producer != (Producer{first.ID, first.Epoch + 1}) {
						t.Errorf("markers %+v", markers)
					}
					w.must(w.add(next, Version2, t0), errcode.None)
					w.is(Ongoing, next)
				})
			})
		}
	}
}

// InitTransactions that does not keep it aborts what was kept before.
func TestAKeptTransactionIsAbortedByTheNextThatDoesNotKeep(t *testing.T) {
	bubble(t, twoPhase, func(t *testing.T, w *world) {
		first, last := w.kept(2)
		next := w.init(nil)
		if next.ID != first.ID || next.Epoch <= last.Epoch+1 {
			t.Errorf("%v comes after %v", next, last)
		}
		if m := w.took(); len(m) != 1 || m[0].Commit || m[0].Epoch >= next.Epoch {
			t.Errorf("markers %+v", m)
		}
		_, code := w.End("x", last, true, Version2)
		w.must(code, errcode.ProducerFenced)
	})
}

// A fence that could not be stored has ended nothing: what is kept then is known by
// the epoch that its producer was told, and that producer is fenced all the same.
func TestATransactionIsKeptAfterAFenceThatWasNotStored(t *testing.T) {
	for _, takeovers := range []int{0, 2} {
		for _, restarts := range []bool{false, true} {
			bubble(t, twoPhase, func(t *testing.T, w *world) {
				first, last := w.kept(takeovers)
				r := InitRequest{TransactionalID: "x", Timeout: 60_000, TwoPhaseCommit: true}
				w.log.full = true
				for range 2 {
					_, code := w.Init(r)
					w.must(code, errcode.CoordinatorNotAvailable)
				}
				r.KeepPrepared = true
				_, code := w.Init(r)
				w.must(code, errcode.CoordinatorNotAvailable)
				w.log.full = false
				got, code := w.Init(r)
				w.must(code, errcode.None)
				if want := (Granted{Producer{last.ID, last.Epoch + 1}, first}); got != want {
					t.Errorf("after %d takeovers granted %+v, want %+v", takeovers, got, want)
				}
				if restarts {
					w.restart()
				}
				w.is(Ongoing, first)
				_, code = w.End("x", last, true, Version2)
				w.must(code, errcode.ProducerFenced)
				_, code = w.End("x", got.Producer, true, Version2)
				w.must(code, errcode.None)
				if m := w.took(); len(m) != 1 || !m[0].Commit ||
					m[0].Producer != (Producer{first.ID, first.Epoch + 1}) {
					t.Errorf("after %d takeovers markers %+v", takeovers, m)
				}
			})
		}
	}
}

// With nothing open keeping is initializing.
func TestThereIsNothingToKeep(t *testing.T) {
	bubble(t, twoPhase, func(t *testing.T, w *world) {
		r := InitRequest{TransactionalID: "x", Timeout: 1, TwoPhaseCommit: true, KeepPrepared: true}
		for epoch := range int16(2) {
			p, code := w.Init(r)
			w.must(code, errcode.None)
			if p != (Granted{Producer{1000, epoch}, nobody}) {
				t.Errorf("granted %+v", p)
			}
		}
	})
}

// A commit whose marker cannot be written yet is not kept, but waited for.
func TestADecidedTransactionIsNotKept(t *testing.T) {
	bubble(t, twoPhase, func(t *testing.T, w *world) {
		_, last := w.kept(1)
		w.refuse[t0] = errcode.NotLeaderOrFollower
		next, code := w.End("x", last, true, Version2)
		w.must(code, errcode.None)
		r := InitRequest{TransactionalID: "x", Timeout: 1, TwoPhaseCommit: true, KeepPrepared: true}
		_, code = w.Init(r)
		w.must(code, errcode.ConcurrentTransactions)
		_, code = w.End("x", last, true, Version2)
		w.must(code, errcode.ConcurrentTransactions)
		w.restart()
		w.mu.Lock()
		delete(w.refuse, t0)
		w.mu.Unlock()
		time.Sleep(time.Second)
		p, code := w.Init(r)
		w.must(code, errcode.None)
		if p != (Granted{Producer{next.ID, next.Epoch + 1}, nobody}) {
			t.Errorf("granted %+v after %v", p, next)
		}
	})
}

// Epochs may run out while a transaction is open: the next producer has an id of
// its own, and the marker still has the first one's.
func TestKeepingTakesANewIDWhenEpochsRunOut(t *testing.T) {
	bubble(t, twoPhase, func(t *testing.T, w *world) {
		first, last := w.kept(lastEpoch + 2)
		if last != (Producer{first.ID + 1, 1}) {
			t.Errorf("after %v comes %v", first, last)
		}
		w.restart()
		next, code := w.End("x", last, true, Version2)
		w.must(code, errcode.None)
		if next != (Producer{last.ID, 2}) {
			t.Errorf("%v goes on after %v", next, last)
		}
		if m := w.took(); len(m) != 1 || m[0].Producer != (Producer{first.ID, first.Epoch + 1}) {
			t.Errorf("markers %+v", m)
		}
	})
}
