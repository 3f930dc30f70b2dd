package compat

import (
	"fmt"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/avro"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// avroSchema is a Parsed of Avro.
type avroSchema struct {
	schema     *avro.Schema
	references []*avro.Schema
	source     Source
}

func parseAvro(s Source, o Options) (Parsed, error) {
	options := avro.Options{Strict: o.Strict}
	for _, r := range s.References {
		options.References = append(options.References, r.Text)
	}
	parsed, references, err := avro.ParseAll(s.Text, options)
	if err != nil {
		return nil, err
	}
	return &avroSchema{parsed, references, s}, nil
}

func (a *avroSchema) Type() string { return schema.Avro }

func (a *avroSchema) Text() string { return a.schema.Text(a.references) }

func (a *avroSchema) Normalized() (Parsed, error) {
	s := a.source
	s.Text = a.schema.Normalized(a.references)
	return parseAvro(s, Options{})
}

func (a *avroSchema) Formatted(format string) string {
	if format == "resolved" {
		return a.schema.Text(nil)
	}
	return a.Text()
}

func (a *avroSchema) HasField(name string) bool { return a.schema.Field(name) != nil }

// ValidateFields has nothing to refuse: no name of Avro begins with $.
func (a *avroSchema) ValidateFields() error { return nil }

func (a *avroSchema) Equivalent(other Parsed) bool {
	o, ok := other.(*avroSchema)
	return ok && a.schema.Normalized(nil) == o.schema.Normalized(nil)
}

func (a *avroSchema) CanRead(writer Parsed) []Reason {
	w, ok := writer.(*avroSchema)
	if !ok {
		return []Reason{{Type: DifferentType, Text: "the {writer} schema is no Avro schema"}}
	}
	found, err := avro.Incompatibilities(a.schema, w.schema)
	if err != nil {
		return []Reason{{Type: "AMBIGUOUS_FIELD", Path: "/", Text: err.Error()}}
	}
	reasons := make([]Reason, len(found))
	for i, f := range found {
		reasons[i] = Reason{f.Type, f.Location, avroText(f), f.Message}
	}
	return reasons
}

func avroText(i avro.Incompatibility) string {
	switch i.Type {
	case avro.FixedSizeMismatch:
		return fmt.Sprintf("the fixed type at path '%s' of the {reader} schema has another size "+
			"in the {writer} schema", i.Location)
	case avro.TypeMismatch:
		return fmt.Sprintf("the type at path '%s' of the {reader} schema does not read that of "+
			"the {writer} schema", i.Location)
	case avro.NameMismatch:
		return fmt.Sprintf("the name at path '%s' of the {reader} schema is not that of the "+
			"{writer} schema, and no alias says so", i.Location)
	case avro.MissingEnumSymbols:
		return fmt.Sprintf("the enum at path '%s' of the {reader} schema lacks symbols '%s' of "+
			"the {writer} schema and has no default", i.Location, i.Message)
	case avro.MissingUnionBranch:
		return fmt.Sprintf("the union at path '%s' of the {reader} schema lacks a type of the "+
			"{writer} schema", i.Location)
	case avro.MissingDefaultValue:
		return fmt.Sprintf("the field '%s' at path '%s' of the {reader} schema has no default "+
			"value and is missing in the {writer} schema", i.Message, i.Location)
	}
	return i.Message
}
