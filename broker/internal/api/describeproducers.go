package api

import "github.com/twmb/franz-go/pkg/kmsg"

// describeProducers lists the producers that partitions remember (KIP-664).
// Version 0.
func (a *API) describeProducers(
	c *call, req *kmsg.DescribeProducersRequest, resp *kmsg.DescribeProducersResponse,
) error {
	for i := range req.Topics {
		rt := &req.Topics[i]
		t := c.topics.Named(rt.Topic)
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic = rt.Topic
		for _, n := range rt.Partitions {
			op := kmsg.NewDescribeProducersResponseTopicPartition()
			op.Partition = n
			p, err := a.partition(c, t, n)
			code, message := a.refusal(err)
			op.ErrorCode, op.ErrorMessage = int16(code), text(message)
			if err == nil {
				for _, s := range p.Producers() {
					ap := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
					ap.ProducerID, ap.ProducerEpoch = s.ProducerID, int32(s.ProducerEpoch)
					ap.LastSequence, ap.LastTimestamp = s.LastSequence, s.LastTimestamp
					ap.CoordinatorEpoch = s.CoordinatorEpoch
					ap.CurrentTxnStartOffset = s.CurrentTxnStartOffset
					op.ActiveProducers = append(op.ActiveProducers, ap)
				}
			}
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return nil
}
