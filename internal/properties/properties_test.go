package properties

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseDoesWhatJavaDoes(t *testing.T) {
	raw, err := os.ReadFile("testdata/load.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Rows []struct {
			Text    string
			Entries map[string]string
			Refused bool
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Rows) < 1000 {
		t.Fatalf("only %d rows", len(golden.Rows))
	}
	for _, row := range golden.Rows {
		f, err := Parse("", strings.NewReader(row.Text))
		if (err != nil) != row.Refused {
			t.Errorf("Parse(%q): %v, want refused %v", row.Text, err, row.Refused)
		}
		if err != nil {
			continue
		}
		got := map[string]string{}
		for _, e := range f.Entries {
			got[e.Key] = e.Value
		}
		if diff := cmp.Diff(row.Entries, got); diff != "" {
			t.Errorf("Parse(%q) (-Java +ours):\n%s", row.Text, diff)
		}
	}
}

func TestParseKeepsLines(t *testing.T) {
	const text = "# a comment\n\nacks = all\n" +
		"bootstrap.servers : one:9092,\\\n    two:9092\n" +
		"! another\r\nlinger.ms 5\r\\\r\n# after an empty continuation\ncompression.type=zstd"
	f, err := Parse("producer.properties", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{"acks", "all", 3},
		{"bootstrap.servers", "one:9092,two:9092", 4},
		{"linger.ms", "5", 7},
		{"compression.type", "zstd", 10},
	}
	if diff := cmp.Diff(want, f.Entries); diff != "" {
		t.Error(diff)
	}
	if at := f.Position(f.Entries[1]); at != "producer.properties:4" {
		t.Errorf("position %q", at)
	}
}

func TestParseWarns(t *testing.T) {
	tests := map[string]struct {
		text, want, key, value string
	}{
		"of a key that is given twice: the last one counts": {
			"acks=1\nlinger.ms=0\nacks=all\n",
			"p:3: acks is given again; line 1 no longer counts", "acks", "all"},
		"of text that is not UTF-8: it reads as Latin-1": {
			"client.id=caf\xe9\n",
			"p: not UTF-8, read as Latin-1; save it as UTF-8", "client.id", "café"},
		"of half a surrogate pair": {
			"client.id=\\ud83d!\n",
			`p:1: half a surrogate pair reads as U+FFFD; write both halves, \uD83D\uDE00`,
			"client.id", "\ufffd!"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := Parse("p", strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Warnings) != 1 || f.Warnings[0] != tt.want {
				t.Errorf("warnings %q, want %q", f.Warnings, tt.want)
			}
			if f.Entries[0].Key != tt.key || f.Entries[0].Value != tt.value {
				t.Errorf("entry %+v, want %s=%s", f.Entries[0], tt.key, tt.value)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"a short \\u escape": {"a=b\nc=\\u12\n", "p:2: \\u needs four hexadecimal digits"},
		"a huge file": {
			strings.Repeat("#", maxFileBytes+1), "p:1: the file is larger than 16 MiB"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("p", strings.NewReader(tt.text))
			_, ok := errors.AsType[*SyntaxError](err)
			if !ok || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %v, want %s…", err, tt.want)
			}
		})
	}
}

func TestParseSkipsAByteOrderMark(t *testing.T) {
	f, err := Parse("", strings.NewReader("\ufeffacks=all"))
	if err != nil || len(f.Entries) != 1 || f.Entries[0].Key != "acks" {
		t.Errorf("%+v, %v", f, err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, os.ErrClosed }

func TestParseReportsTheReadersError(t *testing.T) {
	if _, err := Parse("p", failing{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want %v", err, os.ErrClosed)
	}
}

// For any bytes: no panic, only a SyntaxError, valid text, lines within the file;
// and what was read can be written so that it reads the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte("a=b\\\n c\n#x\nd:\\u0041"))
	f.Add([]byte("\\"))
	f.Add([]byte("\xff = \\ud83d\\ude00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := Parse("f", strings.NewReader(string(raw)))
		if err != nil {
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Fatalf("Parse: %T", err)
			}
			return
		}
		var again strings.Builder
		for _, e := range file.Entries {
			if !utf8.ValidString(e.Key + e.Value) {
				t.Fatalf("%+v is not valid text", e)
			}
			lines := 1 + bytes.Count(raw, []byte("\r")) + bytes.Count(raw, []byte("\n"))
			if e.Line < 1 || e.Line > lines {
				t.Fatalf("%+v is on no line of the file", e)
			}
			again.WriteString(escape(e.Key) + "=" + escape(e.Value) + "\n")
		}
		second, err := Parse("f", strings.NewReader(again.String()))
		if err != nil {
			t.Fatalf("Parse(%q): %v", again.String(), err)
		}
		if len(second.Entries) != len(file.Entries) {
			t.Fatalf("%+v became %+v", file.Entries, second.Entries)
		}
		for i, e := range second.Entries {
			if e.Key != file.Entries[i].Key || e.Value != file.Entries[i].Value {
				t.Fatalf("%+v became %+v", file.Entries[i], e)
			}
		}
	})
}

func escape(s string) string {
	var out strings.Builder
	for i := range len(s) {
		switch c := s[i]; c {
		case '\n':
			out.WriteString(`\n`)
		case '\r':
			out.WriteString(`\r`)
		case '\t', '\f', ' ', '=', ':', '#', '!', '\\':
			out.WriteString(map[byte]string{'\t': `\t`, '\f': `\f`}[c])
			if c != '\t' && c != '\f' {
				out.WriteString(`\` + string(c))
			}
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
