// Package compatibility compares schemas as a schema registry does, without
// one: Avro, Protobuf and JSON Schema at the seven compatibility levels.
//
//	found, err := compatibility.Check(compatibility.Backward,
//		compatibility.Schema{Type: "AVRO", Text: next}, compatibility.Schema{Type: "AVRO", Text: last})
package compatibility

import (
	"fmt"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/compat"
)

// Level is how a new schema must fit earlier ones.
type Level string

// The levels. Backward: the new schema reads data of the last one. Forward: the
// last one reads data of the new one. Full: both. Transitive: this holds for all
// earlier schemas.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD"
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD"
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL"
	FullTransitive     Level = "FULL_TRANSITIVE"
)

// Reference is a schema under the name by which another one refers to it.
type Reference struct{ Name, Text string }

// Schema is a schema as text.
type Schema struct {
	Type string // AVRO, PROTOBUF or JSON; "" means AVRO
	Text string
	// References are all schemas that it refers to, each before those that refer
	// to it.
	References []Reference
}

// Incompatibility is one reason why two schemas do not fit.
type Incompatibility struct {
	Type        string // by the registry's names, such as READER_FIELD_MISSING_DEFAULT_VALUE
	Path        string // where in the schema that reads
	Description string // one sentence that calls the schemas old and new
	Info        string // names, sizes or types, if there are any to tell
	Index       int    // of the earlier schema that was compared with
}

// Check compares next with earlier schemas, the oldest first: with the last of
// them, or, at a transitive level, with each from the last back until one does
// not fit. No incompatibility means that next may follow. An error is a schema
// that cannot be read, or a level that is none.
func Check(level Level, next Schema, earlier ...Schema) ([]Incompatibility, error) {
	if !slices.Contains(compat.Levels, string(level)) {
		return nil, fmt.Errorf("compatibility level %q: want one of %s", level,
			strings.Join(compat.Levels, ", "))
	}
	parsed, err := parse(next, true)
	if err != nil {
		return nil, fmt.Errorf("new schema: %w", err)
	}
	versions := make([]compat.Version, len(earlier))
	for i, s := range earlier {
		old, err := parse(s, false)
		if err != nil {
			return nil, fmt.Errorf("earlier schema %d: %w", i+1, err)
		}
		versions[i] = compat.Version{Schema: old, Version: i + 1}
	}
	var out []Incompatibility
	for _, f := range compat.Check(string(level), parsed, versions) {
		out = append(out, Incompatibility{f.Type, f.Path, f.Description(), f.Info, f.Version - 1})
	}
	return out, nil
}

// Canonical is a schema's text as a registry keeps it, or an error that says
// what is wrong with it where.
func Canonical(s Schema) (string, error) {
	parsed, err := parse(s, true)
	if err != nil {
		return "", err
	}
	return parsed.Text(), nil
}

// Normalized is a schema's text as a registry keeps it with normalize=true: one
// text for schemas that differ only in the order of what has none.
func Normalized(s Schema) (string, error) {
	parsed, err := parse(s, true)
	if err != nil {
		return "", err
	}
	if parsed, err = parsed.Normalized(); err != nil {
		return "", err
	}
	return parsed.Text(), nil
}

func parse(s Schema, strict bool) (compat.Parsed, error) {
	source := compat.Source{Type: strings.ToUpper(s.Type), Text: s.Text}
	for _, r := range s.References {
		source.References = append(source.References, compat.Reference(r))
	}
	return compat.Parse(source, compat.Options{Strict: strict})
}
