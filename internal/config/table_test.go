package config

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// kafkaSetting is a row of testdata/producer-configs.json.
type kafkaSetting struct {
	Name       string
	Type       string
	Required   bool
	Default    any
	Valid      *string
	Validator  *string
	Importance string
	Internal   bool
	Deprecated bool
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber() // longs do not fit a float64
	if err := d.Decode(to); err != nil {
		t.Fatal(err)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestTheTableIsWhatKafkaSays(t *testing.T) {
	var golden struct{ Configs []kafkaSetting }
	readJSON(t, "testdata/producer-configs.json", &golden)
	var names []string
	for _, want := range golden.Configs {
		names = append(names, want.Name)
		t.Run(want.Name, func(t *testing.T) {
			got, ok := Lookup(want.Name)
			if !ok {
				t.Fatal("missing")
			}
			compareSetting(t, got, want)
		})
	}
	slices.Sort(names)
	var ours []string
	for _, s := range Table {
		ours = append(ours, s.Name)
	}
	if !slices.Equal(ours, names) {
		t.Errorf("the table has %d settings, Kafka %d", len(ours), len(names))
	}
}

func compareSetting(t *testing.T, got *Setting, want kafkaSetting) {
	t.Helper()
	if kind := strings.ToUpper(got.Kind.String()); kind != want.Type {
		t.Errorf("kind %s, want %s", kind, want.Type)
	}
	if rank := strings.ToUpper(got.Importance.String()); rank != want.Importance {
		t.Errorf("importance %s, want %s", rank, want.Importance)
	}
	if got.Required != want.Required || got.Internal != want.Internal {
		t.Errorf("required %v, internal %v, want %v, %v", got.Required, got.Internal,
			want.Required, want.Internal)
	}
	def := kafkaDefault(got)
	if none := want.Default == nil; none != (def == nil) || !none && !sameValue(def, want.Default) {
		t.Errorf("default %v, want %v", def, want.Default)
	}
	validator, bounds := "", got.Bounds()
	switch {
	case got.Check != nil:
		validator = got.Check.Kafka()
	case got.Kind == List:
		validator = "ValidList" // Verify does what it does, for all lists
	}
	if validator != text(want.Validator) || bounds != text(want.Valid) {
		t.Errorf("validator %q %q, want %q %q", validator, bounds, text(want.Validator),
			text(want.Valid))
	}
	if want.Deprecated {
		t.Error("Kafka deprecates the setting: give it a warning")
	}
}

// kafkaDefault is the default that the row says Kafka has.
func kafkaDefault(s *Setting) any {
	if s.JavaDefault == "" {
		return s.DefaultValue()
	}
	v, err := s.Parse(s.JavaDefault)
	if err != nil {
		panic(err)
	}
	return v
}

// sameValue compares a parsed value with one from JSON.
func sameValue(got, want any) bool {
	switch got := got.(type) {
	case int64:
		n, ok := want.(json.Number)
		return ok && n.String() == strconv.FormatInt(got, 10)
	case float64:
		f, err := strconv.ParseFloat(fmt.Sprint(want), 64) // JSON has no infinity: it is text
		return err == nil && math.Float64bits(f) == math.Float64bits(got)
	case []string:
		list, ok := want.([]any)
		return ok && fmt.Sprint(list) == fmt.Sprint(got) && len(list) == len(got)
	}
	return got == want
}

func TestOnlyLingerDiffersFromKafka(t *testing.T) {
	for _, s := range Table {
		if (s.Differs == "") != (s.JavaDefault == "") {
			t.Errorf("%s: Differs and JavaDefault go together", s.Name)
		}
		if s.Differs != "" && s.Name != "linger.ms" {
			t.Errorf("%s differs from Kafka", s.Name)
		}
	}
}

func TestEveryRowIsComplete(t *testing.T) {
	for _, s := range Table {
		homes := 0
		for _, here := range []bool{s.Field != "", s.NoEffect != "", s.Loading} {
			if here {
				homes++
			}
		}
		if homes != 1 {
			t.Errorf("%s: needs exactly one of Field, NoEffect and Loading", s.Name)
		}
		if s.Doc == "" || !strings.HasSuffix(s.Doc, ".") && !strings.HasSuffix(s.Doc, ";") {
			t.Errorf("%s: Doc is no sentence: %q", s.Name, s.Doc)
		}
		if s.Null && s.Default != "" {
			t.Errorf("%s: Null and Default exclude each other", s.Name)
		}
		if strings.HasSuffix(s.Name, ".ms") != (s.Unit == Millis) &&
			s.Name != "sasl.kerberos.min.time.before.relogin" || // is in milliseconds
			strings.HasSuffix(s.Name, ".seconds") != (s.Unit == Seconds) {
			t.Errorf("%s: the unit is not what the name says", s.Name)
		}
	}
}

func TestGroupsHoldEverySettingOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range Groups {
		for _, s := range g.Settings {
			if seen[s.Name] {
				t.Errorf("%s is there twice", s.Name)
			}
			seen[s.Name] = true
		}
	}
	if len(seen) != 120 || len(Table) != 120 {
		t.Errorf("%d settings in groups, %d in the table, want 120", len(seen), len(Table))
	}
}

// stricter lists where Parse on purpose does not do what Kafka does.
var stricter = map[string]string{
	"٣": "Java takes digits of every script; ours are ASCII, so that a look-alike is noticed",
}

func TestParseDoesWhatKafkaDoes(t *testing.T) {
	var golden struct {
		Rows []struct {
			Setting string
			Text    string
			Value   any
			Refused bool
		}
	}
	readJSON(t, "testdata/values.json", &golden)
	if len(golden.Rows) < 2000 {
		t.Fatalf("only %d rows", len(golden.Rows))
	}
	for _, row := range golden.Rows {
		if stricter[row.Text] != "" {
			continue
		}
		s, ok := Lookup(row.Setting)
		if !ok {
			t.Fatalf("%s is missing", row.Setting)
		}
		got, err := s.Parse(row.Text)
		switch {
		case (err != nil) != row.Refused:
			t.Errorf("%s=%q: error %v, want refused %v", row.Setting, row.Text, err, row.Refused)
		case err == nil && !sameValue(got, row.Value):
			t.Errorf("%s=%q: %#v, want %#v", row.Setting, row.Text, got, row.Value)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	tests := map[string]struct{ key, value, want string }{
		"a unit": {"linger.ms", "5 ms",
			"linger.ms=5 ms: not a whole number; write digits only, in milliseconds"},
		"a range": {"compression.lz4.level", "18",
			"compression.lz4.level=18: out of bounds; give 1 to 17"},
		"a lower bound": {"batch.size", "-1",
			"batch.size=-1: out of bounds; give 0 or more, in bytes"},
		"a word": {"acks", "ALL",
			"acks=ALL: out of bounds; give all, -1, 0 or 1"},
		"an int too large": {"retries", "2147483648",
			"retries=2147483648: does not fit 32 bits; give at most 2147483647"},
		"a list": {"interceptor.classes", "a,,b",
			"interceptor.classes=a,,b: an element of the list is empty; remove the extra comma"},
		"a boolean": {"enable.idempotence", "yes",
			"enable.idempotence=yes: neither true nor false; write true or false"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, _ := Lookup(tt.key)
			_, err := s.Parse(tt.value)
			if err == nil || err.Error() != tt.want {
				t.Errorf("Parse: %v\nwant %s", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("linger.ms", "5")
	f.Add("sasl.login.refresh.window.factor", "0x1p-1")
	f.Add("bootstrap.servers", "a,b ,c")
	f.Fuzz(func(t *testing.T, name, text string) {
		s, ok := Lookup(name)
		if !ok {
			Unknown(name) // must not panic
			return
		}
		v, err := s.Parse(text)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatalf("Parse: %T", err)
			}
			return
		}
		again, err := s.Parse(Format(v))
		if err != nil || Format(again) != Format(v) {
			t.Fatalf("%s=%q: %#v became %#v, %v", name, text, v, again, err)
		}
	})
}
