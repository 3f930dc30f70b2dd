package record

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestJSONKeepsNullAndEmptyApart(t *testing.T) {
	for _, want := range Shapes("t", 0) {
		line, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Record
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if !same(want, got) {
			t.Errorf("%v became %v", want, got)
		}
	}
}

func TestDiff(t *testing.T) {
	at := func(partition int32, offset int64, value string) Record {
		return Record{Topic: "t", Partition: partition, Offset: offset, Value: []byte(value)}
	}
	a, b, c := at(0, -1, "a"), at(0, -1, "b"), at(1, -1, "c")
	null := a
	null.Value = nil
	empty := a
	empty.Value = []byte{}
	tests := []struct {
		name      string
		want, got []Record
		says      string // "" if they are equal
	}{
		{"equal records differ in nothing", []Record{a, b}, []Record{at(0, 0, "a"), at(0, 1, "b")}, ""},
		{"partitions may be read in any order", []Record{a, c},
			[]Record{at(1, 0, "c"), at(0, 0, "a")}, ""},
		{"a lost record shows", []Record{a, b}, []Record{at(0, 0, "a")}, "#1 is missing"},
		{"a record twice shows", []Record{a}, []Record{at(0, 0, "a"), at(0, 1, "a")}, "#1 is too many"},
		{"records out of order show", []Record{a, b}, []Record{at(0, 0, "b"), at(0, 1, "a")}, "#0 is"},
		{"null is not empty", []Record{null}, []Record{empty}, `value ""`},
		{"offsets must rise", []Record{a, b}, []Record{at(0, 1, "a"), at(0, 1, "b")}, "comes after"},
		{"an offset that is named must be met", []Record{at(0, 5, "a")},
			[]Record{at(0, 6, "a")}, "#0 is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Diff(tt.want, tt.got)
			if (got == "") != (tt.says == "") || !strings.Contains(got, tt.says) {
				t.Errorf("Diff says %q, want %q in it", got, tt.says)
			}
		})
	}
}
