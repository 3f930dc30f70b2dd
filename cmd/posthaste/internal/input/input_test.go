package input

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// row is a Record as text, so that a table can show what was read.
type row struct {
	Line    int64
	Key     string // <null> for null
	Value   string
	Headers string
	Extra   string // partition and timestamp, if the input gave them
}

const null = "<null>"

func text(b []byte) string {
	if b == nil {
		return null
	}
	return string(b)
}

func rowOf(r *Record) row {
	out := row{Line: r.Line, Key: text(r.Key), Value: text(r.Value)}
	for i, h := range r.Headers {
		if i > 0 {
			out.Headers += " "
		}
		out.Headers += h.Key + "=" + text(h.Value)
	}
	if r.Partition != AutomaticPartition {
		out.Extra += fmt.Sprintf("p%d", r.Partition)
	}
	if r.Timestamp != NoTimestamp {
		out.Extra += fmt.Sprintf("@%d", r.Timestamp)
	}
	return out
}

// readAll reads r to its end. Rows that are no record become their error.
func readAll(t *testing.T, r Reader) (rows []row, problems []string) {
	t.Helper()
	var rec Record
	for range 10_000 {
		err := r.Read(&rec)
		if err == io.EOF {
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			return rows, problems
		}
		if re, ok := errors.AsType[*RowError](err); ok {
			problems = append(problems, re.Error())
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, rowOf(&rec))
	}
	t.Fatal("the input does not end")
	return nil, nil
}

func mustNew(t *testing.T, in string, o Options) Reader {
	t.Helper()
	o.Name = "in"
	r, err := New(strings.NewReader(in), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustProperties(t *testing.T, pairs ...string) LineProperties {
	t.Helper()
	m := map[string]string{}
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		m[k] = v
	}
	p, err := ParseLineProperties(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLineReaderReadsAsKafkasConsoleProducer(t *testing.T) {
	keyed := []string{"parse.key=true", "key.separator=:"}
	headers := []string{"parse.headers=true", "parse.key=true"}
	tests := []struct {
		name  string
		props []string
		in    string
		want  []row
		fails []string
	}{
		{name: "each line is a value, an empty one too", in: "a\n\nb\n", want: []row{
			{Line: 1, Key: null, Value: "a"}, {Line: 2, Key: null}, {Line: 3, Key: null, Value: "b"}}},
		{name: "the last line needs no newline", in: "a\nb", want: []row{
			{Line: 1, Key: null, Value: "a"}, {Line: 2, Key: null, Value: "b"}}},
		{name: "CRLF ends a line, a lone CR does not", in: "a\r\nb\rc\r\n", want: []row{
			{Line: 1, Key: null, Value: "a"}, {Line: 2, Key: null, Value: "b\rc"}}},
		{name: "a byte order mark is no part of the value", in: "\xEF\xBB\xBFa\n", want: []row{
			{Line: 1, Key: null, Value: "a"}}},
		{name: "nothing is no record", in: "", want: nil},
		{name: "key and value are divided at the first separator", props: keyed, in: "k:v:w\n:v\nk:\n",
			want: []row{{Line: 1, Key: "k", Value: "v:w"}, {Line: 2, Value: "v"}, {Line: 3, Key: "k"}}},
		{name: "the separator is a tab if none is given", props: []string{"parse.key=TRUE "},
			in: "k\tv\n", want: []row{{Line: 1, Key: "k", Value: "v"}}},
		{name: "a missing separator is an error and the next line goes on", props: keyed,
			in: "k:v\nbroken\nl:w\n", want: []row{{Line: 1, Key: "k", Value: "v"},
				{Line: 3, Key: "l", Value: "w"}},
			fails: []string{`in:2: no key.separator ":" in "broken"; ` +
				`correct the line, or set --property ignore.error=true`}},
		{name: "ignore.error makes the whole line the value",
			props: append(keyed, "ignore.error=true"), in: "broken\n",
			want: []row{{Line: 1, Key: null, Value: "broken"}}},
		{name: "the null marker is null as key, value and header value",
			props: append(headers, "null.marker=NULL"), in: "h:NULL,i:1\tNULL\tNULL\nNULL\tk\tv\n",
			want: []row{{Line: 1, Key: null, Value: null, Headers: "h=<null> i=1"},
				{Line: 2, Key: "k", Value: "v"}}},
		{name: "headers come before the key", props: headers, in: "a:1,b:\tk\tv\n",
			want: []row{{Line: 1, Key: "k", Value: "v", Headers: "a=1 b="}}},
		{name: "a header without its separator is an error", props: headers, in: "a\tk\tv\n",
			fails: []string{`in:1: no headers.key.separator ":" in header "a"; ` +
				`correct the line, or set --property ignore.error=true`}},
		{name: "with ignore.error it is a header with a null",
			props: append(headers, "ignore.error=true"), in: "a,b:1\tk\tv\n",
			want: []row{{Line: 1, Key: "k", Value: "v", Headers: "a=<null> b=1"}}},
		{name: "a header's key is never null", props: append(headers, "null.marker=N",
			"ignore.error=true"), in: "N:1\tk\tv\n",
			fails: []string{"in:1: a header's key is the null marker, and a key cannot be null; " +
				"correct the line, or set --property ignore.error=true"}},
		{name: "separators at the end of the headers count for nothing", props: headers,
			in: "a:1,,\tk\tv\n,\tk\tv\n", want: []row{{Line: 1, Key: "k", Value: "v", Headers: "a=1"},
				{Line: 2, Key: "k", Value: "v"}}},
		{name: "headers.separator is a regular expression",
			props: append(headers, "headers.separator=[;|]+"), in: "a:1;b:2|;c:3\tk\tv\n",
			want: []row{{Line: 1, Key: "k", Value: "v", Headers: "a=1 b=2 c=3"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{Line: mustProperties(t, tt.props...)}
			rows, problems := readAll(t, mustNew(t, tt.in, o))
			if d := cmp.Diff(tt.want, rows); d != "" {
				t.Errorf("records differ (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.fails, problems); d != "" {
				t.Errorf("errors differ (-want +got):\n%s", d)
			}
		})
	}
}

func TestParseLinePropertiesRefusesWhatCannotBeToldApart(t *testing.T) {
	tests := []struct {
		name  string
		props map[string]string
		want  string
	}{
		{"delimiter and separator", map[string]string{"headers.delimiter": ","},
			`headers.delimiter and headers.separator are both ",": they must differ`},
		{"separator and inner separator", map[string]string{"headers.separator": ":"},
			`headers.separator and headers.key.separator are both ":": they must differ`},
		{"null marker and key separator", map[string]string{"null.marker": "\t"},
			`null.marker and key.separator are both "\t": they must differ`},
		{"a slip of the pen", map[string]string{"parse.kye": "true"},
			`unknown reader property "parse.kye": did you mean "parse.key"?`},
		{"a separator that is no expression", map[string]string{"headers.separator": "("},
			"headers.separator=( is no regular expression: " +
				"error parsing regexp: missing closing ): `(`"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseLineProperties(tt.props); err == nil || err.Error() != tt.want {
				t.Errorf("ParseLineProperties = %v, want %s", err, tt.want)
			}
		})
	}
}

func TestNDJSONTakesFieldsFromObjects(t *testing.T) {
	tests := []struct {
		name  string
		o     Options
		in    string
		want  []row
		fails []string
	}{
		{name: "the value is the line without the space around it", in: " {\"a\": 1} \r\n\n[2]\n",
			want: []row{{Line: 1, Key: null, Value: `{"a": 1}`}, {Line: 3, Key: null, Value: "[2]"}}},
		{name: "a string key loses its quotes and escapes", o: Options{KeyField: "k"},
			in: `{"k":"a\tb\u00e9\ud83d\ude00"}` + "\n" + `{"k":12.50}` + "\n" + `{"k":null}`,
			want: []row{{Line: 1, Key: "a\tbé😀", Value: `{"k":"a\tb\u00e9\ud83d\ude00"}`},
				{Line: 2, Key: "12.50", Value: `{"k":12.50}`}, {Line: 3, Key: null, Value: `{"k":null}`}}},
		{name: "dots lead into objects", o: Options{KeyField: "a.b.c"},
			in: `{"a":{"b":{"c":"x"},"c":1}}`, want: []row{{Line: 1, Key: "x",
				Value: `{"a":{"b":{"c":"x"},"c":1}}`}}},
		{name: "a member whose name has the dots goes first", o: Options{KeyField: "a.b"},
			in: `{"a.b":"whole","a":{"b":"inner"}}`, want: []row{{Line: 1, Key: "whole",
				Value: `{"a.b":"whole","a":{"b":"inner"}}`}}},
		{name: "a member's name may be written with escapes", o: Options{KeyField: "key"},
			in: `{"\u006bey":"v"}`, want: []row{{Line: 1, Key: "v", Value: `{"\u006bey":"v"}`}}},
		{name: "partition, timestamp and headers", o: Options{PartitionField: "p",
			TimestampField: "t", HeaderFields: []string{"h", "o"}},
			in: `{"p":3,"t":1700000000000,"h":true,"o":{"x":1}}` + "\n" +
				`{"p":null,"t":"2023-11-14T22:13:20Z","h":"","o":null}`,
			want: []row{{1, null, `{"p":3,"t":1700000000000,"h":true,"o":{"x":1}}`,
				`h=true o={"x":1}`, "p3@1700000000000"},
				{2, null, `{"p":null,"t":"2023-11-14T22:13:20Z","h":"","o":null}`,
					"h= o=<null>", "@1700000000000"}}},
		{name: "a missing field names file and line and the next line goes on",
			o: Options{KeyField: "k"}, in: "{\"k\":\"a\"}\n{\"j\":1}\n{\"k\":\"b\"}\n[]\n",
			want: []row{{Line: 1, Key: "a", Value: `{"k":"a"}`}, {Line: 3, Key: "b", Value: `{"k":"b"}`}},
			fails: []string{`in:2: no field "k"; add it, or choose a field that every record has`,
				`in:4: no field "k"; fields can be taken from JSON objects only`}},
		{name: "broken JSON says where", in: "{\"a\":1}\n{\"a\":}\n{\"a\":\"x\ny\"}\n{\"a\":1} 2\n",
			want: []row{{Line: 1, Key: null, Value: `{"a":1}`}}, fails: []string{
				"in:2: not JSON: unexpected '}' where a value must be at byte 6; correct the line",
				"in:3: not JSON: the line ends inside a string at byte 8; correct the line",
				"in:4: not JSON: unexpected 'y' where a value must be at byte 1; correct the line",
				"in:5: not JSON: unexpected '2' after the end of the value at byte 9; correct the line"}},
		{name: "JSON over several lines is told apart", in: "{\n\"a\": 1\n}\n", fails: []string{
			"in:1: not JSON: the line ends where a member's name must be at byte 2; " +
				"each line must hold one whole JSON text (jq -c makes such lines); for one array " +
				"of records give --format json",
			"in:2: not JSON: unexpected ':' after the end of the value at byte 4; correct the line",
			"in:3: not JSON: unexpected '}' where a value must be at byte 1; correct the line"}},
		{name: "a partition must be a number", o: Options{PartitionField: "p"}, in: `{"p":"-1"}`,
			fails: []string{`in:1: partition field "p": "-1" is no partition, ` +
				`which is a number from 0; correct the field`}},
		{name: "a timestamp must be a time", o: Options{TimestampField: "t"},
			in: `{"t":"soon"}` + "\n" + `{"t":-5}`,
			fails: []string{`in:1: timestamp field "t": "soon" is neither milliseconds since 1970 ` +
				`nor a time as 2026-01-31T08:00:00Z; correct the field`,
				`in:2: timestamp field "t": "-5" is before 1970, which Kafka refuses; ` +
					`correct the field`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Format = NDJSON
			rows, problems := readAll(t, mustNew(t, tt.in, tt.o))
			if d := cmp.Diff(tt.want, rows); d != "" {
				t.Errorf("records differ (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.fails, problems); d != "" {
				t.Errorf("errors differ (-want +got):\n%s", d)
			}
		})
	}
}

func TestLinesOverTheBoundAreErrorsAndNeverCut(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, readers := range []struct {
		name string
		of   func(io.Reader) io.Reader
	}{
		{"read whole", func(r io.Reader) io.Reader { return r }},
		{"read byte by byte", iotest.OneByteReader},
		{"read in halves", iotest.HalfReader},
		{"the end comes with the last bytes", iotest.DataErrReader},
	} {
		t.Run(readers.name, func(t *testing.T) {
			in := "a\n" + long + "\n" + strings.Repeat("y", 1000) + "\n" + long
			r, err := New(readers.of(strings.NewReader(in)), Options{Name: "in", MaxLine: 1000})
			if err != nil {
				t.Fatal(err)
			}
			rows, problems := readAll(t, r)
			want := []row{{Line: 1, Key: null, Value: "a"},
				{Line: 3, Key: null, Value: strings.Repeat("y", 1000)}}
			if d := cmp.Diff(want, rows); d != "" {
				t.Errorf("records differ (-want +got):\n%s", d)
			}
			remedy := "split the record, or raise max.request.size here and message.max.bytes " +
				"on the broker"
			fails := []string{
				"in:2: line too long: 100000 bytes, at most 1000 are taken; " + remedy,
				"in:4: line too long: 100000 bytes, at most 1000 are taken; " + remedy}
			if d := cmp.Diff(fails, problems); d != "" {
				t.Errorf("errors differ (-want +got):\n%s", d)
			}
		})
	}
}

func TestAReadErrorEndsTheInputAndCutsNoRecord(t *testing.T) {
	broken := errors.New("disk on fire")
	r, err := New(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)),
		Options{Name: "in"})
	if err != nil {
		t.Fatal(err)
	}
	var rec Record
	if err := r.Read(&rec); err != nil || string(rec.Value) != "a" {
		t.Fatalf("first record = %q, %v", rec.Value, err)
	}
	err = r.Read(&rec)
	if !errors.Is(err, broken) || err.Error() != "in:2: cannot read on: disk on fire" {
		t.Errorf("second Read = %v, want the error of the reader", err)
	}
}

func TestLinesRefuseFields(t *testing.T) {
	_, err := New(strings.NewReader(""), Options{KeyField: "id"})
	want := "standard input: lines have no fields to take a key, partition, timestamp or header " +
		"from; give --format csv, tsv, ndjson or parquet, or for keys in lines " +
		"--property parse.key=true"
	if err == nil || err.Error() != want {
		t.Errorf("New = %v, want %s", err, want)
	}
}

func TestFormatOf(t *testing.T) {
	tests := map[string]Format{"": Lines, "a.txt": Lines, "a.csv": CSV, "A.CSV.gz": CSV, "a.tsv": TSV,
		"dir.csv/a": Lines, "a.jsonl": NDJSON, "a.json": NDJSON, "a.parquet": Parquet, "gz": Lines}
	for name, want := range tests {
		if got := FormatOf(name); got != want {
			t.Errorf("FormatOf(%q) = %s, want %s", name, got, want)
		}
	}
}
