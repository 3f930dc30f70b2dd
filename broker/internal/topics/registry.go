package topics

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// MaxPartitions is the most partitions that a topic may have here.
const MaxPartitions = 100_000

// Config is what a Registry works with.
type Config struct {
	Dir      *partition.Dir
	FS       vfs.FS
	Path     string // of the data directory
	Settings *settings.Broker
	Logger   *slog.Logger
	Nodes    int       // how many nodes this process poses as, at least 1
	Rand     io.Reader // of topic ids; nil means crypto/rand
}

// Registry is the topics of a data directory.
//
// Locks: mu serializes changes, files and all. Readers use Snapshot, which is
// replaced only after the file holds the change.
type Registry struct {
	cfg      Config
	snapshot atomic.Pointer[Snapshot]
	onDisk   map[partition.TopicPartition]bool // at the start; does not change

	mu       sync.Mutex
	deleting map[string]entry // gone, but files may be left
}

// Open reads which topics there are and finishes deletions that were under way.
// No partition is opened.
func Open(cfg Config) (*Registry, error) {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	r := &Registry{cfg: cfg, deleting: make(map[string]entry),
		onDisk: make(map[partition.TopicPartition]bool)}
	for _, f := range cfg.Dir.Found() {
		r.onDisk[f.TopicPartition] = true
	}
	r.snapshot.Store(&Snapshot{})
	d, err := load(cfg.FS, cfg.Path)
	if err != nil {
		return nil, err
	}
	cfg.Settings.SetDynamic(d.Broker)
	first := &Snapshot{byName: make(map[string]*Topic), byID: make(map[partition.TopicID]*Topic)}
	for _, e := range d.Topics {
		if e.Deleting {
			r.deleting[e.Name] = e
			continue
		}
		id, err := ParseID(e.ID)
		if err != nil {
			return nil, fmt.Errorf("%s: topic %s: %w", fileName, e.Name, err)
		}
		t := r.newTopic(e.Name, id, e.Partitions, e.Configs)
		t.ReplicationFactor = max(e.Replication, 1)
		first.byName[t.Name], first.byID[t.ID] = t, t
	}
	r.snapshot.Store(first)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removeStrays()
	dirty := r.adoptLocked()
	for _, name := range slices.Sorted(maps.Keys(r.deleting)) {
		dirty = true
		if err := r.finishDeleteLocked(name); err != nil {
			cfg.Logger.Error("files of a deleted topic are left", "topic", name, "error", err)
		}
	}
	if !dirty {
		return r, nil
	}
	return r, r.storeLocked(r.Snapshot())
}

// removeStrays removes what a deleted topic has left in the place of a newer one of
// the same name, whose id the file has: a power cut may bring directories back whose
// removal was not on the disk yet.
func (r *Registry) removeStrays() {
	for _, f := range r.cfg.Dir.Found() {
		t := r.Snapshot().Named(f.Topic)
		if t == nil || f.TopicID == (partition.TopicID{}) || f.TopicID == t.ID {
			continue
		}
		r.cfg.Logger.Warn("directory of a deleted topic is removed, a newer one has its name",
			"topic", f.Topic, "partition", f.Partition, "id", FormatID(f.TopicID))
		if err := r.cfg.Dir.Delete(f.TopicPartition); err != nil {
			r.cfg.Logger.Error("files of a deleted topic are left", "topic", f.Topic,
				"partition", f.Partition, "error", err)
			continue
		}
		delete(r.onDisk, f.TopicPartition)
	}
}

// adoptLocked takes in directories that the file does not name.
func (r *Registry) adoptLocked() (found bool) {
	counts := make(map[string]int)
	ids := make(map[string]partition.TopicID)
	for _, f := range r.cfg.Dir.Found() {
		t := r.Snapshot().Named(f.Topic)
		_, deleted := r.deleting[f.Topic]
		if t != nil && t.Has(f.Partition) || deleted || CheckName(f.Topic) != nil {
			continue
		}
		counts[f.Topic] = max(counts[f.Topic], int(f.Partition)+1)
		if f.TopicID != (partition.TopicID{}) {
			ids[f.Topic] = f.TopicID
		}
	}
	for name, n := range counts {
		found = true
		var configs map[string]string
		id, known := ids[name]
		if t := r.Snapshot().Named(name); t != nil {
			id, known, configs = t.ID, true, t.Configs
		}
		if !known {
			id = newID(r.cfg.Rand)
		}
		r.cfg.Logger.Warn("directories that "+fileName+" does not name are taken in",
			"topic", name, "partitions", n)
		r.snapshot.Store(r.Snapshot().with([]*Topic{r.newTopic(name, id, n, configs)}))
	}
	return found
}

func (r *Registry) newTopic(
	name string, id partition.TopicID, partitions int, configs map[string]string,
) *Topic {
	t := &Topic{Name: name, ID: id, ReplicationFactor: 1, Configs: configs, shared: &shared{}}
	c := r.cfg.Settings.Partition(configs)
	t.shared.config.Store(&c)
	t.partitions = make([]*slot, partitions)
	slots := make([]slot, partitions)
	for i := range slots {
		t.partitions[i] = &slots[i]
	}
	return t
}

// newID is a random id; Kafka never gives out the first few nor one that
// begins with a dash, which tools would take for a flag. Source: Uuid.randomUuid.
func newID(random io.Reader) (id partition.TopicID) {
	for {
		if _, err := io.ReadFull(random, id[:]); err != nil {
			panic("topics: the source of random ids has failed: " + err.Error())
		}
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if !strings.HasPrefix(FormatID(id), "-") {
			return id
		}
	}
}

// Snapshot is the topics of this moment.
func (r *Registry) Snapshot() *Snapshot { return r.snapshot.Load() }

// Settings is the broker's settings.
func (r *Registry) Settings() *settings.Broker { return r.cfg.Settings }

// Partition is partition n of t, opened if need be. The error is an *Error, or
// a *partition.Error.
func (r *Registry) Partition(t *Topic, n int32) (*partition.Partition, error) {
	if !t.Has(n) {
		return nil, refuse(errcode.UnknownTopicOrPartition, "topic %s has no partition %d", t.Name, n)
	}
	s := t.partitions[n]
	if p := s.open.Load(); p != nil {
		return p, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.open.Load(); p != nil {
		return p, nil
	}
	if t.shared.gone.Load() {
		return nil, refuse(errcode.UnknownTopicOrPartition, "topic %s is deleted", t.Name)
	}
	tp := partition.TopicPartition{Topic: t.Name, Partition: n}
	p, err := r.cfg.Dir.Open(tp, t.ID, *t.shared.config.Load())
	if err != nil {
		r.cfg.Logger.Error("partition cannot be opened", "topic", t.Name, "partition", n,
			"error", err)
		return nil, refuse(errcode.KafkaStorageError,
			"partition %s-%d cannot be opened; the broker's log says why", t.Name, n)
	}
	s.open.Store(p)
	return p, nil
}

// Opened is partition n of t if it is open, else nil.
func (r *Registry) Opened(t *Topic, n int32) *partition.Partition {
	if !t.Has(n) {
		return nil
	}
	return t.partitions[n].open.Load()
}

// Used reports whether partition n of t is open or was on disk at the start: if
// not, it has never held anything.
func (r *Registry) Used(t *Topic, n int32) bool {
	return r.Opened(t, n) != nil || r.onDisk[partition.TopicPartition{Topic: t.Name, Partition: n}]
}

// storeLocked writes the file as it is with the topics of s.
func (r *Registry) storeLocked(s *Snapshot) error {
	d := document{Version: fileVersion, Broker: r.cfg.Settings.Dynamic()}
	for _, t := range s.Sorted() {
		d.Topics = append(d.Topics, entry{Name: t.Name, ID: FormatID(t.ID), Configs: t.Configs,
			Partitions: t.Partitions(), Replication: t.ReplicationFactor})
	}
	for _, name := range slices.Sorted(maps.Keys(r.deleting)) {
		d.Topics = append(d.Topics, r.deleting[name])
	}
	return store(r.cfg.FS, r.cfg.Path, d)
}

// commitLocked makes s the truth: first on disk, then for readers.
func (r *Registry) commitLocked(s *Snapshot) error {
	if err := r.storeLocked(s); err != nil {
		r.cfg.Logger.Error("topics cannot be stored", "file", fileName, "error", err)
		return refuse(errcode.KafkaStorageError,
			"%s cannot be written; the broker's log says why", fileName)
	}
	r.snapshot.Store(s)
	return nil
}
