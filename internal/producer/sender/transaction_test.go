package sender

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// The transactional part of the harness: coordinators that are played, and
// callers. "manual coordinator" leaves answers to the script.

func (h *harness) connUp(c ConnID, idempotent bool) *ConnUp {
	return &ConnUp{Conn: c, Idempotent: idempotent, Session: h.session,
		TransactionVersion: h.transactions, FeaturesEpoch: int64(h.transactions)}
}

func (h *harness) transact(call txn.Event) { h.post(&Transact{Call: call}) }

// init takes keep, to leave open what an earlier producer prepared.
func (h *harness) init(args []string) {
	h.post(&Transact{Call: txn.Init, Keep: len(args) > 0 && args[0] == "keep"})
}

// complete takes the id and epoch of the transaction that was prepared: 7/1.
func (h *harness) complete(args []string) {
	h.post(&Transact{Call: txn.Complete, Means: identityOf(h, args[0])})
}

// abort takes closing, as Close calls it.
func (h *harness) abort(args []string) {
	h.post(&Transact{Call: txn.Abort, Closing: len(args) > 0 && args[0] == "closing"})
}

func identityOf(h *harness, text string) producerid.ID {
	pid, epoch, _ := strings.Cut(text, "/")
	return producerid.ID{ID: int64(atoi(h, pid)), Epoch: int16(atoi(h, epoch))}
}

// sendOffsets takes g t-0=5 t-1=7.
func (h *harness) sendOffsets(args []string) {
	call := &Transact{Call: txn.SendOffsets, Group: Group{ID: args[0], Generation: -1}}
	for _, a := range args[1:] {
		name, at, _ := strings.Cut(a, "=")
		q := h.src.byName[name]
		call.Offsets = append(call.Offsets, GroupOffset{
			TopicPartition: TopicPartition{q.topic, q.index}, Offset: int64(atoi(h, at)),
		})
	}
	h.post(call)
}

func (h *harness) spoil(args []string) {
	h.post(Spoil{Topic: args[0], Err: errors.New("record too large")})
}

func (h *harness) performTransaction(e *Effect) {
	switch e.Do {
	case AskCoordinator:
		h.asked, h.askedConn = e.Ask, e.Conn
		h.log("ask %s: %s", h.nodes[e.Conn], describe(e.Ask))
		if !h.manual["coordinator"] {
			h.answerAsk(errcode.None, 1)
		}
	case PublishTransaction:
		h.log("transaction is %v", e.State)
		if e.State == txn.InTransaction {
			return
		}
		held := Held{Gate: e.Count}
		for _, q := range h.src.queues {
			if q.open != nil || len(q.closed) > 0 {
				held.Partitions = append(held.Partitions, q.id)
			}
		}
		h.pending = append(h.pending, held)
	case Transacted:
		result := "ok"
		switch id := e.Transact.Prepared; {
		case e.Transact.Err != nil:
			result = e.Transact.Err.Error()
		case id != producerid.NoID:
			result = fmt.Sprintf("ok, prepared %d/%d", id.ID, id.Epoch)
		}
		h.log("%v: %s", e.Transact.Call, result)
	}
}

func describe(r *TxnRequest) string {
	s := fmt.Sprintf("%v id=%d/%d", r.Ask, r.ID.ID, r.ID.Epoch)
	switch r.Ask {
	case FindCoordinator:
		s = strings.TrimSpace(r.Ask.String() + " " + r.Group.ID)
	case InitProducerID:
		if r.TwoPhase {
			s += " two-phase"
		}
		if r.Keep {
			s += " keep"
		}
	case AddPartitionsToTxn:
		s += fmt.Sprint(" ", r.Partitions)
	case TxnOffsetCommit:
		s += fmt.Sprintf(" %s, %d partitions", r.Group.ID, len(r.Offsets))
		for _, o := range r.Offsets {
			if o.TopicID != (metadata.TopicID{}) {
				s += fmt.Sprintf(", %s by id %x", o.Topic, o.TopicID[0])
			}
		}
	case EndTxn:
		s += map[bool]string{true: " commit", false: " abort"}[r.Commit]
	}
	return s
}

// answerAsk answers the request that is out; a success gives what it asks for.
func (h *harness) answerAsk(code errcode.Code, node int32) {
	r := h.asked
	a := &TxnAnswer{Conn: h.askedConn, Request: r, Code: code, ID: producerid.NoID,
		Ongoing: producerid.NoID, Raises: true}
	a.Node = metadata.Broker{ID: node, Host: fmt.Sprintf("broker%d", node), Port: 9092}
	next := producerid.ID{ID: h.nextID, Epoch: r.ID.Epoch + 1}
	switch {
	case code != errcode.None:
	case r.Ask == InitProducerID, r.Ask == EndTxn && r.V2:
		a.ID = next
	case r.Ask == TxnOffsetCommit:
		for _, o := range r.Offsets {
			a.Partitions = append(a.Partitions, PartitionCode{TopicPartition: o.TopicPartition})
		}
	}
	h.pending = append(h.pending, a)
}

// coordinate takes ok, a code, or the broker that coordinates; behind ok pid=9/0
// for the id that is given, ongoing=9/0 for what was kept, old for a coordinator
// that cannot raise epochs; or
// t-0=CODE for the partitions that an answer refuses.
func (h *harness) coordinate(args []string) {
	switch id, found := strings.CutPrefix(args[0], "broker"); {
	case found:
		h.answerAsk(errcode.None, atoi(h, id))
	case args[0] == "ok":
		h.answerAsk(errcode.None, 1)
	case strings.Contains(args[0], "="):
		h.answerAsk(errcode.None, 1)
		h.refusePartitions(args)
	default:
		h.answerAsk(code(h, args[0]), 1)
	}
	answer := h.pending[len(h.pending)-1].(*TxnAnswer)
	for _, a := range args[1:] {
		if id, found := strings.CutPrefix(a, "pid="); found {
			answer.ID = identityOf(h, id)
		} else if id, found := strings.CutPrefix(a, "ongoing="); found {
			answer.Ongoing = identityOf(h, id)
		} else if a == "old" {
			answer.Raises = false
		}
	}
	h.post()
}

// refusePartitions puts codes into the answer that comes next.
func (h *harness) refusePartitions(args []string) {
	answer := h.pending[len(h.pending)-1].(*TxnAnswer)
	for _, a := range args {
		name, why, _ := strings.Cut(a, "=")
		q := h.src.byName[name]
		at := TopicPartition{q.topic, q.index}
		answer.Partitions = slices.DeleteFunc(answer.Partitions, func(p PartitionCode) bool {
			return p.TopicPartition == at
		})
		answer.Partitions = append(answer.Partitions,
			PartitionCode{TopicPartition: at, Code: code(h, why)})
	}
}

func TestACallHasTheNameThatItsUserKnows(t *testing.T) {
	id := producerid.ID{ID: 1000, Epoch: 3}
	for want, call := range map[string]*Transact{
		"InitTransactions":                      {Call: txn.Init},
		"InitTransactionsKeepPrepared":          {Call: txn.Init, Keep: true},
		"CompleteTransaction of 1000:3":         {Call: txn.Complete, Means: id},
		"CompleteTransaction of no transaction": {Call: txn.Complete, Means: producerid.NoID},
		"AbortTransaction":                      {Call: txn.Abort, Closing: true},
	} {
		if got := call.Name(); got != want {
			t.Errorf("%+v is named %s, want %s", call, got, want)
		}
	}
}
