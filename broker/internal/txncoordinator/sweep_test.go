package txncoordinator

import (
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// A transaction that is open for longer than its producer asked for is aborted,
// and the producer is fenced, also when the broker was restarted meanwhile.
func TestTransactionsTimeOut(t *testing.T) {
	for _, restart := range []bool{false, true} {
		bubble(t, nil, func(t *testing.T, w *world) {
			p := w.init(nil)
			time.Sleep(time.Hour) // no transaction, no timeout
			w.must(w.add(p, Version2, t0), errcode.None)
			time.Sleep(50 * time.Second)
			w.must(w.add(p, Version2, t1), errcode.None) // that it grows gives it no time
			if restart {
				w.restart()
			}
			w.is(Ongoing, p)
			time.Sleep(21 * time.Second)
			w.is(CompleteAbort, Producer{p.ID, p.Epoch + 2})
			if got := w.took(); len(got) != 2 || got[0].Commit || got[0].Epoch <= p.Epoch {
				t.Errorf("markers %+v", got)
			}
			for _, commit := range []bool{true, false} {
				for _, v := range []Version{Version0, Version2} {
					_, code := w.End("x", p, commit, v)
					w.must(code, errcode.ProducerFenced)
				}
			}
			// Its own producer may recover if it says what it has (KIP-588).
			_, code := w.Init(InitRequest{TransactionalID: "x", Timeout: 60_000, Expected: &p})
			w.must(code, errcode.ProducerFenced)
			w.init(nil)
		})
	}
}

func TestIdleIDsExpire(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		p := w.init(nil)
		time.Sleep(6 * 24 * time.Hour)
		w.must(w.add(p, Version2, t0), errcode.None)
		p, _ = w.End("x", p, true, Version2)
		time.Sleep(6 * 24 * time.Hour)
		w.is(CompleteCommit, p)
		time.Sleep(25 * time.Hour)
		for range 2 {
			_, code := w.Describe("x")
			w.must(code, errcode.TransactionalIdNotFound)
			_, code = w.End("x", p, true, Version2)
			w.must(code, errcode.InvalidProducerIdMapping)
			w.restart()
		}
		if got := w.init(&p); got.ID == p.ID || got.Epoch != 0 {
			t.Errorf("a producer that comes back is %v", got)
		}
	})
}

func TestListTellsAll(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		p := w.init(nil)
		w.must(w.add(p, Version2, t0), errcode.None)
		_, code := w.Init(InitRequest{TransactionalID: "y", Timeout: 1})
		w.must(code, errcode.None)
		w.Close()
		w.Coordinator = New(w.cfg) // nothing is loaded
		list, code := w.List()
		w.must(code, errcode.None)
		states := map[string]State{}
		for _, d := range list {
			states[d.TransactionalID] = d.State
		}
		if len(states) != 2 || states["x"] != Ongoing || states["y"] != Empty {
			t.Errorf("listed %v", states)
		}
		w.Close()
		_, code = w.List()
		w.must(code, errcode.CoordinatorNotAvailable)
		_, code = w.Describe("x")
		w.must(code, errcode.CoordinatorNotAvailable)
	})
}

func TestStateNames(t *testing.T) {
	for s := Empty; s <= PrepareEpochFence; s++ {
		if got, ok := StateNamed(s.String()); !ok || got != s {
			t.Errorf("state %d is named %v", s, s)
		}
	}
	if _, ok := StateNamed("Open"); ok {
		t.Error("there is no state Open")
	}
}
