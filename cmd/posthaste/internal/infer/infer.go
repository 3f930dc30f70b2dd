// Package infer finds out what rows are made of and writes it down as a schema:
// Avro, Protobuf or JSON Schema.
//
// A Type grows with the rows that it is shown. Rows come as JSON objects, which
// is what package input makes of every format; a Parquet file says its types
// itself.
package infer

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
)

// Kind is what a value is.
type Kind uint8

// The kinds. Those of text are told from each other by what the text looks
// like, so that one that does not fit makes all of them String.
const (
	Unknown Kind = iota // only nulls so far, or nothing
	Boolean
	Int    // 32 bits; only from Parquet
	Long   // 64 bits
	Float  // 32 bits; only from Parquet
	Double // 64 bits
	Decimal
	String
	Bytes
	UUID
	Date
	TimeMillis
	TimeMicros
	TimestampMillis
	TimestampMicros
	TimestampNanos
	LocalTimestampMillis
	LocalTimestampMicros
	LocalTimestampNanos
	Array
	Map
	Record
)

var kindNames = [...]string{"nothing", "true and false", "numbers", "numbers", "numbers",
	"numbers", "decimals", "text", "bytes", "UUIDs", "dates", "times", "times",
	"points in time", "points in time", "points in time", "local times", "local times",
	"local times", "arrays", "maps", "objects"}

// String is the kind in words, as in "numbers".
func (k Kind) String() string { return kindNames[k] }

// Type is what is known of a value's type.
type Type struct {
	Kind     Kind
	Nullable bool

	Precision, Scale int      // of a Decimal
	Items            *Type    // of an Array, and the values of a Map
	Fields           []*Field // of a Record, in the order of the rows

	// Mixed lists the kinds that did not go together and made the type String.
	Mixed []Kind

	rows  int            // objects seen, of a Record
	empty bool           // an empty text was seen
	index map[string]int // of Fields
}

// Field is one member of a Record.
type Field struct {
	Name string // as the rows spell it
	Type *Type

	rows int // objects that have it
	seen int // the last of them
}

// Options says how texts are taken.
type Options struct {
	// Text means that the rows come from text without types, such as CSV: true and
	// false are booleans there, and an empty field beside numbers, dates and the
	// like is null.
	Text bool
}

// Rows is the type of a table's rows while they are shown.
type Rows struct {
	root    *Type
	options Options
	parser  jsontext.Parser
	n       int
}

// NewRows returns the type of no rows.
func NewRows(o Options) *Rows { return &Rows{root: &Type{Kind: Record}, options: o} }

// Add shows one row, which must be a JSON object.
func (r *Rows) Add(row []byte) error {
	r.parser.Reset(row)
	if r.parser.Kind() != '{' {
		return errors.New("the row is no JSON object, so it has no fields")
	}
	if err := r.root.object(r); err != nil {
		return err
	}
	r.n++
	return r.parser.End()
}

// Len is the number of rows shown.
func (r *Rows) Len() int { return r.n }

// Type is the type of the rows shown. whole says whether these are all; if they
// are not, every field is nullable, because a row that was not seen may lack it.
func (r *Rows) Type(whole bool) *Type {
	r.root.settle(r.options)
	if !whole {
		for _, f := range r.root.Fields {
			f.Type.Nullable = true
		}
	}
	return r.root
}

// object shows t the object that is next.
func (t *Type) object(r *Rows) error {
	t.rows++
	if t.index == nil {
		t.index = map[string]int{}
	}
	return r.parser.Object(func(name []byte) error {
		at, ok := t.index[string(name)]
		if !ok {
			at = len(t.Fields)
			f := &Field{Name: string(name), Type: &Type{}}
			t.index[f.Name] = at
			t.Fields = append(t.Fields, f)
		}
		f := t.Fields[at]
		if f.seen != t.rows { // once, whatever an object repeats
			f.seen = t.rows
			f.rows++
		}
		return f.Type.value(r)
	})
}

// value shows t the value that is next.
func (t *Type) value(r *Rows) error {
	switch p := &r.parser; p.Kind() {
	case '{':
		if t.kind(Record, r.options) {
			return t.object(r)
		}
	case '[':
		if !t.kind(Array, r.options) {
			break
		}
		if t.Items == nil {
			t.Items = &Type{}
		}
		return p.Array(func() error { return t.Items.value(r) })
	case '"':
		text, err := p.String()
		t.text(text, r.options)
		return err
	case 't', 'f':
		t.kind(Boolean, r.options)
	case 'n':
		t.Nullable = true
	default:
		text, err := p.Number()
		t.kind(numberKind(text), r.options)
		return err
	}
	_, err := r.parser.Skip()
	return err
}

// text shows t a string.
func (t *Type) text(s []byte, opts Options) {
	switch {
	case len(s) == 0 && opts.Text:
		t.empty = true
	case t.Kind == String: // wider does not get
	case opts.Text && (string(s) == "true" || string(s) == "false"):
		t.kind(Boolean, opts)
	default:
		t.kind(textKind(string(s)), opts)
	}
}

// kind widens t so that it takes values of kind k too. It reports whether t is
// then of kind k itself.
func (t *Type) kind(k Kind, opts Options) bool {
	switch {
	case t.Kind == k:
	case t.Kind == Unknown:
		t.Kind = k
	case t.Kind == Long && k == Double, t.Kind == Double && k == Long:
		t.Kind = Double
	case isText(t.Kind) && isText(k):
		t.Kind = String
	case t.Kind == String && len(t.Mixed) == 0 && k == Boolean && opts.Text:
	case t.Kind == Boolean && isText(k) && opts.Text:
		t.Kind = String
	default:
		if t.Mixed == nil {
			t.Mixed = []Kind{t.Kind}
		}
		if t.Mixed[len(t.Mixed)-1] != k && len(t.Mixed) < 4 {
			t.Mixed = append(t.Mixed, k)
		}
		t.Kind, t.Fields, t.index, t.Items = String, nil, nil, nil
	}
	return t.Kind == k
}

func isText(k Kind) bool {
	return k == String || k == Date || k == UUID || k == TimestampMillis || k == TimestampMicros ||
		k == LocalTimestampMicros
}

// numberKind is Long for whole numbers of 64 bits and Double for others. Whole
// numbers that are larger are text, so that no digit is lost.
func numberKind(text []byte) Kind {
	if !bytes.ContainsAny(text, ".eE") {
		if len(text) < 18 {
			return Long
		}
		if _, err := strconv.ParseInt(string(text), 10, 64); err != nil {
			return String
		}
		return Long
	}
	if f, err := strconv.ParseFloat(string(text), 64); err != nil || math.IsInf(f, 0) {
		return String
	}
	return Double
}

// textKind tells what a text is by its looks. Times are of microseconds, which
// hold what databases and most programs write; finer ones are text.
func textKind(s string) Kind {
	switch {
	case len(s) == len(time.DateOnly) && s[4] == '-':
		if _, err := time.Parse(time.DateOnly, s); err == nil {
			return Date
		}
	case len(s) >= len("2006-01-02T15:04:05") && len(s) <= len("2006-01-02T15:04:05.999999+00:00") &&
		s[4] == '-' && (s[10] == 'T' || s[10] == ' '):
		if _, err := time.Parse(time.RFC3339, s); err == nil && micros(s) {
			return TimestampMicros
		}
		for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime} {
			if _, err := time.Parse(layout, s); err == nil && micros(s) {
				return LocalTimestampMicros
			}
		}
	case len(s) == 36 && s[8] == '-' && isUUID(s):
		return UUID
	}
	return String
}

// micros reports whether a time has at most six digits behind its seconds.
func micros(s string) bool {
	_, fraction, ok := strings.Cut(s, ".")
	if !ok {
		return true
	}
	digits := 0
	for digits < len(fraction) && fraction[digits] >= '0' && fraction[digits] <= '9' {
		digits++
	}
	return digits <= 6
}

func isUUID(s string) bool {
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
				return false
			}
		}
	}
	return true
}

// settle decides what only all rows together tell.
func (t *Type) settle(opts Options) {
	for _, f := range t.Fields {
		if f.rows < t.rows {
			f.Type.Nullable = true
		}
		f.Type.settle(opts)
	}
	if t.Items != nil {
		t.Items.settle(opts)
	}
	switch {
	case t.Kind == Unknown:
		if !t.empty {
			t.Nullable = true
		}
		t.Kind = String
	case t.empty && t.Kind != String:
		t.Nullable = true
	}
	if t.Kind == Array && t.Items == nil {
		t.Items = &Type{Kind: String, Nullable: true}
	}
}

// Notes says in words, a line each, what somebody should look at: fields whose
// rows do not agree, and fields without a value.
func (t *Type) Notes() []string { return t.notes("", nil) }

func (t *Type) notes(path string, all []string) []string {
	if len(t.Mixed) > 0 {
		var kinds []string
		for _, k := range t.Mixed {
			kinds = append(kinds, k.String())
		}
		all = append(all, fmt.Sprintf("field %s has %s in different rows: it is text in the schema",
			path, strings.Join(kinds, " and ")))
	}
	for _, f := range t.Fields {
		inner := f.Name
		if path != "" {
			inner = path + "." + f.Name
		}
		all = f.Type.notes(inner, all)
	}
	if t.Items != nil {
		all = t.Items.notes(path+"[]", all)
	}
	return all
}
