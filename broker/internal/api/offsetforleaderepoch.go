package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
)

// offsetForLeaderEpoch says where a leader epoch ended, for consumers that check
// whether what they have read is still there (KIP-320). Versions 2 to 4.
func (a *API) offsetForLeaderEpoch(
	c *call, req *kmsg.OffsetForLeaderEpochRequest, resp *kmsg.OffsetForLeaderEpochResponse,
) error {
	for i := range req.Topics {
		rt := &req.Topics[i]
		t := c.topics.Named(rt.Topic)
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			op := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			op.Partition = rp.Partition
			end := partition.EpochEnd{Epoch: partition.NoEpoch, EndOffset: -1}
			p, err := a.partition(c, t, rp.Partition)
			if err == nil {
				end, err = p.EpochEnd(rp.LeaderEpoch, rp.CurrentLeaderEpoch)
			}
			if err != nil {
				op.ErrorCode = a.code(err)
				end = partition.EpochEnd{Epoch: partition.NoEpoch, EndOffset: -1}
			}
			op.LeaderEpoch, op.EndOffset = end.Epoch, end.EndOffset
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return nil
}
