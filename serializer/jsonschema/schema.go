package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	generate "github.com/google/jsonschema-go/jsonschema"
	validate "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/posthaste-go/posthaste/serializer"
)

// ErrSchema means that a schema is not legal JSON Schema.
var ErrSchema = errors.New("not a legal JSON schema")

// Schema is a compiled schema: what this package needs of a validator. It is
// immutable and safe for concurrent use.
type Schema struct {
	impl  *validate.Schema
	title string
}

// rootURL is what the schema itself is called among those it refers to, unless
// it has an $id.
const rootURL = "mem:///schema.json"

// Compile reads a schema. references holds the texts of schemas that it refers
// to, by the name in $ref. Nothing is read from files or the network. A schema
// without $schema is of draft 7, as for Confluent's serializers. Errors match
// ErrSchema.
func Compile(text string, references map[string]string) (*Schema, error) {
	doc, err := validate.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	c := validate.NewCompiler()
	c.DefaultDraft(validate.Draft7)
	c.UseLoader(loader(references))
	at := rootURL
	out := &Schema{}
	if object, ok := doc.(map[string]any); ok {
		out.title, _ = object["title"].(string)
		if id, ok := object["$id"].(string); ok && strings.Contains(id, ":") {
			at = id
		}
	}
	if err := c.AddResource(at, doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	if out.impl, err = c.Compile(at); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return out, nil
}

// loader finds referenced schemas: by the whole URL, or by its end if the
// reference was relative.
type loader map[string]string

// Load implements the validator's URLLoader.
func (l loader) Load(url string) (any, error) {
	text, ok := l[url]
	if !ok {
		for name, t := range l {
			if strings.HasSuffix(url, "/"+strings.TrimPrefix(strings.TrimPrefix(name, "./"), "/")) {
				text, ok = t, true
			}
		}
	}
	if !ok {
		return nil, fmt.Errorf("%s is not a reference of the schema; add it to its references", url)
	}
	return validate.UnmarshalJSON(strings.NewReader(text))
}

// Title is the schema's title, which subject name strategies take for its name.
func (s *Schema) Title() string { return s.title }

// Validate checks one JSON text. What does not fit is a *serializer.FieldError;
// what is no JSON matches serializer.ErrMalformed.
func (s *Schema) Validate(text []byte) error {
	v, err := validate.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: %w", serializer.ErrMalformed, err)
	}
	if err := checkNumbers(text, v); err != nil {
		return err
	}
	err = s.impl.Validate(v)
	if fault, ok := errors.AsType[*validate.ValidationError](err); ok {
		return explain(fault, v)
	}
	return err
}

// explain tells of the fault that lies deepest: the others are those of
// alternatives, or of what holds it.
func explain(fault *validate.ValidationError, v any) error {
	leaf := deepest(fault)
	path, at := locate(leaf.InstanceLocation, v)
	e := &serializer.FieldError{Path: path, Value: at}
	switch k := leaf.ErrorKind.(type) {
	case *kind.Type:
		e.Want = strings.Join(k.Want, " or ")
	case *kind.Required:
		e.Path, e.Value = join(path, k.Missing[0]), nil
		e.Err = errors.New("the property is required and missing")
	case *kind.AdditionalProperties:
		e.Path, e.Value = join(path, k.Properties[0]), nil
		if object, ok := at.(map[string]any); ok {
			e.Value = object[k.Properties[0]]
		}
		e.Err = errors.New("the schema has no such property and allows no others")
	case *kind.Enum:
		e.Want = fmt.Sprint("one of ", k.Want)
	case *kind.Const:
		e.Want = fmt.Sprint(k.Want)
	case *kind.Format:
		e.Want = "the format " + k.Want
	default:
		e.Err = errors.New(describe(leaf))
	}
	return e
}

func describe(fault *validate.ValidationError) string {
	text := fault.Error()
	if i := strings.LastIndex(text, "': "); i >= 0 { // behind "at '/path': "
		text = text[i+len("': "):]
	}
	return strings.TrimSpace(text)
}

func deepest(fault *validate.ValidationError) *validate.ValidationError {
	best := fault
	for _, cause := range fault.Causes {
		d := deepest(cause)
		if best == fault || len(d.InstanceLocation) > len(best.InstanceLocation) {
			best = d
		}
	}
	return best
}

// locate is a place within v, in the words of the other formats, and what stands
// there.
func locate(location []string, v any) (path string, at any) {
	at = v
	for _, step := range location {
		switch holder := at.(type) {
		case map[string]any:
			path, at = join(path, step), holder[step]
		case []any:
			path += "[" + step + "]"
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(holder) {
				return path, nil
			}
			at = holder[i]
		default:
			return path, at
		}
	}
	if n, ok := at.(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			at = f
		}
	}
	return path, at
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// textFor makes a schema of a Go type's fields.
func textFor(t reflect.Type) (string, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s, err := generate.ForType(t, &generate.ForOptions{
		TypeSchemas: map[reflect.Type]*generate.Schema{
			reflect.TypeFor[[]byte](): {
				Types: []string{"null", "string"}, ContentEncoding: "base64"},
			reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
			reflect.TypeFor[json.Number]():     {Type: "number"},
			reflect.TypeFor[json.RawMessage](): {},
		},
	})
	if err != nil {
		return "", fmt.Errorf("%w: JSON schema of %v: %w", ErrSchema, t, err)
	}
	s.Schema = "http://json-schema.org/draft-07/schema#"
	s.Title = t.Name()
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("%w: JSON schema of %v: %w", ErrSchema, t, err)
	}
	return string(text), nil
}
