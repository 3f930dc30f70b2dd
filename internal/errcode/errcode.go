// Package errcode is the error codes of the Kafka protocol and what a client
// may do about each: try again, ask for metadata first, or give up.
//
// Source: org.apache.kafka.common.protocol.Errors.
package errcode

import "fmt"

// Code is an error code as it stands in a response. It is an error; compare
// with errors.Is.
type Code int16

type flags uint8

const (
	retriable flags = 1 << iota // the same request may succeed later
	refresh                     // what we know of the cluster is out of date
)

type row struct {
	name  string
	flags flags
}

// Name is Kafka's name of the code, for example NOT_LEADER_OR_FOLLOWER.
func (c Code) Name() string {
	if r, ok := table[c]; ok {
		return r.name
	}
	return fmt.Sprintf("UNKNOWN_ERROR_CODE_%d", int16(c))
}

// Error names the code, and says what it means where the name does not.
func (c Code) Error() string {
	if text, ok := meaning[c]; ok {
		return c.Name() + ": " + text
	}
	return c.Name()
}

// Retriable reports whether the same request may succeed if sent again.
// Source: RetriableException.
func (c Code) Retriable() bool { return table[c].flags&retriable != 0 }

// RefreshMetadata reports whether the code means that our metadata is stale.
// Source: InvalidMetadataException.
func (c Code) RefreshMetadata() bool { return table[c].flags&refresh != 0 }

// Known reports whether the protocol defines c.
func (c Code) Known() bool { _, ok := table[c]; return ok }

// ByName finds a code by Kafka's name.
func ByName(name string) (Code, bool) {
	for c, r := range table {
		if r.name == name {
			return c, true
		}
	}
	return 0, false
}

// meaning says in our words what a person can do; only for the codes that a
// producer's user meets.
var meaning = map[Code]string{
	UnknownServerError:                 "the broker failed in a way it does not tell; its log says more",
	CorruptMessage:                     "the broker found a wrong checksum or a malformed batch",
	UnknownTopicOrPartition:            "the topic or partition does not exist on that broker",
	LeaderNotAvailable:                 "no leader is elected for the partition just now",
	NotLeaderOrFollower:                "the broker does not lead the partition any more",
	RequestTimedOut:                    "the broker's replicas did not confirm in time",
	BrokerNotAvailable:                 "the broker is not available",
	MessageTooLarge:                    "the batch exceeds the topic's max.message.bytes",
	NetworkException:                   "the connection was lost before an answer came",
	InvalidTopicException:              "the topic's name is not legal, or it may not be written to",
	RecordListTooLarge:                 "the batch exceeds the broker's segment size",
	NotEnoughReplicas:                  "fewer replicas are in sync than min.insync.replicas asks for",
	NotEnoughReplicasAfterAppend:       "written, but fewer replicas are in sync than min.insync.replicas asks for",
	InvalidRequiredAcks:                "acks must be 0, 1 or all",
	TopicAuthorizationFailed:           "the principal needs WRITE on the topic",
	ClusterAuthorizationFailed:         "the principal needs IDEMPOTENT_WRITE on the cluster",
	TransactionalIdAuthorizationFailed: "the principal needs WRITE on the transactional id",
	InvalidTimestamp:                   "a timestamp lies outside message.timestamp.before/after.max.ms",
	UnsupportedVersion:                 "the broker does not know this version of the request",
	OutOfOrderSequenceNumber:           "the batch's sequence is not the one that follows in the broker's log",
	DuplicateSequenceNumber:            "the broker has had this sequence already",
	InvalidProducerEpoch:               "a newer instance of this producer has been started",
	ProducerFenced:                     "a newer producer with the same transactional id took over",
	UnknownProducerId:                  "the broker has forgotten this producer id",
	InvalidTxnState:                    "the transaction is in a state that does not allow this",
	KafkaStorageError:                  "the broker cannot write to its disk",
	UnsupportedCompressionType:         "the broker does not know the batch's compression",
	InvalidRecord:                      "the broker refused a record, for example one without a key in a compacted topic",
	UnknownTopicId:                     "the broker does not know the topic's id: deleted or created anew",
	TransactionAbortable:               "the transaction can only be aborted",
}
