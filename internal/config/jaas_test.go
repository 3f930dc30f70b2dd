package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseJAAS(t *testing.T) {
	const plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
	tests := map[string]struct {
		text string
		want map[string]string
	}{
		"as it is usually written": {
			plain + ` required username="alice" password="al;ice=1";`,
			map[string]string{"username": "alice", "password": "al;ice=1"}},
		"over several lines, flags in any case": {
			plain + " REQUIRED\n  username=\"a\"\n  password='b' ;\n",
			map[string]string{"username": "a", "password": "b"}},
		"with escapes": {
			plain + ` required password="a\"b\\c\td";`,
			map[string]string{"password": "a\"b\\c\td"}},
		"with bare values and comments": {
			plain + " required // a word\n serviceName=kafka /* more */ refresh=true;",
			map[string]string{"serviceName": "kafka", "refresh": "true"}},
		"without options": {plain + " required;", map[string]string{}},
		"with spaces around =": {
			plain + ` optional username = "u" ;`, map[string]string{"username": "u"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseJAAS(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&Login{Module: plain, Options: tt.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseJAASRefuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"nothing":              {"", "class is missing"},
		"a module alone":       {"M", "required is missing"},
		"an unknown flag":      {"M must;", "something else than required"},
		"no semicolon":         {`M required username="secret"`, "; at the end is missing"},
		"an open quote":        {`M required username="secret;`, "not closed"},
		"a quote over lines":   {"M required username=\"sec\nret\";", "ends with its line"},
		"an option without =":  {`M required username "secret";`, "username is not followed by ="},
		"an option, no value":  {"M required username=;", "username has no value"},
		"two modules":          {"M required; N required;", "one login module only"},
		"a value without name": {`M required ="secret";`, "no name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseJAAS(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q shows a value", err)
			}
		})
	}
}

func FuzzParseJAAS(f *testing.F) {
	f.Add(`M required a="b" c=d;`)
	f.Add(`M required a="b\`)
	f.Add("/*")
	f.Fuzz(func(t *testing.T, text string) {
		login, err := ParseJAAS(text)
		if err == nil && login.Module == "" {
			t.Fatal("a login without a module")
		}
	})
}

func TestAddresses(t *testing.T) {
	got, err := Addresses([]string{
		"localhost:9092", "[::1]:1", "PLAINTEXT://h:2", "127.0.0.1:0", ":9092", "fe80::1%eth0:3"})
	want := []string{
		"localhost:9092", "[::1]:1", "h:2", "127.0.0.1:0", ":9092", "[fe80::1%eth0]:3"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for bad, reason := range map[string]string{
		"localhost": "not an address", "h:65536": "no such port", "h:x": "not an address",
		"h:99999999999999999999": "no such port", "h h:1": "not an address", "": "not an address",
	} {
		_, err := Addresses([]string{bad})
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v, want %s", bad, err, reason)
		}
	}
	if _, err := Addresses(nil); err == nil {
		t.Error("no server at all is accepted")
	}
}
