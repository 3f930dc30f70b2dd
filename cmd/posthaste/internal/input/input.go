// Package input turns files and standard input into records for the produce
// command: text lines, newline-delimited JSON, JSON arrays, CSV, TSV and Parquet.
//
// A Reader is pulled, one record a call, and reuses its memory: what Read put
// into a Record is good until the next Read. Nothing is read ahead of need, so
// a line typed at a terminal is a record as soon as its newline is there.
//
//	file ─ gunzip ─▶ lines ─▶ line | ndjson | csv | tsv ─▶ Record
//	             └─▶ json: elements of an array ─────────▶ Record
//	parquet file ─────────────────────▶ rows ─▶ JSON ───▶ Record
//
// A row that cannot be a record is a *RowError, which names file, line and
// remedy. The Reader stays usable after one: the next Read goes on behind the
// broken row, and it is the caller who decides whether to. Any other error ends
// the input.
package input

import (
	"fmt"
	"strings"

	"github.com/posthaste-go/posthaste/serializer"
)

// Format is how the bytes of an input are divided into records.
type Format string

// The formats of --format.
const (
	Lines   Format = "lines"   // one record a line, as Kafka's console producer reads
	NDJSON  Format = "ndjson"  // one JSON text a line; the line is the value
	JSON    Format = "json"    // an array of records, or an object with one, such as GeoJSON
	CSV     Format = "csv"     // RFC 4180 with a header row; the value is a JSON object
	TSV     Format = "tsv"     // CSV with tabs for commas
	Parquet Format = "parquet" // the value is a JSON object
)

// Values of Record.Partition and Record.Timestamp when the input says nothing.
const (
	AutomaticPartition int32 = -1
	NoTimestamp        int64 = -1
)

// Header is one record header. A nil Value is a null.
type Header = serializer.Header

// Record is one record as the input has it. Its slices belong to the Reader and
// are overwritten by the next Read.
type Record struct {
	Key, Value []byte   // nil is null, which is not the same as empty
	Headers    []Header // in the order in which the input names them
	Partition  int32    // AutomaticPartition unless the input chooses
	Timestamp  int64    // milliseconds since 1970 UTC, or NoTimestamp
	Line       int64    // where the record starts, from 1; in Parquet the row
}

func (r *Record) reset(line int64) {
	r.Key, r.Value, r.Headers = nil, nil, r.Headers[:0]
	r.Partition, r.Timestamp, r.Line = AutomaticPartition, NoTimestamp, line
}

// Reader yields the records of one input.
type Reader interface {
	// Read fills r with the next record. It returns io.EOF after the last, a
	// *RowError for a row that is no record and can be passed over, and any
	// other error when the input cannot be read on.
	Read(r *Record) error

	// Progress reports how much of the input is done, in bytes of the file or,
	// for Parquet, in rows. A total of 0 means that it is not known.
	Progress() (done, total int64)

	// Close releases the file. It does not close standard input.
	Close() error
}

// Options says how an input is read. Its zero value reads lines without a key.
type Options struct {
	Format Format
	Name   string // what errors call the input: the file's name, or "standard input"

	// Fields that fill parts of the record: a column of CSV, TSV and Parquet, a
	// member of a JSON object. In JSON and Parquet "a.b" is b inside a.
	KeyField       string
	PartitionField string
	TimestampField string
	HeaderFields   []string

	Line       LineProperties // for Lines only
	NullMarker string         // CSV and TSV: a field with this text is null; empty means none
	Strings    bool           // CSV and TSV: numbers stay JSON strings

	// MaxLine bounds one line or row in bytes; 0 means DefaultMaxLine. A longer
	// one is a RowError, never cut.
	MaxLine int
}

// DefaultMaxLine is the default of Kafka's max.request.size, with room for
// separators and headers that do not reach the record.
const DefaultMaxLine = 1<<20 + 1<<16

func (o Options) maxLine() int {
	if o.MaxLine <= 0 {
		return DefaultMaxLine
	}
	return o.MaxLine
}

// hasFields reports whether a field of the input fills part of the record.
func (o Options) hasFields() bool {
	return o.KeyField != "" || o.PartitionField != "" || o.TimestampField != "" ||
		len(o.HeaderFields) > 0
}

// Formats lists the formats.
var Formats = []Format{Lines, NDJSON, JSON, CSV, TSV, Parquet}

// FormatOf guesses the format from a file's name; .gz at its end does not
// count. A name that tells nothing, or no name, means Lines. Of a file called
// .json Open looks at the beginning too, since it may be JSON or NDJSON.
func FormatOf(name string) Format {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "csv":
		return CSV
	case "tsv", "tab":
		return TSV
	case "ndjson", "jsonl", "json":
		return NDJSON
	case "geojson":
		return JSON
	case "parquet", "pq":
		return Parquet
	}
	return Lines
}

// RowError is one row that cannot become a record. Reading can go on behind it.
type RowError struct {
	File    string
	Line    int64  // from 1; in Parquet the row
	Problem string // what is wrong, in words
	Remedy  string // what to do about it
}

func (e *RowError) Error() string {
	return fmt.Sprintf("%s:%d: %s; %s", e.File, e.Line, e.Problem, e.Remedy)
}
