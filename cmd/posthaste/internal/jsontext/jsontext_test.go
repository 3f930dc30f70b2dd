package jsontext

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// The scanner takes what encoding/json takes, and finds what it finds.
func FuzzJSONScannerAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add([]byte(`{"a":{"b":"x\u00e9\ud83d\ude00\n"},"c":[1,-0.5e+3,true,null]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte(`{"\u0061":"\ud800"}`))
	f.Add([]byte(`[01]`))
	f.Add([]byte(`"` + "\x01" + `"`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := NewScanner([]string{"a"})
		err := s.Scan(in)
		if (err == nil) != json.Valid(in) {
			t.Fatalf("Scan(%q) = %v, encoding/json says %v", in, err, json.Valid(in))
		}
		var members map[string]json.RawMessage
		if err != nil || !utf8.Valid(in) || json.Unmarshal(in, &members) != nil {
			return
		}
		if want := members["a"]; !bytes.Equal(s.Found()[0], want) {
			t.Fatalf("member a of %q is %q, want %q", in, s.Found()[0], want)
		}
		var str string
		if raw := s.Found()[0]; len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &str) == nil {
			if got := AppendUnescaped(nil, raw[1:len(raw)-1]); string(got) != str {
				t.Fatalf("string %s is %q, want %q", raw, got, str)
			}
		}
	})
}

func FuzzJSONStringsReadBack(f *testing.F) {
	f.Add("a\"\\\n\r\t\x00\x1f é😀")
	f.Fuzz(func(t *testing.T, in string) {
		if !utf8.ValidString(in) {
			return
		}
		var back string
		if err := json.Unmarshal(AppendString(nil, []byte(in)), &back); err != nil || back != in {
			t.Fatalf("%q reads back as %q, %v", in, back, err)
		}
	})
}

func TestScannerFindsMembersAtPaths(t *testing.T) {
	s := NewScanner([]string{"a", "a.b", "a.b.c", "x.y"})
	err := s.Scan([]byte(`{"a":{"b":{"c":[1, 2]},"b2":0},"x":1,"x.y":"whole","\u0061":{"b":3}}`))
	if err != nil {
		t.Fatal(err)
	}
	// Of two members called a the last counts, for what it has.
	want := []string{`{"b":3}`, `3`, `[1, 2]`, `"whole"`}
	for i, found := range s.Found() {
		if string(found) != want[i] {
			t.Errorf("member %d is %s, want %s", i, found, want[i])
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	deep := bytes.Repeat([]byte{'['}, maxDepth+1)
	if err := NewScanner(nil).Scan(deep); err == nil {
		t.Error("Scan takes any depth, want an error before the stack is spent")
	}
}

func TestAppendStringReplacesWhatIsNotUTF8(t *testing.T) {
	if got := AppendString(nil, []byte("a\xffb")); string(got) != "\"a\uFFFDb\"" {
		t.Errorf("AppendString = %s", got)
	}
}

// walk writes what a Parser finds as compact JSON.
func walk(p *Parser, dst []byte) ([]byte, error) {
	var err error
	switch p.Kind() {
	case '{':
		dst = append(dst, '{')
		err = p.Object(func(name []byte) error {
			dst = append(AppendString(dst, name), ':')
			var err error
			dst, err = walk(p, dst)
			dst = append(dst, ',')
			return err
		})
		dst = append(bytes.TrimSuffix(dst, []byte{','}), '}')
	case '[':
		dst = append(dst, '[')
		err = p.Array(func() error {
			var err error
			dst, err = walk(p, dst)
			dst = append(dst, ',')
			return err
		})
		dst = append(bytes.TrimSuffix(dst, []byte{','}), ']')
	case '"':
		var s []byte
		s, err = p.String()
		dst = AppendString(dst, s)
	default:
		var raw []byte
		raw, err = p.Skip()
		dst = append(dst, raw...)
	}
	return dst, err
}

// The parser takes what encoding/json takes, and finds the same values.
func FuzzParserAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add([]byte(` {"a\n":{"b":"x\u00e9"},"c":[1,-0.5e+3,true,null,[]],"d":{}} `))
	f.Add([]byte(`[1,]`))
	f.Add([]byte(`{"a"}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, in []byte) {
		var p Parser
		p.Reset(in)
		got, err := walk(&p, nil)
		if err == nil {
			err = p.End()
		}
		if (err == nil) != json.Valid(in) {
			t.Fatalf("walking %q: %v, encoding/json says %v", in, err, json.Valid(in))
		}
		if err != nil || !utf8.Valid(in) {
			return
		}
		var a, b any
		if json.Unmarshal(in, &a) != nil || json.Unmarshal(got, &b) != nil {
			return // a number out of range
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%q became %q", in, got)
		}
	})
}
