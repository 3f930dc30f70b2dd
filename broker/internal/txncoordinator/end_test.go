package txncoordinator

import (
	"fmt"
	"math"
	"testing"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Every answer to an end, by state and by the epoch that the request has.
// Source: the comment of TransactionCoordinator.endTransaction.
func TestJudge(t *testing.T) {
	const (
		none       = "again"
		concurrent = "CONCURRENT_TRANSACTIONS"
		invalid    = "INVALID_TXN_STATE"
		fenced     = "PRODUCER_FENCED"
	)
	tests := []struct {
		version Version
		state   State
		// abort and commit with the epoch before the current one, and with it
		abortBefore, abortNow, commitBefore, commitNow string
	}{
		{Version2, Empty, fenced, "PrepareAbort", fenced, invalid},
		{Version2, Ongoing, fenced, "PrepareAbort", fenced, "PrepareCommit"},
		{Version2, PrepareCommit, invalid, fenced, concurrent, fenced},
		{Version2, PrepareAbort, concurrent, fenced, invalid, fenced},
		{Version2, CompleteCommit, invalid, "PrepareAbort", none, invalid},
		{Version2, CompleteAbort, none, "PrepareAbort", invalid, invalid},
		{Version0, Empty, fenced, invalid, fenced, invalid},
		{Version0, Ongoing, fenced, "PrepareAbort", fenced, "PrepareCommit"},
		{Version0, PrepareCommit, fenced, invalid, fenced, concurrent},
		{Version0, PrepareAbort, fenced, concurrent, fenced, invalid},
		{Version0, CompleteCommit, fenced, invalid, fenced, none},
		{Version0, CompleteAbort, fenced, none, fenced, invalid},
	}
	for _, tt := range tests {
		m := metadata{Producer: Producer{7, 5}, previousID: 7, nextID: noID, nextEpoch: noEpoch,
			state: tt.state}
		for _, e := range []struct {
			epoch  int16
			commit bool
			want   string
		}{
			{4, false, tt.abortBefore}, {5, false, tt.abortNow},
			{4, true, tt.commitBefore}, {5, true, tt.commitNow},
			{3, true, fenced}, {6, true, fenced}, {3, false, fenced}, {6, false, fenced},
		} {
			v := m.judge(endRequest{Producer{7, e.epoch}, e.commit, tt.version})
			got := fmt.Sprint(v.prepare)
			switch {
			case v.code != errcode.None:
				got = v.code.Name()
			case v.retry:
				got = none
			}
			if got != e.want {
				t.Errorf("version %d, %v, epoch %d of 5, commit %v: %s, want %s",
					tt.version, tt.state, e.epoch, e.commit, got, e.want)
			}
			v = m.judge(endRequest{Producer{8, e.epoch}, e.commit, tt.version})
			if v.code != errcode.InvalidProducerIdMapping {
				t.Errorf("version %d, %v, another producer: %s", tt.version, tt.state, v.code.Name())
			}
		}
	}
}

// An end that uses up the epochs goes on with another producer id; the same
// request again gets the same answer.
func TestTheLastEpochIsFollowedByANewProducerID(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		p := w.init(nil)
		w.known["x"].m.Epoch = lastEpoch
		p.Epoch = lastEpoch
		w.must(w.add(p, Version2, t0), errcode.None)
		next, code := w.End("x", p, true, Version2)
		w.must(code, errcode.None)
		if next != (Producer{1001, 0}) {
			t.Errorf("goes on as %v", next)
		}
		if got := w.took(); len(got) != 1 || got[0].Producer != (Producer{p.ID, math.MaxInt16}) {
			t.Errorf("markers %+v", got)
		}
		w.is(CompleteCommit, next)
		again, code := w.End("x", p, true, Version2)
		w.must(code, errcode.None)
		if again != next {
			t.Errorf("the same request again goes on as %v", again)
		}
		w.restart()
		again, code = w.End("x", p, true, Version2)
		w.must(code, errcode.None)
		if again != next {
			t.Errorf("after a restart, as %v", again)
		}
		w.must(w.add(p, Version2, t0), errcode.InvalidProducerIdMapping)
	})
}

// A producer that has not heard of its new id recovers with the old one.
func TestAProducerMayRecoverWithTheIDBeforeTheLast(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		p := w.init(nil)
		w.known["x"].m.Epoch = lastEpoch
		p.Epoch = lastEpoch
		w.must(w.add(p, Version2, t0), errcode.None)
		next, _ := w.End("x", p, true, Version2)
		if got := w.init(&p); got != next {
			t.Errorf("initialized again as %v, want %v", got, next)
		}
	})
}
