package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// writeTxnMarkers writes markers on behalf of a coordinator, or of somebody who
// ends a transaction that its coordinator has forgotten (KIP-664). Versions 1
// and 2.
//
//	v1  flexible
//	v2  the version of the transaction (KIP-1228): from 2 on the marker needs an
//	    epoch of its own
func (a *API) writeTxnMarkers(
	c *call, req *kmsg.WriteTxnMarkersRequest, resp *kmsg.WriteTxnMarkersResponse,
) error {
	for i := range req.Markers {
		rm := &req.Markers[i]
		m := txncoordinator.Marker{CoordinatorEpoch: rm.CoordinatorEpoch, Commit: rm.Committed,
			Producer: txncoordinator.Producer{ID: rm.ProducerID, Epoch: rm.ProducerEpoch},
			OwnEpoch: c.version >= 2 && rm.TransactionVersion >= 2}
		out := kmsg.NewWriteTxnMarkersResponseMarker()
		out.ProducerID = rm.ProducerID
		for _, rt := range rm.Topics {
			ot := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			ot.Topic = rt.Topic
			for _, n := range rt.Partitions {
				op := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				op.Partition = n
				op.ErrorCode = int16(a.writeMarker(c, rt.Topic, n, m))
				ot.Partitions = append(ot.Partitions, op)
			}
			out.Topics = append(out.Topics, ot)
		}
		resp.Markers = append(resp.Markers, out)
	}
	return nil
}

func (a *API) writeMarker(
	c *call, topic string, n int32, m txncoordinator.Marker,
) errcode.Code {
	t := c.topics.Named(topic)
	if t != nil && t.Has(n) && a.cfg.Topics.Leader(t, n) != c.node {
		return errcode.NotLeaderOrFollower
	}
	return txnMarkers{a}.WriteMarker(txncoordinator.TopicPartition{Topic: topic, Partition: n}, m)
}
