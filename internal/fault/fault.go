// Package fault is faults as data: which request of a broker goes wrong, and
// how. A plan can be written in a test, drawn from a seed, printed when a run
// fails, and given on a command line.
//
//	produce nth=1: drop-response
//	produce nth=3 times=2 client=app: error=NOT_LEADER_OR_FOLLOWER
//	fetch: delay=250ms
//	any nth=100: restart
//
// This package decides what happens to which request and does nothing itself:
// the embedded broker does.
package fault

import (
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// AnyAPI matches every request.
const AnyAPI = protocol.Key(-1)

// Always as Rule.Times never ends.
const Always = -1

// Kind is what happens to a request.
type Kind uint8

// The kinds of faults.
const (
	// Drop loses the request: it has no effect, and the connection is closed.
	Drop Kind = iota + 1
	// DropResponse carries the request out and closes the connection without an
	// answer.
	DropResponse
	// CutAt carries the request out, writes the first Bytes of its answer, and
	// closes the connection.
	CutAt
	// Delay waits before the request is carried out. Later requests of the
	// connection wait behind it.
	Delay
	// DelayResponse waits between carrying out and answering.
	DelayResponse
	// Error answers with Code and does nothing else.
	Error
	// Pause holds up the whole broker, as SIGSTOP does; the request comes after.
	Pause
	// Restart stops the broker in order, forgets what is not on disk, and starts
	// it again; the request is lost with its connection.
	Restart
	// Kill is Restart without the order, as kill -9.
	Kill
	// MoveLeader makes Node the leader of Topic's Partition before the request is
	// carried out.
	MoveLeader
	// Throttle carries the request out and answers that the client is over its
	// quota for Duration (KIP-219), if the answer can say so.
	Throttle
)

// Action is what happens, with the operand that its kind has.
type Action struct {
	Kind      Kind
	Duration  time.Duration // Delay, DelayResponse, Pause, Throttle
	Bytes     int           // CutAt: counts from the length field on
	Code      errcode.Code  // Error
	Topic     string        // MoveLeader
	Partition int32         // MoveLeader
	Node      int           // MoveLeader: place in the list of nodes, from 0
}

// Rule says which requests an action happens to.
type Rule struct {
	API    protocol.Key // AnyAPI for all
	Client string       // only requests with this client id; empty means any
	Nth    int          // the first of the matching requests, from 1; 0 means 1
	Times  int          // how many in a row; 0 means 1, Always means all
	Action Action
}

// Plan is the rules in force. The zero Plan has none. It is safe for
// concurrent use.
//
// Locks: mu is a leaf.
type Plan struct {
	mu    sync.Mutex
	rules []*counted
}

type counted struct {
	Rule
	seen int // matching requests so far
}

// Add puts a rule in force. Requests count from now on.
func (p *Plan) Add(r Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, &counted{Rule: r})
}

// Clear takes all rules out of force.
func (p *Plan) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// Pending is the number of rules that may still apply.
func (p *Plan) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.rules)
}

// Next is told of a request and returns what happens to it: the actions of all
// rules that apply, oldest rule first.
func (p *Plan) Next(api protocol.Key, client []byte) []Action {
	p.mu.Lock()
	defer p.mu.Unlock()
	var actions []Action
	left := p.rules[:0]
	for _, r := range p.rules {
		if r.matches(api, client) {
			r.seen++
			if r.applies() {
				actions = append(actions, r.Action)
			}
		}
		if !r.spent() {
			left = append(left, r)
		}
	}
	clear(p.rules[len(left):])
	p.rules = left
	return actions
}

func (r *counted) matches(api protocol.Key, client []byte) bool {
	return (r.API == AnyAPI || r.API == api) && (r.Client == "" || r.Client == string(client))
}

func (r *counted) applies() bool { return r.seen >= max(r.Nth, 1) && !r.beyond(r.seen) }

// beyond reports whether the n-th matching request comes after the last one
// that the rule applies to.
func (r *counted) beyond(n int) bool {
	return r.Times != Always && n >= max(r.Nth, 1)+max(r.Times, 1)
}

func (r *counted) spent() bool { return r.beyond(r.seen + 1) }
