package avrojson

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/misfit"
)

// number reads the text of a JSON number as a value of n.
func (f *fitter) number(n *node, text string) (any, error) {
	switch {
	case n.logical == "decimal":
		return f.decimal(n, text)
	case n.kind == "int", n.kind == "long":
		return integer(n, text)
	case n.kind == "float", n.kind == "double":
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, wrong(misfit.JSON(text), n, errors.New("it is out of range"))
		}
		if n.kind == "float" {
			if math.Abs(v) > math.MaxFloat32 {
				return nil, wrong(misfit.JSON(text), n, errors.New("it is out of range"))
			}
			return float32(v), nil
		}
		return v, nil
	case f.Text && (n.kind == "string" || n.kind == "enum"):
		return f.text(n, text)
	}
	return nil, wrong(misfit.JSON(text), n, nil)
}

// integer reads a whole number, also one that is written as 1.0 or 1e3.
func integer(n *node, text string) (any, error) {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r, ok := new(big.Rat), false
		if len(text) < 40 && !hugeExponent(text) {
			r, ok = r.SetString(text)
		}
		if !ok || !r.IsInt() {
			return nil, wrong(misfit.JSON(text), n, nil)
		}
		if !r.Num().IsInt64() {
			return nil, wrong(misfit.JSON(text), n, errors.New("it is out of range"))
		}
		v = r.Num().Int64()
	}
	if n.kind == "long" {
		return v, nil
	}
	if v != int64(int32(v)) {
		return nil, wrong(misfit.JSON(text), n, errors.New("it is out of range"))
	}
	return int32(v), nil
}

// hugeExponent reports whether a number's exponent would make it a text of
// thousands of digits.
func hugeExponent(text string) bool {
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return false
	}
	e, err := strconv.Atoi(text[i+1:])
	return err != nil || e > 400 || e < -400
}

// decimal reads a number that has no more digits than n.
func (f *fitter) decimal(n *node, text string) (any, error) {
	if hugeExponent(text) {
		return nil, wrong(misfit.JSON(text), n, errors.New("it is out of range"))
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, wrong(text, n, nil)
	}
	scaled := new(big.Rat).Mul(r, new(big.Rat).SetInt(power(n.scale)))
	if !scaled.IsInt() {
		return nil, wrong(misfit.JSON(text), n,
			fmt.Errorf("it has more than %d digits behind the point", n.scale))
	}
	if n.precision > 0 && scaled.Num().CmpAbs(power(n.precision)) >= 0 {
		return nil, wrong(misfit.JSON(text), n, fmt.Errorf("it has more than %d digits", n.precision))
	}
	return r, nil
}

func power(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, 0))), nil)
}

// text reads a JSON string as a value of n.
func (f *fitter) text(n *node, s string) (any, error) {
	switch n.kind {
	case "string":
		if n.logical == "uuid" && !isUUID(s) {
			return nil, wrong(s, n, nil)
		}
		return s, nil
	case "enum":
		if !slices.Contains(n.symbols, s) {
			return nil, wrong(s, n, nil)
		}
		return s, nil
	case "int", "long":
		if v, ok := moment(n, s); ok {
			return v, nil
		}
	case "float", "double":
		if v, ok := notFinite[s]; ok {
			if n.kind == "float" {
				return float32(v), nil
			}
			return v, nil
		}
	case "bytes", "fixed":
		return f.bytes(n, s)
	}
	if !f.Text {
		return nil, wrong(s, n, nil)
	}
	return f.plain(n, s)
}

// plain reads text that has no type, such as a field of CSV.
func (f *fitter) plain(n *node, s string) (any, error) {
	trimmed := strings.TrimSpace(s)
	switch {
	case n.kind == "boolean" && strings.EqualFold(trimmed, "true"):
		return true, nil
	case n.kind == "boolean" && strings.EqualFold(trimmed, "false"):
		return false, nil
	case n.kind == "boolean", trimmed == "", n.kind == "null":
		return nil, wrong(s, n, nil)
	}
	v, err := f.number(n, strings.TrimPrefix(trimmed, "+"))
	if err != nil {
		return nil, wrong(s, n, nil)
	}
	return v, nil
}

var notFinite = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1),
	"-Infinity": math.Inf(-1)}

// bytes reads text as bytes: a decimal's digits, a UUID, base64, or a character
// a byte.
func (f *fitter) bytes(n *node, s string) (any, error) {
	if n.logical == "decimal" {
		if _, ok := new(big.Rat).SetString(s); ok && !hugeExponent(s) {
			return f.decimal(n, s)
		}
	}
	if n.kind == "fixed" && n.logical == "uuid" && isUUID(s) {
		return s, nil
	}
	b, err := make([]byte, 0, len(s)), error(nil)
	if f.Base64 {
		if b, err = base64.StdEncoding.AppendDecode(b, []byte(s)); err != nil {
			return nil, wrong(s, n, errors.New("it is not base64"))
		}
	} else if b, err = latin1(b, s); err != nil {
		return nil, wrong(s, n, err)
	}
	if n.kind == "fixed" && len(b) != n.size {
		return nil, wrong(s, n, fmt.Errorf("it has %d bytes", len(b)))
	}
	if n.logical == "decimal" && n.precision > 0 && unscaled(b).CmpAbs(power(n.precision)) >= 0 {
		return nil, wrong(s, n, fmt.Errorf("its bytes have more than %d digits", n.precision))
	}
	return b, nil
}

// unscaled is the number of which b is the two's complement, as Avro's decimals are.
func unscaled(b []byte) *big.Int {
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return v
}

// latin1 appends a byte for each character, as Avro's JSON encoding has it.
func latin1(b []byte, s string) ([]byte, error) {
	for _, r := range s {
		if r > 0xFF || r == utf8.RuneError {
			return nil, fmt.Errorf("%q stands for no byte", r)
		}
		b = append(b, byte(r))
	}
	return b, nil
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c-'0' > 9 && c|0x20-'a' > 5:
			return false
		}
	}
	return true
}

// moment reads a date or time as people write it.
func moment(n *node, s string) (any, bool) {
	s = strings.TrimSpace(s)
	switch {
	case n.logical == "date":
		t, err := time.Parse(time.DateOnly, s)
		return t, err == nil
	case strings.HasPrefix(n.logical, "time-"):
		t, err := time.Parse("15:04:05.999999999", s)
		midnight := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
		return t.Sub(midnight), err == nil && exact(n.logical, t)
	case strings.HasPrefix(n.logical, "timestamp-"):
		t, err := time.Parse(time.RFC3339Nano, spaced(s))
		return t.UTC(), err == nil && exact(n.logical, t)
	case strings.HasPrefix(n.logical, "local-timestamp-"):
		t, err := time.Parse("2006-01-02T15:04:05.999999999", spaced(s))
		return t, err == nil && exact(n.logical, t)
	}
	return nil, false
}

// spaced takes 2026-01-31 08:00:00 for 2026-01-31T08:00:00.
func spaced(s string) string {
	if len(s) > 10 && s[10] == ' ' {
		return s[:10] + "T" + s[11:]
	}
	return s
}

// exact reports whether a logical type holds all digits of t.
func exact(logical string, t time.Time) bool {
	switch {
	case strings.HasSuffix(logical, "-millis"):
		return t.Nanosecond()%1e6 == 0
	case strings.HasSuffix(logical, "-micros"):
		return t.Nanosecond()%1e3 == 0
	}
	return true
}
