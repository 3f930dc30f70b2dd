package load

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Load.java and load.py make the same records; these are theirs, too.
func TestRecordsAreTheSameInEveryLanguage(t *testing.T) {
	g := NewGenerator(Spec{Seed: 7, Keys: 3})
	var got []Record
	for range 4 {
		got = append(got, g.Next())
	}
	want := []Record{
		{Key: 0, Number: 0, Size: 60}, {Key: 0, Number: 1, Size: 191},
		{Key: 0, Number: 2, Size: 48}, {Key: 0, Number: 3, Size: 88},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestValueSaysWhatRecordItIs(t *testing.T) {
	want := Record{Key: 3, Txn: 9, Number: 1 << 40, Size: 33}
	got, err := Parse(want.Value())
	if err != nil || got != want {
		t.Errorf("Parse(Value) = %+v, %v, want %+v", got, err, want)
	}
	if _, err := Parse([]byte("short")); err == nil {
		t.Error("a short value was taken for a record")
	}
}

func TestOutcomesReadAsWritten(t *testing.T) {
	now := time.UnixMicro(1_700_000_000_000_001)
	want := []Outcome{
		{Key: 1, Number: 2, What: Acked, Partition: 3, Offset: 4},
		{Key: 1, Number: 3, What: Failed, Partition: -1, Offset: -1, Why: "two words"},
		{Number: 4, Txn: true, What: Committed, Partition: -1, Offset: -1},
		{Number: 5, Txn: true, What: Unknown, Partition: -1, Offset: -1, Why: "no answer"},
	}
	var file bytes.Buffer
	w := NewWriter(&file)
	for i := range want {
		w.Write(want[i], now)
		want[i].Micros = now.UnixMicro()
	}
	if n, err := w.Close(); n != 2 || err != nil {
		t.Errorf("Close = %d, %v, want 2 records", n, err)
	}
	var got []Outcome
	err := Read(&file, func(o Outcome) error {
		got = append(got, o)
		return nil
	})
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestPaceDoesNotMakeUpForAStall(t *testing.T) {
	start := time.Unix(0, 0)
	p := NewPace(1000, start)
	if n := p.Due(start.Add(20 * time.Millisecond)); n != 20 {
		t.Errorf("after 20 ms %d records are due, want 20", n)
	}
	if n := p.Due(start.Add(time.Minute)); n != 100 {
		t.Errorf("after a stall of a minute %d records are due, want 100", n)
	}
}

// Otherwise a transaction would get records that the audit knows nothing of.
func TestPaceIsNeverNegative(t *testing.T) {
	start := time.Unix(0, 0)
	p := NewPace(1000, start)
	for _, step := range []struct {
		at   time.Duration
		want int
	}{{5 * time.Millisecond, 5}, {2 * time.Millisecond, 0}, {4 * time.Millisecond, 0},
		{8 * time.Millisecond, 3}} {
		if n := p.Due(start.Add(step.at)); n != step.want {
			t.Errorf("at %v %d records are due, want %d", step.at, n, step.want)
		}
	}
}

func FuzzParseOutcome(f *testing.F) {
	f.Add("17 4711 acked 3 100200 1700000000000000")
	f.Add("txn 3 unknown 1700000000000000 why not")
	f.Add("txn 3")
	f.Fuzz(func(t *testing.T, line string) {
		o, err := ParseOutcome(line)
		if err != nil || strings.ContainsAny(line, "\r\n") {
			return
		}
		var file bytes.Buffer
		w := NewWriter(&file)
		w.Write(o, time.UnixMicro(o.Micros))
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := ParseOutcome(strings.TrimSuffix(file.String(), "\n"))
		if err != nil || again != o {
			t.Errorf("%q: %+v became %+v, %v", line, o, again, err)
		}
	})
}
