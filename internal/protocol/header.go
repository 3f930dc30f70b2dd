package protocol

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Key is the number of an API, the first field of every request.
type Key int16

// The APIs that this module names in code. Source: ApiKeys.
const (
	Produce                 Key = 0
	Fetch                   Key = 1
	ListOffsets             Key = 2
	Metadata                Key = 3
	OffsetCommit            Key = 8
	OffsetFetch             Key = 9
	FindCoordinator         Key = 10
	JoinGroup               Key = 11
	Heartbeat               Key = 12
	LeaveGroup              Key = 13
	SyncGroup               Key = 14
	DescribeGroups          Key = 15
	ListGroups              Key = 16
	SASLHandshake           Key = 17
	APIVersions             Key = 18
	CreateTopics            Key = 19
	DeleteTopics            Key = 20
	DeleteRecords           Key = 21
	InitProducerID          Key = 22
	OffsetForLeaderEpoch    Key = 23
	AddPartitionsToTxn      Key = 24
	AddOffsetsToTxn         Key = 25
	EndTxn                  Key = 26
	WriteTxnMarkers         Key = 27
	TxnOffsetCommit         Key = 28
	DescribeConfigs         Key = 32
	AlterConfigs            Key = 33
	DescribeLogDirs         Key = 35
	SASLAuthenticate        Key = 36
	CreatePartitions        Key = 37
	DeleteGroups            Key = 42
	IncrementalAlterConfigs Key = 44
	OffsetDelete            Key = 47
	DescribeCluster         Key = 60
	DescribeProducers       Key = 61
	DescribeTransactions    Key = 65
	ListTransactions        Key = 66
	DescribeTopicPartitions Key = 75
)

// String is Kafka's name of the API, as InitProducerId. Source: the names of the
// message definitions.
func (k Key) String() string { return spelling.Replace(kmsg.NameForKey(int16(k))) }

// spelling is what package kmsg writes otherwise than Kafka.
var spelling = strings.NewReplacer("ProducerID", "ProducerId", "SASL", "Sasl",
	"SCRAM", "Scram", "ACLs", "Acls", "ISR", "Isr")

// KeyNamed is the API with Kafka's name, in any case, and whether there is one.
func KeyNamed(name string) (Key, bool) {
	for k := range Key(len(flexibleSince)) {
		if strings.EqualFold(k.String(), name) {
			return k, true
		}
	}
	return 0, false
}

// flexibleSince holds, by API key, the first version with compact lengths and
// tagged fields (KIP-482); noFlexible if there is none.
var flexibleSince = func() (since [kmsg.MaxKey + 1]int16) {
	for key := range since {
		since[key] = noFlexible
		req := kmsg.RequestForKey(int16(key))
		if req == nil {
			continue
		}
		for v := int16(0); v <= req.MaxVersion(); v++ {
			if req.SetVersion(v); req.IsFlexible() {
				since[key] = v
				break
			}
		}
	}
	return since
}()

const noFlexible = int16(0x7fff)

// Flexible reports whether version of the API has compact lengths and tagged
// fields (KIP-482).
func (k Key) Flexible(version int16) bool {
	return k >= 0 && int(k) < len(flexibleSince) && version >= flexibleSince[k]
}

// RequestHeader is what precedes every request's body.
type RequestHeader struct {
	Key           Key
	Version       int16
	CorrelationID int32  // chosen by the client, returned with the response
	ClientID      []byte // aliases the frame; nil if the client gave none
}

// ParseRequestHeader reads the header of a frame (without its length) and
// returns what follows it. A header that cannot be read matches ErrMalformed.
func ParseRequestHeader(frame []byte) (h RequestHeader, body []byte, err error) {
	r := NewReader(frame)
	h.Key = Key(r.Int16())
	h.Version = r.Int16()
	h.CorrelationID = r.Int32()
	h.ClientID = r.NullableString()
	if h.Key.Flexible(h.Version) {
		r.Tags()
	}
	if err := r.Err(); err != nil {
		return h, nil, fmt.Errorf("request header: %w", err)
	}
	return h, r.Rest(), nil
}

// Append writes h as it precedes a request. An empty client id is written as
// such, a nil one as null.
func (h *RequestHeader) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Key))
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Version))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.CorrelationID))
	if h.ClientID == nil {
		dst = append(dst, 0xff, 0xff)
	} else {
		dst = AppendString(dst, h.ClientID)
	}
	if h.Key.Flexible(h.Version) {
		dst = append(dst, 0) // no tagged fields
	}
	return dst
}

// AppendResponseHeader writes what precedes the body of a response.
func AppendResponseHeader(dst []byte, k Key, version int16, correlationID int32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	if responseHeaderIsFlexible(k, version) {
		dst = append(dst, 0)
	}
	return dst
}

// ParseResponseHeader reads the header of a response frame to a request of that
// key and version, and returns the correlation id and the body.
func ParseResponseHeader(
	frame []byte, k Key, version int16,
) (correlationID int32, body []byte, err error) {
	r := NewReader(frame)
	correlationID = r.Int32()
	if responseHeaderIsFlexible(k, version) {
		r.Tags()
	}
	if err := r.Err(); err != nil {
		return 0, nil, fmt.Errorf("response header: %w", err)
	}
	return correlationID, r.Rest(), nil
}

// The header of an ApiVersions response never changes, because the client reads
// it before it knows what the broker speaks (KIP-511).
func responseHeaderIsFlexible(k Key, version int16) bool {
	return k != APIVersions && k.Flexible(version)
}

// Range is the versions of one API that one side speaks, both ends included.
type Range struct{ Min, Max int16 }

// Highest is the newest version that both sides speak; false if there is none.
func (r Range) Highest(other Range) (int16, bool) {
	v := min(r.Max, other.Max)
	return v, v >= r.Min && v >= other.Min
}

// Has reports whether version lies in the range.
func (r Range) Has(version int16) bool { return r.Min <= version && version <= r.Max }
