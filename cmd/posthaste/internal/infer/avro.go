package infer

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// SourceName is the property of an Avro field that holds the name that the
// field has in the rows, where that is no legal name.
const SourceName = "sourceName"

// avroNode is a part of an Avro schema, in the order in which people write it.
type avroNode struct {
	Type      any         `json:"type"`
	Name      string      `json:"name,omitempty"`
	Namespace string      `json:"namespace,omitempty"`
	Doc       string      `json:"doc,omitempty"`
	Logical   string      `json:"logicalType,omitempty"`
	Precision int         `json:"precision,omitempty"`
	Scale     int         `json:"scale,omitempty"`
	Items     any         `json:"items,omitempty"`
	Values    any         `json:"values,omitempty"`
	Fields    []avroField `json:"fields,omitzero"`
}

type avroField struct {
	Name       string           `json:"name"`
	Type       any              `json:"type"`
	Doc        string           `json:"doc,omitempty"`
	Default    *json.RawMessage `json:"default,omitempty"`
	SourceName string           `json:"sourceName,omitempty"`
}

// Avro writes t, which is a Record, as an Avro schema of this name. Nullable
// fields are unions with null, null first, and default to null.
func (t *Type) Avro(name, namespace string) string {
	w := avroWriter{types: names{}}
	root := w.record(t, w.types.pick(name), name)
	root.Namespace = namespace
	return indented(root)
}

func indented(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("infer: a schema that is no JSON: %v", err))
	}
	return b.String()
}

type avroWriter struct{ types names }

func (w *avroWriter) record(t *Type, name, path string) avroNode {
	node := avroNode{Type: "record", Name: name, Fields: []avroField{}}
	taken := names{}
	null := json.RawMessage("null")
	for _, f := range t.Fields {
		legal := taken.pick(Legal(f.Name))
		out := avroField{Name: legal, Type: w.typeOf(f.Type, path+TypeName(f.Name), f.Name)}
		if legal != f.Name {
			out.SourceName, out.Doc = f.Name, f.Name
		}
		if f.Type.Nullable {
			out.Type, out.Default = []any{"null", out.Type}, &null
		}
		node.Fields = append(node.Fields, out)
	}
	return node
}

// typeOf writes a type without its null. path is the name of a record in it if
// the shorter one, made of the field's name, is taken.
func (w *avroWriter) typeOf(t *Type, path, field string) any {
	logical := func(base, name string) any { return avroNode{Type: base, Logical: name} }
	switch t.Kind {
	case Boolean:
		return "boolean"
	case Int:
		return "int"
	case Long:
		return "long"
	case Float:
		return "float"
	case Double:
		return "double"
	case Decimal:
		return avroNode{Type: "bytes", Logical: "decimal", Precision: t.Precision, Scale: t.Scale}
	case Bytes:
		return "bytes"
	case UUID:
		return logical("string", "uuid")
	case Date:
		return logical("int", "date")
	case TimeMillis:
		return logical("int", "time-millis")
	case TimeMicros:
		return logical("long", "time-micros")
	case Array:
		return avroNode{Type: "array", Items: w.element(t.Items, path, field)}
	case Map:
		return avroNode{Type: "map", Values: w.element(t.Items, path, field)}
	case Record:
		name := TypeName(field)
		if w.types[name] {
			name = path
		}
		return w.record(t, w.types.pick(name), path)
	}
	if name, ok := timestampNames[t.Kind]; ok {
		return logical("long", name)
	}
	return "string"
}

var timestampNames = map[Kind]string{TimestampMillis: "timestamp-millis",
	TimestampMicros: "timestamp-micros", TimestampNanos: "timestamp-nanos",
	LocalTimestampMillis: "local-timestamp-millis", LocalTimestampMicros: "local-timestamp-micros",
	LocalTimestampNanos: "local-timestamp-nanos"}

func (w *avroWriter) element(t *Type, path, field string) any {
	inner := w.typeOf(t, path, field)
	if t.Nullable {
		return []any{"null", inner}
	}
	return inner
}
