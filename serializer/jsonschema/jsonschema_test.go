package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/internal/fakeregistry"
)

type line struct {
	SKU   string `json:"sku"`
	Count int    `json:"count"`
}

type order struct {
	ID    int64              `json:"id"`
	Item  string             `json:"item,omitempty" jsonschema:"what was bought"`
	Lines []line             `json:"lines"`
	Price *float64           `json:"price"`
	At    time.Time          `json:"at"`
	Sum   []byte             `json:"sum,omitempty"`
	By    map[string]float64 `json:"by,omitempty"`
}

func sample() order {
	return order{ID: 1<<60 + 1, Item: "tea", Lines: []line{{"t-1", 2}},
		At: time.UnixMilli(1700000000123).UTC(), Sum: []byte{1, 2}, By: map[string]float64{"a": 1.5}}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestAGoTypeGoesThereAndBack(t *testing.T) {
	registry := fakeregistry.Run(t)
	client := registry.Client(t)
	d := must(For[order](client))(t)
	b := must(d.Serialize([]byte{}, "orders", nil, sample()))(t)
	if !bytes.HasPrefix(b, []byte("\x00\x00\x00\x00\x01{\"id\":1152921504606846977,")) {
		t.Errorf("bytes %q", b)
	}
	got, err := d.Deserialize("orders", nil, b)
	if diff := cmp.Diff(sample(), got); err != nil || diff != "" {
		t.Errorf("Deserialize: %v, %s", err, diff)
	}
	r := must(client.Latest(t.Context(), "orders-value"))(t)
	if r.Type != schemaregistry.JSON || !strings.Contains(r.Text, `"title":"order"`) {
		t.Errorf("registered %+v", r)
	}
	generic := must(Generic(client))(t)
	v, err := generic.Deserialize("orders", nil, b)
	if err != nil || v.(map[string]any)["id"] != json.Number("1152921504606846977") {
		t.Errorf("generic: %v, %v", v, err)
	}
	again := must(generic.Serialize([]byte{}, "orders", nil, v))(t)
	if back, err := d.Deserialize("orders", nil, again); err != nil || !cmp.Equal(back, sample()) {
		t.Errorf("what was read is written and read as %+v, %v", back, err)
	}
	pointers := must(For[*order](client))(t)
	if b, err := pointers.Serialize([]byte{}, "orders", nil, nil); b != nil || err != nil {
		t.Errorf("a nil pointer is %q, %v; want null", b, err)
	}
	if _, err := d.Deserialize("orders", nil, nil); !errors.Is(err, serializer.ErrNull) {
		t.Errorf("null into a struct: %v", err)
	}
}

const userSchema = `{"$schema": "http://json-schema.org/draft-07/schema#", "title": "User",
	"type": "object", "additionalProperties": false, "required": ["name"],
	"properties": {
		"name": {"type": "string", "minLength": 2},
		"age": {"type": ["integer", "null"], "minimum": 0},
		"level": {"enum": ["low", "high"]},
		"mail": {"type": "array", "items": {"type": "string", "format": "email"}},
		"pet": {"oneOf": [{"type": "null"}, {"type": "object", "required": ["kind"],
			"properties": {"kind": {"type": "string"}, "legs": {"type": "integer"}}}]}}}`

func TestAValueThatDoesNotFitNamesPathValueAndType(t *testing.T) {
	d := must(Of[map[string]any](fakeregistry.Run(t).Client(t),
		schemaregistry.Schema{Text: userSchema}))(t)
	user := func(change string, v any) map[string]any {
		m := map[string]any{"name": "Ann"}
		m[change] = v
		return m
	}
	if _, err := d.Serialize([]byte{}, "users", nil, user("age", nil)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		v    map[string]any
		path string
		want string
	}{
		{"another type", user("age", "x"), "age", `"x" is a string, but the schema wants null or integer`},
		{"within a list", user("mail", []any{"a@b.c", 5}), "mail[1]", "5 is a float64, but the schema wants string"},
		{"missing", map[string]any{"age": 1}, "name", "required and missing"},
		{"not known", user("colour", "red"), "colour", "no such property"},
		{"not a symbol", user("level", "mid"), "level", "one of [low high]"},
		{"below the minimum", user("age", -1), "age", "minimum"},
		{"in an alternative", user("pet", map[string]any{"kind": "cat", "legs": "four"}), "pet.legs",
			"wants integer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.Serialize([]byte{}, "users", nil, tt.v)
			e, ok := errors.AsType[*serializer.FieldError](err)
			if !ok || !errors.Is(err, serializer.ErrValue) {
				t.Fatalf("Serialize: %v", err)
			}
			if e.Path != tt.path || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("path %q: %v\nwant %q: %s", e.Path, err, tt.path, tt.want)
			}
		})
	}
}

func TestValidationCanBeSwitchedOff(t *testing.T) {
	client := fakeregistry.Run(t).Client(t)
	s := schemaregistry.Schema{Text: userSchema}
	lax := must(Of[map[string]any](client, s, func(s *schemaregistry.Settings) {
		s.NoValidation = true
	}))(t)
	b := must(lax.Serialize([]byte{}, "users", nil, map[string]any{}))(t)
	if v, err := lax.Deserialize("users", nil, b); err != nil || len(v) != 0 {
		t.Errorf("Deserialize = %v, %v", v, err)
	}
	strict := must(Of[map[string]any](client, s))(t)
	if _, err := strict.Deserialize("users", nil, b); !errors.Is(err, serializer.ErrValue) {
		t.Errorf("a record that does not fit its own schema: %v", err)
	}
}

func TestReferencesAreFollowedAndNothingElse(t *testing.T) {
	registry := fakeregistry.Run(t)
	registry.Add("address", schemaregistry.Schema{Type: schemaregistry.JSON,
		Text: `{"type": "object", "properties": {"zip": {"type": "string"}}}`})
	person := schemaregistry.Schema{Type: schemaregistry.JSON,
		Text:       `{"type": "object", "properties": {"home": {"$ref": "address.json"}}}`,
		References: []schemaregistry.Reference{{Name: "address.json", Subject: "address", Version: 1}}}
	d := must(Of[map[string]any](registry.Client(t), person))(t)
	if _, err := d.Serialize([]byte{}, "t", nil, map[string]any{
		"home": map[string]any{"zip": "1"}}); err != nil {
		t.Error(err)
	}
	_, err := d.Serialize([]byte{}, "t", nil, map[string]any{"home": map[string]any{"zip": 1}})
	if e, ok := errors.AsType[*serializer.FieldError](err); !ok || e.Path != "home.zip" {
		t.Errorf("within a reference: %v", err)
	}
	for _, ref := range []string{"file:///etc/passwd", "http://localhost:1/x.json", "other.json"} {
		_, err := Compile(`{"$ref": "`+ref+`"}`, nil)
		if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "not a reference") {
			t.Errorf("$ref %s: %v", ref, err)
		}
	}
}

type generated struct{ A int }

func (generated) JSONSchema() string { return `{"title": "Gen", "type": "object"}` }

func TestTypesMayKnowTheirSchema(t *testing.T) {
	registry := fakeregistry.Run(t)
	client := registry.Client(t)
	d := must(For[generated](client, schemaregistry.Subject(schemaregistry.TopicRecordName)))(t)
	must(d.Serialize([]byte{}, "t", nil, generated{1}))(t)
	r, err := client.Latest(t.Context(), "t-Gen")
	if err != nil || r.Text != (generated{}).JSONSchema() {
		t.Errorf("registered %+v, %v", r, err)
	}
}

func TestBytesThatAreNotJSONAreMalformed(t *testing.T) {
	client := fakeregistry.Run(t).Client(t)
	d := must(For[line](client))(t)
	b := must(d.Serialize([]byte{}, "t", nil, line{"a", 1}))(t)
	for _, bad := range [][]byte{{}, b[:5], b[:9], append(bytes.Clone(b), "{}"...), []byte("{}")} {
		if v, err := d.Deserialize("t", nil, bad); !errors.Is(err, serializer.ErrMalformed) {
			t.Errorf("%q is read as %+v, %v", bad, v, err)
		}
	}
}

// latest.compatibility.strict: what this program writes has to be what readers
// of the latest version expect.
func TestTheLatestSchemaMustReadWhatTheTypeWrites(t *testing.T) {
	text := func(count, more string) string {
		return `{"type":"object","properties":{"sku":{"type":"string"},"count":{"type":"` + count + `"}` +
			more + `},"required":["sku"],"additionalProperties":false}`
	}
	for _, tt := range []struct {
		name, latest, want string
		lax                bool
	}{
		{"the same but for what is required", text("integer", ""), "", false},
		{"wider", text("number", ""), "", false},
		{"one property more", text("integer", `,"note":{"type":"string"}`), "", false},
		{"another type", text("string", ""), "TYPE_CHANGED at #/properties/count", false},
		{"another type, without the check", text("string", ""), "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := fakeregistry.Run(t).Client(t)
			_, err := client.Register(t.Context(), "lines-value",
				schemaregistry.Schema{Type: schemaregistry.JSON, Text: tt.latest},
				schemaregistry.RegisterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			d := must(For[line](client, schemaregistry.UseLatest, func(s *schemaregistry.Settings) {
				s.LaxLatest = tt.lax
			}))(t)
			err = d.Prepare(t.Context(), "lines")
			if tt.want == "" && err != nil || tt.want != "" &&
				(err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Prepare: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestNumbersWithLongExponentsAreRefused(t *testing.T) {
	s := must(Compile(`{"type": "object", "properties": {
		"n": {"type": "integer", "minimum": 1, "multipleOf": 2}, "all": {"items": {"minimum": -1}}}}`, nil))(t)
	for text, path := range map[string]string{
		`{"n": 1e999999}`:                        "n",
		`{"n": 1E+9999999999}`:                   "n",
		`{"all": [1, {"x": [2.5e-1000]}]}`:       "all[1].x[0]",
		`{"n": 2e0002}`:                          "",
		`{"n": 2e999}`:                           "",
		`{"n": 2, "all": [-1e-999]}`:             "",
		`{"n": 2, "s": "call 1e999999 or 1e+9"}`: "",
	} {
		err := s.Validate([]byte(text))
		fault, refused := errors.AsType[*serializer.FieldError](err)
		if refused != (path != "") || refused && fault.Path != path {
			t.Errorf("%s: %v, want a fault at %q", text, err, path)
		}
	}
}
