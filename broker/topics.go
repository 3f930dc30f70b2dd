package broker

import (
	"github.com/posthaste-go/posthaste/broker/internal/topics"
)

// Topics is the topics, without the broker's own, and how many partitions each
// has. It is nil while the broker is down.
func (b *Broker) Topics() map[string]int {
	inst := b.current.Load()
	if inst == nil {
		return nil
	}
	list := make(map[string]int)
	for _, t := range inst.topics.Snapshot().Sorted() {
		if !t.Internal() {
			list[t.Name] = t.Partitions()
		}
	}
	return list
}

// CreateTopic makes a topic; 0 partitions mean num.partitions. It needs no
// client, which makes it what a test wants, as DeleteTopic and AddPartitions do.
func (b *Broker) CreateTopic(name string, partitions int) error {
	inst := b.current.Load()
	if inst == nil {
		return ErrClosed
	}
	_, errs := inst.topics.Create(topics.NewTopic{Name: name, Partitions: partitions})
	return errs[0]
}

// DeleteTopic removes a topic and its records. One that is made under the same
// name later has another topic id, which clients notice.
func (b *Broker) DeleteTopic(name string) error {
	inst := b.current.Load()
	if inst == nil {
		return ErrClosed
	}
	return inst.topics.Delete(name)
}

// AddPartitions gives a topic more partitions, total in all.
func (b *Broker) AddPartitions(name string, total int) error {
	inst := b.current.Load()
	if inst == nil {
		return ErrClosed
	}
	return inst.topics.Grow(name, total)
}
