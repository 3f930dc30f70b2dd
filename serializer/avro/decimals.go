package avro

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
)

// withoutBadDecimals takes the annotation off what is marked as a decimal and
// cannot be one, which Java does with a warning. changed is false if there is
// none, or if text is not JSON.
//
// Source: LogicalTypes.Decimal.validate and LogicalTypes.fromSchemaIgnoreInvalid
// of Apache Avro.
func withoutBadDecimals(text string) (plain string, changed bool) {
	if !strings.Contains(text, "decimal") {
		return text, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || !dropBadDecimals(v) {
		return text, false
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}

func dropBadDecimals(v any) (changed bool) {
	switch v := v.(type) {
	case []any:
		for _, part := range v {
			changed = dropBadDecimals(part) || changed
		}
	case map[string]any:
		if v["logicalType"] == "decimal" && !legalDecimal(v) {
			delete(v, "logicalType")
			changed = true
		}
		for key, part := range v {
			if key != "default" {
				changed = dropBadDecimals(part) || changed
			}
		}
	}
	return changed
}

func legalDecimal(v map[string]any) bool {
	whole := func(key string) (int64, bool) {
		n, ok := v[key].(json.Number)
		if !ok {
			return 0, v[key] == nil
		}
		i, err := n.Int64()
		return i, err == nil
	}
	precision, ok := whole("precision")
	scale, ok2 := whole("scale")
	if !ok || !ok2 || precision <= 0 || scale < 0 || scale > precision {
		return false
	}
	switch v["type"] {
	case "bytes":
		return true
	case "fixed":
		size, ok := whole("size")
		return ok && precision <= maxPrecision(size)
	}
	return false
}

// maxPrecision is how many decimal digits fit into size bytes.
func maxPrecision(size int64) int64 {
	if size <= 0 {
		return 0
	}
	if size > 1<<20 {
		return math.MaxInt64
	}
	limit := new(big.Int).Lsh(big.NewInt(1), uint(8*size-1))
	return int64(len(limit.Sub(limit, big.NewInt(1)).String())) - 1
}
