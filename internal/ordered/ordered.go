// Package ordered reads and writes JSON without forgetting the order of an
// object's members, which encoding/json does. A registry answers with the text
// that it was given, only without blanks, so that order has to last.
//
// Text is written as Jackson writes a tree, the JSON library of Confluent's
// registry: compact, letters beyond ASCII as they are, floating point numbers
// as Java prints a double. Two registries thus keep one text for one schema,
// and its MD5, which is the schema's GUID, is the same.
package ordered

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is what a Value is.
type Kind uint8

// The kinds of JSON values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

var kinds = [...]string{"null", "boolean", "number", "string", "array", "object"}

// String is the kind's name in JSON Schema.
func (k Kind) String() string { return kinds[k] }

// Value is one JSON value. It is not changed once it is shared.
type Value struct {
	Kind    Kind
	Bool    bool
	Text    string   // of a String its content, of a Number its digits as given
	Items   []*Value // of an Array
	Members []Member // of an Object, in order; names occur once
}

// Member is a name and a value in an object.
type Member struct {
	Name  string
	Value *Value
}

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 500

// Parse reads one JSON text. Of members with one name the last counts, at the
// place of the first.
func Parse(text []byte) (*Value, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := read(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the JSON value at offset %d", d.InputOffset())
	}
	return v, nil
}

func read(d *json.Decoder, depth int) (*Value, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d", MaxDepth)
	}
	token, err := d.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case nil:
		return &Value{}, nil
	case bool:
		return &Value{Kind: Bool, Bool: t}, nil
	case json.Number:
		return &Value{Kind: Number, Text: t.String()}, nil
	case string:
		return &Value{Kind: String, Text: t}, nil
	case json.Delim:
		if t == '[' {
			return readArray(d, depth)
		}
		return readObject(d, depth)
	}
	return nil, fmt.Errorf("unexpected %v", token)
}

func readArray(d *json.Decoder, depth int) (*Value, error) {
	v := &Value{Kind: Array}
	for d.More() {
		item, err := read(d, depth+1)
		if err != nil {
			return nil, err
		}
		v.Items = append(v.Items, item)
	}
	_, err := d.Token()
	return v, err
}

func readObject(d *json.Decoder, depth int) (*Value, error) {
	v := &Value{Kind: Object}
	var at map[string]int // where a name stands, once there are many
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := read(d, depth+1)
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if at == nil {
			at = make(map[string]int)
		}
		if i, ok := at[key]; ok {
			v.Members[i].Value = value
			continue
		}
		at[key] = len(v.Members)
		v.Members = append(v.Members, Member{key, value})
	}
	_, err := d.Token()
	return v, err
}

// Get is the member of that name, or nil, also if v is no object.
func (v *Value) Get(name string) *Value {
	if v == nil {
		return nil
	}
	for i := range v.Members {
		if v.Members[i].Name == name {
			return v.Members[i].Value
		}
	}
	return nil
}

// Is reports whether v is there and of kind k.
func (v *Value) Is(k Kind) bool { return v != nil && v.Kind == k }

// String is the JSON text.
func (v *Value) String() string { return string(v.Append(nil)) }

// Append writes v behind dst, compact, members in their order.
func (v *Value) Append(dst []byte) []byte {
	switch v.Kind {
	case Bool:
		return strconv.AppendBool(dst, v.Bool)
	case Number:
		return append(dst, number(v.Text)...)
	case String:
		return AppendString(dst, v.Text)
	case Array:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.Append(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, m := range v.Members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, m.Name), ':')
			dst = m.Value.Append(dst)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

const hexDigits = "0123456789ABCDEF"

// AppendString writes s in quotes. Only what must be escaped is.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		case strings.IndexByte("\b\t\n\f\r", c) >= 0:
			dst = append(dst, '\\', "btn_fr"[c-'\b'])
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, '"')
}

// number is a number as Jackson keeps it: whole ones as written, others as a
// double.
func number(text string) string {
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			return "0"
		}
		return text
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && math.IsInf(f, 0) {
		return text // no double: better as it is than as no number at all
	}
	return Double(f)
}

// Double is f as Java's Double.toString prints it, for a finite f.
func Double(f float64) string {
	abs := math.Abs(f)
	if f == 0 {
		if math.Signbit(f) {
			return "-0.0"
		}
		return "0.0"
	}
	if abs >= 1e-3 && abs < 1e7 {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}

// Sorted is v with the members of every object in the order of their names.
func (v *Value) Sorted() *Value {
	switch v.Kind {
	case Array:
		out := &Value{Kind: Array, Items: make([]*Value, len(v.Items))}
		for i, item := range v.Items {
			out.Items[i] = item.Sorted()
		}
		return out
	case Object:
		out := &Value{Kind: Object, Members: make([]Member, len(v.Members))}
		for i, m := range v.Members {
			out.Members[i] = Member{m.Name, m.Value.Sorted()}
		}
		sortMembers(out.Members)
		return out
	}
	return v
}
