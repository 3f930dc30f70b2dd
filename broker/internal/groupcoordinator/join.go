package groupcoordinator

import (
	"bytes"
	"context"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// JoinRequest is a consumer's wish to be a member.
type JoinRequest struct {
	Group      string
	MemberID   string // empty for one that has none yet
	InstanceID string // group.instance.id; empty for a dynamic member
	ClientID   string
	ClientHost string

	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration
	ProtocolType     string
	Protocols        []Protocol // best liked first

	// RequireKnownMember gives a new member an id first and has it join again
	// (KIP-394).
	RequireKnownMember bool
	// CanSkipAssignment says that the member understands SkipAssignment.
	CanSkipAssignment bool
}

// JoinResult is what a member is told when a join completes. Only the leader is
// told Members.
type JoinResult struct {
	Code           errcode.Code
	Generation     int32
	ProtocolType   string
	Protocol       string
	Leader         string
	MemberID       string
	SkipAssignment bool // the leader need not assign: nothing has changed (KIP-814)
	Members        []JoinedMember
}

// JoinedMember is what the leader is told of a member.
type JoinedMember struct {
	ID, InstanceID string
	Metadata       []byte
}

// Join makes a consumer a member and returns when the rebalance that this
// begins has all its members, or ctx ends.
//
// Codes: MEMBER_ID_REQUIRED, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID,
// INCONSISTENT_GROUP_PROTOCOL, INVALID_SESSION_TIMEOUT, INVALID_GROUP_ID,
// GROUP_MAX_SIZE_REACHED, COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) Join(ctx context.Context, r JoinRequest) JoinResult {
	refuse := func(code errcode.Code) JoinResult {
		return JoinResult{Code: code, MemberID: r.MemberID}
	}
	if r.SessionTimeout < c.cfg.MinSessionTimeout || r.SessionTimeout > c.cfg.MaxSessionTimeout {
		return refuse(errcode.InvalidSessionTimeout)
	}
	for {
		g, code := c.group(r.Group, true)
		if code != errcode.None {
			return refuse(code)
		}
		answer := make(chan JoinResult, 1)
		g.mu.Lock()
		if g.state == Dead { // deleted between the two locks
			g.mu.Unlock()
			c.forget(g)
			continue
		}
		g.joinLocked(r, answer)
		g.mu.Unlock()
		select {
		case result := <-answer:
			return result
		case <-ctx.Done():
			return refuse(errcode.CoordinatorNotAvailable)
		}
	}
}

// joinLocked answers at once, or makes the member wait with answer.
func (g *group) joinLocked(r JoinRequest, answer chan JoinResult) {
	refuse := func(code errcode.Code) { answer <- JoinResult{Code: code, MemberID: r.MemberID} }
	if !g.supportsLocked(r.ProtocolType, r.Protocols) {
		refuse(errcode.InconsistentGroupProtocol)
		return
	}
	if r.MemberID == "" {
		g.newMemberLocked(r, answer)
		return
	}
	if _, waiting := g.pending[r.MemberID]; waiting && r.InstanceID == "" {
		g.forgetPendingLocked(r.MemberID)
		g.addNewLocked(r, r.MemberID, answer)
		return
	}
	m, code := g.checkMemberLocked(r.MemberID, r.InstanceID)
	if code != errcode.None {
		refuse(code)
		return
	}
	changed := !m.sameProtocols(r.Protocols)
	switch {
	case g.state == CompletingRebalance && !changed, // its answer was lost
		g.state == Stable && !changed && m.id != g.leader:
		g.touchLocked(m)
		answer <- g.joinedLocked(m)
	default: // a leader that joins again wants a rebalance
		m.take(r)
		m.wait(answer)
		g.touchLocked(m)
		g.rebalanceLocked()
	}
}

func (m *member) sameProtocols(list []Protocol) bool {
	if len(list) != len(m.protocols) {
		return false
	}
	for i, p := range list {
		if p.Name != m.protocols[i].Name || !bytes.Equal(p.Metadata, m.protocols[i].Metadata) {
			return false
		}
	}
	return true
}

// take updates what the member said of itself.
func (m *member) take(r JoinRequest) {
	m.clientID, m.clientHost = r.ClientID, r.ClientHost
	m.session, m.rebalance = r.SessionTimeout, r.RebalanceTimeout
	m.protocols = r.Protocols
}

// wait makes the member wait with answer; whoever waited before under its id is
// told to look again.
func (m *member) wait(answer chan JoinResult) {
	m.answerJoin(JoinResult{Code: errcode.RebalanceInProgress, MemberID: m.id})
	m.join = answer
}

// newMemberLocked is a join without a member id.
func (g *group) newMemberLocked(r JoinRequest, answer chan JoinResult) {
	if r.InstanceID != "" {
		id := r.InstanceID + "-" + uniqueID()
		if old, ok := g.static[r.InstanceID]; ok {
			g.replaceLocked(g.members[old], r, id, answer)
			return
		}
		g.addNewLocked(r, id, answer)
		return
	}
	id := r.ClientID + "-" + uniqueID()
	if !r.RequireKnownMember {
		g.addNewLocked(r, id, answer)
		return
	}
	if g.fullLocked() {
		answer <- JoinResult{Code: errcode.GroupMaxSizeReached}
		return
	}
	g.pending[id] = g.afterLocked(r.SessionTimeout, func() {
		delete(g.pending, id)
		g.completeIfAllJoinedLocked()
	})
	answer <- JoinResult{Code: errcode.MemberIdRequired, MemberID: id}
}

func (g *group) forgetPendingLocked(id string) {
	stopTimer(g.pending[id])
	delete(g.pending, id)
}

func (g *group) fullLocked() bool {
	return len(g.members)+len(g.pending) >= g.c.cfg.MaxSize
}

func (g *group) addNewLocked(r JoinRequest, id string, answer chan JoinResult) {
	if g.fullLocked() {
		answer <- JoinResult{Code: errcode.GroupMaxSizeReached}
		return
	}
	m := &member{id: id, instance: r.InstanceID}
	m.take(r)
	m.join = answer
	if len(g.members) == 0 {
		g.protocolType = r.ProtocolType
	}
	g.addLocked(m)
	g.delayed = true
	g.rebalanceLocked()
}

// replaceLocked gives a static member that came back without its id a new one.
// A stable group whose protocol stays the same need not rebalance (KIP-345).
func (g *group) replaceLocked(old *member, r JoinRequest, id string, answer chan JoinResult) {
	led := g.leader == old.id
	place := 0
	for i, known := range g.joinOrder {
		if known == old.id {
			place = i
		}
	}
	g.removeLocked(old, errcode.FencedInstanceId)
	m := &member{id: id, instance: r.InstanceID, assignment: old.assignment}
	m.take(r)
	g.members[id], g.static[r.InstanceID] = m, id
	g.joinOrder = append(g.joinOrder, "")
	copy(g.joinOrder[place+1:], g.joinOrder[place:])
	g.joinOrder[place] = id
	if led {
		g.leader = id
	}
	same := bytes.Equal(old.metadata(g.protocol), m.metadata(g.protocol))
	if g.state != Stable || !same || g.chooseLocked() != g.protocol {
		m.join = answer
		g.rebalanceLocked()
		return
	}
	g.touchLocked(m)
	if code := g.storeLocked(); code != errcode.None {
		answer <- JoinResult{Code: code, MemberID: id}
		return
	}
	result := g.joinedLocked(m)
	switch {
	case led && r.CanSkipAssignment:
		result.SkipAssignment = true
	case led: // it must not assign: it is told that its former self leads
		result.Leader, result.Members = old.id, nil
	}
	answer <- result
}

// rebalanceLocked begins a rebalance unless one has begun.
func (g *group) rebalanceLocked() {
	if g.state == PreparingRebalance {
		g.completeIfAllJoinedLocked()
		return
	}
	if g.state == CompletingRebalance {
		for _, m := range g.members {
			m.assignment = nil
			m.answerSync(SyncResult{Code: errcode.RebalanceInProgress})
		}
	}
	stopTimer(g.syncTimer)
	wasEmpty := g.state == Empty
	g.setStateLocked(PreparingRebalance)
	if wasEmpty && g.c.cfg.InitialRebalanceDelay > 0 {
		g.delaying = true
		g.delayLocked(g.rebalanceTimeoutLocked())
		return
	}
	g.joinTimer = g.afterLocked(g.rebalanceTimeoutLocked(), g.completeJoinLocked)
	g.completeIfAllJoinedLocked()
}

// delayLocked waits for more members as long as they keep coming, left at most.
func (g *group) delayLocked(left time.Duration) {
	g.delayed = false
	step := min(g.c.cfg.InitialRebalanceDelay, left)
	g.joinTimer = g.afterLocked(step, func() {
		if left -= step; g.delayed && left > 0 {
			g.delayLocked(left)
			return
		}
		g.delaying = false
		g.completeJoinLocked()
	})
}

func (g *group) completeIfAllJoinedLocked() {
	if g.state != PreparingRebalance || g.delaying || len(g.pending) > 0 {
		return
	}
	for _, m := range g.members {
		if m.join == nil {
			return
		}
	}
	g.completeJoinLocked()
}

// completeJoinLocked ends a join: those who did not come are out, but for
// static members, who have their session to come back.
func (g *group) completeJoinLocked() {
	if g.state != PreparingRebalance {
		return
	}
	stopTimer(g.joinTimer)
	joined := 0
	for _, m := range g.members {
		switch {
		case m.join != nil:
			joined++
		case m.instance == "":
			g.removeLocked(m, errcode.UnknownMemberId)
		}
	}
	if len(g.members) == 0 {
		g.generation++
		g.protocol, g.leader = "", ""
		g.setStateLocked(Empty)
		g.storeLocked()
		return
	}
	if joined == 0 { // static members only, and none is here: wait on
		g.joinTimer = g.afterLocked(g.rebalanceTimeoutLocked(), g.completeJoinLocked)
		return
	}
	if g.members[g.leader] == nil || g.members[g.leader].join == nil {
		g.electLocked()
	}
	g.generation++
	g.protocol = g.chooseLocked()
	g.setStateLocked(CompletingRebalance)
	for _, m := range g.members {
		m.synced = false
		result := g.joinedLocked(m)
		m.answerJoin(result)
		g.touchLocked(m)
	}
	generation := g.generation
	g.syncTimer = g.afterLocked(g.rebalanceTimeoutLocked(), func() { g.syncOverdueLocked(generation) })
}

// joinedLocked is what a member is told of the generation.
func (g *group) joinedLocked(m *member) JoinResult {
	r := JoinResult{Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol,
		Leader: g.leader, MemberID: m.id}
	if m.id == g.leader {
		for _, id := range g.joinOrder {
			other := g.members[id]
			r.Members = append(r.Members, JoinedMember{ID: id, InstanceID: other.instance,
				Metadata: other.metadata(g.protocol)})
		}
	}
	return r
}
