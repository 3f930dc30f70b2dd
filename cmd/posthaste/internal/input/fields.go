package input

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// selection is the list of fields that fill parts of a record, each once. The
// formats look the names up in their own way and hand the texts to fill.
type selection struct {
	names     []string
	key       int // index into names, or -1
	partition int
	timestamp int
	headers   []int
}

func newSelection(o Options) *selection {
	s := &selection{}
	s.key = s.add(o.KeyField)
	s.partition = s.add(o.PartitionField)
	s.timestamp = s.add(o.TimestampField)
	for _, h := range o.HeaderFields {
		s.headers = append(s.headers, s.add(h))
	}
	return s
}

func (s *selection) add(name string) int {
	if name == "" {
		return -1
	}
	for i, n := range s.names {
		if n == name {
			return i
		}
	}
	s.names = append(s.names, name)
	return len(s.names) - 1
}

// fill sets key, partition, timestamp and headers of r from texts, which holds
// what each of s.names has in this row; nil is a null.
func (s *selection) fill(r *Record, texts [][]byte) error {
	if s.key >= 0 {
		r.Key = texts[s.key]
	}
	if s.partition >= 0 {
		p, err := parsePartition(texts[s.partition])
		if err != nil {
			return fmt.Errorf("partition field %q: %w", s.names[s.partition], err)
		}
		r.Partition = p
	}
	if s.timestamp >= 0 {
		ts, err := parseTimestamp(texts[s.timestamp])
		if err != nil {
			return fmt.Errorf("timestamp field %q: %w", s.names[s.timestamp], err)
		}
		r.Timestamp = ts
	}
	for _, i := range s.headers {
		r.Headers = append(r.Headers, Header{Key: s.names[i], Value: texts[i]})
	}
	return nil
}

// parsePartition reads a partition number. Nothing, or a null, leaves the
// choice to the partitioner.
func parsePartition(text []byte) (int32, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return AutomaticPartition, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no partition, which is a number from 0", text)
	}
	return int32(n), nil
}

// layouts are the texts taken for a time beside milliseconds. Without a zone
// they are UTC.
var layouts = []string{time.RFC3339Nano, time.DateTime, "2006-01-02T15:04:05.999999999",
	time.DateOnly}

// parseTimestamp reads milliseconds since 1970 or a time of RFC 3339. Nothing,
// or a null, leaves the timestamp to the producer.
func parseTimestamp(text []byte) (int64, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return NoTimestamp, nil
	}
	s := string(text)
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		var t time.Time
		for _, layout := range layouts {
			if t, err = time.Parse(layout, s); err == nil {
				break
			}
		}
		ms = t.UnixMilli()
	}
	if err != nil {
		return 0, fmt.Errorf("%q is neither milliseconds since 1970 nor a time as "+
			"2026-01-31T08:00:00Z", s)
	}
	if ms < 0 {
		return 0, fmt.Errorf("%q is before 1970, which Kafka refuses", s)
	}
	return ms, nil
}

// nearest returns the name that want is probably a slip of, or "".
func nearest(want string, names []string) string {
	best, bestDistance := "", max(2, len(want)/3)+1
	for _, n := range names {
		if d := distance(strings.ToLower(want), strings.ToLower(n)); d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return best
}

// distance is the number of single-byte edits between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
