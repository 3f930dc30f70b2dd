package txncoordinator

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/mutation"
)

// Version is a version of the transaction protocol: the level of the feature
// transaction.version.
type Version int16

// The versions of transactions.
const (
	Version0 Version = 0 // KIP-98
	Version1 Version = 1 // the same to clients; the state's records are flexible
	Version2 Version = 2 // KIP-890: an epoch for each transaction, partitions added by brokers
)

// bumps reports whether every end of a transaction takes a new epoch.
func (v Version) bumps() bool { return v >= Version2 }

const (
	noID    = int64(-1)
	noEpoch = int16(-1)
	// lastEpoch is the largest epoch that a producer is given: there must be one
	// more to fence it with.
	lastEpoch = math.MaxInt16 - 1
	// forever is the timeout of two-phase commit (KIP-939).
	forever = int32(math.MaxInt32)
)

func exhausted(epoch int16) bool { return epoch >= lastEpoch }

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func compare(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// Producer is a producer id and its epoch.
type Producer struct {
	ID    int64
	Epoch int16
}

var nobody = Producer{noID, noEpoch}

// metadata is what is known of a transactional id. It is a value: a transition
// makes a new one, which counts once it is stored. Source: TransactionMetadata.
type metadata struct {
	Producer
	previousID   int64            // of the transition before
	nextID       int64            // of the producer that goes on, if not Producer; else -1
	nextEpoch    int16            // its epoch if another producer took over (KIP-939); else -1
	lastEpoch    int16            // before the last bump, to know a retry by; -1 if unknown
	timeout      int32            // milliseconds
	state        State            //
	partitions   []TopicPartition // sorted; shared, never changed
	start        int64            // milliseconds; -1 before the first transaction
	updated      int64            // milliseconds
	version      Version          // of the client that made the transition
	fenceNotKept bool             // the epoch was raised, and that could not be stored
}

// client is the producer that may ask for something: the latest that was given an
// epoch. Producer is the one that the open transaction has been written by.
func (m *metadata) client() Producer {
	if m.nextEpoch == noEpoch {
		return m.Producer
	}
	return Producer{m.nextID, m.nextEpoch}
}

// keeping is m, ongoing, left to a producer that comes after the one that began it
// (KIP-939). newID is given a producer id if the epochs of the present one are used
// up. Source: TransactionMetadata, KAFKA-15370.
func (m metadata) keeping(
	timeout int32, now int64, newID func() (int64, error),
) (metadata, errcode.Code) {
	if m.fenceNotKept { // what was prepared is known by the epoch that its producer has
		m.lower()
	}
	next := m.client()
	if next.Epoch++; next.Epoch > lastEpoch {
		id, err := newID()
		if err != nil {
			return m, errcode.CoordinatorNotAvailable
		}
		next = Producer{id, 0}
	}
	m = m.becoming(Ongoing, now)
	m.nextID, m.nextEpoch, m.timeout = next.ID, next.Epoch, timeout
	return m, errcode.None
}

// becoming is m in another state. A step that the states do not know is a
// mistake of this package.
func (m metadata) becoming(s State, now int64) metadata {
	if !m.state.mayBecome(s) {
		panic(fmt.Sprintf("txncoordinator: a transaction cannot become %v from %v", s, m.state))
	}
	m.state, m.previousID = s, m.Producer.ID
	m.updated = now
	return m
}

// adding is m with more partitions, ongoing.
func (m metadata) adding(list []TopicPartition, v Version, now int64) metadata {
	start := m.start
	if m.state.ended() {
		start = now
	}
	m = m.becoming(Ongoing, now)
	m.partitions = slices.Concat(m.partitions, list)
	slices.SortFunc(m.partitions, compare)
	m.partitions = slices.Compact(m.partitions)
	m.start, m.version = start, v
	return m
}

// has reports whether the transaction has the partition.
func (m *metadata) has(tp TopicPartition) bool {
	_, found := slices.BinarySearchFunc(m.partitions, tp, compare)
	return found
}

func (m *metadata) hasAll(list []TopicPartition) bool {
	return !slices.ContainsFunc(list, func(tp TopicPartition) bool { return !m.has(tp) })
}

// fencing is m, ongoing, with an epoch that nobody was given.
func (m metadata) fencing() metadata {
	if !m.fenceNotKept {
		m.raise()
	}
	m.lastEpoch = noEpoch
	m.state = PrepareEpochFence
	return m
}

// raise gives the transaction's marker an epoch that nobody was given, and whoever
// goes on after it another one. One that is used up stays.
func (m *metadata) raise() {
	if m.Epoch < math.MaxInt16 {
		m.Epoch++
	}
	if m.nextEpoch != noEpoch && m.nextEpoch < math.MaxInt16 {
		m.nextEpoch++
	}
}

// lower takes back what raise did for a fence that could not be stored. An open
// transaction's epochs are at most lastEpoch, so that raise has changed them.
func (m *metadata) lower() {
	m.Epoch--
	if m.nextEpoch != noEpoch {
		m.nextEpoch--
	}
	m.fenceNotKept = false
}

// preparing is m with its end decided. nextID is the producer id to go on with
// if the epochs of the client's are used up, else -1.
func (m metadata) preparing(s State, v Version, nextID, now int64) metadata {
	if m.state.ended() {
		m.start = now // version 2 may abort what has not begun
	}
	epoch := m.client().Epoch
	m = m.becoming(s, now)
	m.version = v
	if v.bumps() {
		m.lastEpoch = epoch
		m.raise()
	}
	switch {
	case nextID != noID && m.nextEpoch != noEpoch:
		m.nextID, m.nextEpoch = nextID, 0
	case m.nextEpoch == noEpoch:
		m.nextID = nextID
	}
	return m
}

// completing is m, which is prepared, after its markers were written.
func (m metadata) completing(now int64) metadata {
	s := CompleteAbort
	if m.state == PrepareCommit {
		s = CompleteCommit
	}
	m = m.becoming(s, now)
	m.Producer = m.following()
	m.nextID, m.nextEpoch, m.partitions, m.fenceNotKept = noID, noEpoch, nil, false
	return m
}

// following is the producer that may begin the next transaction.
func (m *metadata) following() Producer {
	if m.nextEpoch != noEpoch {
		return m.client()
	}
	if m.version.bumps() && m.nextID != noID {
		return Producer{m.nextID, 0}
	}
	return m.Producer
}

// initializing is m for a producer that starts, or recovers with the id and
// epoch that it expects (KIP-360). newID is given a producer id if the epochs of
// the present one are used up. m is ended.
func (m metadata) initializing(
	expected *Producer, timeout int32, now int64, newID func() (int64, error),
) (metadata, errcode.Code) {
	next := m
	switch {
	case exhausted(m.Epoch) && (expected == nil || expected.Epoch == m.Epoch):
		id, err := newID()
		if err != nil {
			return m, errcode.CoordinatorNotAvailable
		}
		next.Producer, next.lastEpoch = Producer{id, 0}, noEpoch
		if expected != nil {
			next.lastEpoch = m.Epoch
		}
	case expected == nil && mutation.On(mutation.EpochNotBumped) && m.Epoch != noEpoch:
	case expected == nil:
		next.Epoch, next.lastEpoch = m.Epoch+1, noEpoch
	case m.Epoch == noEpoch || expected.Epoch == m.Epoch:
		next.Epoch, next.lastEpoch = m.Epoch+1, m.Epoch
	case expected.Epoch == m.lastEpoch: // the answer to the same request was lost
	default:
		return m, errcode.ProducerFenced
	}
	previous := m.Producer.ID
	next = next.becoming(Empty, now)
	next.previousID = previous
	next.timeout, next.partitions, next.start = timeout, nil, -1
	return next, errcode.None
}

// expects reports whether a producer that asks to be initialized again may be
// the one that is known here.
func (m *metadata) expects(p *Producer) bool {
	return p == nil || m.Epoch == noEpoch || p.ID == m.client().ID ||
		p.ID == m.previousID && exhausted(p.Epoch)
}
