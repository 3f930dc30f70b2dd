package avrojson

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
)

// AppendJSON appends a value that serializer/avro read with this schema, as Fit
// reads it: fields in the schema's order, unions without their branch's name.
func (s *Schema) AppendJSON(dst []byte, v any) []byte { return s.root.append(dst, v) }

func (n *node) append(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float32:
		return appendFloat(dst, float64(v), 32)
	case float64:
		return appendFloat(dst, v, 64)
	case string:
		return jsontext.AppendString(dst, []byte(v))
	case []byte:
		return appendLatin1(dst, v)
	case [16]byte:
		return appendUUID(dst, v)
	case time.Time:
		return n.appendTime(dst, v)
	case time.Duration:
		clock := time.Unix(0, 0).UTC().Add(v)
		return append(clock.AppendFormat(append(dst, '"'), "15:04:05.999999999"), '"')
	case *big.Rat:
		return append(dst, v.FloatString(n.decimalScale())...)
	case avro.Duration:
		b := v.Bytes()
		return appendLatin1(dst, b[:])
	case []any:
		return n.appendArray(dst, v)
	case map[string]any:
		return n.appendObject(dst, v)
	}
	return jsontext.AppendString(dst, fmt.Append(nil, v))
}

// of is the branch of a union that v is of; other nodes are their own.
func (n *node) of(fits func(*node) bool) *node {
	if n.kind != "union" {
		return n
	}
	if i := slices.IndexFunc(n.branches, fits); i >= 0 {
		return n.branches[i]
	}
	return n
}

func (n *node) decimalScale() int {
	return n.of(func(b *node) bool { return b.logical == "decimal" }).scale
}

func (n *node) appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	switch logical := n.of(func(b *node) bool {
		return b.logical == "date" || len(b.logical) > len("timestamp-")
	}).logical; {
	case logical == "date":
		dst = t.UTC().AppendFormat(dst, time.DateOnly)
	case len(logical) > 6 && logical[:6] == "local-":
		dst = t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999999")
	default:
		dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	}
	return append(dst, '"')
}

func (n *node) appendArray(dst []byte, v []any) []byte {
	item := n.of(func(b *node) bool { return b.kind == "array" }).item
	dst = append(dst, '[')
	for i, inner := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = item.append(dst, inner)
	}
	return append(dst, ']')
}

// appendObject writes a record, whose fields tell which branch of a union it is
// of, or a map.
func (n *node) appendObject(dst []byte, v map[string]any) []byte {
	n = n.of(func(b *node) bool {
		if b.kind != "record" || len(b.fields) != len(v) {
			return false
		}
		return !slices.ContainsFunc(b.fields, func(f *field) bool {
			_, ok := v[f.name]
			return !ok
		})
	})
	if n.kind != "record" {
		return n.of(func(b *node) bool { return b.kind == "map" }).appendMap(dst, v)
	}
	dst = append(dst, '{')
	for i, f := range n.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = f.node.append(append(dst, f.label...), v[f.name])
	}
	return append(dst, '}')
}

func (n *node) appendMap(dst []byte, v map[string]any) []byte {
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.AppendString(dst, []byte(key)), ':')
		dst = n.item.append(dst, v[key])
	}
	return append(dst, '}')
}

func appendFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, bits)
}

// appendLatin1 writes bytes as Avro's JSON encoding does: a character a byte.
func appendLatin1(dst, b []byte) []byte {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return jsontext.AppendString(dst, []byte(string(runes)))
}

func appendUUID(dst []byte, u [16]byte) []byte {
	dst = append(dst, '"')
	for i, end := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		start := []int{0, 4, 6, 8, 10}[i]
		dst = hex.AppendEncode(dst, u[start:end])
	}
	return append(dst, '"')
}
