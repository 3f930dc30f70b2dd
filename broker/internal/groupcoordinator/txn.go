package groupcoordinator

import (
	"maps"
	"slices"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// CommitInTransaction stores offsets that count when their transaction is
// committed. A caller that names no member may always; one that does must be a
// member of this generation, so that one that was replaced commits nothing
// (KIP-447).
//
// Codes: as Commit, but not REBALANCE_IN_PROGRESS; INVALID_PRODUCER_EPOCH and
// INVALID_TXN_STATE if the transaction has ended meanwhile.
// Source: OffsetMetadataManager.commitTransactionalOffset.
func (c *Coordinator) CommitInTransaction(r MemberRef, txn Txn, list []Offset) []errcode.Code {
	g, code := c.group(r.Group, true)
	if code != errcode.None {
		return all(code, len(list))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if code := g.mayCommitInTransactionLocked(r); code != errcode.None {
		return all(code, len(list))
	}
	return g.commitLocked(&txn, 0, list)
}

func (g *group) mayCommitInTransactionLocked(r MemberRef) errcode.Code {
	named := r.Generation >= 0 || r.MemberID != "" || r.InstanceID != ""
	switch {
	case g.state == Dead:
		return errcode.CoordinatorNotAvailable
	case !named:
		return errcode.None
	case g.vacantLocked() && r.Generation >= 0: // there never was such a generation
		return errcode.IllegalGeneration
	}
	m, code := g.checkMemberLocked(r.MemberID, r.InstanceID)
	switch {
	case code != errcode.None:
		return code
	case r.Generation != g.generation:
		return errcode.IllegalGeneration
	}
	g.touchLocked(m)
	return errcode.None
}

// EndTransaction makes a producer's offsets count, or drops them: those of the
// groups in one partition of the log, which has the marker already.
func (c *Coordinator) EndTransaction(partition int32, producerID int64, commit bool) {
	c.mu.Lock()
	var list []*group
	for _, g := range c.groups {
		if g.partition == partition {
			list = append(list, g)
		}
	}
	c.mu.Unlock()
	for _, g := range list {
		g.mu.Lock()
		g.endLocked(producerID, commit)
		g.mu.Unlock()
	}
}

// endLocked ends a producer's transaction. An offset that was committed after
// its own record stays. Source: OffsetMetadataManager.replayEndTransactionMarker.
func (g *group) endLocked(producerID int64, commit bool) {
	if commit {
		for tp, v := range g.open[producerID] {
			if known, ok := g.offsets[tp]; !ok || known.at < v.at {
				g.offsets[tp] = v
			}
		}
	}
	delete(g.open, producerID)
}

// keepLocked notes an offset that is in the log: of a transaction, or -1.
func (g *group) keepLocked(producerID int64, v committed) {
	tp := topicPartition{v.Topic, v.Partition}
	if producerID < 0 {
		g.offsets[tp] = v
		return
	}
	if g.open[producerID] == nil {
		g.open[producerID] = make(map[topicPartition]committed)
	}
	g.open[producerID][tp] = v
}

// dropLocked forgets an offset, also what transactions would make of it.
func (g *group) dropLocked(tp topicPartition) {
	delete(g.offsets, tp)
	for id, list := range g.open {
		if delete(list, tp); len(list) == 0 {
			delete(g.open, id)
		}
	}
}

// unstableLocked reports whether an open transaction may change an offset.
func (g *group) unstableLocked(tp topicPartition) bool {
	for _, list := range g.open {
		if _, ok := list[tp]; ok {
			return true
		}
	}
	return false
}

// forgettableLocked reports whether the group has neither members nor offsets.
func (g *group) forgettableLocked() bool {
	return g.state == Empty && len(g.offsets) == 0 && len(g.open) == 0
}

// allOffsetsLocked lists what is committed and what open transactions commit.
func (g *group) allOffsetsLocked() []map[topicPartition]committed {
	return slices.AppendSeq([]map[topicPartition]committed{g.offsets}, maps.Values(g.open))
}
