package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// deleteTopics removes topics and their records. Versions 1 to 6.
//
//	v5  error messages (KIP-599)
//	v6  topics by id (KIP-516)
func (a *API) deleteTopics(
	c *call, req *kmsg.DeleteTopicsRequest, resp *kmsg.DeleteTopicsResponse,
) error {
	for _, name := range req.TopicNames {
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &name})
	}
	for i := range req.Topics {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		code, message := a.refusal(a.deleteTopic(c, &out))
		out.ErrorCode, out.ErrorMessage = int16(code), text(message)
		resp.Topics = append(resp.Topics, out)
	}
	return nil
}

// deleteTopic removes the topic that out names, and completes name and id.
func (a *API) deleteTopic(c *call, out *kmsg.DeleteTopicsResponseTopic) error {
	if !a.cfg.Settings.Bool("delete.topic.enable") {
		return topicError(errcode.TopicDeletionDisabled, "delete.topic.enable is false")
	}
	var none [16]byte
	if out.Topic != nil && out.TopicID != none {
		return topicError(errcode.InvalidRequest, "a topic is named or given by id, not both")
	}
	if out.Topic == nil {
		t := c.topics.WithID(out.TopicID)
		if t == nil {
			return errcode.UnknownTopicId
		}
		out.Topic = &t.Name
	} else if t := c.topics.Named(*out.Topic); t != nil {
		out.TopicID = t.ID
	}
	if err := a.cfg.Topics.Delete(*out.Topic); err != nil {
		return err
	}
	a.groups.ForgetTopic(*out.Topic)
	return nil
}
