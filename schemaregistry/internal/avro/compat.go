package avro

import (
	"fmt"
	"slices"
	"strings"
)

// Kinds of incompatibility, by the names of SchemaIncompatibilityType in Apache
// Avro for Java.
const (
	NameMismatch        = "NAME_MISMATCH"
	FixedSizeMismatch   = "FIXED_SIZE_MISMATCH"
	MissingEnumSymbols  = "MISSING_ENUM_SYMBOLS"
	MissingDefaultValue = "READER_FIELD_MISSING_DEFAULT_VALUE"
	TypeMismatch        = "TYPE_MISMATCH"
	MissingUnionBranch  = "MISSING_UNION_BRANCH"
)

// Incompatibility is one reason why a reader cannot read what a writer wrote.
type Incompatibility struct {
	Type     string // one of the constants
	Location string // JSON pointer into the reader, "/" for all of it
	Message  string // what is missing or expected
}

// AmbiguousFieldError is a field of the reader that two of the writer's fields
// could be: one by name, one by alias. Avro does not guess.
type AmbiguousFieldError struct{ Record, Field string }

func (e *AmbiguousFieldError) Error() string {
	return fmt.Sprintf("reader record field %s of %s matches several fields of the writer",
		e.Field, e.Record)
}

// Incompatibilities lists why reader cannot read data of writer; none means it
// can. Source: the specification's schema resolution and, where that leaves a
// choice, SchemaCompatibility of Apache Avro 1.12 for Java. The only error is
// *AmbiguousFieldError.
func Incompatibilities(reader, writer *Schema) ([]Incompatibility, error) {
	c := checker{memo: map[pair][]Incompatibility{}}
	result := c.check(reader, writer, "")
	return result, c.err
}

type pair struct{ reader, writer *Schema }

type checker struct {
	// memo holds pairs that are decided, and pairs under way as compatible: what a
	// recursive type refers back to is judged where it began.
	memo map[pair][]Incompatibility
	err  error
}

func (c *checker) check(reader, writer *Schema, at string) []Incompatibility {
	key := pair{reader, writer}
	if known, ok := c.memo[key]; ok {
		return known
	}
	c.memo[key] = nil
	result := c.compare(reader, writer, at)
	c.memo[key] = result
	return result
}

func (c *checker) compare(reader, writer *Schema, at string) []Incompatibility {
	if reader.Type != writer.Type {
		return c.compareTypes(reader, writer, at)
	}
	switch reader.Type {
	case Array:
		return c.check(reader.Items, writer.Items, at+"/items")
	case Map:
		return c.check(reader.Items, writer.Items, at+"/values")
	case Fixed:
		result := checkNames(reader, writer, at)
		if reader.Size != writer.Size {
			result = append(result, Incompatibility{FixedSizeMismatch, at + "/size",
				fmt.Sprintf("expected: %d, found: %d", writer.Size, reader.Size)})
		}
		return result
	case Enum:
		return append(checkNames(reader, writer, at), checkSymbols(reader, writer, at)...)
	case Record:
		return append(checkNames(reader, writer, at), c.checkFields(reader, writer, at)...)
	case Union:
		var result []Incompatibility
		for i, branch := range writer.Types {
			here := fmt.Sprintf("%s/%d", at, i)
			if len(c.check(reader, branch, here)) > 0 {
				result = append(result, Incompatibility{MissingUnionBranch, here,
					"reader union lacking writer type: " + upper(branch)})
			}
		}
		return result
	}
	return nil
}

// promotions: what a reader's type can read besides itself.
var promotions = map[Type][]Type{
	Long: {Int}, Float: {Int, Long}, Double: {Int, Long, Float}, Bytes: {String}, String: {Bytes},
}

func (c *checker) compareTypes(reader, writer *Schema, at string) []Incompatibility {
	if writer.Type == Union {
		var result []Incompatibility
		for i, branch := range writer.Types {
			result = append(result, c.check(reader, branch, fmt.Sprintf("%s/%d", at, i))...)
		}
		return result
	}
	if slices.Contains(promotions[reader.Type], writer.Type) {
		return nil
	}
	if reader.Type == Union {
		for _, branch := range reader.Types {
			if len(c.check(branch, writer, "")) == 0 {
				return nil
			}
		}
		return []Incompatibility{{MissingUnionBranch, root(at),
			"reader union lacking writer type: " + upper(writer)}}
	}
	return []Incompatibility{{TypeMismatch, root(at), fmt.Sprintf(
		"reader type: %s not compatible with writer type: %s", upper(reader), upper(writer))}}
}

func root(at string) string {
	if at == "" {
		return "/"
	}
	return at
}

func upper(s *Schema) string { return strings.ToUpper(s.Type.String()) }

// checkNames lets a type be called by another namespace, or by an alias of the
// reader.
func checkNames(reader, writer *Schema, at string) []Incompatibility {
	if reader.Name.Local == writer.Name.Local || slices.Contains(reader.Aliases, writer.Name) {
		return nil
	}
	return []Incompatibility{{NameMismatch, at + "/name", "expected: " + writer.Name.Full()}}
}

func checkSymbols(reader, writer *Schema, at string) []Incompatibility {
	var missing []string
	for _, symbol := range writer.Symbols {
		if !slices.Contains(reader.Symbols, symbol) {
			missing = append(missing, symbol)
		}
	}
	if len(missing) == 0 || reader.HasDefault {
		return nil
	}
	slices.Sort(missing)
	return []Incompatibility{{MissingEnumSymbols, at + "/symbols",
		"[" + strings.Join(missing, ", ") + "]"}}
}

func (c *checker) checkFields(reader, writer *Schema, at string) []Incompatibility {
	var result []Incompatibility
	for i, f := range reader.Fields {
		here := fmt.Sprintf("%s/fields/%d", at, i)
		from := c.lookup(reader, writer, f)
		switch {
		case from != nil:
			result = append(result, c.check(f.Schema, from.Schema, here+"/type")...)
		case f.Default != nil:
		case f.Schema.Type == Enum && f.Schema.HasDefault:
			// Java compares the enum with the whole record here, which never fits.
			result = append(result, c.check(f.Schema, writer, here+"/type")...)
		default:
			result = append(result, Incompatibility{MissingDefaultValue, here, f.Name})
		}
	}
	return result
}

// lookup finds the field of the writer that f reads: by name, then by alias.
func (c *checker) lookup(reader, writer *Schema, f *Field) *Field {
	found := writer.Field(f.Name)
	for _, alias := range f.Aliases {
		other := writer.Field(alias)
		if other == nil || other == found {
			continue
		}
		if found != nil {
			c.err = &AmbiguousFieldError{reader.Name.Full(), f.Name}
			return found
		}
		found = other
	}
	return found
}
