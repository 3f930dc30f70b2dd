// Package avro is the model of Avro schemas that a registry needs: parsed as
// strictly as Apache Avro for Java does, written back in the same words and
// order, so that a schema's text and thereby its GUID are those that Confluent's
// registry gives it. It encodes no data.
package avro

import (
	"fmt"
	"strings"

	"github.com/posthaste-go/posthaste/internal/ordered"
)

// Type is a schema's Avro type.
type Type uint8

// The types of the Avro specification.
const (
	Null Type = iota
	Boolean
	Int
	Long
	Float
	Double
	Bytes
	String
	Record
	Enum
	Array
	Map
	Union
	Fixed
)

var typeNames = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes",
	"string", "record", "enum", "array", "map", "union", "fixed"}

// String is the type's name in a schema.
func (t Type) String() string { return typeNames[t] }

var primitives = map[string]Type{"null": Null, "boolean": Boolean, "int": Int, "long": Long,
	"float": Float, "double": Double, "bytes": Bytes, "string": String}

// Name is a name within a namespace; "" is the null namespace.
type Name struct{ Space, Local string }

// Full is the name with its namespace.
func (n Name) Full() string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + "." + n.Local
}

// in is the name as written inside of a namespace.
func (n Name) in(space string) string {
	if n.Space == space {
		if _, primitive := primitives[n.Local]; !primitive {
			return n.Local
		}
	}
	return n.Full()
}

// Schema is one schema, or a part of one. A named type that is referred to is
// the same *Schema wherever it is, so a recursive type is a cycle.
type Schema struct {
	Type    Type
	Name    Name // of a record, enum or fixed
	Error   bool // a record declared with type "error"
	Doc     *string
	Aliases []Name

	Fields  []*Field  // of a record
	Symbols []string  // of an enum
	Default string    // of an enum with HasDefault
	Items   *Schema   // of an array, or a map's values
	Types   []*Schema // of a union
	Size    int       // of a fixed

	HasDefault bool // an enum's
	Props      []ordered.Member
}

// Field is a field of a record.
type Field struct {
	Name    string
	Schema  *Schema
	Doc     *string
	Default *ordered.Value // nil if there is none
	Order   string         // "ascending", "descending" or "ignore"
	Aliases []string
	Props   []ordered.Member
}

// named reports whether the type has a name.
func (s *Schema) named() bool { return s.Type == Record || s.Type == Enum || s.Type == Fixed }

// FullName is the name of a named type, or the type's.
func (s *Schema) FullName() string {
	if s.named() {
		return s.Name.Full()
	}
	return s.Type.String()
}

// Field returns the field of that name, or nil.
func (s *Schema) Field(name string) *Field {
	for _, f := range s.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// prop is a property that is no part of the type itself.
func (s *Schema) prop(name string) *ordered.Value {
	for _, p := range s.Props {
		if p.Name == name {
			return p.Value
		}
	}
	return nil
}

// checkName refuses what is no name in Avro. where says of what.
func checkName(name, where string) error {
	if name == "" {
		return fmt.Errorf("%s: a name is empty", where)
	}
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return fmt.Errorf("%s: illegal name %q: want letters, digits and _, no digit first",
				where, name)
		}
	}
	return nil
}

// newName takes a name apart that may have a namespace in it.
func newName(text, space string) Name {
	if i := strings.LastIndexByte(text, '.'); i >= 0 {
		return Name{text[:i], text[i+1:]}
	}
	return Name{space, text}
}
