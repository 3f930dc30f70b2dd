package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// createPartitions adds partitions to topics (KIP-195). Versions 0 to 3.
func (a *API) createPartitions(
	c *call, req *kmsg.CreatePartitionsRequest, resp *kmsg.CreatePartitionsResponse,
) error {
	times := make(map[string]int)
	for i := range req.Topics {
		times[req.Topics[i].Topic]++
	}
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = rt.Topic
		var err error
		if times[rt.Topic] > 1 {
			err = topicError(errcode.InvalidRequest, "topic %s is named %d times in one request",
				rt.Topic, times[rt.Topic])
		} else {
			err = a.growTopic(rt, req.ValidateOnly)
		}
		code, message := a.refusal(err)
		out.ErrorCode, out.ErrorMessage = int16(code), text(message)
		resp.Topics = append(resp.Topics, out)
	}
	return nil
}

func (a *API) growTopic(rt *kmsg.CreatePartitionsRequestTopic, validateOnly bool) error {
	t, err := a.cfg.Topics.CheckGrow(rt.Topic, int(rt.Count))
	if err != nil {
		return err
	}
	if added := int(rt.Count) - t.Partitions(); rt.Assignment != nil && len(rt.Assignment) != added {
		return topicError(errcode.InvalidReplicaAssignment,
			"%d partitions are added to topic %s, %d are assigned", added, rt.Topic, len(rt.Assignment))
	}
	for _, ra := range rt.Assignment {
		if err := a.checkReplicas(ra.Replicas, t.ReplicationFactor); err != nil {
			return err
		}
	}
	if validateOnly {
		return nil
	}
	return a.cfg.Topics.Grow(rt.Topic, int(rt.Count))
}
