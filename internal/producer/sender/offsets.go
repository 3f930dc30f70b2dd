package sender

import (
	"errors"
	"slices"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

var errOldCoordinator = errors.New("a record of the transaction failed, and the transaction" +
	" coordinator is older than Kafka 2.5 and cannot raise the epoch (KIP-360): close the" +
	" producer and start a new one")

// Group is a consumer group and which of its members speaks (KIP-447).
type Group struct {
	ID         string
	Generation int32  // or the member's epoch; -1 for none
	Member     string // empty for none
	Instance   string // group.instance.id, empty for none
}

// GroupOffset is the next record of a partition that a group is to read.
type GroupOffset struct {
	TopicPartition
	Offset      int64
	LeaderEpoch int32 // of the record before, -1 if not known
	Metadata    string
	TopicID     metadata.TopicID // zero to go by name; of a request, not of a call
}

// offsets is one SendOffsets under way.
//
//	version 1: AddOffsetsToTxn to the transaction's coordinator, then as version 2
//	version 2: TxnOffsetCommit to the group's coordinator
type offsets struct {
	group  Group
	call   *Transact     // nil if it has failed already
	left   []GroupOffset // not committed yet
	named  bool          // topics go by name: the coordinator does not know an id
	adding bool          // AddOffsetsToTxn was sent
	added  bool          // ... and answered
}

// nextOffsetsAsk is what the first SendOffsets needs next.
func (c *Core) nextOffsetsAsk() Ask {
	t := c.txn
	first := t.offsets[0]
	if !t.v2 && !first.added {
		return AddOffsetsToTxn
	}
	if t.groupID != first.group.ID {
		t.group.known = false
	}
	return TxnOffsetCommit
}

// withIDs is what is left of o, with the ids of topics that are known (KIP-1319).
func (c *Core) withIDs(o *offsets) []GroupOffset {
	list := slices.Clone(o.left)
	for i := range list {
		if t := c.snapshot.Topics[list[i].Topic]; t != nil && !o.named {
			list[i].TopicID = t.ID
		}
	}
	return list
}

// dropOffsets fails every SendOffsets. One whose AddOffsetsToTxn has no final
// answer stays until it has: the coordinator may have a transaction to end.
func (c *Core) dropOffsets(err error) {
	t := c.txn
	kept := t.offsets[:0]
	for _, o := range t.offsets {
		if o.call != nil {
			c.finish(o.call, err)
			o.call = nil
		}
		if o.adding && !o.added && !t.started && c.fatal == nil {
			kept = append(kept, o)
		}
	}
	clear(t.offsets[len(kept):])
	t.offsets = kept
}

// offsetsAdded: the coordinator knows that offsets will be part of the
// transaction, or refuses. Source: TransactionManager.AddOffsetsToTxnHandler.
func (c *Core) offsetsAdded(ev *TxnAnswer) {
	t := c.txn
	doing := "add offsets of group " + ev.Request.Group.ID + " to the transaction"
	switch {
	case ev.Code == errcode.None:
		t.started = true
		if t.doom != nil {
			t.offsets = nil
			return
		}
		t.offsetsAnswered()
		return
	case c.again(&t.coordinator, ev.Code):
		return
	}
	t.offsetsAnswered() // finally, though not with success
	switch ev.Code {
	case errcode.UnknownProducerId:
		t.raise = true
		c.abortable(doing, ev.Code)
	case errcode.GroupAuthorizationFailed, errcode.TransactionAbortable:
		c.abortable(doing, ev.Code)
	default:
		c.condemn(doing, ev.Code)
		return
	}
	t.offsets = nil
}

// offsetsAnswered notes that AddOffsetsToTxn has its answer. What it was asked for
// may have been dropped meanwhile.
func (t *transaction) offsetsAnswered() {
	if len(t.offsets) > 0 {
		t.offsets[0].added = true
	}
}

// offsetsCommitted: the group's coordinator has taken offsets, or some.
// Source: TransactionManager.TxnOffsetCommitHandler.
func (c *Core) offsetsCommitted(ev *TxnAnswer) {
	t := c.txn
	if len(t.offsets) == 0 {
		return // dropped meanwhile
	}
	first := t.offsets[0]
	doing := "commit offsets of group " + first.group.ID + " in the transaction"
	if ev.Code != errcode.None {
		c.offsetsRefused(doing, ev.Code)
		return
	}
	var worst errcode.Code
	for _, p := range ev.Partitions {
		if p.Code != errcode.None {
			if worst == errcode.None || worst.Retriable() && !p.Code.Retriable() {
				worst = p.Code
			}
			continue
		}
		first.left = slices.DeleteFunc(slices.Clone(first.left), func(o GroupOffset) bool {
			return o.TopicPartition == p.TopicPartition
		})
	}
	switch {
	case worst != errcode.None:
		c.offsetsRefused(doing, worst)
	case len(first.left) > 0: // the answer leaves some out
		c.askAgain(0)
	default:
		t.offsets = slices.Delete(t.offsets, 0, 1)
		c.finish(first.call, nil)
	}
}

func (c *Core) offsetsRefused(doing string, code errcode.Code) {
	t := c.txn
	switch {
	case code == errcode.RequestTimedOut:
		t.group.known = false
	case code == errcode.UnknownTopicId: // made anew, or the broker is behind
		t.offsets[0].named = true
	}
	if c.again(&t.group, code) {
		return
	}
	switch code {
	case errcode.UnknownMemberId, errcode.IllegalGeneration, errcode.FencedInstanceId,
		errcode.StaleMemberEpoch, errcode.FencedMemberEpoch,
		errcode.GroupAuthorizationFailed, errcode.TransactionAbortable:
		if t.machine.State() != txn.Aborting {
			c.abortable(doing, code)
		}
	default:
		c.condemn(doing, code)
	}
}
