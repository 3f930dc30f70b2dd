package avro

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// java is what Apache Avro 1.12.2 for Java made of schemas.
type java struct {
	Canonical []struct{ Name, SchemaText, Canonical string }
	Parse     []struct {
		Name, SchemaText, Canonical string
		Accepted                    bool
	}
	Compat []struct {
		Name, Result      string
		Reader, Writer    json.RawMessage
		Incompatibilities []Incompatibility
	}
}

func readJava(t *testing.T) (j java) {
	t.Helper()
	text, err := os.ReadFile("testdata/java.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &j); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestSchemasAreAcceptedAsByJava(t *testing.T) {
	for _, row := range readJava(t).Parse {
		_, err := Parse(row.SchemaText, Options{Strict: true})
		if (err == nil) != row.Accepted {
			t.Errorf("%s: %s: error %v, Java accepts: %v", row.Name, row.SchemaText, err, row.Accepted)
		}
	}
}

func TestTextCanBeReadAgainAndStays(t *testing.T) {
	for _, row := range readJava(t).Canonical {
		s, err := Parse(row.SchemaText, Options{Strict: true})
		if err != nil {
			t.Errorf("%s: %v", row.Name, err)
			continue
		}
		text := s.Text(nil)
		again, err := Parse(text, Options{Strict: true})
		if err != nil {
			t.Errorf("%s: %s: %v", row.Name, text, err)
			continue
		}
		if got := again.Text(nil); got != text {
			t.Errorf("%s: %s became %s", row.Name, text, got)
		}
		normal, err := Parse(s.Normalized(nil), Options{})
		if err != nil {
			t.Errorf("%s: normalised %s: %v", row.Name, s.Normalized(nil), err)
			continue
		}
		if got, want := normal.Normalized(nil), s.Normalized(nil); got != want {
			t.Errorf("%s: normalised twice: %s, then %s", row.Name, want, got)
		}
	}
}

func TestCompatibilityIsAsInJava(t *testing.T) {
	rows := readJava(t).Compat
	if len(rows) < 100 {
		t.Fatalf("only %d rows", len(rows))
	}
	for _, row := range rows {
		reader, err := Parse(string(row.Reader), Options{})
		if err != nil {
			t.Fatalf("%s: reader: %v", row.Name, err)
		}
		writer, err := Parse(string(row.Writer), Options{})
		if err != nil {
			t.Fatalf("%s: writer: %v", row.Name, err)
		}
		got, err := Incompatibilities(reader, writer)
		var ambiguous *AmbiguousFieldError
		if row.Result == "ERROR" {
			if !errors.As(err, &ambiguous) {
				t.Errorf("%s: %v, %v, want an error", row.Name, got, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.Name, err)
		}
		ignore := cmpopts.IgnoreFields(Incompatibility{}, "Message")
		if d := cmp.Diff(row.Incompatibilities, got, ignore, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s:\nreader %s\nwriter %s\n(-Java +ours)\n%s", row.Name, row.Reader, row.Writer, d)
		}
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, schema, text, normal string }{
		{"blanks go", `{ "type" : "string" }`, `"string"`, `"string"`},
		{"a property stays", `{"type":"string","avro.java.string":"String"}`,
			`{"type":"string","avro.java.string":"String"}`,
			`{"type":"string","avro.java.string":"String"}`},
		{"attributes come in Java's order",
			`{"fields":[{"default":1,"type":"int","name":"a","doc":"d","order":"ignore"}],
			"doc":"D","namespace":"n.s","name":"R","type":"record","x":{"b":1,"a":2}}`,
			`{"type":"record","name":"R","namespace":"n.s","doc":"D","fields":[` +
				`{"name":"a","type":"int","doc":"d","default":1,"order":"ignore"}],"x":{"b":1,"a":2}}`,
			`{"name":"n.s.R","type":"record","fields":[` +
				`{"name":"a","type":"int","order":"ignore","doc":"d","default":1}],"doc":"D","x":{"a":2,"b":1}}`},
		{"a name of the same namespace is short, of another one full",
			`{"type":"record","name":"a.R","fields":[{"name":"f","type":{"type":"fixed","name":"b.F","size":1}},
			{"name":"g","type":"b.F"},{"name":"h","type":["null","R"],"default":null}]}`,
			`{"type":"record","name":"R","namespace":"a","fields":[` +
				`{"name":"f","type":{"type":"fixed","name":"F","namespace":"b","size":1}},` +
				`{"name":"g","type":"b.F"},{"name":"h","type":["null","R"],"default":null}]}`,
			`{"name":"a.R","type":"record","fields":[` +
				`{"name":"f","type":{"name":"b.F","type":"fixed","size":1},"order":"ascending"},` +
				`{"name":"g","type":"b.F","order":"ascending"},` +
				`{"name":"h","type":["null","a.R"],"order":"ascending","default":null}]}`},
		{"doubles as Java prints them",
			`{"type":"record","name":"R","fields":[{"name":"d","type":"double","default":1e10},
			{"name":"e","type":"float","default":"0.50"},{"name":"f","type":"double","default":3}]}`,
			`{"type":"record","name":"R","fields":[{"name":"d","type":"double","default":1.0E10},` +
				`{"name":"e","type":"float","default":0.5},{"name":"f","type":"double","default":3}]}`, ""},
	} {
		s, err := Parse(tt.schema, Options{Strict: true})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := s.Text(nil); got != tt.text {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.text)
		}
		if got := s.Normalized(nil); tt.normal != "" && got != tt.normal {
			t.Errorf("%s: normalised:\n got %s\nwant %s", tt.name, got, tt.normal)
		}
	}
}

func TestReferencesStayNames(t *testing.T) {
	address := `{"type":"record","name":"Address","namespace":"com.shop","fields":[]}`
	s, references, err := ParseAll(`{"type":"record","name":"Order","namespace":"com.shop",
		"fields":[{"name":"to","type":"com.shop.Address"}]}`, Options{References: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"record","name":"Order","namespace":"com.shop","fields":[{"name":"to","type":"Address"}]}`
	if got := s.Text(references); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	full := `{"type":"record","name":"Order","namespace":"com.shop","fields":[{"name":"to","type":` +
		`{"type":"record","name":"Address","fields":[]}}]}`
	if got := s.Text(nil); got != full {
		t.Errorf("resolved: got  %s\nwant %s", got, full)
	}
}

// Whatever text comes in, parsing ends with a schema or an error, and a
// schema's text is read as the same schema.
func FuzzParse(f *testing.F) {
	f.Add(`{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"],"default":null}]}`)
	f.Add(`{"type":"enum","name":"n.E","symbols":["A"],"default":"A","aliases":["x.Y"]}`)
	f.Add(`[{"type":"array","items":{"type":"map","values":"int"}},{"type":"bytes","logicalType":"decimal"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text, Options{Strict: true})
		if err != nil {
			return
		}
		again, err := Parse(s.Text(nil), Options{Strict: true})
		if err != nil {
			t.Fatalf("%s is written as %s: %v", text, s.Text(nil), err)
		}
		if again.Text(nil) != s.Text(nil) {
			t.Fatalf("%s, then %s", s.Text(nil), again.Text(nil))
		}
		reasons, err := Incompatibilities(again, s)
		if err == nil && slices.ContainsFunc(reasons, func(i Incompatibility) bool { return true }) {
			t.Fatalf("%s cannot read what it wrote: %v", text, reasons)
		}
	})
}
