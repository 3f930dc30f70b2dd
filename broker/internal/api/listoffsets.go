package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
)

// listOffsets finds offsets by timestamp, and the ends of a partition. Versions
// 1 to 11.
//
//	v2   isolation level (KIP-98)
//	v4   leader epochs (KIP-320)
//	v7   the record with the largest timestamp (KIP-734)
//	v8   the earliest local offset (KIP-405); all storage is local
//	v9   the last tiered offset (KIP-1005); there is none
//	v11  the earliest pending upload (KIP-1023); there is none
func (a *API) listOffsets(
	c *call, req *kmsg.ListOffsetsRequest, resp *kmsg.ListOffsetsResponse,
) error {
	for i := range req.Topics {
		rt := &req.Topics[i]
		t := c.topics.Named(rt.Topic)
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			op := kmsg.NewListOffsetsResponseTopicPartition()
			op.Partition = rp.Partition
			p, err := a.partition(c, t, rp.Partition)
			if err == nil {
				var answer partition.OffsetAnswer
				answer, err = p.ListOffset(rp.Timestamp, partition.Isolation(req.IsolationLevel),
					rp.CurrentLeaderEpoch)
				if err == nil {
					op.Offset, op.Timestamp = answer.Offset, answer.Timestamp
					op.LeaderEpoch = answer.LeaderEpoch
				}
			}
			if err != nil {
				op.ErrorCode = a.code(err)
				op.Offset, op.Timestamp, op.LeaderEpoch = -1, -1, -1
			}
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return nil
}
