package partitioner

// NewTopic makes a snapshot by hand, to test a partitioner or to preview its
// choices: leaders[p] is the node that leads partition p, or -1 for none.
// NewTopic keeps leaders.
func NewTopic(name string, leaders ...int32) Topic {
	t := &snapshot{name: name, leaders: leaders}
	for p, node := range leaders {
		if node >= 0 {
			t.available = append(t.available, int32(p))
		}
	}
	return t
}

type snapshot struct {
	name      string
	leaders   []int32
	available []int32
}

func (s *snapshot) Name() string       { return s.name }
func (s *snapshot) NumPartitions() int { return len(s.leaders) }
func (s *snapshot) Available() []int32 { return s.available }

func (s *snapshot) Leader(partition int32) (nodeID int32, ok bool) {
	if partition < 0 || int(partition) >= len(s.leaders) || s.leaders[partition] < 0 {
		return 0, false
	}
	return s.leaders[partition], true
}
