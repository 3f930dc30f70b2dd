// Package report counts what became of records and says it to a person or, as
// JSON, to a program: the summary of produce, the figures of perf, and the
// warnings about keys.
//
// Its types hold no locks. Whoever counts from several goroutines guards them.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a distribution of durations from 1 µs to an hour, exact to three
// digits. The zero value is not usable; see NewLatency.
type Latency struct {
	h   *hdrhistogram.Histogram
	sum time.Duration
	max time.Duration
}

// NewLatency returns an empty distribution.
func NewLatency() *Latency {
	return &Latency{h: hdrhistogram.New(1, time.Hour.Microseconds(), 3)}
}

// Add counts d. Below a microsecond it is one; above an hour it counts in the
// average and the maximum as it is, and in percentiles as an hour.
func (l *Latency) Add(d time.Duration) {
	l.sum += d
	l.max = max(l.max, d)
	// It cannot fail: the value is inside the histogram's bounds.
	_ = l.h.RecordValue(min(max(d.Microseconds(), 1), time.Hour.Microseconds()))
}

// Reset forgets everything.
func (l *Latency) Reset() {
	l.h.Reset()
	l.sum, l.max = 0, 0
}

// Count returns how many durations were added.
func (l *Latency) Count() int64 { return l.h.TotalCount() }

// At returns the duration below which percentile (0 to 100) of the durations
// lie, to three digits; 0 if there are none.
func (l *Latency) At(percentile float64) time.Duration {
	return time.Duration(l.h.ValueAtPercentile(percentile)) * time.Microsecond
}

// Figures sums the distribution up.
func (l *Latency) Figures() Figures {
	n := l.h.TotalCount()
	if n == 0 {
		return Figures{}
	}
	at := func(percentile float64) Millis {
		return Millis(float64(l.h.ValueAtPercentile(percentile)) / 1000)
	}
	return Figures{
		Avg: Millis(l.sum.Seconds() * 1000 / float64(n)), Max: Millis(l.max.Seconds() * 1000),
		P50: at(50), P95: at(95), P99: at(99), P999: at(99.9),
	}
}

// Millis is a duration in milliseconds; JSON has it with three decimals at most.
type Millis float64

// MarshalJSON writes a plain number, never an exponent.
func (m Millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, math.Round(float64(m)*1000)/1000, 'f', -1, 64), nil
}

// String is m for people: two or three digits and a unit.
func (m Millis) String() string {
	switch {
	case m < 1:
		return fmt.Sprintf("%.0f µs", m*1000)
	case m < 10:
		return fmt.Sprintf("%.1f ms", m)
	case m < 10_000:
		return fmt.Sprintf("%.0f ms", m)
	}
	return fmt.Sprintf("%.1f s", m/1000)
}

// Figures are the average, the maximum and percentiles of latencies.
type Figures struct {
	Avg  Millis `json:"avg"`
	P50  Millis `json:"p50"`
	P95  Millis `json:"p95"`
	P99  Millis `json:"p99"`
	P999 Millis `json:"p999"`
	Max  Millis `json:"max"`
}

// Seconds is a duration in seconds; JSON has it with three decimals at most.
type Seconds float64

// MarshalJSON writes a plain number, never an exponent.
func (s Seconds) MarshalJSON() ([]byte, error) { return Millis(s).MarshalJSON() }

// Rate is something per second; JSON has it with one decimal at most.
type Rate float64

// MarshalJSON writes a plain number, never an exponent.
func (r Rate) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, math.Round(float64(r)*10)/10, 'f', -1, 64), nil
}

// Per divides a count by a time; nothing in no time is no rate.
func Per(count int64, d time.Duration) Rate {
	if d <= 0 {
		return 0
	}
	return Rate(float64(count) / d.Seconds())
}

// Summary is the outcome of a produce command. Its JSON is what --json prints;
// the names are fixed.
type Summary struct {
	Topic   string `json:"topic"`
	Records int64  `json:"records"` // handed to the producer: Acked + Failed + Aborted
	Acked   int64  `json:"acked"`
	Failed  int64  `json:"failed"`
	Aborted int64  `json:"aborted"` // acknowledged in transactions that were then aborted
	Skipped int64  `json:"skipped"` // rows of the input that were no record, with --on-error skip
	Bytes   int64  `json:"bytes"`   // keys and values handed to the producer

	Batches         int64   `json:"batches"`
	RecordsPerBatch Rate    `json:"records_per_batch"`
	Retries         int64   `json:"retries"`
	Compression     string  `json:"compression"`
	Ratio           float64 `json:"compression_ratio"` // bytes sent / bytes before compression

	Seconds          Seconds          `json:"seconds"`
	RecordsPerSecond Rate             `json:"records_per_second"`
	BytesPerSecond   Rate             `json:"bytes_per_second"`
	Latency          Figures          `json:"latency_ms"` // from send to acknowledgement
	Partitions       map[string]int64 `json:"partitions"` // records acknowledged
	Transactions     int64            `json:"transactions,omitempty"`

	Interrupted bool     `json:"interrupted"`
	Warnings    []string `json:"warnings"`

	// For people only.
	Where       string  `json:"-"` // the cluster, in words
	Counts      []int64 `json:"-"` // by partition, those without records too
	Transaction bool    `json:"-"`
}

// WriteJSON writes one line.
func (s *Summary) WriteJSON(w io.Writer) error {
	out := *s
	if out.Warnings == nil {
		out.Warnings = []string{}
	}
	if out.Partitions == nil {
		out.Partitions = map[string]int64{}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// WriteText writes a few lines for a person.
func (s *Summary) WriteText(w io.Writer) error {
	var b strings.Builder
	b.WriteString("\n  " + s.headline() + "\n\n")
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-14s%s\n", name, fmt.Sprintf(format, args...))
	}
	line("topic", "%s on %s", s.Topic, s.Where)
	if s.Records > 0 {
		line("bytes", "%s · %s a record", Bytes(float64(s.Bytes)),
			Bytes(float64(s.Bytes)/float64(s.Records)))
		line("time", "%s · %s records/s · %s/s", Duration(float64(s.Seconds)),
			Count(int64(s.RecordsPerSecond)), Bytes(float64(s.BytesPerSecond)))
		line("batches", "%s · %s each · %s · %s", Count(s.Batches), records(s.RecordsPerBatch),
			s.compression(), plural(s.Retries, "retry", "retries"))
	}
	if s.Acked > 0 {
		l := s.Latency
		line("latency", "p50 %v · p95 %v · p99 %v · p99.9 %v · max %v", l.P50, l.P95, l.P99, l.P999,
			l.Max)
	}
	if s.Transaction {
		line("transactions", "%s committed", Count(s.Transactions))
	}
	if s.Acked > 0 {
		b.WriteString("\n" + partitionTable(s.Counts))
	}
	for _, warning := range s.Warnings {
		b.WriteString("\n" + Wrap("  warning: ", warning, 96))
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// headline says in one line how it went.
func (s *Summary) headline() string {
	verb := "acknowledged"
	if s.Transaction {
		verb = "committed"
	}
	parts := []string{Plural(s.Acked, "record") + " " + verb}
	if s.Failed > 0 {
		parts = append(parts, Count(s.Failed)+" FAILED")
	}
	if s.Aborted > 0 {
		parts = append(parts, Count(s.Aborted)+" ABORTED")
	}
	if s.Skipped > 0 {
		parts = append(parts, Plural(s.Skipped, "row")+" of the input SKIPPED")
	}
	if s.Interrupted {
		parts = append(parts, "interrupted before the end of the input")
	}
	if len(parts) == 1 {
		parts = append(parts, "none failed")
	}
	return strings.Join(parts, ", ")
}

func (s *Summary) compression() string {
	if s.Compression == "" || s.Compression == "none" || s.Ratio == 0 {
		return "not compressed"
	}
	return fmt.Sprintf("%s to %.0f %%", s.Compression, 100*s.Ratio)
}

func records(r Rate) string {
	text := strings.TrimSuffix(fmt.Sprintf("%.1f", r), ".0")
	if r >= 100 {
		text = Count(int64(math.Round(float64(r))))
	}
	if text == "1" {
		return "1 record"
	}
	return text + " records"
}

// mostRows is how many partitions are listed one by one.
const mostRows = 16

// partitionTable draws how the records lie over the partitions.
func partitionTable(counts []int64) string {
	var total, least, most int64
	least = math.MaxInt64
	for _, n := range counts {
		total += n
		least, most = min(least, n), max(most, n)
	}
	if len(counts) > mostRows {
		return fmt.Sprintf("  %d partitions with %s to %s records each\n", len(counts), Count(least),
			Count(most))
	}
	var b strings.Builder
	width := max(len(Count(most)), len("records"))
	fmt.Fprintf(&b, "  partition  %*s  share\n", width, "records")
	for p, n := range counts {
		share := float64(n) / float64(max(total, 1))
		row := fmt.Sprintf("  %9d  %*s  %5.1f %%  %s", p, width, Count(n), 100*share,
			strings.Repeat("█", int(math.Round(40*float64(n)/float64(max(most, 1))))))
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	return b.String()
}
