package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/producerids"
	"github.com/posthaste-go/posthaste/broker/internal/server"
	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Node is a broker as clients are told of it.
type Node struct {
	ID   int32
	Host string // empty means the one that the client has connected to
	Port int32
	Rack string // empty means none
}

// Config is what the API works on.
type Config struct {
	ClusterID   string
	Nodes       []Node // one for each listener, in the order of server.Peer.Listener
	LogDir      string // as DescribeLogDirs names it
	Topics      *topics.Registry
	Settings    *settings.Broker
	ProducerIDs *producerids.Blocks
	Now         func() time.Time
	Logger      *slog.Logger
}

// API answers the requests of all connections. It is safe for concurrent use.
type API struct {
	cfg    Config
	table  [kmsg.MaxKey + 1]entry
	groups *groupcoordinator.Coordinator
	txns   *txncoordinator.Coordinator

	complained atomic.Int64 // when complain last logged, milliseconds
	unsaid     atomic.Int64 // what it has not logged since
}

// entry is how one API is served.
type entry struct {
	protocol.Range
	advertised protocol.Range // what ApiVersions says; differs for Produce
	waits      bool           // may wait for other clients or for time
	serve      func(c *call, body, out []byte) ([]byte, error)
}

// call is one request on its way.
type call struct {
	ctx     context.Context
	req     *server.Request
	version int16
	node    int // place of the node that was asked
	topics  *topics.Snapshot
}

// New makes the table of all APIs.
func New(cfg Config) *API {
	a := &API{cfg: cfg}
	a.groups = groupcoordinator.New(a.groupConfig())
	a.txns = txncoordinator.New(a.txnConfig())
	a.table[protocol.Produce] = entry{Range: protocol.Range{Min: 3, Max: 13},
		// librdkafka takes a broker without Produce v0 for one before 0.10 (KAFKA-18659).
		advertised: protocol.Range{Min: 0, Max: 13}, serve: a.produce}
	a.table[protocol.Fetch] = waiting(entry{Range: protocol.Range{Min: 4, Max: 18}, serve: a.fetch})
	a.register()
	for i := range a.table {
		if e := &a.table[i]; e.advertised == (protocol.Range{}) {
			e.advertised = e.Range
		}
	}
	return a
}

// register adds the APIs that kmsg decodes.
func (a *API) register() {
	a.table[protocol.APIVersions] = serving(0, 5, a.apiVersions)
	a.table[protocol.Metadata] = serving(0, 13, a.metadata)
	a.table[protocol.ListOffsets] = serving(1, 11, a.listOffsets)
	a.table[protocol.FindCoordinator] = serving(0, 6, a.findCoordinator)
	a.table[protocol.CreateTopics] = serving(2, 7, a.createTopics)
	a.table[protocol.DeleteTopics] = serving(1, 6, a.deleteTopics)
	a.table[protocol.CreatePartitions] = serving(0, 3, a.createPartitions)
	a.table[protocol.InitProducerID] = a.initProducerID()
	a.table[protocol.OffsetForLeaderEpoch] = serving(2, 4, a.offsetForLeaderEpoch)
	a.table[protocol.DescribeCluster] = serving(0, 2, a.describeCluster)
	a.table[protocol.DescribeConfigs] = serving(1, 4, a.describeConfigs)
	a.table[protocol.AlterConfigs] = serving(0, 2, a.alterConfigs)
	a.table[protocol.IncrementalAlterConfigs] = serving(0, 1, a.incrementalAlterConfigs)
	a.table[protocol.DeleteRecords] = serving(0, 2, a.deleteRecords)
	a.table[protocol.DescribeLogDirs] = serving(1, 5, a.describeLogDirs)
	a.table[protocol.DescribeProducers] = serving(0, 0, a.describeProducers)
	a.table[protocol.DescribeTopicPartitions] = serving(0, 0, a.describeTopicPartitions)

	a.table[protocol.JoinGroup] = waiting(serving(0, 9, a.joinGroup))
	a.table[protocol.SyncGroup] = waiting(serving(0, 5, a.syncGroup))
	a.table[protocol.Heartbeat] = serving(0, 4, a.heartbeat)
	a.table[protocol.LeaveGroup] = serving(0, 5, a.leaveGroup)
	a.table[protocol.OffsetCommit] = serving(2, 10, a.offsetCommit)
	a.table[protocol.OffsetFetch] = serving(1, 10, a.offsetFetch)
	a.table[protocol.OffsetDelete] = serving(0, 0, a.offsetDelete)
	a.table[protocol.ListGroups] = serving(0, 5, a.listGroups)
	a.table[protocol.DescribeGroups] = serving(0, 6, a.describeGroups)
	a.table[protocol.DeleteGroups] = serving(0, 3, a.deleteGroups)

	a.table[protocol.AddPartitionsToTxn] = serving(0, 5, a.addPartitionsToTxn)
	a.table[protocol.AddOffsetsToTxn] = serving(0, 4, a.addOffsetsToTxn)
	a.table[protocol.TxnOffsetCommit] = serving(0, 6, a.txnOffsetCommit)
	a.table[protocol.WriteTxnMarkers] = serving(1, 2, a.writeTxnMarkers)
	a.table[protocol.DescribeTransactions] = serving(0, 0, a.describeTransactions)
	a.table[protocol.ListTransactions] = serving(0, 2, a.listTransactions)
	a.table[protocol.EndTxn] = serving(0, 5, a.endTxn)
}

// Recover ends what an earlier run has left half done. Its owner calls it once,
// when requests may already come.
func (a *API) Recover() { a.txns.Recover() }

// Close ends what waits in the coordinators.
func (a *API) Close() {
	a.txns.Close()
	a.groups.Close()
}

// Maintain forgets what has expired in the coordinators. Its owner calls it
// every ten minutes or so.
func (a *API) Maintain(now time.Time) { a.groups.Expire(now) }

// message is a request or a response as kmsg has them: a pointer to T.
type message[T any] interface {
	*T
	SetVersion(int16)
	Default()
}

type requestMessage[T any] interface {
	message[T]
	ReadFrom([]byte) error
}

type responseMessage[T any] interface {
	message[T]
	AppendTo([]byte) []byte
}

// serving is the entry of an API that kmsg decodes: f fills in the response,
// which has its defaults and its version.
func serving[Q, P any, Req requestMessage[Q], Resp responseMessage[P]](
	least, most int16, f func(c *call, req Req, resp Resp) error,
) entry {
	return entry{
		Range: protocol.Range{Min: least, Max: most},
		serve: func(c *call, body, out []byte) ([]byte, error) {
			if err := checkLayout(c.req.Header.Key, c.version, body); err != nil {
				return out, err
			}
			req, resp := Req(new(Q)), Resp(new(P))
			req.Default()
			req.SetVersion(c.version)
			if err := req.ReadFrom(body); err != nil {
				return out, fmt.Errorf("%w: %w", protocol.ErrMalformed, err)
			}
			resp.Default()
			resp.SetVersion(c.version)
			if err := f(c, req, resp); err != nil {
				return out, err
			}
			if d := c.req.Throttle; d > 0 {
				setThrottle(resp, d)
			}
			return resp.AppendTo(out), nil
		},
	}
}

// setThrottle tells of a quota. It is for faults on purpose, so it may be slow.
func setThrottle(resp any, d time.Duration) {
	f := reflect.ValueOf(resp).Elem().FieldByName("ThrottleMillis")
	if f.IsValid() {
		f.SetInt(d.Milliseconds())
	}
}

// waiting is e, which may wait.
func waiting(e entry) entry {
	e.waits = true
	return e
}

func (a *API) entry(k protocol.Key) *entry {
	if k < 0 || int(k) >= len(a.table) || a.table[k].serve == nil {
		return nil
	}
	return &a.table[k]
}

// MayWait reports whether a request may wait for other clients or for time.
func (a *API) MayWait(req *server.Request) bool {
	e := a.entry(req.Header.Key)
	return e != nil && e.waits
}

// Handle answers a request. An error closes the connection, as Kafka does with
// what it does not understand.
func (a *API) Handle(ctx context.Context, req *server.Request, out []byte) ([]byte, error) {
	e := a.entry(req.Header.Key)
	c := &call{ctx: ctx, req: req, version: req.Header.Version, node: req.Peer.Listener,
		topics: a.cfg.Topics.Snapshot()}
	switch {
	case e == nil:
		return out, errors.New("this broker does not have this API; ApiVersions lists what it has")
	case e.Has(c.version):
		return e.serve(c, req.Body, out)
	case req.Header.Key == protocol.APIVersions:
		return a.unknownAPIVersions(out), nil
	}
	return out, fmt.Errorf("this broker has versions %d to %d of this API", e.Min, e.Max)
}

// asking is the node that was asked.
func (a *API) asking(c *call) Node { return a.cfg.Nodes[c.node] }

// nodes is what a client is told of the nodes.
func (a *API) nodes(peer *server.Peer) []Node {
	list := a.cfg.Nodes
	for i := range list {
		if list[i].Host != "" {
			continue
		}
		list = slices.Clone(list)
		for j := range list {
			list[j].Host = cmp.Or(list[j].Host, hostOf(peer.Local))
		}
		break
	}
	return list
}

// hostOf is the host of HOST:PORT, or all of an address that is not TCP's.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// ClusterID is the id of the cluster.
func (a *API) ClusterID() string { return a.cfg.ClusterID }

// partition finds an open partition that the node asked leads. The code is None
// if p is usable.
func (a *API) partition(c *call, t *topics.Topic, n int32) (p *partition.Partition, err error) {
	switch {
	case t == nil || !t.Has(n):
		return nil, errcode.UnknownTopicOrPartition
	case a.cfg.Topics.Leader(t, n) != c.node:
		return nil, errcode.NotLeaderOrFollower
	}
	return a.cfg.Topics.Partition(t, n)
}

// refusal is the code and the text of an error that a client is told. What is
// not meant for clients becomes UNKNOWN_SERVER_ERROR and a line in the log.
func (a *API) refusal(err error) (errcode.Code, string) {
	if err == nil {
		return errcode.None, ""
	}
	if e, ok := errors.AsType[*topics.Error](err); ok {
		return e.Code, e.Message
	}
	if e, ok := errors.AsType[*partition.Error](err); ok {
		if e.Err != nil {
			a.complain("partition failed", err)
		}
		return e.Code, e.Message
	}
	if code, ok := errors.AsType[errcode.Code](err); ok {
		return code, ""
	}
	a.complain("request failed", err)
	return errcode.UnknownServerError, ""
}

// complain logs an error, once a second at most: a full disk fails every batch.
func (a *API) complain(message string, err error) {
	now, last := a.cfg.Now().UnixMilli(), a.complained.Load()
	if now-last < 1000 || !a.complained.CompareAndSwap(last, now) {
		a.unsaid.Add(1)
		return
	}
	a.cfg.Logger.Error(message, "error", err, "others", a.unsaid.Swap(0))
}

// code is refusal's first half.
func (a *API) code(err error) int16 {
	code, _ := a.refusal(err)
	return int16(code)
}

// text is a message for a nullable field: none if it is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
