package schemaregistry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Type is a schema's language, by the registry's name. Empty means Avro.
type Type string

// The types that every registry has.
const (
	Avro     Type = "AVRO"
	Protobuf Type = "PROTOBUF"
	JSON     Type = "JSON"
)

// ParseType finds a type by the registry's name or a word of daily use, in any
// case: avro, protobuf, proto, json, jsonschema.
func ParseType(name string) (Type, error) {
	switch strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "-", "")) {
	case "", "avro", "avsc":
		return Avro, nil
	case "protobuf", "proto":
		return Protobuf, nil
	case "json", "jsonschema":
		return JSON, nil
	}
	return "", fmt.Errorf("schema type %q is unknown; use AVRO, PROTOBUF or JSON", name)
}

// OrAvro is t, or Avro if t is empty, as the registry reads it.
func (t Type) OrAvro() Type {
	if t == "" {
		return Avro
	}
	return t
}

// Reference is a schema that another one uses: a named Avro type, a .proto file
// that is imported, a $ref of JSON Schema.
type Reference struct {
	Name    string `json:"name"` // as the using schema spells it
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Schema is what a subject's version says, without its place in a registry.
type Schema struct {
	Type       Type        `json:"schemaType,omitempty"`
	Text       string      `json:"schema"`
	References []Reference `json:"references,omitempty"`
	Metadata   *Metadata   `json:"metadata,omitempty"`
	Rules      *RuleSet    `json:"ruleSet,omitempty"`
}

// Registered is a schema with its place in a registry. ID identifies it within
// one context of one registry, GUID everywhere; GUID is empty if the registry is
// older than GUIDs (Confluent Platform 8.0).
type Registered struct {
	Schema
	Subject string `json:"subject"`
	Version int    `json:"version"` // from 1; 0 if the registry did not tell
	ID      int    `json:"id"`
	GUID    string `json:"guid,omitempty"`
	Deleted bool   `json:"deleted,omitempty"` // softly; only if deleted ones were asked for
}

// Metadata is what a schema's owner says about it. The registry keeps it, and
// tells schemas with different metadata apart.
type Metadata struct {
	Tags       map[string][]string `json:"tags,omitempty"` // by path within the schema
	Properties map[string]string   `json:"properties,omitempty"`
	Sensitive  []string            `json:"sensitive,omitempty"` // names of properties
}

// RuleSet is a data contract's rules. This client stores and reads them; it does
// not run them.
type RuleSet struct {
	MigrationRules []Rule `json:"migrationRules,omitempty"`
	DomainRules    []Rule `json:"domainRules,omitempty"`
	EncodingRules  []Rule `json:"encodingRules,omitempty"`
}

// Rule is one rule of a RuleSet.
type Rule struct {
	Name      string            `json:"name"`
	Doc       string            `json:"doc,omitempty"`
	Kind      string            `json:"kind,omitempty"` // CONDITION or TRANSFORM
	Mode      string            `json:"mode,omitempty"` // WRITE, READ, WRITEREAD, UPGRADE, …
	Type      string            `json:"type,omitempty"` // CEL, JSONATA, ENCRYPT, …
	Tags      []string          `json:"tags,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	Expr      string            `json:"expr,omitempty"`
	OnSuccess string            `json:"onSuccess,omitempty"`
	OnFailure string            `json:"onFailure,omitempty"`
	Disabled  bool              `json:"disabled,omitempty"`
}

// SubjectVersion is one place where a schema is registered.
type SubjectVersion struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// identity is what makes two schemas the same to a registry, as far as it can be
// told without a parser: white space of JSON does not count.
func (s *Schema) identity() string {
	var b strings.Builder
	b.WriteString(string(s.Type.OrAvro()))
	b.WriteByte(0)
	b.WriteString(s.compactText())
	refs := slices.Clone(s.References)
	slices.SortFunc(refs, func(x, y Reference) int { return strings.Compare(x.Name, y.Name) })
	for _, r := range refs {
		b.WriteString("\x00" + r.Name + "\x00" + r.Subject + "\x00" + strconv.Itoa(r.Version))
	}
	if s.Metadata != nil || s.Rules != nil {
		rest, err := json.Marshal([]any{s.Metadata, s.Rules})
		if err != nil { // texts and maps of texts only: it cannot fail
			panic(err)
		}
		b.WriteByte(1)
		b.Write(rest)
	}
	return b.String()
}

func (s *Schema) compactText() string {
	if s.Type == Protobuf {
		return s.Text
	}
	var out bytes.Buffer
	if json.Compact(&out, []byte(s.Text)) != nil {
		return s.Text // a bare Avro name such as string, or an error of the user's
	}
	return out.String()
}

// contextOf is the context of a subject such as ":.staging:orders-value"; ids
// are numbered in each context of its own. The default context is "".
func contextOf(subject string) string {
	if !strings.HasPrefix(subject, ":.") {
		return ""
	}
	name, _, ok := strings.Cut(subject[1:], ":")
	if !ok || name == "." {
		return ""
	}
	return name
}
