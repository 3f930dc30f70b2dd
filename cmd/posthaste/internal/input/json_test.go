package input

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// elements reads r to its end and returns "line value" of each record, and errors.
func elements(t *testing.T, r Reader) []string {
	t.Helper()
	defer r.Close()
	var all []string
	for range 100 {
		var rec Record
		err := r.Read(&rec)
		if err == io.EOF {
			return all
		}
		if err != nil {
			all = append(all, err.Error())
			if _, ok := errors.AsType[*RowError](err); !ok {
				return all
			}
			continue
		}
		all = append(all, fmt.Sprintf("%d %s", rec.Line, rec.Value))
	}
	t.Fatal("the reader does not end")
	return nil
}

func TestJSONElementsAreRecords(t *testing.T) {
	const hint = "; if each line is a record of its own, give --format ndjson"
	tests := []struct {
		name, in string
		want     []string
	}{
		{"an array on one line", `[{"a":1},{"a": 2}]`, []string{`1 {"a":1}`, `1 {"a": 2}`}},
		{"an array over lines", "[\n {\"a\":\n  1},\n\n {\"a\":2}\n]\n", []string{`2 {"a":1}`, `5 {"a":2}`}},
		{"an array inside an object", `{"type":"FeatureCollection","meta":{"x":[1]},"features":[` +
			"{\"a\":1},\n{\"a\":2}],\"bbox\":[1,2]}", []string{`1 {"a":1}`, `2 {"a":2}`}},
		{"elements that are no objects", `[1,"x",null]`, []string{"1 1", `1 "x"`, "1 null"}},
		{"an empty array", "[]", nil},
		{"an empty input", " \n", nil},
		{"an array without its end", `[{"a":1},`, []string{`1 {"a":1}`,
			"in:1: the input ends inside the JSON text" + hint}},
		{"an array with a slip", "[{\"a\":1},\n{\"a\":x}]", []string{`1 {"a":1}`,
			"in:2: not JSON: invalid character 'x' looking for beginning of value" + hint}},
		{"several values", "[1]\n[2]", []string{"1 1",
			"in:2: something follows the end of the JSON text" + hint}},
		{"an object without an array", `{"a":{"b":[1]}}`, []string{
			"in:1: no member of the object is an array of records" + hint}},
		{"a single number", `7`, []string{
			"in:1: the input is one value; records are the elements of an array" + hint}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := New(strings.NewReader(tt.in), Options{Format: JSON, Name: "in"})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, elements(t, r)); d != "" {
				t.Errorf("records differ (-want +got):\n%s", d)
			}
		})
	}
}

func TestJSONElementsHaveFields(t *testing.T) {
	r, err := New(strings.NewReader(`[{"id":{"n":7}},{"x":1}]`),
		Options{Format: JSON, Name: "in", KeyField: "id.n"})
	if err != nil {
		t.Fatal(err)
	}
	var rec Record
	if err := r.Read(&rec); err != nil || string(rec.Key) != "7" {
		t.Errorf("key %s, %v; want 7", rec.Key, err)
	}
	if err := r.Read(&rec); err == nil || !strings.HasPrefix(err.Error(), `in:1: no field "id.n"`) {
		t.Errorf("error = %v, want one about the field that is missing", err)
	}
}

func TestFilesCalledJSONAreToldApart(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"lines of objects", "{\"a\":1}\n{\"a\":2}\n", `1 {"a":1}|2 {"a":2}`},
		{"one object", `{"a":1}`, `1 {"a":1}`},
		{"an array", `[{"a":1}]`, `1 {"a":1}`},
		{"GeoJSON on one line", `{"type": "FeatureCollection","features":[{"a":1}]}` + "\n", `1 {"a":1}`},
		{"an indented object with an array", "{\n \"rows\": [\n{\"a\":1}]}", `3 {"a":1}`},
		{"a broken line", "nonsense\n", "in.json:1: not JSON: unexpected 'n' where a value must be at byte 1; correct the line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "in.json")
			if err := os.WriteFile(path, []byte(tt.in), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(strings.Join(elements(t, r), "|"), path, "in.json")
			if got != tt.want {
				t.Errorf("records are %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzJSONReaderEnds(f *testing.F) {
	f.Add([]byte(`{"type":"FeatureCollection","features":[{"a":1},{"b":[2]}],"x":{}}`))
	f.Add([]byte("[1,\n2,\n{\"a\":\"]\"}]"))
	f.Add([]byte(`[[[`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := New(strings.NewReader(string(in)), Options{Format: JSON, Name: "in"})
		if err != nil {
			t.Fatal(err)
		}
		var rec Record
		for n := 0; ; n++ {
			err := r.Read(&rec)
			if err != nil {
				if _, ok := errors.AsType[*RowError](err); !ok {
					break
				}
			}
			if n > len(in) {
				t.Fatalf("%d records of %d bytes", n, len(in))
			}
		}
		if err := r.Read(&rec); err != io.EOF {
			t.Errorf("Read after the end = %v, want io.EOF", err)
		}
	})
}
