package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/api"
	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/producerids"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

const (
	addrFile = "posthaste.addr" // HOST:PORT while a broker serves the directory
	pidFile  = "posthaste.pid"  // its process id, for the error that others get
	memPath  = "data"           // of the directory in a Disk

	maintainEvery = time.Second
	expireEvery   = 10 * time.Minute // as offsets.retention.check.interval.ms
)

// instance is a broker between two restarts: all that a process forgets.
type instance struct {
	b      *Broker
	path   string
	files  *vfs.Mortal
	dir    *partition.Dir
	topics *topics.Registry
	api    *api.API

	stop context.CancelFunc
	wg   sync.WaitGroup // background work
}

// open takes the data directory and loads what must be there before the first
// request; partitions are loaded as they are asked for.
func (b *Broker) open() (*instance, error) {
	i := &instance{b: b, path: memPath}
	if b.cfg.DataDir != "" {
		abs, err := filepath.Abs(b.cfg.DataDir)
		if err != nil {
			return nil, err
		}
		i.path = filepath.ToSlash(abs)
		i.files = vfs.NewMortal(vfs.OS{})
	} else {
		i.files = vfs.NewMortal(b.cfg.Disk.fs())
	}
	clusterID, _ := b.settings.Value("cluster.id")
	var err error
	i.dir, err = partition.OpenDir(partition.DirConfig{Path: i.path, FS: i.files, Now: b.cfg.Now,
		Logger: b.log, NodeID: int32(b.settings.Int("node.id")), ClusterID: clusterID,
		RetentionCheck: b.millis("log.retention.check.interval.ms")})
	switch {
	case errors.Is(err, partition.ErrDirInUse):
		return nil, i.inUse(err)
	case errors.Is(err, partition.ErrDirFormat):
		return nil, fmt.Errorf("%w: %w", ErrDirFormat, err)
	case err != nil:
		return nil, fmt.Errorf("data directory %s: %w", i.path, err)
	}
	if err := i.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s: %w", i.path, err), i.dir.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	i.stop = cancel
	i.wg.Go(i.api.Recover)
	i.wg.Go(func() { i.warmUp(ctx) })
	i.wg.Go(func() { i.maintain(ctx) })
	return i, nil
}

func (i *instance) load() error {
	b := i.b
	// The directory may be new, and must survive a power cut with what is in it:
	// also with what a process left there that was killed before it had synced.
	for _, dir := range []string{path.Dir(i.path), i.path} {
		if err := i.files.SyncDir(dir); err != nil {
			b.log.Warn("a power cut may lose what is new in a directory", "path", dir, "error", err)
		}
	}
	nodes, err := b.nodes()
	if err != nil {
		return err
	}
	i.topics, err = topics.Open(topics.Config{Dir: i.dir, FS: i.files, Path: i.path,
		Settings: b.settings, Logger: b.log, Nodes: len(nodes), Rand: b.cfg.Rand})
	if err != nil {
		return err
	}
	ids, err := producerids.Open(i.files, i.path)
	if err != nil {
		return err
	}
	if err := i.createTopics(b.cfg.Topics); err != nil {
		return err
	}
	i.api = api.New(api.Config{ClusterID: i.dir.ClusterID(), Nodes: nodes, LogDir: i.path,
		Topics: i.topics, Settings: b.settings, ProducerIDs: ids, Now: b.cfg.Now, Logger: b.log})
	if err := i.write(pidFile, strconv.Itoa(os.Getpid())+"\n"); err != nil {
		return err
	}
	return i.write(addrFile, b.addr+"\n")
}

func (i *instance) createTopics(wanted map[string]int) error {
	var list []topics.NewTopic
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if i.topics.Snapshot().Named(name) == nil {
			list = append(list, topics.NewTopic{Name: name, Partitions: wanted[name]})
		}
	}
	_, errs := i.topics.Create(list...)
	return errors.Join(errs...)
}

// inUse says who has the directory.
func (i *instance) inUse(err error) error {
	e := &DirInUseError{Path: i.path, Addr: i.read(addrFile), Err: err}
	if pid, err := strconv.Atoi(i.read(pidFile)); err == nil {
		e.PID = pid
	}
	return e
}

// read is the line in a small file; empty if there is none.
func (i *instance) read(name string) string {
	f, err := i.files.OpenFile(path.Join(i.path, name), vfs.ReadOnly)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 256)
	n, _ := f.ReadAt(b, 0) // io.EOF is the rule
	return strings.TrimSpace(string(b[:n]))
}

func (i *instance) write(name, line string) error {
	f, err := i.files.OpenFile(path.Join(i.path, name), vfs.Create)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(line), 0)
	}
	return errors.Join(err, f.Close())
}

// warmUp opens the partitions that are on disk, so that retention reaches those
// that nobody asks for, and a client need not wait for the recovery of its own.
// Started by: open. Ends: when all are open, or with the instance.
func (i *instance) warmUp(ctx context.Context) {
	for _, f := range i.dir.Found() {
		if ctx.Err() != nil {
			return
		}
		if t := i.topics.Snapshot().Named(f.Topic); t != nil && t.Has(f.Partition) {
			// An error is in the log already, and is the next client's answer.
			_, _ = i.topics.Partition(t, f.Partition)
		}
	}
}

// maintain does what time demands of partitions. Started by: open. Ends: with
// the instance.
func (i *instance) maintain(ctx context.Context) {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	expired := i.b.cfg.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := i.b.cfg.Now()
		if err := i.dir.Maintain(now); err != nil {
			i.b.log.Error("maintenance of the logs failed", "error", err)
		}
		if now.Sub(expired) >= expireEvery {
			expired = now
			i.api.Maintain(now)
		}
	}
}

// close ends the instance in order.
func (i *instance) close() error {
	i.api.Close()
	i.stop()
	i.wg.Wait()
	return errors.Join(i.files.Remove(path.Join(i.path, addrFile)),
		i.files.Remove(path.Join(i.path, pidFile)), i.dir.Close())
}

// abandon ends the goroutines of an instance whose files are dead already.
func (i *instance) abandon() {
	i.api.Close()
	i.stop()
	i.wg.Wait()
	// Closing fails at the first file, which is the point; it frees the memory.
	_ = i.dir.Close()
}
