package topics

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
)

// Topic is a topic as it was when its Snapshot was taken. It does not change,
// but for what its partitions hold.
type Topic struct {
	Name              string
	ID                partition.TopicID
	ReplicationFactor int
	// Configs are the settings of its own; the map must not be changed.
	Configs map[string]string

	partitions []*slot // shared between the snapshots that hold the topic
	shared     *shared
}

// shared is what all partitions and all snapshots of a topic have in common.
type shared struct {
	config atomic.Pointer[partition.Config]
	gone   atomic.Bool // the topic is deleted
}

// Internal reports whether the topic is a coordinator's.
func (t *Topic) Internal() bool { return IsInternal(t.Name) }

// Partitions is how many partitions the topic has.
func (t *Topic) Partitions() int { return len(t.partitions) }

// Has reports whether the topic has a partition of that number.
func (t *Topic) Has(n int32) bool { return n >= 0 && int(n) < len(t.partitions) }

// slot is the place of a partition, opened when it is first used.
//
// Locks: mu is held while the partition is opened, which reads files; nobody
// takes it once open is set.
type slot struct {
	open   atomic.Pointer[partition.Partition]
	leader atomic.Int32 // place of the node in Cluster's list, see Registry.Leader

	mu sync.Mutex
}

// settle returns when no opening is under way that has not seen that the topic
// is gone.
func (s *slot) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// Snapshot is all topics at one moment. It does not change.
type Snapshot struct {
	byName map[string]*Topic
	byID   map[partition.TopicID]*Topic
}

// Named is the topic of that name, nil if there is none.
func (s *Snapshot) Named(name string) *Topic { return s.byName[name] }

// NamedBytes is Named without a conversion.
func (s *Snapshot) NamedBytes(name []byte) *Topic { return s.byName[string(name)] }

// WithID is the topic of that id, nil if there is none.
func (s *Snapshot) WithID(id partition.TopicID) *Topic { return s.byID[id] }

// Len is the number of topics.
func (s *Snapshot) Len() int { return len(s.byName) }

// Sorted lists the topics by name.
func (s *Snapshot) Sorted() []*Topic {
	return slices.SortedFunc(maps.Values(s.byName), func(a, b *Topic) int {
		return strings.Compare(a.Name, b.Name)
	})
}

// with is a snapshot with topics put in and names taken out.
func (s *Snapshot) with(put []*Topic, remove ...string) *Snapshot {
	n := &Snapshot{byName: maps.Clone(s.byName), byID: maps.Clone(s.byID)}
	for _, name := range remove {
		if t := n.byName[name]; t != nil {
			delete(n.byID, t.ID)
			delete(n.byName, name)
		}
	}
	for _, t := range put {
		n.byName[t.Name] = t
		n.byID[t.ID] = t
	}
	return n
}
