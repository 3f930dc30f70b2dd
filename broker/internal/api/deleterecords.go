package api

import "github.com/twmb/franz-go/pkg/kmsg"

// deleteRecords moves the start of partitions (KIP-107). Versions 0 to 2.
func (a *API) deleteRecords(
	c *call, req *kmsg.DeleteRecordsRequest, resp *kmsg.DeleteRecordsResponse,
) error {
	for i := range req.Topics {
		rt := &req.Topics[i]
		t := c.topics.Named(rt.Topic)
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			op := kmsg.NewDeleteRecordsResponseTopicPartition()
			op.Partition, op.LowWatermark = rp.Partition, -1
			p, err := a.partition(c, t, rp.Partition)
			if err == nil {
				op.LowWatermark, err = p.DeleteRecords(rp.Offset)
			}
			if err != nil {
				op.ErrorCode, op.LowWatermark = a.code(err), -1
			}
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return nil
}
