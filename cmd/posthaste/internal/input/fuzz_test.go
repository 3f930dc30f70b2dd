package input

import (
	"bytes"
	stdcsv "encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
)

// drain reads r to its end and checks what holds for any bytes: it ends, lines
// go up, errors name a line, and null is not mixed up with empty.
func drain(t *testing.T, r Reader) (values [][]byte, fine bool) {
	t.Helper()
	fine = true
	var rec Record
	last := int64(0)
	for range 1 << 20 {
		err := r.Read(&rec)
		if re, ok := errors.AsType[*RowError](err); ok {
			if re.Line < 1 || re.Problem == "" || re.Remedy == "" {
				t.Fatalf("row error without line, problem or remedy: %+v", re)
			}
			fine = false
			continue
		}
		if err == io.EOF {
			return values, fine
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Line <= last {
			t.Fatalf("line %d follows line %d", rec.Line, last)
		}
		last = rec.Line
		values = append(values, slices.Clone(rec.Value))
	}
	t.Fatal("the input does not end")
	return nil, false
}

// However the bytes arrive, the lines are those that splitting at newlines
// gives.
func FuzzLinesDivideAtNewlines(f *testing.F) {
	f.Add("a\r\nb\n\nc", false)
	f.Add("\xEF\xBB\xBFa\n", true)
	f.Add("\xEF\xBB", true)
	f.Add("\r\n\r", true)
	f.Fuzz(func(t *testing.T, in string, slowly bool) {
		if len(in) > 4096 {
			return
		}
		var src io.Reader = strings.NewReader(in)
		if slowly {
			src = iotest.OneByteReader(src)
		}
		r, err := New(src, Options{MaxLine: 4096})
		if err != nil {
			t.Fatal(err)
		}
		got, fine := drain(t, r)
		var want []string
		for line := range strings.Lines(strings.TrimPrefix(in, "\xEF\xBB\xBF")) {
			want = append(want, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
		}
		if !fine || len(got) != len(want) {
			t.Fatalf("%d lines of %q, want %d", len(got), in, len(want))
		}
		for i := range got {
			if string(got[i]) != want[i] {
				t.Fatalf("line %d of %q is %q, want %q", i+1, in, got[i], want[i])
			}
		}
	})
}

// Any reader properties and any line: no panic, and without an error nothing of
// the line is lost.
func FuzzLineProperties(f *testing.F) {
	f.Add("a:1,b:2\tk\tv", "\t", ",", ":", true)
	f.Add("a|b", "", "|", "", false)
	f.Add("x", "x*", "y?", "", true)
	f.Fuzz(func(t *testing.T, line, delimiter, separator, inner string, ignore bool) {
		p, err := ParseLineProperties(map[string]string{"parse.key": "true", "parse.headers": "true",
			"headers.delimiter": delimiter, "headers.separator": separator,
			"headers.key.separator": inner, "ignore.error": map[bool]string{true: "true"}[ignore]})
		if err != nil {
			return
		}
		var r Record
		var pairs [][]byte
		r.reset(1)
		if err := p.split([]byte(line), &r, &pairs); err != nil {
			return
		}
		if !strings.HasSuffix(line, string(r.Value)) {
			t.Fatalf("value %q is not the end of %q", r.Value, line)
		}
	})
}

// Rows that the standard library reads are read alike, and every value is JSON.
func FuzzCSVAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add("a,b\n1,2\n\"x\"\"y\",\"l1\nl2\"\n")
	f.Add("a\n\"\"\n\n\"\r\n\"\r\n")
	f.Add("a,b\n\"1,2\n3,4\n")
	f.Add("\xEF\xBB\xBFa\n5\" nail\n")
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 4096 {
			return
		}
		r, err := New(strings.NewReader(in), Options{Format: CSV, Strings: true, MaxLine: 4096})
		if err != nil {
			return
		}
		got, fine := drain(t, r)
		for _, v := range got {
			if !json.Valid(v) || !utf8.Valid(v) {
				t.Fatalf("row of %q is not JSON: %q", in, v)
			}
		}
		std := stdcsv.NewReader(strings.NewReader(strings.TrimPrefix(in, "\xEF\xBB\xBF")))
		want, err := std.ReadAll()
		if err != nil || !utf8.ValidString(in) || len(want) == 0 {
			return // ours is stricter with UTF-8 and takes a quote inside a field
		}
		if !fine || len(got) != len(want)-1 {
			t.Fatalf("%d rows of %q, want %d", len(got), in, len(want)-1)
		}
		for i, row := range want[1:] {
			if theirs, ours := asObject(t, want[0], row), got[i]; !bytes.Equal(theirs, crlf(ours)) {
				t.Fatalf("row %d of %q is %s, want %s", i+1, in, ours, theirs)
			}
		}
	})
}

// crlf does to quoted line ends what encoding/csv does.
func crlf(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`\r\n`), []byte(`\n`)) }

func asObject(t *testing.T, names, fields []string) []byte {
	t.Helper()
	out := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(jsontext.AppendString(out, []byte(names[i])), ':')
		out = jsontext.AppendString(out, []byte(f))
	}
	return append(out, '}')
}

func FuzzTimestampsAndPartitions(f *testing.F) {
	f.Add([]byte("1700000000000"))
	f.Add([]byte("2026-01-31T08:00:00.123+01:00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if ts, err := parseTimestamp(in); err == nil && ts < NoTimestamp {
			t.Fatalf("timestamp of %q is %d", in, ts)
		}
		if p, err := parsePartition(in); err == nil && p < AutomaticPartition {
			t.Fatalf("partition of %q is %d", in, p)
		}
	})
}

// A damaged Parquet file is an error, whatever its bytes.
func FuzzParquetNeverPanics(f *testing.F) {
	good := parquetBytes(f, sampleRows)
	f.Add(good, 0, byte(0))
	f.Add(good, len(good)/2, byte(0xFF))
	f.Add(good, len(good)-20, byte(0x80))
	f.Fuzz(func(t *testing.T, in []byte, at int, with byte) {
		if len(in) > 1<<16 || len(in) == 0 {
			return
		}
		in = slices.Clone(in)
		in[((at%len(in))+len(in))%len(in)] ^= with
		r, err := newParquetReader(&source{name: "in"}, bytes.NewReader(in), int64(len(in)),
			Options{KeyField: "id"})
		if err != nil {
			return
		}
		var rec Record
		for range 1000 {
			if err := r.Read(&rec); err != nil {
				break
			}
			if !json.Valid(rec.Value) {
				t.Fatalf("a row is not JSON: %q", rec.Value)
			}
		}
		if err := r.Close(); err != nil {
			t.Logf("close: %v", err)
		}
	})
}
