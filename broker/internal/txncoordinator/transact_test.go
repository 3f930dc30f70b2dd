package txncoordinator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Version 1 keeps the epoch, version 2 raises it with every end (KIP-890).
func TestATransactionFromBeginToEnd(t *testing.T) {
	for _, version := range []Version{Version0, Version2} {
		for _, commit := range []bool{true, false} {
			bubble(t, nil, func(t *testing.T, w *world) {
				p := w.init(nil)
				w.is(Empty, p)
				w.must(w.Verify("x", p, []TopicPartition{t0})[0], errcode.TransactionAbortable)
				w.must(w.add(p, version, t1), errcode.None)
				w.must(w.add(p, version, t0, t1), errcode.None)
				w.is(Ongoing, p)
				w.must(w.Verify("x", p, []TopicPartition{t0})[0], errcode.None)
				next, code := w.End("x", p, commit, version)
				w.must(code, errcode.None)
				after, want := p, nobody
				if version == Version2 {
					after.Epoch++
					want = after
				}
				if next != want {
					t.Errorf("version %d goes on as %v, want %v", version, next, want)
				}
				m := Marker{after, 3, commit, version == Version2}
				if diff := cmp.Diff([]written{{t0, m}, {t1, m}}, w.took()); diff != "" {
					t.Errorf("markers (-want +got):\n%s", diff)
				}
				state := CompleteAbort
				if commit {
					state = CompleteCommit
				}
				w.is(state, after)
				w.restart()
				w.is(state, after)
				w.must(w.Verify("x", after, []TopicPartition{t0})[0], errcode.TransactionAbortable)
				again, code := w.End("x", p, commit, version)
				w.must(code, errcode.None)
				if again != want || len(w.took()) != 0 {
					t.Errorf("the end again: %v", again)
				}
			})
		}
	}
}

func TestIDsThatAreNotKnown(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		w.must(w.add(Producer{1, 0}, Version2, t0), errcode.InvalidProducerIdMapping)
		_, code := w.End("x", Producer{1, 0}, true, Version2)
		w.must(code, errcode.InvalidProducerIdMapping)
		w.must(w.Verify("x", Producer{1, 0}, []TopicPartition{t0})[0], errcode.InvalidProducerIdMapping)
		w.must(w.Add("", Producer{1, 0}, nil, Version2), errcode.InvalidRequest)
		_, code = w.Describe("x")
		w.must(code, errcode.TransactionalIdNotFound)
	})
}

// While markers are missing the end is decided, and the producer must wait.
func TestMarkersThatCannotBeWrittenAreTriedAgain(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		p := w.init(nil)
		w.must(w.add(p, Version2, t0, t1), errcode.None)
		w.refuse[t1] = errcode.KafkaStorageError
		next, code := w.End("x", p, true, Version2)
		w.must(code, errcode.None)
		time.Sleep(time.Minute)
		w.is(PrepareCommit, next)
		if d, _ := w.Describe("x"); len(d.Partitions) != 1 || d.Partitions[0] != t1 {
			t.Errorf("markers are missing in %v", d.Partitions)
		}
		w.must(w.add(next, Version2, t0), errcode.ConcurrentTransactions)
		_, code = w.End("x", p, true, Version2)
		w.must(code, errcode.ConcurrentTransactions)
		_, code = w.Init(InitRequest{TransactionalID: "x", Timeout: 1})
		w.must(code, errcode.ConcurrentTransactions)

		w.mu.Lock()
		delete(w.refuse, t1)
		w.mu.Unlock()
		time.Sleep(time.Second)
		w.is(CompleteCommit, next)
		if got := w.took(); len(got) != 2 {
			t.Errorf("markers %v, want one for each partition", got)
		}
		w.must(w.add(next, Version2, t0), errcode.None)
	})
}

func TestAMarkerHasNoPlaceWhereTheTopicIsGone(t *testing.T) {
	for _, code := range []errcode.Code{errcode.UnknownTopicOrPartition,
		errcode.InvalidProducerEpoch, errcode.TransactionCoordinatorFenced} {
		bubble(t, nil, func(t *testing.T, w *world) {
			p := w.init(nil)
			w.must(w.add(p, Version2, t0, t1), errcode.None)
			w.refuse[t0] = code
			next, _ := w.End("x", p, true, Version2)
			w.is(CompleteCommit, next)
		})
	}
}

// A log that takes nothing leaves everything as it was.
func TestWhatIsNotStoredHasNotHappened(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		p := w.init(nil)
		w.must(w.add(p, Version2, t0), errcode.None)
		w.log.full = true
		w.must(w.add(p, Version2, t1), errcode.CoordinatorNotAvailable)
		_, code := w.End("x", p, true, Version2)
		w.must(code, errcode.CoordinatorNotAvailable)
		w.is(Ongoing, p)
		if len(w.took()) != 0 {
			t.Error("there are markers")
		}
		w.log.full = false
		next, code := w.End("x", p, false, Version2)
		w.must(code, errcode.None)
		w.is(CompleteAbort, next)
	})
}

func TestMarkersCanWait(t *testing.T) {
	bubble(t, func(c *Config) { c.MarkerDelay = time.Minute }, func(t *testing.T, w *world) {
		p := w.init(nil)
		w.must(w.add(p, Version2, t0), errcode.None)
		next, code := w.End("x", p, true, Version2)
		w.must(code, errcode.None)
		w.is(PrepareCommit, next)
		w.must(w.Verify("x", next, []TopicPartition{t0})[0], errcode.ConcurrentTransactions)
		time.Sleep(time.Minute + 1)
		w.is(CompleteCommit, next)
		if len(w.took()) != 1 {
			t.Error("no marker")
		}
	})
}

// What a broker that was killed finds: decided transactions are completed as
// they were decided, open ones stay open until their time is up.
func TestARestartCompletesWhatWasDecided(t *testing.T) {
	for _, commit := range []bool{true, false} {
		bubble(t, func(c *Config) { c.MarkerDelay = time.Hour }, func(t *testing.T, w *world) {
			p := w.init(nil)
			w.must(w.add(p, Version2, t0, t1), errcode.None)
			w.restart()
			w.is(Ongoing, p)
			next, code := w.End("x", p, commit, Version2)
			w.must(code, errcode.None)
			w.log.epoch, w.cfg.MarkerDelay = 4, 0
			w.restart()
			m := Marker{next, 4, commit, true}
			if diff := cmp.Diff([]written{{t0, m}, {t1, m}}, w.took()); diff != "" {
				t.Errorf("markers (-want +got):\n%s", diff)
			}
			want := CompleteAbort
			if commit {
				want = CompleteCommit
			}
			w.is(want, next)
			w.restart()
			w.is(want, next)
		})
	}
}
