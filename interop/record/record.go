// Package record is the one shape in which every client of the interop tests,
// whatever its language, reports the records it read: one JSON object a line.
//
//	{"topic":"t","partition":0,"offset":7,"timestamp":1700000000000,
//	 "key":"a2V5","value":null,"headers":[["trace","AQI="],["trace",null]]}
//
// Keys, values and header values are base64 of the bytes, or null; a null and
// an empty string are different facts. It is what `posthaste consume --json
// --base64` prints.
package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A Record is a record as it stands in a partition, or as it is to be
// produced: then Offset has no meaning and Partition may be AnyPartition.
type Record struct {
	Topic     string   `json:"topic"`
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp int64    `json:"timestamp"` // milliseconds since 1970
	Key       []byte   `json:"key"`       // nil is null, not empty
	Value     []byte   `json:"value"`     // nil is null, not empty
	Headers   []Header `json:"headers"`   // in order; names may repeat
}

// AnyPartition leaves the choice of the partition to the producer.
const AnyPartition = -1

// A Header is a name and a value that may be null.
type Header struct {
	Name  string
	Value []byte // nil is null, not empty
}

// MarshalJSON writes the pair [name, value].
func (h Header) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{h.Name, h.Value})
}

// UnmarshalJSON reads the pair [name, value].
func (h *Header) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("header %s has %d parts, want name and value", b, len(pair))
	}
	if err := json.Unmarshal(pair[0], &h.Name); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &h.Value)
}

// An Outcome is what a producer learnt about one record.
type Outcome struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"` // without meaning where acks=0 leaves it unknown
	Error     string `json:"error,omitempty"`
}

// ByPlace sorts records by partition, then by offset.
func ByPlace(a, b Record) int {
	if a.Partition != b.Partition {
		return int(a.Partition) - int(b.Partition)
	}
	return int(a.Offset - b.Offset)
}

// Diff says how got, as read from a topic, differs from want, as produced to
// it in this order. It returns "" if they are equal. Within a partition the
// order must be the same; the offsets must rise, and where want names an
// offset (0 or more) it must be that one.
func Diff(want, got []Record) string {
	var out strings.Builder
	if len(want) != len(got) {
		fmt.Fprintf(&out, "read %d records, want %d\n", len(got), len(want))
	}
	wanted, read := byPartition(want), byPartition(got)
	for _, p := range partitionsOf(wanted, read) {
		diffPartition(&out, p, wanted[p], read[p])
		if out.Len() > 2000 {
			out.WriteString("… and more\n")
			break
		}
	}
	return out.String()
}

func byPartition(records []Record) map[int32][]Record {
	m := map[int32][]Record{}
	for _, r := range records {
		m[r.Partition] = append(m[r.Partition], r)
	}
	return m
}

func partitionsOf(maps ...map[int32][]Record) []int32 {
	var all []int32
	for _, m := range maps {
		for p := range m {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func diffPartition(out *strings.Builder, p int32, want, got []Record) {
	last := int64(-1)
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			fmt.Fprintf(out, "partition %d: #%d is missing: %v\n", p, i, want[i])
			return
		case i >= len(want):
			fmt.Fprintf(out, "partition %d: #%d is too many: %v\n", p, i, got[i])
			return
		case !same(want[i], got[i]):
			fmt.Fprintf(out, "partition %d: #%d is  %v\n         want it to be %v\n",
				p, i, got[i], want[i])
			return
		case got[i].Offset <= last:
			fmt.Fprintf(out, "partition %d: offset %d comes after %d\n", p, got[i].Offset, last)
			return
		}
		last = got[i].Offset
	}
}

func same(want, got Record) bool {
	return want.Topic == got.Topic &&
		(want.Offset < 0 || want.Offset == got.Offset) &&
		want.Timestamp == got.Timestamp &&
		equal(want.Key, got.Key) && equal(want.Value, got.Value) &&
		slices.EqualFunc(want.Headers, got.Headers, func(a, b Header) bool {
			return a.Name == b.Name && equal(a.Value, b.Value)
		})
}

// equal tells null from empty.
func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// String shows r short enough for a test's message.
func (r Record) String() string {
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, fmt.Sprintf("%q=%s", h.Name, short(h.Value)))
	}
	return fmt.Sprintf("%s-%d@%d time %d key %s value %s headers [%s]", r.Topic, r.Partition,
		r.Offset, r.Timestamp, short(r.Key), short(r.Value), strings.Join(headers, " "))
}

func short(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 40:
		return fmt.Sprintf("%q… (%d bytes)", b[:32], len(b))
	default:
		return fmt.Sprintf("%q", b)
	}
}
