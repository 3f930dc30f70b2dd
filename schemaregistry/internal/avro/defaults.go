package avro

import (
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/internal/ordered"
)

// fits checks that a default is a value of s. A union's may be of any branch,
// as in Avro 1.12.
func fits(s *Schema, v *ordered.Value, where string) error {
	ok := false
	switch s.Type {
	case Null:
		ok = v.Kind == ordered.Null
	case Boolean:
		ok = v.Kind == ordered.Bool
	case Int:
		ok = whole(v, math.MinInt32, math.MaxInt32)
	case Long:
		ok = whole(v, math.MinInt64, math.MaxInt64)
	case Float, Double:
		ok = v.Kind == ordered.Number || v.Kind == ordered.String && isNaNOrInf(v.Text)
	case Bytes, String, Fixed:
		ok = v.Kind == ordered.String
	case Enum:
		ok = v.Kind == ordered.String && has(s.Symbols, v.Text)
	case Array:
		return fitsItems(s, v, where)
	case Map:
		return fitsValues(s, v, where)
	case Record:
		return fitsFields(s, v, where)
	case Union:
		for _, branch := range s.Types {
			ok = ok || fits(branch, v, where) == nil
		}
	}
	if !ok {
		return fmt.Errorf("%s %s is no %s", where, v, s.FullName())
	}
	return nil
}

func fitsItems(s *Schema, v *ordered.Value, where string) error {
	if v.Kind != ordered.Array {
		return fmt.Errorf("%s %s is no array", where, v)
	}
	for i, item := range v.Items {
		if err := fits(s.Items, item, where+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return nil
}

func fitsValues(s *Schema, v *ordered.Value, where string) error {
	if v.Kind != ordered.Object {
		return fmt.Errorf("%s %s is no map", where, v)
	}
	for _, m := range v.Members {
		if err := fits(s.Items, m.Value, where+"."+m.Name); err != nil {
			return err
		}
	}
	return nil
}

func fitsFields(s *Schema, v *ordered.Value, where string) error {
	if v.Kind != ordered.Object {
		return fmt.Errorf("%s %s is no record", where, v)
	}
	for _, f := range s.Fields {
		value := v.Get(f.Name)
		if value == nil {
			value = f.Default
		}
		if value == nil {
			return fmt.Errorf("%s has no %s, which has no default of its own", where, f.Name)
		}
		if value == f.Default {
			continue // checked where it is declared; a recursive type would not end
		}
		if err := fits(f.Schema, value, where+"."+f.Name); err != nil {
			return err
		}
	}
	return nil
}

func whole(v *ordered.Value, least, most int64) bool {
	if v.Kind != ordered.Number {
		return false
	}
	n, err := strconv.ParseInt(v.Text, 10, 64)
	return err == nil && n >= least && n <= most
}

func isNaNOrInf(text string) bool {
	return text == "NaN" || text == "Infinity" || text == "-Infinity"
}

func has(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}

func splitDots(s string) iter.Seq[string] { return strings.SplitSeq(s, ".") }
