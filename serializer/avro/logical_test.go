package avro

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// Each row is what Java's conversion of the logical type wrote, and what it made
// of the bytes.
func TestGoldenLogicalTypes(t *testing.T) {
	g := readGolden(t)
	if len(g.Logical) != 53 {
		t.Fatalf("%d rows, want 53", len(g.Logical))
	}
	for _, row := range g.Logical {
		t.Run(row.Conversion+" "+row.Value, func(t *testing.T) {
			s := mustParse(t, string(row.Schema))
			written, err := s.Append([]byte{}, goValue(t, row))
			if row.Error != "" {
				if err == nil {
					t.Errorf("%s is written as %x, want %s", row.Value, written, row.Error)
				}
				return
			}
			if err != nil || !bytes.Equal(written, row.Binary) {
				t.Fatalf("%s is written as %x, %v; want %x", row.Value, written, err, row.Binary)
			}
			var back any
			if _, err := s.Decode(row.Binary, &back); err != nil {
				t.Fatal(err)
			}
			if got := textOf(t, row, back); got != row.Back {
				t.Errorf("%x is read as %s, want %s", row.Binary, got, row.Back)
			}
		})
	}
}

const wallClock = "2006-01-02T15:04:05.999999999"

// goValue is the Go value for a row's text.
func goValue(t *testing.T, row logicalRow) any {
	t.Helper()
	parse := func(layout string) time.Time {
		at, err := time.Parse(layout, row.Value)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	switch {
	case row.Conversion == "decimal":
		r, ok := new(big.Rat).SetString(row.Value)
		if !ok {
			t.Fatal(row.Value)
		}
		return r
	case row.Conversion == "date":
		return parse(time.DateOnly)
	case strings.HasPrefix(row.Conversion, "timestamp-"):
		return parse(time.RFC3339Nano)
	case strings.HasPrefix(row.Conversion, "local-timestamp-"):
		return parse(wallClock)
	case strings.HasPrefix(row.Conversion, "time-"):
		at := parse("15:04:05.999999999")
		return at.Sub(at.Truncate(24 * time.Hour))
	}
	return row.Value // uuid
}

// textOf is a value as Java prints it.
func textOf(t *testing.T, row logicalRow, v any) string {
	t.Helper()
	switch v := v.(type) {
	case *big.Rat:
		digits := 0
		if _, behind, ok := strings.Cut(row.Back, "."); ok {
			digits = len(behind)
		}
		return v.FloatString(digits)
	case time.Time:
		switch {
		case row.Conversion == "date":
			return v.Format(time.DateOnly)
		case strings.HasPrefix(row.Conversion, "local-"):
			return v.Format(wallClock)
		}
		return v.UTC().Format(time.RFC3339Nano)
	case time.Duration:
		if v%time.Minute == 0 { // LocalTime leaves out seconds that are 0
			return time.Time{}.Add(v).Format("15:04")
		}
		return time.Time{}.Add(v).Format("15:04:05.999999999")
	case [16]byte:
		return fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
	}
	return fmt.Sprint(v)
}
