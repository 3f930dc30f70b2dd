package partition

import (
	"errors"
	"log/slog"
	"time"

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
}

// Dir is a Kafka log directory: the directories of its partitions, its lock
// (.lock), its identity (meta.properties), its checkpoints and the file that
// tells an orderly stop from a crash (.kafka_cleanshutdown). Apache Kafka's
// tools can read all of it. Source: LogManager, LogDirs.
type Dir struct{}

// Found is a partition that an earlier run left on disk.
type Found struct {
	TopicPartition
	TopicID TopicID // zero if its partition.metadata is missing
}

// OpenDir takes a data directory for this broker until Close. It loads no
// partition. Errors match ErrDirInUse or ErrDirFormat, or are the file
// system's.
func OpenDir(c DirConfig) (*Dir, error) { return nil, errors.ErrUnsupported }

// ClusterID is the id of the cluster that the directory belongs to, 22
// characters of base64.
func (d *Dir) ClusterID() string { return "" }

// CleanStart reports whether the run before stopped in order. If not, every
// partition checks the end of its log as it opens.
func (d *Dir) CleanStart() bool { return false }

// Found lists the partitions on disk, by name.
func (d *Dir) Found() []Found { return nil }

// Open loads a partition, or makes a new one. Opening a partition twice returns
// the same one. The error names the file that could not be used; a different
// topic id on disk than id is an error too (a zero id takes the one on disk).
func (d *Dir) Open(tp TopicPartition, id TopicID, c Config) (*Partition, error) {
	return nil, errors.ErrUnsupported
}

// Delete closes a partition, open or not, and removes its files. Readers and
// watchers of it are told NOT_LEADER_OR_FOLLOWER.
func (d *Dir) Delete(tp TopicPartition) error { return errors.ErrUnsupported }

// Maintain does what is due by now in every partition: retention, rolling by
// time, compaction, flush.ms, forgetting idle producers, checkpoints. The owner
// calls it every second or so, and never twice at once. Its error joins what
// went wrong; the rest was done.
func (d *Dir) Maintain(now time.Time) error { return errors.ErrUnsupported }

// Close stops in order: it flushes, writes snapshots and checkpoints, marks the
// stop as clean and gives up the lock. Every partition answers
// NOT_LEADER_OR_FOLLOWER from then on.
func (d *Dir) Close() error { return errors.ErrUnsupported }
