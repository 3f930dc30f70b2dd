// Package schema has the things that a registry keeps, in the JSON of
// Confluent's registry: schemas with references, metadata and rule sets, and the
// names of subjects and contexts.
package schema

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// The types of schema.
const (
	Avro     = "AVRO"
	Protobuf = "PROTOBUF"
	JSON     = "JSON"
)

// Types lists them in the order in which the REST API does.
var Types = []string{JSON, Protobuf, Avro}

// Reference is a name used in a schema that another subject's schema defines.
// Version -1 means the latest when the schema is registered.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Metadata is what is said about a schema without being part of it.
type Metadata struct {
	Tags       map[string][]string `json:"tags,omitempty"`
	Properties map[string]string   `json:"properties,omitempty"`
	Sensitive  []string            `json:"sensitive,omitempty"`
}

// VersionProperty is the property that holds a schema's version, if it has one.
const VersionProperty = "confluent:version"

// Schema is a schema as it is registered under a subject and version.
type Schema struct {
	Subject    string
	Version    int
	ID         int
	Type       string // Avro, Protobuf or JSON
	Text       string
	References []Reference
	Metadata   *Metadata
	RuleSet    *RuleSet
	Deleted    bool  // softly: it is found by id, and with deleted=true
	Timestamp  int64 // of its record, milliseconds
}

// GUID is the MD5 of all that makes up a schema: its text, references, metadata
// and rules, not its type. It is what Confluent's registry computes.
func (s *Schema) GUID() GUID {
	h := md5.New()
	write := func(parts ...string) {
		for _, part := range parts {
			h.Write([]byte(part))
		}
	}
	write(s.Text)
	for _, r := range s.References {
		write(r.Name, r.Subject)
		var version [4]byte
		binary.BigEndian.PutUint32(version[:], uint32(int32(r.Version)))
		h.Write(version[:])
	}
	if m := s.Metadata; m != nil {
		write("\x01")
		for _, k := range slices.Sorted(maps.Keys(m.Tags)) {
			write(k)
			write(slices.Sorted(slices.Values(m.Tags[k]))...)
		}
		for _, k := range slices.Sorted(maps.Keys(m.Properties)) {
			write(k, m.Properties[k])
		}
		write(slices.Sorted(slices.Values(m.Sensitive))...)
	}
	if s.RuleSet != nil {
		write("\x01")
		s.RuleSet.hash(write)
	}
	var id GUID
	h.Sum(id[:0])
	return id
}

// GUID is a schema's id that is the same in every registry.
type GUID [16]byte

// String is the GUID in the form 00112233-4455-6677-8899-aabbccddeeff.
func (g GUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
}

// ParseGUID reads what String writes, also without dashes.
func ParseGUID(text string) (g GUID, ok bool) {
	digits := make([]byte, 0, 32)
	for i := range len(text) {
		if text[i] != '-' {
			digits = append(digits, text[i])
		}
	}
	if len(digits) != 32 {
		return g, false
	}
	for i := range g {
		n, err := strconv.ParseUint(string(digits[2*i:2*i+2]), 16, 8)
		if err != nil {
			return g, false
		}
		g[i] = byte(n)
	}
	return g, true
}

// Version is the number in the property confluent:version, 0 if there is none.
func (m *Metadata) Version() int {
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m.Properties[VersionProperty])
	if err != nil {
		return 0
	}
	return n
}

// WithVersion is m with the property confluent:version set, or without it if
// version is 0.
func (m *Metadata) WithVersion(version int) *Metadata {
	if m == nil && version == 0 {
		return nil
	}
	out := &Metadata{}
	if m != nil {
		*out = *m
	}
	out.Properties = maps.Clone(out.Properties)
	if version == 0 {
		delete(out.Properties, VersionProperty)
		return out
	}
	if out.Properties == nil {
		out.Properties = map[string]string{}
	}
	out.Properties[VersionProperty] = strconv.Itoa(version)
	return out
}

// MergeMetadata is a overlaid with b; either may be nil.
func MergeMetadata(a, b *Metadata) *Metadata {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	return &Metadata{
		Tags:       mergeMaps(a.Tags, b.Tags),
		Properties: mergeMaps(a.Properties, b.Properties),
		Sensitive:  mergeSets(a.Sensitive, b.Sensitive),
	}
}

func mergeMaps[V any](a, b map[string]V) map[string]V {
	if len(a) == 0 {
		return b
	}
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func mergeSets(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}
