package api

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// maxDescribedPartitions is max.request.partition.size.limit of Kafka.
const maxDescribedPartitions = 2000

// describeTopicPartitions pages through topics and partitions (KIP-966).
// Version 0. The lists of eligible and last known leaders are empty rather than
// null, because Kafka's tools do not take null.
func (a *API) describeTopicPartitions(
	c *call, req *kmsg.DescribeTopicPartitionsRequest, resp *kmsg.DescribeTopicPartitionsResponse,
) error {
	var names []string
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if len(req.Topics) == 0 {
		for _, t := range c.topics.Sorted() {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	limit := min(int(req.ResponsePartitionLimit), maxDescribedPartitions)
	if limit < 1 {
		limit = maxDescribedPartitions
	}
	first := int32(0)
	if cur := req.Cursor; cur != nil {
		names = slices.DeleteFunc(names, func(n string) bool { return n < cur.Topic })
		if len(names) > 0 && names[0] == cur.Topic {
			first = max(cur.Partition, 0)
		}
	}
	for _, name := range names {
		t := c.topics.Named(name)
		n := 0
		if t != nil {
			n = max(t.Partitions()-int(first), 0)
		}
		if limit == 0 && n > 0 {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: name}
			return nil
		}
		part := min(n, limit)
		resp.Topics = append(resp.Topics, a.topicPage(name, t, first, part))
		if limit -= part; part < n {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{
				Topic: name, Partition: first + int32(part)}
			return nil
		}
		first = 0
	}
	return nil
}

// topicPage describes n partitions of a topic from first on; t is nil if there
// is none of that name.
func (a *API) topicPage(
	name string, t *topics.Topic, first int32, n int,
) kmsg.DescribeTopicPartitionsResponseTopic {
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic = &name
	out.Partitions = []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
	if t == nil {
		out.ErrorCode = int16(errcode.UnknownTopicOrPartition)
		if topics.CheckName(name) != nil {
			out.ErrorCode = int16(errcode.InvalidTopicException)
		}
		out.Topic = text(strings.Clone(name))
		return out
	}
	out.TopicID, out.IsInternal = t.ID, t.Internal()
	out.AuthorizedOperations = topicOperations
	for i := first; i < first+int32(n); i++ {
		op := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		op.Partition = i
		op.LeaderID = a.cfg.Nodes[a.cfg.Topics.Leader(t, i)].ID
		op.LeaderEpoch = a.leaderEpoch(t, i)
		op.Replicas = a.replicas(t, i)
		op.ISR = op.Replicas
		op.EligibleLeaderReplicas = []int32{}
		op.LastKnownELR = []int32{}
		op.OfflineReplicas = []int32{}
		out.Partitions = append(out.Partitions, op)
	}
	return out
}
