package groupcoordinator

import (
	"context"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// MemberRef says who makes a request.
type MemberRef struct {
	Group      string
	Generation int32
	MemberID   string
	InstanceID string // empty if none
}

// SyncRequest asks for a member's assignment; the leader's has those of all.
type SyncRequest struct {
	MemberRef
	ProtocolType *string // nil if not given
	Protocol     *string
	Assignments  map[string][]byte // by member id
}

// SyncResult is a member's assignment.
type SyncResult struct {
	Code         errcode.Code
	ProtocolType string
	Protocol     string
	Assignment   []byte
}

// Sync returns a member's assignment once the leader has brought it, or ctx
// ends.
//
// Codes: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION,
// INCONSISTENT_GROUP_PROTOCOL, REBALANCE_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) Sync(ctx context.Context, r SyncRequest) SyncResult {
	g, code := c.group(r.Group, false)
	if code != errcode.None {
		return SyncResult{Code: unknownMember(code)}
	}
	answer := make(chan SyncResult, 1)
	g.mu.Lock()
	g.syncLocked(r, answer)
	g.mu.Unlock()
	select {
	case result := <-answer:
		return result
	case <-ctx.Done():
		return SyncResult{Code: errcode.CoordinatorNotAvailable}
	}
}

// unknownMember is what a member of a group that is not there is told.
func unknownMember(code errcode.Code) errcode.Code {
	if code == errcode.GroupIdNotFound {
		return errcode.UnknownMemberId
	}
	return code
}

func (g *group) syncLocked(r SyncRequest, answer chan SyncResult) {
	m, code := g.checkMemberLocked(r.MemberID, r.InstanceID)
	switch {
	case code != errcode.None:
	case r.Generation != g.generation:
		code = errcode.IllegalGeneration
	case r.ProtocolType != nil && *r.ProtocolType != g.protocolType,
		r.Protocol != nil && *r.Protocol != g.protocol:
		code = errcode.InconsistentGroupProtocol
	case g.state == PreparingRebalance:
		code = errcode.RebalanceInProgress
	case g.state == Empty || g.state == Dead:
		code = errcode.UnknownMemberId
	}
	if code != errcode.None {
		answer <- SyncResult{Code: code}
		return
	}
	m.synced = true
	g.touchLocked(m)
	if g.state == Stable {
		answer <- g.assignedLocked(m)
		return
	}
	m.answerSync(SyncResult{Code: errcode.RebalanceInProgress})
	m.sync = answer
	if m.id == g.leader {
		g.assignLocked(r.Assignments)
	}
}

func (g *group) assignedLocked(m *member) SyncResult {
	return SyncResult{ProtocolType: g.protocolType, Protocol: g.protocol, Assignment: m.assignment}
}

// assignLocked takes the leader's assignments, stores them, and tells everybody.
func (g *group) assignLocked(assignments map[string][]byte) {
	for _, m := range g.members {
		m.assignment = assignments[m.id]
	}
	if code := g.storeLocked(); code != errcode.None {
		for _, m := range g.members {
			m.assignment = nil
			m.answerSync(SyncResult{Code: code})
		}
		g.rebalanceLocked()
		return
	}
	g.setStateLocked(Stable)
	missing := false
	for _, m := range g.members {
		m.answerSync(g.assignedLocked(m))
		missing = missing || !m.synced
	}
	if !missing {
		stopTimer(g.syncTimer)
	}
}

// syncOverdueLocked puts out members that joined and never asked for their
// assignment.
func (g *group) syncOverdueLocked(generation int32) {
	if g.generation != generation || g.state != CompletingRebalance && g.state != Stable {
		return
	}
	removed := false
	for _, m := range g.members {
		if !m.synced {
			g.removeLocked(m, errcode.UnknownMemberId)
			removed = true
		}
	}
	if removed {
		g.afterLeavingLocked()
	}
}

// Heartbeat keeps a member's session. REBALANCE_IN_PROGRESS asks it to join
// again; other codes as Sync.
func (c *Coordinator) Heartbeat(r MemberRef) errcode.Code {
	g, code := c.group(r.Group, false)
	if code != errcode.None {
		return unknownMember(code)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m, code := g.checkMemberLocked(r.MemberID, r.InstanceID)
	switch {
	case code != errcode.None:
		return code
	case r.Generation != g.generation:
		return errcode.IllegalGeneration
	}
	g.touchLocked(m)
	if g.state == PreparingRebalance {
		return errcode.RebalanceInProgress
	}
	return errcode.None
}

// Leave takes members out, by member id or by instance id, and returns a code
// for each.
func (c *Coordinator) Leave(group string, members []MemberRef) ([]errcode.Code, errcode.Code) {
	codes := make([]errcode.Code, len(members))
	g, code := c.group(group, false)
	if code == errcode.GroupIdNotFound {
		for i := range codes {
			codes[i] = errcode.UnknownMemberId
		}
		return codes, errcode.None
	}
	if code != errcode.None {
		return codes, code
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	left := false
	for i, r := range members {
		if g.pending[r.MemberID] != nil {
			g.forgetPendingLocked(r.MemberID)
			left = true
			continue
		}
		id := r.MemberID
		if known, ok := g.static[r.InstanceID]; ok && id == "" && r.InstanceID != "" {
			id = known
		}
		m, code := g.checkMemberLocked(id, r.InstanceID)
		if codes[i] = code; code == errcode.None {
			g.removeLocked(m, errcode.UnknownMemberId)
			left = true
		}
	}
	if left {
		g.afterLeavingLocked()
	}
	return codes, errcode.None
}

// afterLeavingLocked lets the group go on without somebody.
func (g *group) afterLeavingLocked() {
	switch g.state {
	case Stable, CompletingRebalance:
		g.rebalanceLocked()
	case PreparingRebalance:
		g.completeIfAllJoinedLocked()
	case Empty, Dead:
	}
}
