package api

import (
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/server"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// What authorized-operations fields say: a bit for each operation of
// AclOperation that may be done, everything here (KIP-430).
const (
	noOperations      = math.MinInt32
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	groupOperations   = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
)

// metadata describes nodes, topics and leaders, and makes topics that are asked
// for. Versions 0 to 13.
//
//	v0   an empty list of topics means all; from v1 on null does
//	v4   the client says whether topics may be made
//	v7   leader epochs (KIP-320)
//	v10  topic ids (KIP-516); v12 asks by id
//	v13  a top-level error (KIP-1102)
func (a *API) metadata(c *call, req *kmsg.MetadataRequest, resp *kmsg.MetadataResponse) error {
	a.describeNodes(c.req.Peer, resp)
	resp.AuthorizedOperations = noOperations
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = clusterOperations
	}
	operations := int32(noOperations)
	if req.IncludeTopicAuthorizedOperations {
		operations = topicOperations
	}
	if req.Topics == nil || c.version == 0 && len(req.Topics) == 0 {
		for _, t := range c.topics.Sorted() {
			resp.Topics = append(resp.Topics, a.describeTopic(t, operations))
		}
		return nil
	}
	create := c.version < 4 || req.AllowAutoTopicCreation
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, a.wantedTopic(c, &req.Topics[i], create, operations))
	}
	return nil
}

func (a *API) describeNodes(peer *server.Peer, resp *kmsg.MetadataResponse) {
	for _, n := range a.nodes(peer) {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = n.ID, n.Host, n.Port, text(n.Rack)
		resp.Brokers = append(resp.Brokers, b)
	}
	resp.ClusterID = &a.cfg.ClusterID
	resp.ControllerID = a.cfg.Nodes[0].ID
}

// wantedTopic describes one topic that the client named, which may be made.
func (a *API) wantedTopic(
	c *call, want *kmsg.MetadataRequestTopic, create bool, operations int32,
) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.AuthorizedOperations = noOperations
	if want.Topic == nil {
		if t := c.topics.WithID(want.TopicID); t != nil {
			return a.describeTopic(t, operations)
		}
		out.TopicID = want.TopicID
		out.ErrorCode = int16(errcode.UnknownTopicId)
		if c.version < 12 {
			out.Topic = new(string) // not nullable before
		}
		return out
	}
	t := c.topics.Named(*want.Topic)
	if t == nil {
		var err error
		if t, err = a.autoCreate(*want.Topic, create); err != nil {
			out.Topic = want.Topic
			out.ErrorCode = a.code(err)
			return out
		}
	}
	return a.describeTopic(t, operations)
}

// autoCreate makes a topic because a client asked for it.
// Setting: auto.create.topics.enable.
func (a *API) autoCreate(name string, allowed bool) (*topics.Topic, error) {
	if err := topics.CheckName(name); err != nil {
		return nil, err
	}
	if !allowed || !a.cfg.Settings.Bool("auto.create.topics.enable") {
		return nil, errcode.UnknownTopicOrPartition
	}
	made, errs := a.cfg.Topics.Create(a.internalTopic(name))
	if code, _ := a.refusal(errs[0]); code == errcode.TopicAlreadyExists {
		// Another client was faster.
		if t := a.cfg.Topics.Snapshot().Named(name); t != nil {
			return t, nil
		}
	}
	return made[0], errs[0]
}

// internalTopic is how a topic is made if nobody says how: the coordinators'
// topics have settings of their own.
func (a *API) internalTopic(name string) topics.NewTopic {
	n := topics.NewTopic{Name: name}
	prefix := map[string]string{
		topics.ConsumerOffsets: "offsets.topic.", topics.TransactionState: "transaction.state.log.",
	}[name]
	if prefix != "" {
		segment, _ := a.cfg.Settings.Value(prefix + "segment.bytes")
		n.Partitions = int(a.cfg.Settings.Int(prefix + "num.partitions"))
		n.Configs = map[string]string{
			"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": segment,
		}
	}
	return n
}

func (a *API) describeTopic(t *topics.Topic, operations int32) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic = &t.Name
	out.TopicID = t.ID
	out.IsInternal = t.Internal()
	out.AuthorizedOperations = operations
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, t.Partitions())
	for i := range out.Partitions {
		p := &out.Partitions[i]
		p.Default()
		p.Partition = int32(i)
		p.Leader = a.cfg.Nodes[a.cfg.Topics.Leader(t, p.Partition)].ID
		p.LeaderEpoch = a.leaderEpoch(t, p.Partition)
		p.Replicas = a.replicas(t, p.Partition)
		p.ISR = p.Replicas
		p.OfflineReplicas = []int32{}
	}
	return out
}

// leaderEpoch is a partition's leader epoch. It opens nothing, so that a topic
// of many partitions is described at once: one that was never used begins with
// epoch 0, and one that waits to be opened after a restart has none to tell, -1.
func (a *API) leaderEpoch(t *topics.Topic, n int32) int32 {
	if p := a.cfg.Topics.Opened(t, n); p != nil {
		return p.LeaderEpoch()
	}
	if !a.cfg.Topics.Used(t, n) {
		return 0
	}
	return -1
}

// replicas lists the ids of a partition's replicas, the leader among them.
func (a *API) replicas(t *topics.Topic, n int32) []int32 {
	leader := a.cfg.Topics.Leader(t, n)
	places := a.cfg.Topics.Replicas(t, n)
	ids := make([]int32, 0, len(places)+1)
	for _, place := range places {
		ids = append(ids, a.cfg.Nodes[place].ID)
	}
	if id := a.cfg.Nodes[leader].ID; !slices.Contains(ids, id) {
		ids[0] = id
	}
	return ids
}
