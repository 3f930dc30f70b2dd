// Package evolve makes the next version of a schema: Avro, Protobuf or JSON
// Schema with a field more, a field less, or a field of another name.
package evolve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Changes is what the next version has otherwise.
type Changes struct {
	Add    []Field
	Remove []string
	Rename []string // OLD=NEW
}

// Field is a field to add.
type Field struct {
	Name     string
	Type     string // a word, or JSON
	Nullable bool
	Default  string // as JSON, or text; "" is none
}

// ParseAdd reads fields written as NAME:TYPE, NAME:TYPE? and NAME:TYPE=DEFAULT.
func (c *Changes) ParseAdd(texts []string) error {
	for _, text := range texts {
		name, rest, ok := strings.Cut(text, ":")
		f := Field{Name: name, Type: rest}
		if !strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, "[") {
			f.Type, f.Default, _ = strings.Cut(rest, "=")
		}
		f.Type, f.Nullable = strings.CutSuffix(f.Type, "?")
		if !ok || f.Name == "" || f.Type == "" {
			return fmt.Errorf("--add %s: write NAME:TYPE, NAME:TYPE? or NAME:TYPE=DEFAULT, for example "+
				"note:string?", text)
		}
		c.Add = append(c.Add, f)
	}
	return nil
}

// Apply returns the text of the next version of a schema of type AVRO, PROTOBUF
// or JSON. imports are texts of what a Protobuf schema imports.
func Apply(ctx context.Context, kind, text string, imports map[string]string, c Changes) (string,
	error) {
	switch kind {
	case "PROTOBUF":
		return applyProto(ctx, text, imports, c)
	case "JSON":
		return applyJSON(text, c)
	}
	return applyAvro(text, c)
}

// member is one member of a JSON object, whose order is kept.
type member struct {
	name  string
	value json.RawMessage
}

type object []member

func parseObject(text []byte) (o object, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		o = append(o, member{name.(string), value})
	}
	return o, nil
}

func (o object) index(name string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.name == name })
}

// set replaces a member's value, or adds it at the end.
func (o *object) set(name string, value any) {
	raw, ok := value.(json.RawMessage)
	if !ok {
		raw = mustJSON(value)
	}
	if i := o.index(name); i >= 0 {
		(*o)[i].value = raw
		return
	}
	*o = append(*o, member{name, raw})
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, mustJSON(m.name)...), ':'), m.value...)
	}
	return append(b, '}'), nil
}

// mustJSON is the JSON of strings, and of what is made of JSON.
func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("evolve: %v", err))
	}
	return b
}

func noField(name string, names []string) error {
	return fmt.Errorf("the schema has no field %s; it has %s", name, strings.Join(names, ", "))
}

// oldNew reads OLD=NEW.
func oldNew(text string) (string, string, error) {
	old, renamed, ok := strings.Cut(text, "=")
	if !ok || old == "" || renamed == "" {
		return "", "", fmt.Errorf("--rename %s: write OLD=NEW", text)
	}
	return old, renamed, nil
}

var decimal = regexp.MustCompile(`^decimal\((\d+),(\d+)\)$`)

// avroType is a type's JSON by its word.
func avroType(word string) (json.RawMessage, error) {
	logical := func(base, name string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"type":%q,"logicalType":%q}`, base, name))
	}
	switch word {
	case "string", "int", "long", "float", "double", "boolean", "bytes":
		return mustJSON(word), nil
	case "date":
		return logical("int", word), nil
	case "time-millis":
		return logical("int", word), nil
	case "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos":
		return logical("long", word), nil
	case "uuid":
		return logical("string", word), nil
	}
	if d := decimal.FindStringSubmatch(word); d != nil {
		return json.RawMessage(fmt.Sprintf(
			`{"type":"bytes","logicalType":"decimal","precision":%s,"scale":%s}`, d[1], d[2])), nil
	}
	if json.Valid([]byte(word)) && (word[0] == '{' || word[0] == '[') {
		return json.RawMessage(word), nil
	}
	return nil, fmt.Errorf("%q is no type to add: give string, int, long, float, double, boolean, "+
		"bytes, date, uuid, time-millis, timestamp-millis, timestamp-micros, decimal(P,S) or JSON", word)
}

// defaultJSON is a default as JSON: as it is if it is JSON of the type, else as
// text.
func defaultJSON(text, word string) json.RawMessage {
	if word == "string" || word == "uuid" || !json.Valid([]byte(text)) {
		if unquoted := strings.Trim(text, `"`); unquoted != text || text == "" {
			return mustJSON(unquoted)
		}
		return mustJSON(text)
	}
	return json.RawMessage(text)
}

func applyAvro(text string, c Changes) (string, error) {
	root, err := parseObject([]byte(text))
	var fields []json.RawMessage
	at := root.index("fields")
	if err != nil || at < 0 || json.Unmarshal(root[at].value, &fields) != nil {
		return "", errors.New("the Avro schema is no record, so it has no fields")
	}
	var objects []object
	var names []string
	for _, raw := range fields {
		o, err := parseObject(raw)
		var name string
		if i := o.index("name"); err != nil || i < 0 || json.Unmarshal(o[i].value, &name) != nil {
			return "", errors.New("a field of the Avro schema has no name")
		}
		objects, names = append(objects, o), append(names, name)
	}
	for _, name := range c.Remove {
		i := slices.Index(names, name)
		if i < 0 {
			return "", noField(name, names)
		}
		objects, names = slices.Delete(objects, i, i+1), slices.Delete(names, i, i+1)
	}
	for _, text := range c.Rename {
		old, renamed, err := oldNew(text)
		if err != nil {
			return "", err
		}
		i := slices.Index(names, old)
		if i < 0 {
			return "", noField(old, names)
		}
		var aliases []string
		if j := objects[i].index("aliases"); j >= 0 {
			if err := json.Unmarshal(objects[i][j].value, &aliases); err != nil {
				return "", err
			}
		}
		objects[i].set("name", renamed)
		objects[i].set("aliases", append(aliases, old))
		names[i] = renamed
	}
	for _, f := range c.Add {
		if slices.Contains(names, f.Name) {
			return "", fmt.Errorf("the schema has a field %s already", f.Name)
		}
		o, err := avroField(f)
		if err != nil {
			return "", err
		}
		objects, names = append(objects, o), append(names, f.Name)
	}
	root.set("fields", objects)
	return string(mustJSON(root)), nil
}

func avroField(f Field) (o object, err error) {
	t, err := avroType(f.Type)
	if err != nil {
		return nil, err
	}
	o.set("name", f.Name)
	switch {
	case f.Nullable && f.Default != "" && f.Default != "null":
		o.set("type", []json.RawMessage{t, json.RawMessage(`"null"`)}) // a default is of the first
		o.set("default", defaultJSON(f.Default, f.Type))
	case f.Nullable:
		o.set("type", []json.RawMessage{json.RawMessage(`"null"`), t})
		o.set("default", json.RawMessage("null"))
	default:
		o.set("type", t)
		if f.Default != "" {
			o.set("default", defaultJSON(f.Default, f.Type))
		}
	}
	return o, nil
}
