// Package config holds the table of every setting of Kafka's producer, and the
// rules between them.
//
// A name, a default, a bound or a sentence about a setting is written once, in
// Table. From it come the fields of posthaste.Config, the reading of .properties
// files, the checks, the warnings and docs/configuration.md. Tests compare the
// table with what Apache Kafka 4.4's own ProducerConfig says, row by row.
//
//	text ──Setting.Parse──▶ value ──Resolve──▶ values in force, or an *Error
//
// This package knows nothing of files and of Go's Config struct: package
// posthaste adds the position of a value to the errors made here.
package config

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is the type of a setting, by Kafka's names (ConfigDef.Type).
type Kind uint8

// The kinds, and the Go type that Parse makes of each.
const (
	Bool     Kind = iota // bool
	Short                // int64, within 16 bits
	Int                  // int64, within 32 bits
	Long                 // int64
	Double               // float64
	String               // string
	List                 // []string: separated by commas, without duplicates
	Class                // string: the name of a Java class
	Password             // string, never shown
)

var kindNames = [...]string{
	"boolean", "short", "int", "long", "double", "string", "list", "class", "password",
}

// String is the kind's name in documentation, in lower case.
func (k Kind) String() string { return kindNames[k] }

// Unit is what a number counts.
type Unit uint8

// The units. A setting with a unit of time is a time.Duration in Go.
const (
	Plain Unit = iota
	Millis
	Seconds
	Bytes
)

// Importance is Kafka's own ranking.
type Importance uint8

// Kafka's ranks.
const (
	Low Importance = iota
	Medium
	High
)

// String is the rank in lower case.
func (i Importance) String() string { return [...]string{"low", "medium", "high"}[i] }

// Setting is one row of the table: the only place where a setting's name, type,
// default, bounds and text are written.
type Setting struct {
	Name       string // as in producer.properties
	Kind       Kind
	Unit       Unit
	Default    string // as in producer.properties; nothing if Null or Required
	Null       bool   // has no default, and need not be given
	Required   bool   // has no default, and Kafka wants one
	Check      Check  // nil allows every value of the kind
	Importance Importance
	Internal   bool // Kafka does not document it for users
	KIP        int  // where the setting was introduced or last changed; 0 if before KIPs

	// Field is the field of posthaste.Config. Exactly one of Field, NoEffect and
	// Loading is set.
	Field    string
	NoEffect string   // why the setting is accepted but does nothing here
	Loading  bool     // acts while a file is read, so that no field is left of it
	Builtin  []string // values of a NoEffect setting that hold here anyway

	JavaDefault string // Kafka's default, where Differs says why ours is another
	Differs     string
	Doc         string // one or two sentences, as a user reads them
}

// Error is a value that a setting cannot have. It is one line: what is wrong and
// what to do.
type Error struct {
	Key    string // the setting to change
	Value  string // as given; Hidden for passwords
	Reason string
	Remedy string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s=%s: %s; %s", e.Key, e.Value, e.Reason, e.Remedy)
}

// Hidden is shown instead of a password.
const Hidden = "[hidden]"

// Lookup finds a setting by its exact name.
func Lookup(name string) (*Setting, bool) {
	i, ok := slices.BinarySearchFunc(Table, name, func(s Setting, name string) int {
		return strings.Compare(s.Name, name)
	})
	if !ok {
		return nil, false
	}
	return &Table[i], true
}

// Show is text as it may be printed.
func (s *Setting) Show(text string) string {
	if s.Kind == Password && text != "" {
		return Hidden
	}
	return text
}

// DefaultValue is the parsed default, or nil if there is none.
func (s *Setting) DefaultValue() any {
	if s.Null || s.Required {
		return nil
	}
	v, err := s.parseKind(s.Default)
	if err != nil {
		panic("config: the default of " + s.Name + " is illegal: " + err.Error())
	}
	return v
}

// Bounds says what Check allows, as Kafka writes it; empty if everything.
func (s *Setting) Bounds() string {
	if s.Check == nil {
		return ""
	}
	return s.Check.String()
}

// IsProvider reports whether a key is about config providers rather than about the
// producer: config.providers itself and its parameters.
func IsProvider(key string) bool {
	return key == "config.providers" || strings.HasPrefix(key, "config.providers.")
}

// Ignored is a warning that the setting does nothing here although it was given;
// empty if it does, or if what it says holds anyway.
func (s *Setting) Ignored(v any) string {
	if s.NoEffect == "" || Format(v) == s.Default ||
		slices.Contains(s.Builtin, Format(v)) {
		return ""
	}
	return s.Name + " has no effect: " + s.NoEffect
}
