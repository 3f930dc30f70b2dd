package input

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
)

// A row of Parquet becomes JSON like this:
//
//	BOOLEAN, INT32, INT64          true, false, numbers
//	FLOAT, DOUBLE                  the shortest number that reads back the same;
//	                               "NaN", "Infinity", "-Infinity"
//	DECIMAL                        a number with all its digits
//	STRING, ENUM                   a string
//	JSON                           as it is
//	UUID                           "00112233-4455-6677-8899-aabbccddeeff"
//	DATE                           "2026-01-31"
//	TIME                           "08:00:00.5"
//	TIMESTAMP, INT96               "2026-01-31T08:00:00.5Z", without Z if local
//	bytes of any other kind        a string in base64
//	groups, lists, maps            objects, arrays, objects
//	null                           null
//
// As a key or header a value is its text: a string without quotes, bytes as
// they are, a number as above.
type columnKind uint8

const (
	leafColumn columnKind = iota
	groupColumn
	listColumn // a LIST group; its child's elements are the array
	mapColumn  // a MAP group; its child has key and value
)

// column is a node of the file's schema, prepared for writing JSON.
type column struct {
	name     string
	label    []byte // `"name":`
	kind     columnKind
	optional bool
	repeated bool
	def, rep int // levels that a value present here has at least
	first    int // leaves of this node: first ≤ index < last
	last     int
	children []*column

	// Of leaves. Both append; a null never reaches them.
	json   func(dst []byte, v parquet.Value) []byte
	text   func(dst []byte, v parquet.Value) []byte
	millis func(v parquet.Value) int64 // nil if it is no point in time
}

// newColumn prepares the file's schema. Leaves are numbered in its order.
func newColumn(root *parquet.Column) *column {
	next := 0
	c := prepare(root, &next)
	c.optional, c.repeated = false, false
	return c
}

func prepare(p *parquet.Column, next *int) *column {
	c := &column{name: p.Name(), optional: p.Optional(), repeated: p.Repeated(),
		def: p.MaxDefinitionLevel(), rep: p.MaxRepetitionLevel(), first: *next}
	c.label = append(jsontext.AppendString(nil, []byte(c.name)), ':')
	if p.Leaf() {
		*next++
		c.last = *next
		c.writers(p)
		return c
	}
	c.kind = groupColumn
	for _, child := range p.Columns() {
		c.children = append(c.children, prepare(child, next))
	}
	c.last = *next
	if len(c.children) == 1 && c.children[0].repeated {
		inner := c.children[0]
		switch logical(p).(type) {
		case *format.ListType:
			c.kind = listColumn
		case *format.MapType:
			if inner.kind == groupColumn && len(inner.children) == 2 &&
				inner.children[0].kind == leafColumn {
				c.kind = mapColumn
			}
		}
	}
	return c
}

func logical(p *parquet.Column) format.LogicalTypeValue {
	if lt := p.Type().LogicalType(); lt != nil {
		return lt.Value
	}
	return nil
}

// appendGroup writes an object. cols are the values of c's leaves.
func (c *column) appendGroup(dst []byte, cols [][]parquet.Value) []byte {
	dst = append(dst, '{')
	for i, child := range c.children {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, child.label...)
		dst = child.appendNode(dst, cols[child.first-c.first:child.last-c.first])
	}
	return append(dst, '}')
}

// appendNode writes null, an array or a single value.
func (c *column) appendNode(dst []byte, cols [][]parquet.Value) []byte {
	if c.last == c.first { // a group without columns
		return append(dst, "{}"...)
	}
	if c.repeated {
		return c.appendElements(dst, cols, '[', ']', c.appendValue)
	}
	if c.optional && cols[0][0].DefinitionLevel() < c.def {
		return append(dst, "null"...)
	}
	return c.appendValue(dst, cols)
}

// appendValue writes one value of c, which is there.
func (c *column) appendValue(dst []byte, cols [][]parquet.Value) []byte {
	switch c.kind {
	case leafColumn:
		if v := cols[0][0]; !v.IsNull() {
			return c.json(dst, v)
		}
		return append(dst, "null"...)
	case listColumn:
		inner := c.children[0]
		// The three-level form wraps each element in a group of its own.
		if inner.kind == groupColumn && len(inner.children) == 1 {
			return inner.appendElements(dst, cols, '[', ']', inner.children[0].appendNode)
		}
		return inner.appendElements(dst, cols, '[', ']', inner.appendValue)
	case mapColumn:
		inner := c.children[0]
		return inner.appendElements(dst, cols, '{', '}', inner.appendPair)
	}
	return c.appendGroup(dst, cols)
}

// appendElements writes the elements of repeated c, of which each begins at a
// value whose repetition level is not above c's.
func (c *column) appendElements(dst []byte, cols [][]parquet.Value, opening, closing byte,
	element func([]byte, [][]parquet.Value) []byte) []byte {
	dst = append(dst, opening)
	if cols[0][0].DefinitionLevel() < c.def {
		return append(dst, closing)
	}
	rest := append([][]parquet.Value(nil), cols...)
	part := make([][]parquet.Value, len(cols))
	for n := 0; len(rest[0]) > 0; n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		for i, values := range rest {
			k := 1
			for k < len(values) && values[k].RepetitionLevel() > c.rep {
				k++
			}
			part[i], rest[i] = values[:k], values[k:]
		}
		dst = element(dst, part)
	}
	return append(dst, closing)
}

// appendPair writes a member of a map.
func (c *column) appendPair(dst []byte, cols [][]parquet.Value) []byte {
	key, value := c.children[0], c.children[1]
	var name []byte
	if v := cols[0][0]; !v.IsNull() {
		name = key.text(nil, v)
	}
	dst = append(jsontext.AppendString(dst, name), ':')
	return value.appendNode(dst, cols[1:])
}

// writers chooses how the leaf's values become JSON and text.
func (c *column) writers(p *parquet.Column) {
	switch kind := p.Type().Kind(); kind {
	case parquet.Boolean:
		c.bare(func(dst []byte, v parquet.Value) []byte { return strconv.AppendBool(dst, v.Boolean()) })
	case parquet.Int32, parquet.Int64:
		c.integer(p, kind)
	case parquet.Int96:
		c.time(false, func(v parquet.Value) time.Time { return int96Time(v.Int96()) })
	case parquet.Float:
		c.float(32, func(v parquet.Value) float64 { return float64(v.Float()) })
	case parquet.Double:
		c.float(64, func(v parquet.Value) float64 { return v.Double() })
	default:
		c.bytes(p)
	}
}

// bare uses one text for JSON and everything else.
func (c *column) bare(f func([]byte, parquet.Value) []byte) { c.json, c.text = f, f }

// quoted is for texts that need no escapes.
func (c *column) quoted(f func([]byte, parquet.Value) []byte) {
	c.text = f
	c.json = func(dst []byte, v parquet.Value) []byte {
		return append(f(append(dst, '"'), v), '"')
	}
}

func (c *column) integer(p *parquet.Column, kind parquet.Kind) {
	number := func(v parquet.Value) int64 { return v.Int64() }
	if kind == parquet.Int32 {
		number = func(v parquet.Value) int64 { return int64(v.Int32()) }
	}
	switch t := logical(p).(type) {
	case *format.DecimalType:
		c.bare(func(dst []byte, v parquet.Value) []byte {
			return appendDecimal(dst, strconv.FormatInt(number(v), 10), int(t.Scale))
		})
	case *format.DateType:
		const day = 24 * 60 * 60
		c.quoted(func(dst []byte, v parquet.Value) []byte {
			return time.Unix(number(v)*day, 0).UTC().AppendFormat(dst, time.DateOnly)
		})
		c.millis = func(v parquet.Value) int64 { return number(v) * day * 1000 }
	case *format.TimeType:
		unit := nanoseconds(t.Unit)
		c.quoted(func(dst []byte, v parquet.Value) []byte {
			return time.Unix(0, number(v)*unit).UTC().AppendFormat(dst, "15:04:05.999999999")
		})
	case *format.TimestampType:
		c.timestamp(t, number)
	case *format.IntType:
		if !t.IsSigned {
			c.unsigned(kind)
			return
		}
		c.bare(func(dst []byte, v parquet.Value) []byte { return strconv.AppendInt(dst, number(v), 10) })
	default:
		c.bare(func(dst []byte, v parquet.Value) []byte { return strconv.AppendInt(dst, number(v), 10) })
	}
}

func (c *column) unsigned(kind parquet.Kind) {
	if kind == parquet.Int32 {
		c.bare(func(dst []byte, v parquet.Value) []byte {
			return strconv.AppendUint(dst, uint64(v.Uint32()), 10)
		})
		return
	}
	c.bare(func(dst []byte, v parquet.Value) []byte { return strconv.AppendUint(dst, v.Uint64(), 10) })
}

func (c *column) timestamp(t *format.TimestampType, number func(parquet.Value) int64) {
	at := func(v parquet.Value) time.Time { return time.UnixMilli(number(v)) }
	switch nanoseconds(t.Unit) {
	case 1:
		at = func(v parquet.Value) time.Time { return time.Unix(0, number(v)) }
	case 1000:
		at = func(v parquet.Value) time.Time { return time.UnixMicro(number(v)) }
	}
	c.time(t.IsAdjustedToUTC, at)
}

// time writes RFC 3339; local times, which name no zone, end without one.
func (c *column) time(utc bool, at func(parquet.Value) time.Time) {
	c.quoted(func(dst []byte, v parquet.Value) []byte {
		dst = at(v).UTC().AppendFormat(dst, time.RFC3339Nano)
		if !utc {
			dst = dst[:len(dst)-1] // the Z
		}
		return dst
	})
	c.millis = func(v parquet.Value) int64 { return at(v).UnixMilli() }
}

// nanoseconds returns the length of a unit of TIME and TIMESTAMP.
func nanoseconds(u format.TimeUnit) int64 {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return 1e6
	case *format.MicroSeconds:
		return 1e3
	}
	return 1
}

// int96Time reads the form of Impala and old Spark: nanoseconds of the day, and
// the Julian day.
func int96Time(i [3]uint32) time.Time {
	const julianEpoch = 2440588 // 1970-01-01
	nanos := int64(i[1])<<32 | int64(i[0])
	return time.Unix((int64(int32(i[2]))-julianEpoch)*24*60*60, nanos)
}

func (c *column) float(bits int, number func(parquet.Value) float64) {
	c.text = func(dst []byte, v parquet.Value) []byte {
		switch f := number(v); {
		case math.IsNaN(f):
			return append(dst, "NaN"...)
		case math.IsInf(f, 0):
			if f < 0 {
				dst = append(dst, '-')
			}
			return append(dst, "Infinity"...)
		case f != 0 && (math.Abs(f) < 1e-6 || math.Abs(f) >= 1e21):
			return strconv.AppendFloat(dst, f, 'e', -1, bits)
		default:
			return strconv.AppendFloat(dst, f, 'f', -1, bits)
		}
	}
	c.json = func(dst []byte, v parquet.Value) []byte {
		if f := number(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return append(c.text(append(dst, '"'), v), '"')
		}
		return c.text(dst, v)
	}
}

func (c *column) bytes(p *parquet.Column) {
	raw := func(dst []byte, v parquet.Value) []byte { return append(dst, v.ByteArray()...) }
	switch t := logical(p).(type) {
	case *format.StringType, *format.EnumType:
		c.text = raw
		c.json = func(dst []byte, v parquet.Value) []byte {
			return jsontext.AppendString(dst, v.ByteArray())
		}
	case *format.JsonType:
		c.text = raw
		c.json = func(dst []byte, v parquet.Value) []byte {
			if b := v.ByteArray(); json.Valid(b) && utf8.Valid(b) {
				return append(dst, b...)
			}
			return jsontext.AppendString(dst, v.ByteArray())
		}
	case *format.UUIDType:
		c.quoted(func(dst []byte, v parquet.Value) []byte { return appendUUID(dst, v.ByteArray()) })
	case *format.DecimalType:
		c.bare(func(dst []byte, v parquet.Value) []byte {
			return appendDecimal(dst, twosComplement(v.ByteArray()).String(), int(t.Scale))
		})
	default:
		c.text = raw
		c.json = func(dst []byte, v parquet.Value) []byte {
			dst = base64.StdEncoding.AppendEncode(append(dst, '"'), v.ByteArray())
			return append(dst, '"')
		}
	}
}

// appendDecimal writes the integer in digits with the point moved scale places
// to the left.
func appendDecimal(dst []byte, digits string, scale int) []byte {
	if digits[0] == '-' {
		dst, digits = append(dst, '-'), digits[1:]
	}
	if scale <= 0 {
		return append(dst, digits...)
	}
	for range scale + 1 - len(digits) {
		digits = "0" + digits
	}
	point := len(digits) - scale
	dst = append(append(dst, digits[:point]...), '.')
	return append(dst, digits[point:]...)
}

// twosComplement reads a big-endian signed integer of any length.
func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

func appendUUID(dst, b []byte) []byte {
	if len(b) != 16 {
		return hex.AppendEncode(dst, b)
	}
	for i, end := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		start := []int{0, 4, 6, 8, 10}[i]
		dst = hex.AppendEncode(dst, b[start:end])
	}
	return dst
}
