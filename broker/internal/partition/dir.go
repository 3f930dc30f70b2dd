package partition

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/log"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// Errors of OpenDir, to be compared with errors.Is.
var (
	// ErrDirInUse is matched when another broker has the directory open.
	ErrDirInUse = errors.New("data directory is in use by another broker")
	// ErrDirFormat is matched when meta.properties is not one that this version
	// can use: another version, another cluster or another node.
	ErrDirFormat = errors.New("data directory does not fit this broker")
)

// DirConfig says where partitions are kept.
type DirConfig struct {
	Path   string // made if missing
	FS     vfs.FS // nil means the operating system's
	Now    func() time.Time
	Logger *slog.Logger // nil means silence

	NodeID int32
	// ClusterID must be the directory's if it has one; empty takes that one, or
	// a new random one.
	ClusterID string
	// RetentionCheck is how often Maintain looks for segments to delete; 0 means
	// 5 minutes. Setting: log.retention.check.interval.ms.
	RetentionCheck time.Duration
}

// Dir is a Kafka log directory: the directories of its partitions, its lock
// (.lock), its identity (meta.properties), its checkpoints and the file that
// tells an orderly stop from a crash (.kafka_cleanshutdown). Apache Kafka's
// tools can read all of it. Source: LogManager, LogDirs.
//
// Locks: mu guards the map and is held across no I/O; saveMu serializes the
// writing of checkpoints.
type Dir struct {
	cfg     DirConfig
	fs      vfs.FS
	lock    io.Closer
	cluster string
	clean   bool
	found   []Found

	mu    sync.Mutex
	slots map[TopicPartition]*slot
	// What the last run checkpointed, of partitions that are not open.
	points, starts, cleaned map[TopicPartition]int64
	pointsLost              bool // the checkpoint of points was malformed
	// unchecked are the partitions whose last run ended in a crash and that were
	// not opened since.
	unchecked map[TopicPartition]bool
	closed    bool

	saveMu sync.Mutex
	saved  map[string]string // content of each checkpoint as last written
}

// slot is a partition that is open or being opened.
type slot struct {
	done chan struct{} // closed when p and err are set
	p    *Partition
	err  error
}

// Found is a partition that an earlier run left on disk.
type Found struct {
	TopicPartition
	TopicID TopicID // zero if its partition.metadata is missing
}

// Files in the directory itself.
const (
	lockName      = ".lock"
	cleanStopName = ".kafka_cleanshutdown"
	metaName      = "meta.properties"
	pointsName    = "recovery-point-offset-checkpoint"
	startsName    = "log-start-offset-checkpoint"
	endsName      = "replication-offset-checkpoint"
	cleanedName   = "cleaner-offset-checkpoint"
	deleteSuffix  = "-delete"
	// uncheckedName lists partitions that an orderly stop leaves unchecked after
	// an earlier crash: nobody opened them in between.
	uncheckedName = "posthaste-unchecked-partitions"
)

// OpenDir takes a data directory for this broker until Close. It loads no
// partition. Errors match ErrDirInUse or ErrDirFormat, or are the file
// system's.
func OpenDir(c DirConfig) (_ *Dir, err error) {
	d := &Dir{cfg: c, fs: c.FS, slots: map[TopicPartition]*slot{}, saved: map[string]string{}}
	if d.fs == nil {
		d.fs = vfs.OS{}
	}
	if d.cfg.Logger == nil {
		d.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if d.cfg.RetentionCheck == 0 {
		d.cfg.RetentionCheck = retentionCheckMillis * time.Millisecond
	}
	if err := d.make(); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	d.lock, err = d.fs.Lock(d.file(lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("%w: %s; stop it, or use another directory", ErrDirInUse, c.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := d.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s: %w", c.Path, err), d.lock.Close())
	}
	return d, nil
}

// make makes the directory if it is missing, so that a power cut does not take
// it away again.
func (d *Dir) make() error {
	if _, err := d.fs.Stat(d.cfg.Path); err == nil {
		return nil
	}
	if err := d.fs.MkdirAll(d.cfg.Path); err != nil {
		return err
	}
	return d.fs.SyncDir(path.Dir(d.cfg.Path))
}

func (d *Dir) file(name string) string { return path.Join(d.cfg.Path, name) }

// load reads what the last run left. From here on the directory counts as one
// whose broker has crashed, until Close says otherwise.
func (d *Dir) load() error {
	var err error
	if d.cluster, err = d.identify(); err != nil {
		return err
	}
	if _, err := d.fs.Stat(d.file(cleanStopName)); err == nil {
		d.clean = true
		if err := d.fs.Remove(d.file(cleanStopName)); err != nil {
			return err
		}
		if err := d.fs.SyncDir(d.cfg.Path); err != nil {
			return err
		}
	}
	if d.points, d.pointsLost, err = d.readOffsets(pointsName); err != nil {
		return err
	}
	if d.starts, _, err = d.readOffsets(startsName); err != nil {
		return err
	}
	if d.cleaned, _, err = d.readOffsets(cleanedName); err != nil {
		return err
	}
	if err := d.find(); err != nil {
		return err
	}
	// A partition whose deletion a crash interrupted is not found. What is known
	// of it must not be taken for a later one's of the same name.
	exists := map[TopicPartition]bool{}
	for _, f := range d.found {
		exists[f.TopicPartition] = true
	}
	for _, m := range []map[TopicPartition]int64{d.points, d.starts, d.cleaned} {
		maps.DeleteFunc(m, func(tp TopicPartition, _ int64) bool { return !exists[tp] })
	}
	return d.readUnchecked()
}

// find lists the partitions on disk and removes those whose deletion a crash
// interrupted.
func (d *Dir) find() error {
	names, err := d.fs.ReadDir(d.cfg.Path)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !n.IsDir {
			continue
		}
		if strings.HasSuffix(n.Name, deleteSuffix) && strings.Contains(n.Name, ".") {
			if err := d.fs.RemoveAll(d.file(n.Name)); err != nil {
				return err
			}
			continue
		}
		tp, ok := parseDirName(n.Name)
		if !ok {
			continue
		}
		id, _, err := log.ReadTopicID(d.fs, d.file(n.Name))
		if err != nil && !errors.Is(err, log.ErrFile) {
			return err
		}
		d.found = append(d.found, Found{tp, id})
	}
	slices.SortFunc(d.found, func(a, b Found) int {
		return compare(a.TopicPartition, b.TopicPartition)
	})
	return nil
}

func compare(a, b TopicPartition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}

func parseDirName(name string) (TopicPartition, bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 {
		return TopicPartition{}, false
	}
	n, err := strconv.ParseInt(name[i+1:], 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != name[i+1:] {
		return TopicPartition{}, false
	}
	return TopicPartition{name[:i], int32(n)}, true
}

// ClusterID is the id of the cluster that the directory belongs to, 22
// characters of base64.
func (d *Dir) ClusterID() string { return d.cluster }

// CleanStart reports whether the run before stopped in order. If not, every
// partition checks the end of its log as it opens.
func (d *Dir) CleanStart() bool { return d.clean }

// Found lists the partitions on disk, by name, as they were when the directory
// was opened.
func (d *Dir) Found() []Found { return slices.Clone(d.found) }

// Open loads a partition, or makes a new one. Opening a partition twice returns
// the same one. The error names the file that could not be used; a different
// topic id on disk than id is an error too (a zero id takes the one on disk).
// Different partitions may be opened at the same time.
func (d *Dir) Open(tp TopicPartition, id TopicID, c Config) (*Partition, error) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, fmt.Errorf("open partition %s: data directory is closed", tp)
	}
	s, ok := d.slots[tp]
	if ok {
		d.mu.Unlock()
		<-s.done
		if s.err == nil && id != (TopicID{}) && s.p.id != id {
			return nil, d.otherTopic(tp)
		}
		return s.p, s.err
	}
	s = &slot{done: make(chan struct{})}
	d.slots[tp] = s
	o := log.Options{
		Clean: !d.unchecked[tp], RecoveryPoint: d.points[tp], KeepGaps: d.pointsLost,
		StartOffset: d.starts[tp],
	}
	d.mu.Unlock()

	s.p, s.err = d.open(tp, id, c, o)
	d.mu.Lock()
	if s.err != nil {
		delete(d.slots, tp)
	} else {
		delete(d.unchecked, tp)
	}
	d.mu.Unlock()
	close(s.done)
	return s.p, s.err
}

func (d *Dir) otherTopic(tp TopicPartition) error {
	return fmt.Errorf("open partition %s: its directory belongs to another topic of that name", tp)
}

func (d *Dir) open(tp TopicPartition, id TopicID, c Config, o log.Options) (*Partition, error) {
	cfg, err := newSettings(c)
	if err != nil {
		return nil, fmt.Errorf("open partition %s: %w", tp, err)
	}
	now := d.cfg.Now().UnixMilli()
	o.FS, o.Dir, o.Logger = d.fs, d.file(tp.String()), d.cfg.Logger
	o.Config, o.Now = c.Config, now
	if err := d.fs.MkdirAll(o.Dir); err != nil {
		return nil, fmt.Errorf("open partition %s: %w", tp, err)
	}
	onDisk, ok, err := log.ReadTopicID(d.fs, o.Dir)
	switch {
	case err != nil && !errors.Is(err, log.ErrFile):
		return nil, fmt.Errorf("open partition %s: %w", tp, err)
	case (err != nil || !ok) && id != TopicID{}:
		if err := log.WriteTopicID(d.fs, o.Dir, id); err != nil {
			return nil, fmt.Errorf("open partition %s: %w", tp, err)
		}
	case id != TopicID{} && id != onDisk:
		return nil, d.otherTopic(tp)
	default:
		id = onDisk
	}
	l, err := log.Open(o)
	if err != nil {
		return nil, err
	}
	p := &Partition{
		tp: tp, id: id, dir: d, log: l, now: d.cfg.Now, logger: d.cfg.Logger,
		maintenance: maintenance{retained: now, expired: now, synced: now, compacted: now},
	}
	d.mu.Lock()
	p.firstDirty = d.cleaned[tp]
	d.mu.Unlock()
	p.config.Store(cfg)
	return p, nil
}

// Delete closes a partition, open or not, and removes its files. Readers and
// watchers of it are told NOT_LEADER_OR_FOLLOWER. A partition of that name may
// be opened at once; it is a new one.
func (d *Dir) Delete(tp TopicPartition) error {
	d.mu.Lock()
	s := d.slots[tp]
	d.mu.Unlock()
	var errs []error
	if s != nil {
		<-s.done
		if s.p != nil {
			errs = append(errs, s.p.abandon())
		}
	}
	from := d.file(tp.String())
	to := d.file(fmt.Sprintf("%.200s.%s%s", tp, newUUID(), deleteSuffix))
	if err := d.fs.Rename(from, to); err != nil {
		return errors.Join(append(errs, fmt.Errorf("delete partition %s: %w", tp, err))...)
	}
	d.mu.Lock()
	delete(d.slots, tp)
	delete(d.points, tp)
	delete(d.starts, tp)
	delete(d.cleaned, tp)
	delete(d.unchecked, tp)
	d.mu.Unlock()
	errs = append(errs, d.fs.SyncDir(d.cfg.Path), d.fs.RemoveAll(to), d.saveStarts())
	return errors.Join(errs...)
}

// partitions lists the open ones, by name.
func (d *Dir) partitions() []*Partition {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*Partition
	for _, s := range d.slots {
		select {
		case <-s.done:
			if s.p != nil {
				list = append(list, s.p)
			}
		default:
		}
	}
	slices.SortFunc(list, func(a, b *Partition) int { return compare(a.tp, b.tp) })
	return list
}

// Maintain does what is due by now in every partition: retention, compaction,
// flush.ms, syncing what was rolled, forgetting idle producers, checkpoints. The
// owner calls it every second or so, and never twice at once. Its error joins
// what went wrong; the rest was done.
func (d *Dir) Maintain(now time.Time) error {
	var errs []error
	for _, p := range d.partitions() {
		if err := p.maintain(now.UnixMilli(), d.cfg.RetentionCheck.Milliseconds()); err != nil {
			errs = append(errs, fmt.Errorf("maintain partition %s: %w", p.tp, err))
		}
	}
	errs = append(errs, d.savePoints(), d.saveStarts())
	return errors.Join(append(errs, d.compact(now.UnixMilli()))...)
}

// compact rewrites what is due in every partition; a log's first dirty offset is
// saved when that is done, for less to be read the next time.
func (d *Dir) compact(now int64) error {
	var errs []error
	any := false
	for _, p := range d.partitions() {
		did, err := p.compact(now)
		any = any || did
		if err != nil {
			errs = append(errs, fmt.Errorf("compact partition %s: %w", p.tp, err))
		}
	}
	if any {
		errs = append(errs, d.saveCleaned())
	}
	return errors.Join(errs...)
}

// Close stops in order: it flushes, writes snapshots and checkpoints, marks the
// stop as clean and gives up the lock. Every partition answers
// NOT_LEADER_OR_FOLLOWER from then on. If anything fails, the stop does not
// count as clean, and the next start checks the logs.
func (d *Dir) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	slots := slices.Collect(maps.Values(d.slots))
	d.mu.Unlock()
	var errs []error
	for _, s := range slots {
		<-s.done
		if s.p != nil {
			errs = append(errs, s.p.close())
		}
	}
	errs = append(errs, d.savePoints(), d.saveStarts(), d.saveEnds(), d.saveUnchecked())
	err := errors.Join(errs...)
	if err == nil {
		content := []byte(`{"version":0,"brokerEpoch":-1}`)
		err = log.WriteFile(d.fs, d.file(cleanStopName), content, true)
	}
	return errors.Join(err, d.lock.Close())
}
