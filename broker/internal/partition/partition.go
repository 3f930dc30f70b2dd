package partition

import "github.com/posthaste-go/posthaste/internal/errcode"

// Partition is the leader of one partition. Its methods may be called
// concurrently; appends are serialized, reads do not wait for them.
type Partition struct {
	tp TopicPartition
	id TopicID
}

// Name is the partition's topic and number.
func (p *Partition) Name() TopicPartition { return p.tp }

// TopicID is the topic's id.
func (p *Partition) TopicID() TopicID { return p.id }

// Config is the configuration in force.
func (p *Partition) Config() Config { return Config{} }

// SetConfig replaces the configuration; the next append, read or Maintain
// follows it.
func (p *Partition) SetConfig(c Config) {}

// LeaderEpoch is the epoch of this leader: it rises when the node starts again
// without having stopped in order, so that a consumer that read what a power
// cut then lost can tell.
func (p *Partition) LeaderEpoch() int32 { return 0 }

// LogStartOffset is the first offset that can be read.
func (p *Partition) LogStartOffset() int64 { return 0 }

// HighWatermark is the offset after the last record; on one node it is the
// log end offset too.
func (p *Partition) HighWatermark() int64 { return 0 }

// LastStableOffset is where readers of committed records stop: the first offset
// of the oldest open transaction, or the high watermark.
func (p *Partition) LastStableOffset() int64 { return 0 }

// Size is the size of the partition's segments in bytes, as DescribeLogDirs
// tells it.
func (p *Partition) Size() int64 { return 0 }

// Flush syncs what was appended, so that it survives a power cut.
func (p *Partition) Flush() error { return p.notYet() }

func (p *Partition) notYet() error {
	return refuse(errcode.NotLeaderOrFollower, "partition %s-%d is not open", p.tp.Topic, p.tp.Partition)
}
