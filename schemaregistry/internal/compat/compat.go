// Package compat reads schemas of all three types and says whether one can read
// what was written with another, at each of the seven compatibility levels. It
// needs no registry.
package compat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// Levels are the compatibility levels of a registry. BACKWARD means that the new
// schema reads data of the last one, FORWARD that the last one reads data of the
// new one, FULL both; TRANSITIVE that this holds for all earlier ones.
var Levels = []string{"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD",
	"FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"}

// Parsed is a schema that was read without error.
type Parsed interface {
	// Type is schema.Avro, schema.Protobuf or schema.JSON.
	Type() string
	// Text is the schema as a registry keeps it.
	Text() string
	// Normalized is the schema in its normal form, for normalize=true.
	Normalized() (Parsed, error)
	// Formatted is the text in a format of the REST API, such as resolved, or
	// serialized for Protobuf. A format it does not know means Text.
	Formatted(format string) string
	// HasField reports whether the schema is of records with that field.
	HasField(name string) bool
	// ValidateFields refuses names that clash with what clients add: fields that
	// begin with $$.
	ValidateFields() error
	// Equivalent reports whether other is the same schema, written differently or
	// with what it refers to inside of it.
	Equivalent(other Parsed) bool
	// CanRead lists why data written with writer, which is of the same type, cannot
	// be read with this schema.
	CanRead(writer Parsed) []Reason
}

// Reason is one reason why a schema cannot read another's data.
type Reason struct {
	Type string // such as READER_FIELD_MISSING_DEFAULT_VALUE
	Path string // where in the reader
	// Text says what is wrong. {reader} and {writer} in it stand for which schema
	// is which.
	Text string
	Info string // more, if there is: names that are missing, sizes
}

// Source is a schema as text, with all that it refers to.
type Source struct {
	Type       string
	Text       string
	References []Reference // each before those that refer to it
}

// Reference is a schema under the name by which another refers to it.
type Reference struct{ Name, Text string }

// Options say how to read a schema.
type Options struct {
	// Strict refuses what was let pass in earlier times and must stay readable:
	// names and defaults of Avro schemas that are illegal.
	Strict bool
}

// Parse reads a schema. Its errors say what is wrong where.
func Parse(s Source, o Options) (Parsed, error) {
	switch s.Type {
	case schema.Avro, "":
		return parseAvro(s, o)
	case schema.Protobuf:
		return parseProtobuf(s)
	case schema.JSON:
		return parseJSON(s)
	}
	return nil, fmt.Errorf("schema type %q: want AVRO, PROTOBUF or JSON", s.Type)
}

// Transitive reports whether a level compares with all earlier versions.
func Transitive(level string) bool { return strings.HasSuffix(level, "_TRANSITIVE") }

// Version is an earlier schema and its version, 0 if it has none.
type Version struct {
	Schema  Parsed
	Version int
}

// Finding is a Reason with the schemas that it is about.
type Finding struct {
	Reason
	Version int  // of the earlier schema
	Forward bool // the earlier schema cannot read data of the new one
}

// DifferentType is the Reason that schemas of two types have.
const DifferentType = "SCHEMA_TYPE_CHANGED"

// Check compares a schema with earlier ones, the oldest first. Versions are
// compared from the last back, and only the first that does not fit is reported.
func Check(level string, next Parsed, earlier []Version) []Finding {
	if level == "NONE" || len(earlier) == 0 {
		return nil
	}
	direction, transitive := strings.CutSuffix(level, "_TRANSITIVE")
	if !transitive {
		earlier = earlier[len(earlier)-1:]
	}
	for _, old := range slices.Backward(earlier) {
		if found := compare(direction, next, old); len(found) > 0 {
			return found
		}
	}
	return nil
}

func compare(direction string, next Parsed, old Version) []Finding {
	if next.Type() != old.Schema.Type() {
		return []Finding{{Version: old.Version, Reason: Reason{Type: DifferentType,
			Text: "the old schema is of another type: " + old.Schema.Type()}}}
	}
	var found []Finding
	if direction != "BACKWARD" {
		for _, r := range old.Schema.CanRead(next) {
			found = append(found, Finding{r, old.Version, true})
		}
	}
	if direction != "FORWARD" {
		for _, r := range next.CanRead(old.Schema) {
			found = append(found, Finding{r, old.Version, false})
		}
	}
	return found
}

// Description is the finding's text with both schemas named.
func (f Finding) Description() string {
	reader, writer := "new", "old"
	if f.Forward {
		reader, writer = "old", "new"
	}
	return strings.NewReplacer("{reader}", reader, "{writer}", writer).Replace(f.Text)
}

// maxQuoted is how much of an old schema a message shows.
const maxQuoted = 10 << 10

// Messages are findings as the REST API returns them: one string for each, then
// the version and the schema that were compared with.
func Messages(found []Finding, earlier []Version) []string {
	if len(found) == 0 {
		return nil
	}
	var list []string
	for _, f := range found {
		list = append(list, f.message(earlier[len(earlier)-1].Schema.Type()))
	}
	if found[0].Type == DifferentType {
		return list
	}
	for _, old := range earlier {
		if old.Version != found[0].Version {
			continue
		}
		if old.Version > 0 {
			list = append(list, fmt.Sprintf("{oldSchemaVersion: %d}", old.Version))
		}
		if text := old.Schema.Text(); len(text) <= maxQuoted {
			list = append(list, "{oldSchema: '"+text+"'}")
		} else {
			list = append(list, "{oldSchema: <truncated> '"+text[:maxQuoted]+"...'}")
		}
	}
	return list
}

// message has the quotes that each type's messages have in Confluent's registry.
func (f Finding) message(schemaType string) string {
	switch {
	case f.Type == DifferentType:
		return "Incompatible because of different schema type"
	case schemaType == schema.Avro:
		return fmt.Sprintf("{errorType:'%s', description:'%s', additionalInfo:'%s'}",
			f.Type, f.Description(), f.Info)
	}
	return fmt.Sprintf("{errorType:\"%s\", description:\"%s\"}", f.Type, f.Description())
}
