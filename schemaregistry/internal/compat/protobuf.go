package compat

import (
	"fmt"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/protobuf"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// protoSchema is a Parsed of Protobuf.
type protoSchema struct {
	schema *protobuf.Schema
	source Source
}

func parseProtobuf(s Source) (Parsed, error) {
	imports := make([]protobuf.Import, len(s.References))
	for i, r := range s.References {
		imports[i] = protobuf.Import(r)
	}
	parsed, err := protobuf.Parse(s.Text, imports)
	if err != nil {
		return nil, err
	}
	return &protoSchema{parsed, s}, nil
}

func (p *protoSchema) Type() string { return schema.Protobuf }

func (p *protoSchema) Text() string { return p.schema.Text() }

func (p *protoSchema) Normalized() (Parsed, error) {
	s := p.source
	s.Text = p.schema.Normalized()
	return parseProtobuf(s)
}

func (p *protoSchema) Formatted(format string) string {
	if format == "serialized" {
		if text, err := p.schema.Serialized(); err == nil {
			return text
		}
	}
	return p.Text()
}

func (p *protoSchema) HasField(name string) bool { return p.schema.HasField(name) }

func (p *protoSchema) ValidateFields() error { return nil }

func (p *protoSchema) Equivalent(other Parsed) bool {
	o, ok := other.(*protoSchema)
	return ok && p.schema.Normalized() == o.schema.Normalized()
}

func (p *protoSchema) CanRead(writer Parsed) []Reason {
	w, ok := writer.(*protoSchema)
	if !ok {
		return []Reason{{Type: DifferentType, Text: "the {writer} schema is no Protobuf schema"}}
	}
	found := protobuf.Incompatibilities(p.schema, w.schema)
	reasons := make([]Reason, len(found))
	for i, f := range found {
		reasons[i] = Reason{f.Type, f.Path, fmt.Sprintf(protobufTexts[f.Type], f.Path), ""}
	}
	return reasons
}

var protobufTexts = map[string]string{
	protobuf.PackageChanged: "the package at '%s' of the {reader} schema is not that of the " +
		"{writer} schema",
	protobuf.MessageRemoved: "the {reader} schema lacks the message at path '%s' of the " +
		"{writer} schema",
	protobuf.FieldKindChanged: "the field at path '%s' is a scalar, a message or a map in the " +
		"{reader} schema and another of these in the {writer} schema",
	protobuf.FieldScalarKindChanged: "the scalar field at path '%s' of the {reader} schema is " +
		"encoded in another way than in the {writer} schema",
	protobuf.FieldNamedTypeChanged: "the field at path '%s' has another message type in the " +
		"{reader} schema than in the {writer} schema",
	protobuf.FieldNumericLabelChanged: "the numeric field at path '%s' has another label in the " +
		"{reader} schema than in the {writer} schema",
	protobuf.RequiredFieldAdded: "the required field at path '%s' of the {reader} schema is " +
		"missing in the {writer} schema",
	protobuf.RequiredFieldRemoved: "the {reader} schema lacks the required field at path '%s' of " +
		"the {writer} schema",
	protobuf.OneofFieldRemoved: "the {reader} schema lacks the oneof's field at path '%s' of the " +
		"{writer} schema",
	protobuf.MultipleFieldsMoved: "several fields of the oneof at path '%s' of the {reader} " +
		"schema are in no oneof of the {writer} schema",
	protobuf.FieldMovedToExistingOneof: "a field of the oneof at path '%s' of the {reader} " +
		"schema is not in that oneof of the {writer} schema",
}
