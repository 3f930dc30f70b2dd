package topics

import (
	"errors"
	"io/fs"
	"maps"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// NewTopic is a topic to be made.
type NewTopic struct {
	Name              string
	Partitions        int // 0 means num.partitions
	ReplicationFactor int // 0 means default.replication.factor
	Configs           map[string]string
}

// Check reports why n cannot be made, as an *Error, and fills in defaults.
func (r *Registry) Check(n *NewTopic) error { return r.checkIn(r.Snapshot(), n) }

func (r *Registry) checkIn(s *Snapshot, n *NewTopic) error {
	if err := CheckName(n.Name); err != nil {
		return err
	}
	if s.Named(n.Name) != nil {
		return refuse(errcode.TopicAlreadyExists, "Topic '%s' already exists.", n.Name)
	}
	if other := s.collides(n.Name); other != "" {
		return refuse(errcode.InvalidTopicException, "topic %s collides with topic %s: names must "+
			"differ in more than '.' and '_'", n.Name, other)
	}
	if n.Partitions == 0 {
		n.Partitions = int(r.cfg.Settings.Int("num.partitions"))
	}
	if n.Partitions < 1 || n.Partitions > MaxPartitions {
		return refuse(errcode.InvalidPartitions, "topic %s needs 1 to %d partitions, not %d",
			n.Name, MaxPartitions, n.Partitions)
	}
	if n.ReplicationFactor == 0 {
		n.ReplicationFactor = int(r.cfg.Settings.Int("default.replication.factor"))
	}
	if n.ReplicationFactor < 1 || n.ReplicationFactor > r.cfg.Nodes {
		return refuse(errcode.InvalidReplicationFactor, "replication factor %d of topic %s needs as "+
			"many brokers, there is %d", n.ReplicationFactor, n.Name, r.cfg.Nodes)
	}
	if err := settings.CheckTopic(n.Configs); err != nil {
		return refuse(errcode.InvalidConfig, "topic %s: %v", n.Name, err)
	}
	return nil
}

// collides is the name of another topic that differs only in '.' and '_'.
func (s *Snapshot) collides(name string) string {
	for other := range s.byName {
		if other != name && sameMetric(other, name) {
			return other
		}
	}
	return ""
}

// Create makes topics, with one write for all of them. errs has an *Error for
// each that was refused; the others exist when Create returns.
func (r *Registry) Create(list ...NewTopic) (made []*Topic, errs []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	made, errs = make([]*Topic, len(list)), make([]error, len(list))
	next, any := r.Snapshot(), false
	for i := range list {
		n := &list[i]
		if errs[i] = r.checkIn(next, n); errs[i] != nil {
			continue
		}
		if _, left := r.deleting[n.Name]; left {
			if err := r.finishDeleteLocked(n.Name); err != nil {
				errs[i] = refuse(errcode.KafkaStorageError,
					"files of the topic %s that was deleted are still there", n.Name)
				continue
			}
		}
		t := r.newTopic(n.Name, newID(r.cfg.Rand), n.Partitions, maps.Clone(n.Configs))
		t.ReplicationFactor = n.ReplicationFactor
		made[i], any = t, true
		next = next.with([]*Topic{t})
	}
	if !any {
		return made, errs
	}
	if err := r.commitLocked(next); err != nil {
		for i := range made {
			if made[i] != nil {
				made[i], errs[i] = nil, err
			}
		}
	}
	return made, errs
}

// Delete removes a topic and its records. The error is an *Error.
func (r *Registry) Delete(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.Snapshot().Named(name)
	if t == nil {
		return refuse(errcode.UnknownTopicOrPartition, "there is no topic %s", name)
	}
	r.deleting[name] = entry{
		Name: name, ID: FormatID(t.ID), Partitions: t.Partitions(), Deleting: true,
	}
	if err := r.commitLocked(r.Snapshot().with(nil, name)); err != nil {
		delete(r.deleting, name)
		return err
	}
	t.shared.gone.Store(true)
	for _, s := range t.partitions {
		s.settle()
	}
	if err := r.finishDeleteLocked(name); err != nil {
		// The topic is gone for clients; the files go at the next start, or when
		// the name is used again.
		r.cfg.Logger.Error("files of a deleted topic are left", "topic", name, "error", err)
		return nil
	}
	if err := r.storeLocked(r.Snapshot()); err != nil {
		r.cfg.Logger.Error("topics cannot be stored", "file", fileName, "error", err)
	}
	return nil
}

// finishDeleteLocked removes the files of a topic that is gone.
func (r *Registry) finishDeleteLocked(name string) error {
	var errs []error
	for n := range r.deleting[name].Partitions {
		tp := partition.TopicPartition{Topic: name, Partition: int32(n)}
		// A partition that was never used has no files.
		if err := r.cfg.Dir.Delete(tp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	delete(r.deleting, name)
	return nil
}

// CheckGrow reports why a topic cannot get total partitions, as an *Error.
func (r *Registry) CheckGrow(name string, total int) (*Topic, error) {
	t := r.Snapshot().Named(name)
	switch {
	case t == nil:
		return nil, refuse(errcode.UnknownTopicOrPartition, "there is no topic %s", name)
	case total == t.Partitions():
		return nil, refuse(errcode.InvalidPartitions, "topic %s has %d partitions already", name, total)
	case total < t.Partitions():
		return nil, refuse(errcode.InvalidPartitions, "topic %s has %d partitions, which cannot "+
			"become %d: partitions are only ever added", name, t.Partitions(), total)
	case total > MaxPartitions:
		return nil, refuse(errcode.InvalidPartitions, "topic %s cannot have %d partitions, at most %d",
			name, total, MaxPartitions)
	}
	return t, nil
}

// Grow gives a topic more partitions, total in all. The error is an *Error.
func (r *Registry) Grow(name string, total int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := r.CheckGrow(name, total)
	if err != nil {
		return err
	}
	grown := *t
	grown.partitions = make([]*slot, total)
	copy(grown.partitions, t.partitions)
	for i := t.Partitions(); i < total; i++ {
		grown.partitions[i] = new(slot)
	}
	return r.commitLocked(r.Snapshot().with([]*Topic{&grown}))
}

// SetConfigs replaces a topic's settings by what change makes of a copy of
// them, or only checks that. The error is an *Error.
func (r *Registry) SetConfigs(
	name string, checkOnly bool, change func(map[string]string) map[string]string,
) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.Snapshot().Named(name)
	if t == nil {
		return refuse(errcode.UnknownTopicOrPartition, "there is no topic %s", name)
	}
	changed := *t
	changed.Configs = change(maps.Clone(t.Configs))
	if err := settings.CheckTopic(changed.Configs); err != nil {
		return refuse(errcode.InvalidConfig, "topic %s: %v", name, err)
	}
	if checkOnly {
		return nil
	}
	if err := r.commitLocked(r.Snapshot().with([]*Topic{&changed})); err != nil {
		return err
	}
	r.apply(&changed)
	return nil
}

// apply makes a topic's partitions follow its settings.
func (r *Registry) apply(t *Topic) {
	c := r.cfg.Settings.Partition(t.Configs)
	t.shared.config.Store(&c)
	for _, s := range t.partitions {
		s.mu.Lock() // an opening under way has either config; the next line mends it
		if p := s.open.Load(); p != nil {
			p.SetConfig(c)
		}
		s.mu.Unlock()
	}
}

// SetBrokerConfigs replaces the broker's settings of run time, which are the
// defaults of the topics' settings, by what change makes of a copy of them, or
// only checks that. The error is an *Error.
func (r *Registry) SetBrokerConfigs(
	checkOnly bool, change func(map[string]string) map[string]string,
) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.cfg.Settings.Dynamic()
	changed := change(maps.Clone(old))
	if err := settings.CheckDynamic(changed); err != nil {
		return refuse(errcode.InvalidConfig, "%v", err)
	}
	if checkOnly {
		return nil
	}
	r.cfg.Settings.SetDynamic(changed)
	if err := r.commitLocked(r.Snapshot()); err != nil {
		r.cfg.Settings.SetDynamic(old)
		return err
	}
	for _, t := range r.Snapshot().byName {
		r.apply(t)
	}
	return nil
}
