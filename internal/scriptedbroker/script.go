package scriptedbroker

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Exchange is one request and what is to become of it. A Step may look at the
// request, have it carried out, change or make the answer, or do without one.
type Exchange struct {
	Node     int32
	Key      protocol.Key
	Version  int16
	ClientID string
	Request  kmsg.Request
	Response kmsg.Response // what Serve answered; nil before

	cluster *Cluster
	close   bool            // instead of an answer
	wait    <-chan struct{} // before the answer
	delay   time.Duration   // before the answer
}

// Step is what a script does with one request. It runs under the cluster's lock
// and must not wait; Hold and Delay do that.
type Step func(*Exchange)

// Next sets what happens to the next requests of an API, one step each. After
// them comes what Always said, or an honest answer.
func (c *Cluster) Next(key protocol.Key, steps ...Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script[key] = append(c.script[key], steps...)
}

// Always sets what happens to every request of an API that has no step of its
// own; nil is the honest answer again.
func (c *Cluster) Always(key protocol.Key, step Step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.standing[key] = step
}

// Left is how many steps of an API no request has come for.
func (c *Cluster) Left(key protocol.Key) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.script[key])
}

// Serve carries the request out and makes the honest answer.
func (x *Exchange) Serve() { x.Response = x.cluster.handle(x) }

// OK is the honest answer, for scripts that want it between others.
func OK(x *Exchange) { x.Serve() }

// Drop loses the request: nothing is carried out and the connection closes.
func Drop(x *Exchange) { x.close = true }

// Lose carries the request out and closes the connection instead of answering.
func Lose(x *Exchange) {
	x.Serve()
	x.close = true
}

// Silence neither carries out nor answers, and leaves the connection open.
func Silence(x *Exchange) { x.wait = make(chan struct{}) }

// Mute carries out and never answers.
func Mute(x *Exchange) {
	x.Serve()
	x.wait = make(chan struct{})
}

// Hold carries the request out and answers when until is closed. Requests
// behind it on the connection are carried out meanwhile, and answered after it.
func Hold(until <-chan struct{}) Step {
	return func(x *Exchange) {
		x.Serve()
		x.wait = until
	}
}

// Delay carries the request out and answers after d.
func Delay(d time.Duration) Step {
	return func(x *Exchange) {
		x.Serve()
		x.delay = d
	}
}

// Throttle is the honest answer with a throttle time.
func Throttle(d time.Duration) Step {
	return func(x *Exchange) {
		x.Serve()
		if r, ok := x.Response.(*kmsg.ProduceResponse); ok {
			r.ThrottleMillis = int32(d.Milliseconds())
		}
	}
}

// Fail answers code wherever the answer has room for one, and carries nothing
// out. In a produce answer the log start is -1.
func Fail(code errcode.Code) Step { return FailWith(code, nil) }

// FailWith is Fail with more about each partition of a produce answer.
func FailWith(
	code errcode.Code, more func(*kmsg.ProduceResponse, *kmsg.ProduceResponseTopicPartition),
) Step {
	return func(x *Exchange) { x.fail(code, more) }
}

func (x *Exchange) fail(
	code errcode.Code, more func(*kmsg.ProduceResponse, *kmsg.ProduceResponseTopicPartition),
) {
	x.Response = x.Request.ResponseKind()
	switch r := x.Response.(type) {
	case *kmsg.ProduceResponse:
		for _, t := range x.Request.(*kmsg.ProduceRequest).Topics {
			out := kmsg.NewProduceResponseTopic()
			out.Topic, out.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				out.Partitions = append(out.Partitions, refusal(p.Partition, code))
			}
			r.Topics = append(r.Topics, out)
		}
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				if more != nil {
					more(r, &r.Topics[i].Partitions[j])
				}
			}
		}
	case *kmsg.InitProducerIDResponse:
		r.ErrorCode, r.ProducerID, r.ProducerEpoch = int16(code), -1, -1
	case *kmsg.ApiVersionsResponse:
		r.ErrorCode = int16(code)
	case *kmsg.MetadataResponse:
		x.Serve()
		r = x.Response.(*kmsg.MetadataResponse)
		for i := range r.Topics {
			r.Topics[i].ErrorCode, r.Topics[i].Partitions = int16(code), nil
		}
	default:
		panic(fmt.Sprintf("scriptedbroker: no error for %v", x.Key))
	}
}

func refusal(index int32, code errcode.Code) kmsg.ProduceResponseTopicPartition {
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition, p.ErrorCode = index, int16(code)
	p.BaseOffset, p.LogAppendTime, p.LogStartOffset = -1, -1, -1
	return p
}

// NewLeader answers NOT_LEADER_OR_FOLLOWER and names the new one (KIP-951).
func NewLeader(c *Cluster, node, epoch int32) Step {
	addr := c.Addr(node)
	return FailWith(errcode.NotLeaderOrFollower,
		func(r *kmsg.ProduceResponse, p *kmsg.ProduceResponseTopicPartition) {
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = node, epoch
			b := kmsg.NewProduceResponseBroker()
			b.NodeID = node
			b.Host, b.Port = splitAddr(addr)
			r.Brokers = append(r.Brokers, b)
		})
}

// line is one line of the trace.
type line struct {
	key  protocol.Key
	text string
}

func (c *Cluster) note(key protocol.Key, format string, args ...any) {
	c.trace = append(c.trace, line{key, fmt.Sprintf(format, args...)})
}

// Requests is what came in, oldest first, but for ApiVersions and Metadata:
// what a producer asks of the cluster.
//
//	InitProducerId v5 txn=null pid=-1 epoch=-1
//	Produce v12 [t-0 pid=1000 epoch=0 seq=0 n=1]
//	   (rejected t-0 seq=2 due=1)
func (c *Cluster) Requests() []string {
	return c.requests(func(k protocol.Key) bool {
		return k != protocol.APIVersions && k != protocol.Metadata
	})
}

// AnyKey stands for every API.
const AnyKey = protocol.Key(-1)

// RequestsOf is what came in of one API.
func (c *Cluster) RequestsOf(key protocol.Key) []string {
	return c.requests(func(k protocol.Key) bool { return k == key || key == AnyKey })
}

func (c *Cluster) requests(want func(protocol.Key) bool) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []string{}
	for _, l := range c.trace {
		if want(l.key) {
			out = append(out, l.text)
		}
	}
	return out
}

// Forget empties the trace.
func (c *Cluster) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trace = nil
}

// describe is a request's line in the trace.
func (c *Cluster) describe(x *Exchange) string {
	switch r := x.Request.(type) {
	case *kmsg.ProduceRequest:
		return fmt.Sprintf("Produce v%d%s [%s]", x.Version, produceNotes(r), c.describeBatches(r))
	case *kmsg.InitProducerIDRequest:
		txn := "null"
		if r.TransactionalID != nil {
			txn = *r.TransactionalID
		}
		return fmt.Sprintf("InitProducerId v%d txn=%s pid=%d epoch=%d",
			x.Version, txn, r.ProducerID, r.ProducerEpoch)
	case *kmsg.MetadataRequest:
		var names []string
		for _, t := range r.Topics {
			names = append(names, *t.Topic)
		}
		return fmt.Sprintf("Metadata v%d %v", x.Version, names)
	}
	return fmt.Sprintf("%v v%d", x.Key, x.Version)
}

func produceNotes(r *kmsg.ProduceRequest) string {
	s := ""
	if r.Acks != -1 {
		s += fmt.Sprintf(" acks=%d", r.Acks)
	}
	if r.TransactionID != nil {
		s += " txn=" + *r.TransactionID
	}
	return s
}

func (c *Cluster) describeBatches(r *kmsg.ProduceRequest) string {
	var parts []string
	for _, t := range r.Topics {
		name := t.Topic
		if named := c.byID(t.TopicID); name == "" && named != nil {
			name = named.name + "(id)"
		}
		for _, p := range t.Partitions {
			h, records, err := decode(p.Records)
			if err != nil {
				c.t.Errorf("a produce request carries %v", err)
			}
			parts = append(parts, fmt.Sprintf("%s-%d pid=%d epoch=%d seq=%d n=%d", name,
				p.Partition, h.ProducerID, h.ProducerEpoch, h.BaseSequence, len(records)))
		}
	}
	return strings.Join(parts, "; ")
}

// Counts is how many records each batch of a produce request has.
func Counts(x *Exchange) []int {
	var counts []int
	for _, t := range x.Request.(*kmsg.ProduceRequest).Topics {
		for _, p := range t.Partitions {
			_, records, err := decode(p.Records)
			if err != nil {
				x.cluster.t.Errorf("a produce request carries %v", err)
			}
			counts = append(counts, len(records))
		}
	}
	return counts
}
