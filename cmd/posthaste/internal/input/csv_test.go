package input

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCSVRowsBecomeObjects(t *testing.T) {
	tests := []struct {
		name  string
		o     Options
		in    string
		want  []row
		fails []string
	}{
		{name: "columns keep their order and numbers their digits",
			in: "name,n,zip\nA,31.95376470,00501\nB,-5,\n", want: []row{
				{Line: 2, Key: null, Value: `{"name":"A","n":31.95376470,"zip":"00501"}`},
				{Line: 3, Key: null, Value: `{"name":"B","n":-5,"zip":""}`}}},
		{name: "a code that looks like a power of ten is a string",
			in: "iata,name\n0E0,Moriarty\n8e2,x\n", want: []row{
				{Line: 2, Key: null, Value: `{"iata":"0E0","name":"Moriarty"}`},
				{Line: 3, Key: null, Value: `{"iata":"8e2","name":"x"}`}}},
		{name: "a number in quotes is a string", in: "a,b\n\"1\",1\n", want: []row{
			{Line: 2, Key: null, Value: `{"a":"1","b":1}`}}},
		{name: "on demand every field is a string", o: Options{Strings: true}, in: "a\n1\n",
			want: []row{{Line: 2, Key: null, Value: `{"a":"1"}`}}},
		{name: "quotes, commas and lines inside quotes",
			in: "a,b\n\"x \"\"y\"\", z\",\"l1\r\nl2\"\n1,2\n", want: []row{
				{Line: 2, Key: null, Value: `{"a":"x \"y\", z","b":"l1\r\nl2"}`},
				{Line: 4, Key: null, Value: `{"a":1,"b":2}`}}},
		{name: "a quote inside a field needs none around it", in: "a,b\n5\" nail,\"\"\n",
			want: []row{{Line: 2, Key: null, Value: `{"a":"5\" nail","b":""}`}}},
		{name: "CRLF, byte order mark and blank lines", in: "\xEF\xBB\xBFa,b\r\n\r\n1,x\r\n\n2,y",
			want: []row{{Line: 3, Key: null, Value: `{"a":1,"b":"x"}`},
				{Line: 5, Key: null, Value: `{"a":2,"b":"y"}`}}},
		{name: "control characters are escaped", in: "a\n\x01\t\x7f\n", want: []row{
			{Line: 2, Key: null, Value: `{"a":"\u0001\t` + "\x7f" + `"}`}}},
		{name: "key, partition, timestamp and headers are the fields' texts",
			o: Options{KeyField: "k", PartitionField: "p", TimestampField: "t",
				HeaderFields: []string{"h", "k"}},
			in: "k,p,t,h\n\"a\"\"b\",2,2012-01-02,x\n,,,\n", want: []row{
				{2, `a"b`, `{"k":"a\"b","p":2,"t":"2012-01-02","h":"x"}`, `h=x k=a"b`, "p2@1325462400000"},
				{3, "", `{"k":"","p":"","t":"","h":""}`, "h= k=", ""}}},
		{name: "the null marker", o: Options{NullMarker: "NULL", KeyField: "a"},
			in: "a,b\nNULL,\"NULL\"\n", want: []row{{Line: 2, Key: null,
				Value: `{"a":null,"b":"NULL"}`}}},
		{name: "too many and too few fields name file and line",
			in: "a,b\n1,2,3\n1\n4,5\n", want: []row{{Line: 4, Key: null, Value: `{"a":4,"b":5}`}},
			fails: []string{"in:2: the row has 3 fields and the header row 2; " +
				"put fields that contain a comma in double quotes",
				"in:3: the row has 1 fields and the header row 2; " +
					"add the missing fields; empty ones are allowed"}},
		{name: "an open quote spoils its line only", in: "a,b\n\"1,2\n3,4\n",
			want: []row{{Line: 3, Key: null, Value: `{"a":3,"b":4}`}},
			fails: []string{"in:2: a quote is not closed; " +
				`close it; a quote inside quotes is written twice ("")`}},
		{name: "text behind a closing quote", in: "a,b\n\"1\"x,2\n", fails: []string{
			`in:2: 'x' follows the closing quote of field 1; ` +
				`close it; a quote inside quotes is written twice ("")`}},
		{name: "Latin-1 is refused rather than spoilt", in: "a\ncaf\xe9\nx\n",
			want: []row{{Line: 3, Key: null, Value: `{"a":"x"}`}}, fails: []string{
				"in:2: byte 0xE9 is not UTF-8; " +
					"convert the file, for example with iconv -f LATIN1 -t UTF-8"}},
		{name: "tabs", o: Options{Format: TSV}, in: "a\tb\n1,5\t\"x\ty\"\n", want: []row{
			{Line: 2, Key: null, Value: `{"a":"1,5","b":"x\ty"}`}}},
		{name: "an empty file has no rows", in: ""},
		{name: "a header row alone has no rows", in: "a,b\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.o.Format == "" {
				tt.o.Format = CSV
			}
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

func TestCSVHeaderRowIsChecked(t *testing.T) {
	tests := []struct {
		name, in, key, want string
	}{
		{"a column with nearly that name", "iata,name\n", "itaa",
			`in:1: no column "itaa" in the header row; did you mean "iata"?`},
		{"no column of that name", "iata,name\n", "wombat",
			`in:1: no column "wombat" in the header row; the columns are iata, name`},
		{"a separator that is another", "a;b\n", "wombat",
			`in:1: no column "wombat" in the header row; the columns are a;b; ` +
				`is the separator another one (--format csv, tsv)?`},
		{"a name that is there twice", "a,b,a\n", "",
			`in:1: columns 1 and 3 are both called "a"; rename one`},
		{"a column without a name", "a,,c\n", "",
			"in:1: column 2 has no name; give each column a name in the first row"},
		{"UTF-16", "\xFF\xFEa\x00\n\x00", "",
			"header row: in:1: byte 0xFF is not UTF-8; " +
				"the file is UTF-16: convert it with iconv -f UTF-16 -t UTF-8"},
		{"an empty file", "", "k",
			`in: the file is empty: it has no header row and so no column "k"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(strings.NewReader(tt.in), Options{Format: CSV, Name: "in", KeyField: tt.key})
			if err == nil || err.Error() != tt.want {
				t.Errorf("New = %v\nwant %s", err, tt.want)
			}
		})
	}
}

// A field of many lines must be looked at a bounded number of times, or a file
// of one megabyte takes minutes.
func TestCSVFieldOfManyLinesIsReadInLinearTime(t *testing.T) {
	in := "a\n\"" + strings.Repeat("\"\"\n", 150_000) + "\"\n"
	rows, problems := readAll(t, mustNew(t, in, Options{Format: CSV}))
	if len(rows) != 1 || len(problems) != 0 {
		t.Fatalf("%d rows, errors %v; want one row", len(rows), problems)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	csv := "id,name,n\n" + strings.Repeat("a1,\"b \"\"c\"\" d\",42\n", 2000)
	json := strings.Repeat(`{"id":"a\u00e91","o":{"name":"b"},"n":[1,2,{"x":null}]}`+"\n", 2000)
	line := strings.Repeat("a:b\n", 2000)
	tests := []struct {
		in string
		o  Options
	}{
		{csv, Options{Format: CSV, KeyField: "id"}},
		{json, Options{Format: NDJSON, KeyField: "id"}},
		{json, Options{Format: NDJSON, KeyField: "o.name"}},
		{line, Options{Line: mustProperties(t, "parse.key=true", "key.separator=:")}},
	}
	for _, tt := range tests {
		r := mustNew(t, tt.in, tt.o)
		var rec Record
		read := func() {
			if err := r.Read(&rec); err != nil {
				t.Fatal(err)
			}
		}
		read() // grows what is reused
		if n := testing.AllocsPerRun(1000, read); n != 0 {
			t.Errorf("%s: Read allocates %v times a record, want 0", tt.o.Format, n)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	const rows = 10_000
	csv := "date,delay,distance,origin,destination\n" +
		strings.Repeat("2001-01-01T00:01:00,33,2176,LAS,PHL\n", rows)
	json := strings.Repeat(`{"date":"2001-01-01T00:01:00","delay":33,"distance":2176,`+
		`"origin":"LAS","destination":"PHL"}`+"\n", rows)
	for _, bb := range []struct {
		name, in string
		o        Options
	}{
		{"csv", csv, Options{Format: CSV, KeyField: "origin"}},
		{"ndjson", json, Options{Format: NDJSON, KeyField: "origin"}},
		{"lines", json, Options{}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(bb.in)))
			b.ReportAllocs()
			var rec Record
			for b.Loop() {
				r, err := New(strings.NewReader(bb.in), bb.o)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					err = r.Read(&rec)
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
