package partition

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/log"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Partition is the leader of one partition. Its methods may be called
// concurrently; appends are serialized, reads do not wait for them.
//
// Locks: mu is held while a batch is written, and synced if the topic asks for
// that; whoever waits for it waits for the disk. Batches are checked,
// decompressed and compressed before it is taken.
type Partition struct {
	tp     TopicPartition
	id     TopicID
	dir    *Dir
	log    *log.Log
	now    func() time.Time
	logger *slog.Logger
	config atomic.Pointer[settings]
	closed atomic.Bool // set under mu

	mu       sync.Mutex // the log's writer
	watchers watchers

	maintenance // only for Dir.Maintain
}

// settings is a Config with what follows from it.
type settings struct {
	Config
	keep      bool // compression.type=producer
	stored    *compression.Compressor
	producers [compression.ZSTD + 1]*compression.Compressor // by codec, for keep
}

func newSettings(c Config) (*settings, error) {
	s := &settings{Config: c, keep: c.CompressionType == "producer"}
	if s.keep {
		for codec := range s.producers {
			z, err := compression.New(compression.Codec(codec), compression.Codec(codec).DefaultLevel())
			if err != nil {
				return nil, err
			}
			s.producers[codec] = z
		}
		return s, nil
	}
	name := c.CompressionType
	if name == "uncompressed" {
		name = "none"
	}
	codec, err := compression.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("compression.type: %w", err)
	}
	level := c.CompressionLevel
	if level == 0 {
		level = codec.DefaultLevel()
	}
	s.stored, err = compression.New(codec, level)
	return s, err
}

// target is the codec that a batch is stored in, and what compresses with it.
func (s *settings) target(h *wire.BatchHeader) (compression.Codec, *compression.Compressor) {
	if s.keep {
		codec := compression.Codec(h.Attributes.Codec())
		return codec, s.producers[codec]
	}
	return s.stored.Codec(), s.stored
}

// Name is the partition's topic and number.
func (p *Partition) Name() TopicPartition { return p.tp }

// TopicID is the topic's id.
func (p *Partition) TopicID() TopicID { return p.id }

// Config is the configuration in force.
func (p *Partition) Config() Config { return p.config.Load().Config }

// SetConfig replaces the configuration; the next append, read or Maintain
// follows it. An unknown compression.type leaves the old one in force and is
// logged: whoever accepts settings checks them.
func (p *Partition) SetConfig(c Config) {
	s, err := newSettings(c)
	if err != nil {
		p.logger.Error("settings refused", "partition", p.tp.String(), "error", err)
		return
	}
	p.config.Store(s)
	p.log.SetConfig(c.Config)
}

// LeaderEpoch is the epoch of this leader: it rises when the node starts again
// without having stopped in order, so that a consumer that read what a power
// cut then lost can tell.
func (p *Partition) LeaderEpoch() int32 { return p.log.LeaderEpoch() }

// LogStartOffset is the first offset that can be read.
func (p *Partition) LogStartOffset() int64 { return p.log.StartOffset() }

// HighWatermark is the offset after the last record; on one node it is the
// log end offset too.
func (p *Partition) HighWatermark() int64 { return p.log.EndOffset() }

// LastStableOffset is where readers of committed records stop: the first offset
// of the oldest open transaction, or the high watermark.
func (p *Partition) LastStableOffset() int64 { return p.log.LastStableOffset() }

// Size is the size of the partition's segments in bytes, as DescribeLogDirs
// tells it.
func (p *Partition) Size() int64 { return p.log.Size() }

// Flush syncs what was appended, so that it survives a power cut. If it fails,
// the code is KAFKA_STORAGE_ERROR, and the partition takes no more appends
// until it is opened again: what the disk did not take may be gone.
func (p *Partition) Flush() error {
	if p.closed.Load() {
		return p.gone()
	}
	if err := p.log.Flush(); err != nil {
		return p.storageError(err)
	}
	return nil
}

func (p *Partition) gone() error {
	return refuse(errcode.NotLeaderOrFollower, "%s is not open here", p.tp)
}

func (p *Partition) nowMillis() int64 { return p.now().UnixMilli() }

// shut refuses everything from here on; false means that it did so before.
func (p *Partition) shut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed.Swap(true)
}

// close stops in order.
func (p *Partition) close() error {
	if !p.shut() {
		return nil
	}
	p.watchers.notify()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Close()
}

// abandon stops without storing anything: the files are about to go.
func (p *Partition) abandon() error {
	if !p.shut() {
		return nil
	}
	p.watchers.notify()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Abandon()
}
