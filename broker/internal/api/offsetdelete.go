package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// offsetDelete forgets offsets of topics that nobody in the group reads
// (KIP-496). Version 0.
func (a *API) offsetDelete(
	c *call, req *kmsg.OffsetDeleteRequest, resp *kmsg.OffsetDeleteResponse,
) error {
	var list []groupcoordinator.Offset
	for _, rt := range req.Topics {
		for _, rp := range rt.Partitions {
			list = append(list, groupcoordinator.Offset{Topic: rt.Topic, Partition: rp.Partition})
		}
	}
	codes, code := []errcode.Code(nil), a.coordinates(c)
	if code == errcode.None {
		codes, code = a.groups.DeleteOffsets(req.Group, list, subscribedTopics)
	}
	if resp.ErrorCode = int16(code); code != errcode.None {
		return nil
	}
	i := 0
	for _, rt := range req.Topics {
		out := kmsg.NewOffsetDeleteResponseTopic()
		out.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			op := kmsg.NewOffsetDeleteResponseTopicPartition()
			op.Partition, op.ErrorCode = rp.Partition, int16(codes[i])
			i++
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return nil
}
