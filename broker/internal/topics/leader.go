package topics

import (
	"encoding/binary"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Leader is the place, in the list of nodes, of the node that leads partition n
// of t: its first replica, or where Move has put it.
func (r *Registry) Leader(t *Topic, n int32) int {
	if r.cfg.Nodes == 1 {
		return 0
	}
	if moved := t.partitions[n].leader.Load(); moved > 0 {
		return int(moved - 1)
	}
	return r.replica(t, n, 0)
}

// Replicas lists the places of the nodes that pose as having partition n of t,
// the preferred leader first.
func (r *Registry) Replicas(t *Topic, n int32) []int {
	list := make([]int, min(t.ReplicationFactor, r.cfg.Nodes))
	for i := range list {
		list[i] = r.replica(t, n, i)
	}
	return list
}

// replica spreads partitions over the nodes, beginning anywhere.
func (r *Registry) replica(t *Topic, n int32, i int) int {
	first := binary.BigEndian.Uint32(t.ID[:])
	return int((uint64(first) + uint64(n) + uint64(i)) % uint64(r.cfg.Nodes))
}

// Move makes another node the leader of a partition, under a higher leader
// epoch. The records stay where they are: all nodes are this process. A node
// that is no replica becomes one as long as it leads.
func (r *Registry) Move(name string, n int32, node int) error {
	t := r.Snapshot().Named(name)
	if t == nil || !t.Has(n) {
		return refuse(errcode.UnknownTopicOrPartition, "there is no partition %s-%d", name, n)
	}
	if node < 0 || node >= r.cfg.Nodes {
		return refuse(errcode.BrokerNotAvailable, "there is no node at place %d of %d", node, r.cfg.Nodes)
	}
	p, err := r.Partition(t, n)
	if err != nil {
		return err
	}
	// First the leader: whoever sees the new epoch must not be led by the old one.
	t.partitions[n].leader.Store(int32(node + 1))
	return p.RaiseLeaderEpoch()
}
