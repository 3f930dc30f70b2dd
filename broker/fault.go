package broker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/server"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/fault"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Fault is something that goes wrong on purpose, to be given to Inject: which
// requests, and what happens to them.
//
//	b.Inject(broker.Produce().Nth(1).DropResponse())         // written, never acknowledged
//	b.Inject(broker.Request("Fetch").Times(3).Delay(time.Second))
//	b.Inject(broker.AnyRequest().Nth(100).Restart())
type Fault struct{ rule fault.Rule }

// Requests says which requests a fault happens to; its methods that return a
// Fault say what happens. It is a value: each method returns a changed copy.
type Requests struct{ rule fault.Rule }

// Produce is produce requests.
func Produce() Requests { return Requests{fault.Rule{API: protocol.Produce}} }

// AnyRequest is requests of all kinds.
func AnyRequest() Requests { return Requests{fault.Rule{API: fault.AnyAPI}} }

// Request is requests of the API with Kafka's name, such as "Metadata" or
// "InitProducerId", in any case. It panics if there is none, as that is a slip in
// the test.
func Request(name string) Requests {
	key, ok := protocol.KeyNamed(name)
	if !ok {
		panic("broker.Request: there is no API " + name)
	}
	return Requests{fault.Rule{API: key}}
}

// ParseFault reads a fault from its text, such as
// "produce nth=3: error=NOT_LEADER_OR_FOLLOWER".
func ParseFault(text string) (Fault, error) {
	r, err := fault.Parse(text)
	return Fault{r}, err
}

// String is the fault's text, which ParseFault reads.
func (f Fault) String() string { return f.rule.String() }

// Nth begins with the n-th such request from Inject on, from 1.
func (r Requests) Nth(n int) Requests { r.rule.Nth = n; return r }

// Times goes on for n requests in a row.
func (r Requests) Times(n int) Requests { r.rule.Times = n; return r }

// Always goes on for ever.
func (r Requests) Always() Requests { r.rule.Times = fault.Always; return r }

// Client narrows it to requests with that client id.
func (r Requests) Client(id string) Requests { r.rule.Client = id; return r }

func (r Requests) do(a fault.Action) Fault { r.rule.Action = a; return Fault(r) }

// Drop loses the request: it has no effect, and the connection is closed.
func (r Requests) Drop() Fault { return r.do(fault.Action{Kind: fault.Drop}) }

// DropResponse carries the request out and closes the connection without an
// answer.
func (r Requests) DropResponse() Fault { return r.do(fault.Action{Kind: fault.DropResponse}) }

// CutAt carries the request out, writes the first n bytes of its answer, length
// field included, and closes the connection.
func (r Requests) CutAt(n int) Fault { return r.do(fault.Action{Kind: fault.CutAt, Bytes: n}) }

// Delay waits before the request is carried out. Later requests of the
// connection wait behind it.
func (r Requests) Delay(d time.Duration) Fault {
	return r.do(fault.Action{Kind: fault.Delay, Duration: d})
}

// DelayResponse waits between carrying the request out and answering it.
func (r Requests) DelayResponse(d time.Duration) Fault {
	return r.do(fault.Action{Kind: fault.DelayResponse, Duration: d})
}

// Error answers with one of Kafka's error codes and does nothing else.
func (r Requests) Error(code int16) Fault {
	return r.do(fault.Action{Kind: fault.Error, Code: errcode.Code(code)})
}

// Pause holds up the whole broker, as SIGSTOP does; the request comes after.
func (r Requests) Pause(d time.Duration) Fault {
	return r.do(fault.Action{Kind: fault.Pause, Duration: d})
}

// Restart restarts the broker in order, as Broker.Restart does; the request is
// lost with its connection.
func (r Requests) Restart() Fault { return r.do(fault.Action{Kind: fault.Restart}) }

// Kill restarts the broker without order: what is not on disk is forgotten.
func (r Requests) Kill() Fault { return r.do(fault.Action{Kind: fault.Kill}) }

// MoveLeader makes the node at a place of Broker.Addrs the leader of a partition
// before the request is carried out.
func (r Requests) MoveLeader(topic string, partition int32, node int) Fault {
	return r.do(fault.Action{Kind: fault.MoveLeader, Topic: topic, Partition: partition, Node: node})
}

// Throttle answers that the client is over its quota for d: it carries the
// request out, and the client should send nothing for so long (KIP-219). The
// broker does not hold the connection up itself.
func (r Requests) Throttle(d time.Duration) Fault {
	return r.do(fault.Action{Kind: fault.Throttle, Duration: d})
}

// Inject puts faults in force. Each counts requests from now on, and one request
// may meet several.
func (b *Broker) Inject(list ...Fault) {
	for _, f := range list {
		b.faults.plan.Add(f.rule)
	}
	b.faults.enable()
}

// ClearFaults takes all faults out of force and ends a Pause.
func (b *Broker) ClearFaults() { b.faults.clear() }

// PendingFaults is how many faults have not happened yet, or go on.
func (b *Broker) PendingFaults() int { return b.faults.plan.Pending() }

// Pause holds up every request until Resume, as SIGSTOP holds up a process:
// connections are accepted and nothing is answered.
func (b *Broker) Pause() { b.faults.pause() }

// Resume ends a Pause.
func (b *Broker) Resume() { b.faults.resume() }

// MoveLeader makes the node at a place of Addrs the leader of a partition, under
// a higher leader epoch. The others answer NOT_LEADER_OR_FOLLOWER from then on.
func (b *Broker) MoveLeader(topic string, partition int32, node int) error {
	inst := b.current.Load()
	if inst == nil {
		return ErrClosed
	}
	return inst.topics.Move(topic, partition, node)
}

// faults is the faults in force.
//
// Locks: mu is a leaf. enabled spares requests the locks while nothing was ever
// injected.
type faults struct {
	plan    fault.Plan
	enabled atomic.Bool

	mu     sync.Mutex
	paused chan struct{} // closed when a pause ends; nil without one
}

func (f *faults) enable() { f.enabled.Store(true) }

func (f *faults) pause() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paused == nil {
		f.paused = make(chan struct{})
	}
	f.enable()
}

func (f *faults) resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paused != nil {
		close(f.paused)
		f.paused = nil
	}
}

func (f *faults) clear() {
	f.plan.Clear()
	f.resume()
}

// pausing is closed when the pause of this moment ends; nil without one.
func (f *faults) pausing() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paused
}

// intercept is asked by the server about every request.
func (b *Broker) intercept(req *server.Request) server.Around {
	if !b.faults.enabled.Load() {
		return nil
	}
	var around server.Around
	actions := b.faults.plan.Next(req.Header.Key, req.Header.ClientID)
	for i := len(actions) - 1; i >= 0; i-- {
		around = b.around(actions[i], around)
	}
	if around == nil && b.faults.pausing() == nil {
		return nil
	}
	return func(
		ctx context.Context, req *server.Request, out []byte, next server.HandleFunc,
	) ([]byte, error) {
		for paused := b.faults.pausing(); paused != nil; paused = b.faults.pausing() {
			select {
			case <-paused:
			case <-ctx.Done():
				return out, context.Cause(ctx)
			}
		}
		if around == nil {
			return next(ctx, req, out)
		}
		return around(ctx, req, out, next)
	}
}

// around makes an action happen around inner, or around the handler.
func (b *Broker) around(a fault.Action, inner server.Around) server.Around {
	return func(
		ctx context.Context, req *server.Request, out []byte, next server.HandleFunc,
	) ([]byte, error) {
		if inner != nil {
			handler := next
			next = func(ctx context.Context, req *server.Request, out []byte) ([]byte, error) {
				return inner(ctx, req, out, handler)
			}
		}
		return b.act(ctx, a, req, out, next)
	}
}

func (b *Broker) act(
	ctx context.Context, a fault.Action, req *server.Request, out []byte, next server.HandleFunc,
) ([]byte, error) {
	b.log.Info("fault", "action", a.String(), "api", req.Header.Key.String(), "peer", req.Peer.Addr)
	switch a.Kind {
	case fault.Drop:
		return out, &server.Cut{}
	case fault.DropResponse, fault.CutAt:
		out, err := next(ctx, req, out)
		if err == nil || errors.Is(err, server.ErrNoResponse) {
			err = &server.Cut{Bytes: a.Bytes}
		}
		return out, err
	case fault.Delay:
		if err := wait(ctx, a.Duration); err != nil {
			return out, err
		}
		return next(ctx, req, out)
	case fault.DelayResponse:
		out, err := next(ctx, req, out)
		return out, errors.Join(err, wait(ctx, a.Duration))
	case fault.Error:
		return b.refuse(req, a.Code, out)
	case fault.Pause:
		b.Pause()
		err := wait(ctx, a.Duration)
		b.Resume()
		if err != nil {
			return out, err
		}
		return next(ctx, req, out)
	case fault.Restart, fault.Kill:
		return out, b.restartFor(a.Kind == fault.Restart)
	case fault.MoveLeader:
		if err := b.MoveLeader(a.Topic, a.Partition, a.Node); err != nil {
			b.log.Error("fault failed", "action", a.String(), "error", err)
		}
		return next(ctx, req, out)
	case fault.Throttle:
		req.Throttle = a.Duration
		return next(ctx, req, out)
	}
	return next(ctx, req, out)
}

// refuse answers a request with an error code.
func (b *Broker) refuse(req *server.Request, code errcode.Code, out []byte) ([]byte, error) {
	inst := b.current.Load()
	if inst == nil {
		return out, ErrClosed
	}
	return inst.api.Refuse(req, code, out)
}

// restartFor restarts the broker on behalf of a request, whose own goroutine
// the restart must not wait for.
func (b *Broker) restartFor(orderly bool) error {
	b.restarts.Go(func() {
		if err := b.Restart(orderly); err != nil && !errors.Is(err, ErrClosed) {
			b.log.Error("restart failed", "error", err)
		}
	})
	return &server.Cut{}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
