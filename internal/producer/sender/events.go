package sender

import (
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// ConnID names one connection; no two connections of a producer share one.
type ConnID int64

// Event is something that happened.
type Event interface{ event() }

// Noticed lists partitions that have something new.
type Noticed []batch.PartitionID

// Sealed: a batch that Core asked to have compressed is Ready.
type Sealed struct{ Batch *batch.Batch }

// Starved: a caller waits for buffer memory.
type Starved struct{}

// Answered: a produce request was answered, or with acks=0 written.
type Answered struct{ Request *Request }

// Answered is the event that r was answered; it is part of r.
func (r *Request) Answered() *Answered {
	r.answered.Request = r
	return &r.answered
}

// ConnUp: a connection is open, authenticated and knows its broker's versions.
type ConnUp struct {
	Conn ConnID
	// Idempotent is false if the broker is too old for producer ids.
	Idempotent bool
	// Session is how long the broker takes requests before it wants new
	// credentials (KIP-368); 0 for ever.
	Session time.Duration
	// The cluster's finalized transaction.version (KIP-890), 0 for none, and
	// the epoch of that knowledge.
	TransactionVersion int16
	FeaturesEpoch      int64
}

// ConnDown: a connection is gone, or could not be made. Nothing of it touches a
// batch any more.
type ConnDown struct {
	Conn ConnID
	Err  error
	// Fatal: there is no use in trying again (authentication failed).
	Fatal bool
	// Misrouted: it is not the broker, or not the cluster, that it was (KIP-1242).
	Misrouted bool
}

// MetadataAnswer: a metadata request was answered, or failed.
type MetadataAnswer struct {
	Conn   ConnID
	Answer *metadata.Answer
	Err    error
}

// ProducerIDAnswer: a request for a producer id was answered, or failed.
type ProducerIDAnswer struct {
	Conn ConnID
	ID   producerid.ID
	Code errcode.Code
	Err  error
}

// WantTopic: a record wants to go to a topic whose partitions are not known,
// or (Missing) to a partition that it does not have.
type WantTopic struct {
	Topic   string
	Missing bool
}

// FlushAll: send everything now and say when it is done.
type FlushAll struct{ Flush *batch.Flush }

// Abandon: fail everything that is not resolved.
type Abandon struct{ Failure *batch.Failure }

// Held: no batch is opened any more, since the change of state that Gate
// counts. Partitions lists those that hold batches.
type Held struct {
	Gate       int
	Partitions []batch.PartitionID
}

// Spoil: a record for Topic was refused because of Err, before it became part
// of the open transaction.
type Spoil struct {
	Topic string
	Err   error
}

// Tick: time passed.
type Tick struct{}

func (*Noticed) event()          {}
func (Sealed) event()            {}
func (Starved) event()           {}
func (*Answered) event()         {}
func (*ConnUp) event()           {}
func (*ConnDown) event()         {}
func (*MetadataAnswer) event()   {}
func (*ProducerIDAnswer) event() {}
func (WantTopic) event()         {}
func (FlushAll) event()          {}
func (Abandon) event()           {}
func (*Transact) event()         {}
func (*TxnAnswer) event()        {}
func (Held) event()              {}
func (Spoil) event()             {}
func (Tick) event()              {}

// Action is what an Effect asks for.
type Action uint8

// The actions.
const (
	Dial               Action = iota // open Conn to Addr (broker Node)
	HangUp                           // close Conn; ConnDown follows
	Produce                          // send Request on Conn
	AskMetadata                      // send a metadata request for Topics on Conn
	AskProducerID                    // send InitProducerId on Conn
	Compress                         // make Batch Ready; Sealed follows
	Complete                         // Batch is resolved: run its callbacks
	Release                          // nothing touches Batch's buffer any more
	FlushDone                        // Flush is complete, after all Completes before it
	PublishMetadata                  // Snapshot is the newest
	PublishFatal                     // Failure ends the producer
	Unqueued                         // Count batches of Batch's partition left the queue
	BlockNode                        // Node takes nothing: keep unkeyed records away
	UnblockNode                      // Node takes batches again
	AskCoordinator                   // send Ask on Conn
	PublishTransaction               // State is the transaction's, with Err of AbortableError
	Transacted                       // Transact has its Err, after all Completes before it
	Gone                             // Conn to Addr is gone; Err if that was not our wish
)

// Effect is something to be done.
type Effect struct {
	Do       Action
	Conn     ConnID
	Node     int32
	Addr     string
	Request  *Request
	Topics   []string
	Batch    *batch.Batch
	Count    int
	Flush    *batch.Flush
	Snapshot *metadata.Snapshot
	Failure  *batch.Failure
	Transact *Transact
	Ask      *TxnRequest
	State    txn.State
	Err      error
	Fatal    bool          // for Gone: no broker takes our credentials
	Timeout  time.Duration // for Dial
	Cluster  string        // for Dial: the cluster that Node must be of; empty to not ask
}

// Request is one produce request: at most one batch of each partition.
//
// Ownership: Core makes it, a connection sends it and writes the answer into
// it, Core gets it back with Answered, or with ConnDown.
type Request struct {
	Entries []Entry // sorted by topic
	Acks    int16
	Timeout time.Duration
	V1      bool // part of a version 1 transaction: at most version 11 (KIP-890)

	// Set by the connection.
	Written  bool // its bytes may have reached the broker
	Throttle time.Duration
	Nodes    []metadata.Broker // of new leaders (KIP-951)
	Err      error             // the answer could not be understood

	answered Answered
	sentAt   time.Time
	found    int  // requests under way to the node when it was sent
	little   bool // nothing in it was urgent
	node     *node
}

// Entry is one partition's part of a request, and its answer.
type Entry struct {
	Batch   *batch.Batch
	Topic   string
	TopicID metadata.TopicID
	Index   int32

	Answered    bool
	Code        errcode.Code
	BaseOffset  int64
	AppendTime  int64 // milliseconds, -1 if the record's own time counts
	LogStart    int64
	Message     string
	BadRecords  map[int32]string
	Leader      int32 // -1 unless the broker named a new one
	LeaderEpoch int32

	partition *partition
	epoch     int32 // leader epoch at which it was sent
}
