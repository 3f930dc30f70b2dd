package groupcoordinator

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// State is where a group stands. Its names are Kafka's, as tools print them.
type State string

// The states of a group of the classic protocol.
const (
	Empty               State = "Empty"               // no members, offsets perhaps
	PreparingRebalance  State = "PreparingRebalance"  // waits for members to join
	CompletingRebalance State = "CompletingRebalance" // waits for the leader's assignment
	Stable              State = "Stable"              // the assignment holds
	Dead                State = "Dead"                // deleted; nobody finds it any more
)

// Protocol is an assignor that a member knows, and what it tells the others.
type Protocol struct {
	Name     string
	Metadata []byte
}

// group is one consumer group.
//
// Locks: mu guards all of it. Nobody waits with it: members wait on channels
// with room for their answer.
type group struct {
	c         *Coordinator
	id        string
	partition int32 // of the log

	mu           sync.Mutex
	state        State
	generation   int32
	protocolType string
	protocol     string
	leader       string
	stateSince   int64 // milliseconds
	members      map[string]*member
	joinOrder    []string               // ids of members, oldest first
	static       map[string]string      // group.instance.id → member id
	pending      map[string]*time.Timer // given ids that have not joined yet
	joinTimer    *time.Timer            // ends PreparingRebalance
	syncTimer    *time.Timer            // ends CompletingRebalance
	delaying     bool                   // an empty group waits for more members
	delayed      bool                   // somebody came meanwhile
	offsets      map[topicPartition]committed
	// open holds, by producer id, offsets of transactions that have not ended.
	open map[int64]map[topicPartition]committed
}

type member struct {
	id, instance         string // instance is empty for a dynamic member
	clientID, clientHost string
	session, rebalance   time.Duration
	protocols            []Protocol
	assignment           []byte

	join   chan JoinResult // not nil while it waits for the join to complete
	sync   chan SyncResult // not nil while it waits for an assignment
	synced bool            // has asked for this generation's assignment
	timer  *time.Timer     // session
}

func newGroup(c *Coordinator, id string, partition int32) *group {
	return &group{c: c, id: id, partition: partition, state: Empty,
		members: make(map[string]*member), static: make(map[string]string),
		pending: make(map[string]*time.Timer), offsets: make(map[topicPartition]committed),
		open: make(map[int64]map[topicPartition]committed)}
}

func (g *group) nowMillis() int64 { return g.c.cfg.Now().UnixMilli() }

func (g *group) setStateLocked(s State) {
	g.c.cfg.Logger.Debug("group", "group", g.id, "from", g.state, "to", s,
		"generation", g.generation, "members", len(g.members))
	g.state = s
	g.stateSince = g.nowMillis()
}

// afterLocked runs fn with the group locked, unless the group died before.
func (g *group) afterLocked(d time.Duration, fn func()) *time.Timer {
	return time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.state != Dead {
			fn()
		}
	})
}

func stopTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// shutLocked ends the group: whoever waits is told code.
func (g *group) shutLocked(code errcode.Code) {
	for _, m := range g.members {
		stopTimer(m.timer)
		m.answerJoin(JoinResult{Code: code, MemberID: m.id})
		m.answerSync(SyncResult{Code: code})
	}
	for _, t := range g.pending {
		t.Stop()
	}
	stopTimer(g.joinTimer)
	stopTimer(g.syncTimer)
	g.setStateLocked(Dead)
}

func (m *member) answerJoin(r JoinResult) {
	if m.join != nil {
		m.join <- r
		m.join = nil
	}
}

func (m *member) answerSync(r SyncResult) {
	if m.sync != nil {
		m.sync <- r
		m.sync = nil
	}
}

// metadata is what the member says for the protocol of that name.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

func (m *member) knows(protocol string) bool {
	return slices.ContainsFunc(m.protocols, func(p Protocol) bool { return p.Name == protocol })
}

// touchLocked begins a member's session anew. A member that waits for a join
// has no session to lose.
func (g *group) touchLocked(m *member) {
	stopTimer(m.timer)
	if m.join != nil {
		return
	}
	m.timer = g.afterLocked(m.session, func() {
		if g.members[m.id] == m && m.join == nil {
			g.c.cfg.Logger.Info("group member expired", "group", g.id, "member", m.id)
			g.removeLocked(m, errcode.UnknownMemberId)
			g.afterLeavingLocked()
		}
	})
}

func (g *group) addLocked(m *member) {
	g.members[m.id] = m
	g.joinOrder = append(g.joinOrder, m.id)
	if m.instance != "" {
		g.static[m.instance] = m.id
	}
	if g.leader == "" {
		g.leader = m.id
	}
}

// removeLocked takes a member out; if it waits, it is told code.
func (g *group) removeLocked(m *member, code errcode.Code) {
	stopTimer(m.timer)
	m.answerJoin(JoinResult{Code: code, MemberID: m.id})
	m.answerSync(SyncResult{Code: code})
	delete(g.members, m.id)
	g.joinOrder = slices.DeleteFunc(g.joinOrder, func(id string) bool { return id == m.id })
	if m.instance != "" && g.static[m.instance] == m.id {
		delete(g.static, m.instance)
	}
	if g.leader == m.id {
		g.electLocked()
	}
}

// electLocked makes the member that has been here longest the leader,
// preferably one that takes part in the rebalance.
func (g *group) electLocked() {
	g.leader = ""
	for _, id := range g.joinOrder {
		if g.members[id].join != nil {
			g.leader = id
			return
		}
	}
	if len(g.joinOrder) > 0 {
		g.leader = g.joinOrder[0]
	}
}

// supportsLocked reports whether a member with those protocols fits the group.
func (g *group) supportsLocked(protocolType string, protocols []Protocol) bool {
	if protocolType == "" || len(protocols) == 0 {
		return false
	}
	if len(g.members) == 0 {
		return true
	}
	if g.protocolType != protocolType {
		return false
	}
	for _, p := range protocols {
		if g.everybodyKnowsLocked(p.Name) {
			return true
		}
	}
	return false
}

func (g *group) everybodyKnowsLocked(protocol string) bool {
	for _, m := range g.members {
		if !m.knows(protocol) {
			return false
		}
	}
	return true
}

// chooseLocked is the protocol that most members like best among those that
// all know. Source: ClassicGroup.selectProtocol.
func (g *group) chooseLocked() string {
	votes := make(map[string]int)
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.everybodyKnowsLocked(p.Name) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for name, n := range votes {
		if best == "" || n > votes[best] || n == votes[best] && strings.Compare(name, best) < 0 {
			best = name
		}
	}
	return best
}

func (g *group) rebalanceTimeoutLocked() time.Duration {
	var longest time.Duration
	for _, m := range g.members {
		longest = max(longest, m.rebalance)
	}
	return longest
}

// checkMemberLocked finds a member that makes a request; instance is empty if
// it gave none.
func (g *group) checkMemberLocked(id, instance string) (*member, errcode.Code) {
	if instance != "" {
		known, ok := g.static[instance]
		switch {
		case !ok:
			return nil, errcode.UnknownMemberId
		case known != id:
			return nil, errcode.FencedInstanceId
		}
	}
	m := g.members[id]
	if m == nil {
		return nil, errcode.UnknownMemberId
	}
	return m, errcode.None
}
