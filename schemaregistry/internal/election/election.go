// Package election makes registries of one cluster agree on which of them
// writes. They join a consumer group by the protocol of Confluent's registry, so
// that both kinds can be in one group: the group's first member names the leader
// in its assignment, and a leader that is still there stays it.
//
// A leader is one for a lease that every heartbeat renews. The lease ends so long
// before the group gives a silent member up that a write begun within it is over
// by then: two leaders never write at a time.
package election

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client sends requests to the group's coordinator: a *kgo.Client.
type Client interface {
	Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
}

// Identity is a registry as others of the group know it.
type Identity struct {
	Version  int    `json:"version"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Eligible bool   `json:"master_eligibility"`
	Scheme   string `json:"scheme"`
	Leader   bool   `json:"leader"`
}

// URL is where the registry serves.
func (i Identity) URL() string { return fmt.Sprintf("%s://%s:%d", i.Scheme, i.Host, i.Port) }

// assignment is what the group's first member tells all.
type assignment struct {
	Version  int       `json:"version"`
	Error    int       `json:"error"` // 1: two members have one URL
	MemberID string    `json:"master,omitempty"`
	Leader   *Identity `json:"master_identity,omitempty"`
}

// Config says who elects.
type Config struct {
	Client Client
	Group  string
	// Instance is the group.instance.id: a registry that comes back with it takes
	// its old place at once (KIP-345). Empty means none.
	Instance string
	Self     Identity
	Session  time.Duration // silence after which the group gives a member up
	Write    time.Duration // the longest that one write takes; less than Session
	// Ready is called before this registry leads: it reads what others wrote.
	Ready  func(context.Context) error
	Now    func() time.Time
	Logger *slog.Logger
}

// Elector is one member of the group.
type Elector struct {
	cfg    Config
	cancel context.CancelFunc
	done   chan struct{}

	// Owned by run.
	member     string
	generation int32

	mu      sync.Mutex
	leader  string        // URL, "" while there is none
	self    bool          // it is this registry
	lease   time.Time     // until when, if self
	changed chan struct{} // closed and replaced when leader or self change
}

// Start joins the group.
func Start(cfg Config) *Elector {
	ctx, cancel := context.WithCancel(context.Background())
	e := &Elector{cfg: cfg, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{}),
		generation: -1}
	go e.run(ctx)
	return e
}

// Leader is the URL of the registry that leads and whether it is this one. It
// waits for one until ctx ends, and then returns none.
func (e *Elector) Leader(ctx context.Context) (address string, self bool) {
	for {
		e.mu.Lock()
		address, self, lease, changed := e.leader, e.self, e.lease, e.changed
		e.mu.Unlock()
		if address != "" && (!self || e.cfg.Now().Before(lease)) {
			return address, self
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false
		}
	}
}

// Close leaves the group, which elects another leader at once.
func (e *Elector) Close() {
	e.cancel()
	<-e.done
}

func (e *Elector) set(address string, self bool, lease time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leader, e.self, e.lease = address, self, lease
	close(e.changed)
	e.changed = make(chan struct{})
}

// backoff is the time between attempts to join.
const backoff = 300 * time.Millisecond

// run owns the membership until ctx ends.
//
// Started by: Start. Ends: Close.
func (e *Elector) run(ctx context.Context) {
	defer close(e.done)
	for ctx.Err() == nil {
		err := e.round(ctx)
		e.set("", false, time.Time{})
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, kerr.RebalanceInProgress): // join again at once
		case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.IllegalGeneration):
			e.member, e.generation = "", -1
		case errors.Is(err, kerr.MemberIDRequired):
		default:
			if errors.Is(err, kerr.FencedInstanceID) {
				e.member, e.generation = "", -1 // another one has our instance id
			}
			e.cfg.Logger.Warn("registry is in no group", "group", e.cfg.Group, "error", err)
			pause(ctx, backoff)
		}
	}
	e.leave()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// round is one generation of the group: join, learn who leads, stay until the
// group changes.
func (e *Elector) round(ctx context.Context) error {
	members, first, err := e.join(ctx)
	if err != nil {
		return err
	}
	asked := e.cfg.Now()
	a, err := e.sync(ctx, members, first)
	if err != nil {
		return err
	}
	if a.Error != 0 || a.Leader == nil {
		return fmt.Errorf("no leader: two registries have one address, or none may lead (%d)", a.Error)
	}
	// A member that came back by its instance id finds its old name in the group.
	self := a.MemberID == e.member || a.Leader.URL() == e.cfg.Self.URL()
	e.cfg.Self.Leader = self
	if self {
		if err := e.cfg.Ready(ctx); err != nil {
			return fmt.Errorf("elected, but the topic cannot be read: %w", err)
		}
	}
	e.set(a.Leader.URL(), self, e.until(asked))
	return e.stay(ctx, a.Leader.URL(), self)
}

// until is the end of a lease that a request at asked renews.
func (e *Elector) until(asked time.Time) time.Time {
	return asked.Add(e.cfg.Session - e.cfg.Write)
}

// stay sends heartbeats until one says that the group changes.
func (e *Elector) stay(ctx context.Context, leader string, self bool) error {
	for {
		pause(ctx, e.cfg.Session/10)
		if err := ctx.Err(); err != nil {
			return err
		}
		asked := e.cfg.Now()
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.Generation, req.MemberID = e.cfg.Group, e.generation, e.member
		req.InstanceID = e.instance()
		limited, cancel := context.WithTimeout(ctx, e.cfg.Session)
		resp, err := e.cfg.Client.Request(limited, req)
		cancel()
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(resp.(*kmsg.HeartbeatResponse).ErrorCode); err != nil {
			return err
		}
		if self {
			e.set(leader, true, e.until(asked))
		}
	}
}

// protocol is the name of the protocol, protocolType that of its kind.
const (
	protocolType = "sr"
	protocol     = "v0"
)

// join returns all members if this one is the first, which assigns.
func (e *Elector) join(ctx context.Context) ([]kmsg.JoinGroupResponseMember, bool, error) {
	metadata, err := json.Marshal(e.cfg.Self)
	if err != nil {
		return nil, false, err
	}
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = e.cfg.Group, e.member, protocolType
	req.InstanceID = e.instance()
	req.SessionTimeoutMillis = int32(e.cfg.Session.Milliseconds())
	req.RebalanceTimeoutMillis = req.SessionTimeoutMillis
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = protocol, metadata
	req.Protocols = append(req.Protocols, p)
	answer, err := e.cfg.Client.Request(ctx, req)
	if err != nil {
		return nil, false, err
	}
	resp := answer.(*kmsg.JoinGroupResponse)
	if resp.MemberID != "" {
		e.member = resp.MemberID
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, false, err
	}
	e.generation = resp.Generation
	return resp.Members, resp.LeaderID == e.member && !resp.SkipAssignment, nil
}

func (e *Elector) instance() *string {
	if e.cfg.Instance == "" {
		return nil
	}
	return &e.cfg.Instance
}

func (e *Elector) sync(ctx context.Context, members []kmsg.JoinGroupResponseMember,
	first bool) (a assignment, err error) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.Generation, req.MemberID = e.cfg.Group, e.generation, e.member
	req.InstanceID = e.instance()
	req.ProtocolType, req.Protocol = kmsg.StringPtr(protocolType), kmsg.StringPtr(protocol)
	if first {
		chosen, err := json.Marshal(choose(members))
		if err != nil {
			return a, err
		}
		for _, m := range members {
			g := kmsg.NewSyncGroupRequestGroupAssignment()
			g.MemberID, g.MemberAssignment = m.MemberID, chosen
			req.GroupAssignment = append(req.GroupAssignment, g)
		}
	}
	answer, err := e.cfg.Client.Request(ctx, req)
	if err != nil {
		return a, err
	}
	resp := answer.(*kmsg.SyncGroupResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return a, err
	}
	if err := json.Unmarshal(resp.MemberAssignment, &a); err != nil {
		return a, fmt.Errorf("the group's assignment cannot be read: %w", err)
	}
	return a, nil
}

// choose names the leader: the one there was, else the least URL.
func choose(members []kmsg.JoinGroupResponseMember) assignment {
	type candidate struct {
		id string
		Identity
	}
	var all []candidate
	urls := map[string]bool{}
	for _, m := range members {
		c := candidate{id: m.MemberID}
		if err := json.Unmarshal(m.ProtocolMetadata, &c.Identity); err != nil {
			continue // not one of ours; it cannot lead
		}
		if urls[c.URL()] {
			return assignment{Version: 1, Error: 1}
		}
		urls[c.URL()] = true
		if c.Eligible {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return assignment{Version: 1}
	}
	best := slices.MinFunc(all, func(a, b candidate) int {
		if a.Leader != b.Leader {
			if a.Leader {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.URL(), b.URL())
	})
	return assignment{Version: 1, MemberID: best.id, Leader: &best.Identity}
}

// leave tells the group, as far as it can be reached.
func (e *Elector) leave() {
	if e.member == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = e.cfg.Group, e.member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.InstanceID = e.member, e.instance()
	req.Members = append(req.Members, m)
	if _, err := e.cfg.Client.Request(ctx, req); err != nil {
		e.cfg.Logger.Warn("registry could not leave its group", "group", e.cfg.Group, "error", err)
	}
}
