package compat

import (
	"fmt"
	"strings"

	"github.com/posthaste-go/posthaste/internal/jsonschema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// jsonSchema is a Parsed of JSON Schema.
type jsonSchema struct {
	schema *jsonschema.Schema
	source Source
}

func parseJSON(s Source) (Parsed, error) {
	references := make([]jsonschema.Reference, len(s.References))
	for i, r := range s.References {
		references[i] = jsonschema.Reference(r)
	}
	parsed, err := jsonschema.Parse(s.Text, references)
	if err != nil {
		return nil, err
	}
	return &jsonSchema{parsed, s}, nil
}

func (j *jsonSchema) Type() string { return schema.JSON }

func (j *jsonSchema) Text() string { return j.schema.Text() }

func (j *jsonSchema) Normalized() (Parsed, error) {
	s := j.source
	s.Text = j.schema.Normalized()
	return parseJSON(s)
}

func (j *jsonSchema) Formatted(string) string { return j.Text() }

func (j *jsonSchema) HasField(name string) bool { return j.schema.HasField(name) }

func (j *jsonSchema) ValidateFields() error {
	if name := j.schema.ReservedField(); name != "" {
		return fmt.Errorf("#/properties/%s: names of fields cannot begin with $$", name)
	}
	return nil
}

func (j *jsonSchema) Equivalent(other Parsed) bool {
	o, ok := other.(*jsonSchema)
	return ok && j.schema.Equal(o.schema)
}

func (j *jsonSchema) CanRead(writer Parsed) []Reason {
	w, ok := writer.(*jsonSchema)
	if !ok {
		return []Reason{{Type: DifferentType, Text: "the {writer} schema is no JSON schema"}}
	}
	found := jsonschema.Incompatibilities(j.schema, w.schema)
	reasons := make([]Reason, len(found))
	for i, f := range found {
		reasons[i] = Reason{f.Type, f.Path, jsonText(f), ""}
	}
	return reasons
}

// jsonText says what a kind of incompatibility means, by the words its name is
// made of.
func jsonText(i jsonschema.Incompatibility) string {
	says := func(text string) string { return fmt.Sprintf(text, i.Path) }
	switch {
	case strings.Contains(i.Type, "ADDED_TO_OPEN_CONTENT_MODEL"):
		return says("the property or item at path '%s' of the {reader} schema is missing in the " +
			"{writer} schema, whose open content model lets it be anything")
	case i.Type == "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL":
		return says("the required property at path '%s' of the {reader} schema is missing in the " +
			"{writer} schema")
	case strings.Contains(i.Type, "REMOVED_FROM_CLOSED_CONTENT_MODEL"):
		return says("the property or item at path '%s' of the {writer} schema is missing in the " +
			"{reader} schema, whose closed content model refuses it")
	case strings.Contains(i.Type, "NOT_COVERED"):
		return says("the property or item at path '%s' is in one schema only and does not fit " +
			"what the other one's partially open content model says of others")
	case strings.HasSuffix(i.Type, "_ADDED"), strings.HasSuffix(i.Type, "_REMOVED"):
		return says("the keyword at path '%s' of the {reader} schema narrows what the {writer} " +
			"schema allows")
	case strings.HasSuffix(i.Type, "_INCREASED"), i.Type == "MULTIPLE_OF_EXPANDED":
		return says("the value at path '%s' is more in the {reader} schema than in the {writer} " +
			"schema")
	case strings.HasSuffix(i.Type, "_DECREASED"):
		return says("the value at path '%s' is less in the {reader} schema than in the {writer} " +
			"schema")
	case strings.HasSuffix(i.Type, "_NARROWED"):
		return says("what path '%s' allows is less in the {reader} schema than in the {writer} " +
			"schema")
	case strings.HasSuffix(i.Type, "_EXTENDED"):
		return says("what path '%s' demands is more in the {reader} schema than in the {writer} " +
			"schema")
	}
	return says("path '%s' is different in the {reader} schema and the {writer} schema")
}
