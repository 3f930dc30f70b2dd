package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// offsetFetch tells how far groups have read. Versions 1 to 10.
//
//	v2   a null list means all topics; an error for the whole
//	v5   leader epochs (KIP-320)
//	v7   unstable offsets may be waited for (KIP-447)
//	v8   several groups at once (KIP-709)
//	v9   member ids (KIP-848), which say nothing in the classic protocol
//	v10  topics by id (KIP-848)
func (a *API) offsetFetch(
	c *call, req *kmsg.OffsetFetchRequest, resp *kmsg.OffsetFetchResponse,
) error {
	if c.version >= 8 {
		for i := range req.Groups {
			out := a.groupOffsets(c, &req.Groups[i], req.RequireStable)
			resp.Groups = append(resp.Groups, out)
		}
		return nil
	}
	// The older form is the newer one with a single group.
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = req.Group
	if req.Topics != nil {
		g.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, rt := range req.Topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = rt.Topic, rt.Partitions
		g.Topics = append(g.Topics, t)
	}
	out := a.groupOffsets(c, &g, req.RequireStable)
	resp.ErrorCode = out.ErrorCode
	for _, gt := range out.Topics {
		t := kmsg.NewOffsetFetchResponseTopic()
		t.Topic = gt.Topic
		for _, gp := range gt.Partitions {
			p := kmsg.NewOffsetFetchResponseTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch = gp.Partition, gp.Offset, gp.LeaderEpoch
			p.Metadata, p.ErrorCode = gp.Metadata, gp.ErrorCode
			if out.ErrorCode != 0 {
				p.ErrorCode = out.ErrorCode // version 1 has no other place for it
			}
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return nil
}

func (a *API) groupOffsets(
	c *call, rg *kmsg.OffsetFetchRequestGroup, stable bool,
) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = rg.Group
	byID := c.version >= 10
	var wanted []groupcoordinator.Offset
	if rg.Topics != nil {
		wanted = []groupcoordinator.Offset{}
	}
	for i := range rg.Topics {
		rt := &rg.Topics[i]
		t := topicOf(c.topics, rt.Topic, rt.TopicID, byID)
		if t == nil && byID {
			out.Topics = append(out.Topics, unknownTopicOffsets(rt))
			continue
		}
		name := rt.Topic
		if t != nil {
			name = t.Name
		}
		for _, n := range rt.Partitions {
			wanted = append(wanted, groupcoordinator.Offset{Topic: name, Partition: n})
		}
	}
	code := a.coordinates(c)
	var list []groupcoordinator.Fetched
	if code == errcode.None {
		list, code = a.groups.Fetch(rg.Group, wanted, stable)
	}
	if code != errcode.None {
		out.ErrorCode, list = int16(code), nil
		for _, w := range wanted {
			list = append(list, groupcoordinator.Fetched{Offset: groupcoordinator.Offset{
				Topic: w.Topic, Partition: w.Partition, Offset: -1, LeaderEpoch: -1}})
		}
	}
	return a.appendOffsets(c, out, list, byID)
}

// appendOffsets adds offsets, which are grouped by topic, to an answer.
func (a *API) appendOffsets(
	c *call, out kmsg.OffsetFetchResponseGroup, list []groupcoordinator.Fetched, byID bool,
) kmsg.OffsetFetchResponseGroup {
	last := ""
	for i, o := range list {
		if i == 0 || o.Topic != last {
			t := c.topics.Named(o.Topic)
			if t == nil && byID {
				continue // deleted: it has no id any more
			}
			ot := kmsg.NewOffsetFetchResponseGroupTopic()
			ot.Topic = o.Topic
			if t != nil {
				ot.TopicID = t.ID
			}
			out.Topics = append(out.Topics, ot)
			last = o.Topic
		}
		p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = o.Partition, o.Offset.Offset, o.LeaderEpoch
		if o.Unstable {
			p.ErrorCode = int16(errcode.UnstableOffsetCommit)
		}
		p.Metadata = &o.Metadata
		ot := &out.Topics[len(out.Topics)-1]
		ot.Partitions = append(ot.Partitions, p)
	}
	return out
}

func unknownTopicOffsets(
	rt *kmsg.OffsetFetchRequestGroupTopic,
) kmsg.OffsetFetchResponseGroupTopic {
	out := kmsg.NewOffsetFetchResponseGroupTopic()
	out.TopicID = rt.TopicID
	for _, n := range rt.Partitions {
		p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = n, -1, -1
		p.Metadata, p.ErrorCode = new(string), int16(errcode.UnknownTopicId)
		out.Partitions = append(out.Partitions, p)
	}
	return out
}
