package api

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// offsetCommit stores how far a group has read. Versions 2 to 10.
//
//	v5   no retention time of its own any more (KIP-211)
//	v6   leader epochs (KIP-320)
//	v7   static members (KIP-345)
//	v10  topics by id (KIP-848)
func (a *API) offsetCommit(
	c *call, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse,
) error {
	var list []groupcoordinator.Offset
	var places [][2]int // in the response, of each of list
	for i := range req.Topics {
		rt := &req.Topics[i]
		missing := errcode.UnknownTopicOrPartition
		t := topicOf(c.topics, rt.Topic, rt.TopicID, c.version >= 10)
		if c.version >= 10 {
			missing = errcode.UnknownTopicId
		}
		out := kmsg.NewOffsetCommitResponseTopic()
		out.Topic, out.TopicID = rt.Topic, rt.TopicID
		for j, rp := range rt.Partitions {
			op := kmsg.NewOffsetCommitResponseTopicPartition()
			op.Partition = rp.Partition
			switch {
			case t == nil:
				op.ErrorCode = int16(missing)
			case !t.Has(rp.Partition):
				op.ErrorCode = int16(errcode.UnknownTopicOrPartition)
			default:
				list = append(list, groupcoordinator.Offset{Topic: t.Name, Partition: rp.Partition,
					Offset: rp.Offset, LeaderEpoch: rp.LeaderEpoch, Metadata: value(rp.Metadata)})
				places = append(places, [2]int{i, j})
			}
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	retention := time.Duration(max(req.RetentionTimeMillis, 0)) * time.Millisecond
	for i, code := range a.commit(c, req, retention, list) {
		resp.Topics[places[i][0]].Partitions[places[i][1]].ErrorCode = int16(code)
	}
	return nil
}

func (a *API) commit(
	c *call, req *kmsg.OffsetCommitRequest, retention time.Duration, list []groupcoordinator.Offset,
) []errcode.Code {
	if code := a.coordinates(c); code != errcode.None {
		codes := make([]errcode.Code, len(list))
		for i := range codes {
			codes[i] = code
		}
		return codes
	}
	ref := memberRef(req.Group, req.Generation, req.MemberID, req.InstanceID)
	return a.groups.Commit(ref, retention, list)
}

// topicOf is the topic that a request gives by name or, from a version on, by id.
func topicOf(s *topics.Snapshot, name string, id [16]byte, byID bool) *topics.Topic {
	if byID {
		return s.WithID(id)
	}
	return s.Named(name)
}
