package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/topics"
)

// describeLogDirs tells how large partitions are on disk (KIP-113). Versions 1
// to 5.
//
//	v3  a top-level error
//	v4  size of the volume (KIP-827): -1, unknown
func (a *API) describeLogDirs(
	c *call, req *kmsg.DescribeLogDirsRequest, resp *kmsg.DescribeLogDirsResponse,
) error {
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = a.cfg.LogDir
	dir.TotalBytes, dir.UsableBytes = -1, -1
	if req.Topics == nil {
		for _, t := range c.topics.Sorted() {
			dir.Topics = append(dir.Topics, a.topicSizes(c, t, nil))
		}
	}
	for i := range req.Topics {
		rt := &req.Topics[i]
		if t := c.topics.Named(rt.Topic); t != nil {
			dir.Topics = append(dir.Topics, a.topicSizes(c, t, rt.Partitions))
		}
	}
	resp.Dirs = append(resp.Dirs, dir)
	return nil
}

// topicSizes lists those partitions that the node asked leads; only those
// named, if any are.
func (a *API) topicSizes(
	c *call, t *topics.Topic, only []int32,
) kmsg.DescribeLogDirsResponseDirTopic {
	out := kmsg.NewDescribeLogDirsResponseDirTopic()
	out.Topic = t.Name
	for n := range int32(t.Partitions()) {
		if only != nil && !slices.Contains(only, n) {
			continue
		}
		p, err := a.partition(c, t, n)
		if err != nil {
			continue // another node's, deleted meanwhile, or broken: it is in the log
		}
		op := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		op.Partition, op.Size = n, p.Size()
		out.Partitions = append(out.Partitions, op)
	}
	return out
}
