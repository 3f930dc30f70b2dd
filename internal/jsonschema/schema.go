// Package jsonschema is the model of JSON schemas that a registry needs: checked
// against their meta-schema, kept in the order in which they were written, and
// taken apart into what can be compared.
package jsonschema

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/posthaste-go/posthaste/internal/ordered"
)

// Schema is a schema that is legal.
type Schema struct {
	text *ordered.Value
	root *node
}

// Reference is a schema under the name by which others refer to it: the URL of
// a $ref, whole or relative.
type Reference struct{ Name, Text string }

// base is the address of a schema that has no $id.
const base = "mem://registry/schema.json"

// Parse reads a schema: JSON that fits the meta-schema of the draft that $schema
// names, draft 7 if none. Nothing is fetched from a network: what a $ref names
// has to be in the schema or among references.
func Parse(text string, references []Reference) (*Schema, error) {
	v, err := ordered.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if v.Kind != ordered.Object && v.Kind != ordered.Bool {
		return nil, fmt.Errorf("a schema is an object or a boolean, not %s", v.Kind)
	}
	docs := documents{}
	for _, r := range references {
		doc, err := ordered.Parse([]byte(r.Text))
		if err != nil {
			return nil, fmt.Errorf("reference %s: not JSON: %w", r.Name, err)
		}
		docs = append(docs, document{name: r.Name, value: doc})
	}
	if err := legal(text, docs, references); err != nil {
		return nil, err
	}
	b := &builder{docs: docs, nodes: map[*ordered.Value]*node{}}
	address, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	b.docs = append(b.docs, document{name: base, value: v})
	root, err := b.build(v, address)
	if err != nil {
		return nil, err
	}
	return &Schema{text: v, root: root}, nil
}

// legal checks a schema against its meta-schema, and that its references lead
// somewhere.
func legal(text string, docs documents, references []Reference) error {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseLoader(loader{docs, references})
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	if err := c.AddResource(base, doc); err != nil {
		return clean(err)
	}
	if _, err := c.Compile(base); err != nil {
		return clean(err)
	}
	return nil
}

// clean takes the address, which only we know, out of an error.
func clean(err error) error {
	return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), base, ""))
}

// loader finds references and nothing else.
type loader struct {
	docs       documents
	references []Reference
}

// Load is called for an address that is not known yet.
func (l loader) Load(address string) (any, error) {
	i := l.docs.index(address)
	if i < 0 {
		return nil, fmt.Errorf("%s is no reference of the schema", strings.TrimPrefix(address,
			"mem://registry/"))
	}
	return jsonschema.UnmarshalJSON(strings.NewReader(l.references[i].Text))
}

// document is a schema that can be referred to.
type document struct {
	name  string
	value *ordered.Value
}

type documents []document

// index finds the document that an address means: by its name, its $id, or a
// name relative to wherever the reference stands.
func (d documents) index(address string) int {
	address, _, _ = strings.Cut(address, "#")
	for i, doc := range d {
		name := strings.TrimSuffix(doc.name, "#")
		if name == address || strings.HasSuffix(address, "/"+strings.TrimPrefix(name, "/")) {
			return i
		}
	}
	for i, doc := range d {
		if id := doc.value.Get("$id"); id.Is(ordered.String) &&
			strings.TrimSuffix(id.Text, "#") == address {
			return i
		}
	}
	return -1
}

// Text is the schema as it is kept: what was given, without blanks.
func (s *Schema) Text() string { return s.text.String() }

// Normalized is the text with members sorted by name.
func (s *Schema) Normalized() string { return s.text.Sorted().String() }

// Equal reports whether two schemas are one as JSON.
func (s *Schema) Equal(other *Schema) bool { return ordered.Equal(s.text, other.text) }

// HasField reports whether the schema is of objects with a property of that
// name.
func (s *Schema) HasField(name string) bool {
	return s.text.Get("properties").Get(name) != nil
}

// ReservedField is a property that begins with $$, which clients use for
// themselves, or "".
func (s *Schema) ReservedField() string {
	properties := s.text.Get("properties")
	if !properties.Is(ordered.Object) {
		return ""
	}
	for _, m := range properties.Members {
		if strings.HasPrefix(m.Name, "$$") {
			return m.Name
		}
	}
	return ""
}
