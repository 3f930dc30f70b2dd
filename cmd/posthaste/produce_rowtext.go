package main

import (
	"encoding/json"
	"fmt"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
)

// rowText makes rows without types of their own, such as those of CSV, fit a
// JSON Schema: an empty field is null where the schema takes no text, a number is
// text where it takes no number, and the other way round.
type rowText struct {
	types  map[string]map[string]bool // of the properties, by name
	parser jsontext.Parser
	out    []byte
}

// jsonTypes is the type of a JSON Schema: one, or several.
type jsonTypes map[string]bool

// UnmarshalJSON reads a name or an array of names.
func (t *jsonTypes) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = jsonTypes{one: true}
		return nil
	}
	var several []string
	if err := json.Unmarshal(b, &several); err != nil {
		return fmt.Errorf("a type is a name or an array of names: %w", err)
	}
	*t = jsonTypes{}
	for _, name := range several {
		(*t)[name] = true
	}
	return nil
}

func newRowText(schema string) (*rowText, error) {
	var s struct {
		Properties map[string]struct {
			Type jsonTypes `json:"type"`
		} `json:"properties"`
	}
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		return nil, fmt.Errorf("not a JSON Schema: %w", err)
	}
	r := &rowText{types: map[string]map[string]bool{}}
	for name, p := range s.Properties {
		if len(p.Type) > 0 {
			r.types[name] = p.Type
		}
	}
	return r, nil
}

// fit returns the row as the schema wants it, in memory that the next call
// overwrites.
func (r *rowText) fit(row []byte) (json.RawMessage, error) {
	r.parser.Reset(row)
	if r.parser.Kind() != '{' {
		return row, nil
	}
	out := append(r.out[:0], '{')
	err := r.parser.Object(func(name []byte) error {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(jsontext.AppendString(out, name), ':')
		types := r.types[string(name)]
		kind := r.parser.Kind()
		raw, err := r.parser.Skip()
		if err != nil {
			return err
		}
		out = appendTyped(out, types, kind, raw)
		return nil
	})
	r.out = append(out, '}')
	return r.out, err
}

// appendTyped appends raw, a value that begins with kind, as one of types.
func appendTyped(out []byte, types map[string]bool, kind byte, raw []byte) []byte {
	number := types["number"] || types["integer"]
	text := types["string"]
	switch {
	case types == nil:
	case kind == '"' && !text:
		inside := raw[1 : len(raw)-1]
		switch {
		case len(inside) == 0 && types["null"]:
			return append(out, "null"...)
		case number && jsontext.IsNumber(inside),
			types["boolean"] && (string(inside) == "true" || string(inside) == "false"):
			return append(out, inside...)
		}
	case text && (kind == 0 && !number || (kind == 't' || kind == 'f') && !types["boolean"]),
		text && kind == '{' && !types["object"], text && kind == '[' && !types["array"]:
		return jsontext.AppendString(out, raw)
	}
	return append(out, raw...)
}
