package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// createTopics makes topics. Versions 2 to 7.
//
//	v4  -1 stands for the default numbers of partitions and replicas (KIP-464)
//	v5  the answer has numbers and settings (KIP-525); the list is never null,
//	    because the Java client does not take that
//	v7  the topic's id (KIP-516)
func (a *API) createTopics(
	c *call, req *kmsg.CreateTopicsRequest, resp *kmsg.CreateTopicsResponse,
) error {
	times := make(map[string]int)
	for i := range req.Topics {
		times[req.Topics[i].Topic]++
	}
	var list []topics.NewTopic
	var at []int // where in the response each of list is
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewCreateTopicsResponseTopic()
		out.Topic = rt.Topic
		out.NumPartitions, out.ReplicationFactor = -1, -1
		out.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
		n, err := a.newTopic(rt)
		if err == nil && times[rt.Topic] > 1 {
			err = topicError(errcode.InvalidRequest, "topic %s is named %d times in one request",
				rt.Topic, times[rt.Topic])
		}
		if err == nil && req.ValidateOnly {
			if err = a.cfg.Topics.Check(&n); err == nil {
				a.created(&out, n.Partitions, n.ReplicationFactor, n.Configs)
			}
		} else if err == nil {
			list, at = append(list, n), append(at, i)
		}
		a.refuseTopic(&out, err)
		resp.Topics = append(resp.Topics, out)
	}
	made, errs := a.cfg.Topics.Create(list...)
	for i, place := range at {
		out := &resp.Topics[place]
		if errs[i] != nil {
			a.refuseTopic(out, errs[i])
			continue
		}
		t := made[i]
		out.TopicID = t.ID
		a.created(out, t.Partitions(), t.ReplicationFactor, t.Configs)
	}
	return nil
}

func (a *API) refuseTopic(out *kmsg.CreateTopicsResponseTopic, err error) {
	code, message := a.refusal(err)
	out.ErrorCode, out.ErrorMessage = int16(code), text(message)
}

func (a *API) created(
	out *kmsg.CreateTopicsResponseTopic, partitions, replicas int, configs map[string]string,
) {
	out.NumPartitions, out.ReplicationFactor = int32(partitions), int16(replicas)
	for _, e := range a.topicConfigs(configs) {
		oc := kmsg.NewCreateTopicsResponseTopicConfig()
		oc.Name, oc.Value, oc.Source = e.name, &e.value, int8(e.source)
		out.Configs = append(out.Configs, oc)
	}
}

func topicError(code errcode.Code, format string, args ...any) error {
	return &topics.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// newTopic translates one wish. Assignments are checked and otherwise ignored:
// all nodes are this process.
func (a *API) newTopic(rt *kmsg.CreateTopicsRequestTopic) (topics.NewTopic, error) {
	n := topics.NewTopic{Name: rt.Topic, Partitions: int(rt.NumPartitions),
		ReplicationFactor: int(rt.ReplicationFactor)}
	if len(rt.ReplicaAssignment) > 0 {
		if rt.NumPartitions != -1 || rt.ReplicationFactor != -1 {
			return n, topicError(errcode.InvalidRequest,
				"topic %s has an assignment of replicas, so both numbers must be -1", rt.Topic)
		}
		if err := a.checkAssignment(rt); err != nil {
			return n, err
		}
		n.Partitions = len(rt.ReplicaAssignment)
		n.ReplicationFactor = len(rt.ReplicaAssignment[0].Replicas)
	}
	switch {
	case n.Partitions == 0:
		n.Partitions = -1 // not the default: illegal
	case n.Partitions == -1:
		n.Partitions = 0
	}
	switch {
	case n.ReplicationFactor == 0:
		n.ReplicationFactor = -1
	case n.ReplicationFactor == -1:
		n.ReplicationFactor = 0
	}
	n.Configs = make(map[string]string, len(rt.Configs))
	for _, rc := range rt.Configs {
		if rc.Value == nil {
			return n, topicError(errcode.InvalidConfig, "topic %s: setting %s has no value",
				rt.Topic, rc.Name)
		}
		n.Configs[rc.Name] = *rc.Value
	}
	return n, nil
}

func (a *API) checkAssignment(rt *kmsg.CreateTopicsRequestTopic) error {
	seen := make(map[int32]bool)
	for _, ra := range rt.ReplicaAssignment {
		seen[ra.Partition] = true
		if err := a.checkReplicas(ra.Replicas, len(rt.ReplicaAssignment[0].Replicas)); err != nil {
			return err
		}
	}
	for n := range rt.ReplicaAssignment {
		if !seen[int32(n)] {
			return topicError(errcode.InvalidReplicaAssignment, "partition %d of topic %s has no "+
				"replicas in the assignment: partitions count from 0 without gaps", n, rt.Topic)
		}
	}
	return nil
}

// checkReplicas reports why a list of node ids cannot be a partition's replicas.
func (a *API) checkReplicas(ids []int32, want int) error {
	if len(ids) == 0 || len(ids) != want {
		return topicError(errcode.InvalidReplicaAssignment,
			"each partition needs the same number of replicas and at least one, not %v", ids)
	}
	seen := make(map[int32]bool)
	for _, id := range ids {
		known := false
		for i := range a.cfg.Nodes {
			known = known || a.cfg.Nodes[i].ID == id
		}
		if !known || seen[id] {
			return topicError(errcode.InvalidReplicaAssignment,
				"replica %d is not a broker of this cluster, or is named twice", id)
		}
		seen[id] = true
	}
	return nil
}
