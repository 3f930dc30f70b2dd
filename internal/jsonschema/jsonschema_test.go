package jsonschema

import (
	"slices"
	"strings"
	"testing"
)

func mustParse(t *testing.T, text string, references ...Reference) *Schema {
	t.Helper()
	s, err := Parse(text, references)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestCompatibility(t *testing.T) {
	object := func(properties, more string) string {
		return `{"type":"object","properties":{` + properties + `}` + more + `}`
	}
	closed := `,"additionalProperties":false`
	for _, tt := range []struct {
		name, writer, reader string
		want                 []string
	}{
		{"anything reads everything", `{"type":"string"}`, `{}`, nil},
		{"nothing is written", `false`, `{"type":"string"}`, nil},
		{"another type", `{"type":"string"}`, `{"type":"number"}`, []string{"TYPE_CHANGED #/"}},
		{"integer to number", `{"type":"integer"}`, `{"type":"number"}`, nil},
		{"number to integer", `{"type":"number"}`, `{"type":"integer"}`, []string{"TYPE_NARROWED #/"}},
		{"one of several types", `{"type":"string"}`, `{"type":["string","null"]}`, nil},
		{"a type less", `{"type":["string","null"]}`, `{"type":"string"}`, []string{"TYPE_CHANGED #/"}},
		{"a nearer limit", `{"type":"string","maxLength":5}`, `{"type":"string","maxLength":4}`,
			[]string{"MAX_LENGTH_DECREASED #/maxLength"}},
		{"a farther limit", `{"type":"number","minimum":5}`, `{"type":"number","minimum":4.5}`, nil},
		{"a new limit", `{"type":"array"}`, `{"type":"array","minItems":1}`,
			[]string{"MIN_ITEMS_ADDED #/minItems"}},
		{"multiples", `{"type":"number","multipleOf":0.5}`, `{"type":"number","multipleOf":1}`,
			[]string{"MULTIPLE_OF_EXPANDED #/multipleOf"}},
		{"multiples of more numbers", `{"type":"number","multipleOf":1}`,
			`{"type":"number","multipleOf":0.50}`, nil},
		{"an enum loses a value", `{"enum":[1,"a"]}`, `{"enum":[1.0]}`, []string{"ENUM_ARRAY_NARROWED #/enum"}},
		{"an enum gains a value", `{"enum":[1]}`, `{"enum":["a",1.0]}`, nil},
		{"an open object gains a property", object(`"a":{"type":"string"}`, ``),
			object(`"a":{"type":"string"},"b":{"type":"string"}`, ``),
			[]string{"OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b"}},
		{"a closed object gains a property", object(`"a":{"type":"string"}`, closed),
			object(`"a":{"type":"string"},"b":{"type":"string"}`, closed), nil},
		{"a closed object gains a required property", object(``, closed),
			object(`"b":{"type":"string"}`, closed+`,"required":["b"]`),
			[]string{"REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b"}},
		{"a required property with a default", object(``, closed),
			object(`"b":{"type":"string","default":""}`, closed+`,"required":["b"]`), nil},
		{"an open object loses a property", object(`"a":{"type":"string"}`, ``), object(``, ``), nil},
		{"a closed object loses a property", object(`"a":{"type":"string"}`, closed), object(``, closed),
			[]string{"PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/a"}},
		{"a pattern covers what is removed", object(`"a":{"type":"integer"}`, closed),
			object(``, closed+`,"patternProperties":{"^a":{"type":"number"}}`), nil},
		{"an object is closed", object(``, ``), object(``, closed),
			[]string{"ADDITIONAL_PROPERTIES_REMOVED #/additionalProperties"}},
		{"a property becomes required", object(`"a":{}`, ``), object(`"a":{}`, `,"required":["a"]`),
			[]string{"REQUIRED_ATTRIBUTE_ADDED #/required/a"}},
		{"deep inside", object(`"a":`+object(`"b":{"type":"array","items":{"type":"string"}}`, ``), ``),
			object(`"a":`+object(`"b":{"type":"array","items":{"type":"null"}}`, ``), ``),
			[]string{"TYPE_CHANGED #/properties/a/properties/b/items"}},
		{"oneOf gains a branch", `{"oneOf":[{"type":"string"}]}`,
			`{"oneOf":[{"type":"null"},{"type":"string"}]}`, nil},
		{"oneOf loses a branch", `{"oneOf":[{"type":"null"},{"type":"string"}]}`,
			`{"oneOf":[{"type":"string"}]}`, []string{"SUM_TYPE_NARROWED #/"}},
		{"allOf gains a part", `{"allOf":[{"maxLength":5}]}`, `{"allOf":[{"maxLength":5},{"minLength":2}]}`,
			[]string{"PRODUCT_TYPE_EXTENDED #/"}},
		{"branches that do not fit", `{"anyOf":[{"type":"null"},{"type":"string"}]}`,
			`{"anyOf":[{"type":"boolean"},{"type":"string"}]}`,
			[]string{"COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"}},
		{"not more", `{"not":{"type":"string","maxLength":5}}`, `{"not":{"type":"string","maxLength":7}}`,
			[]string{"NOT_TYPE_EXTENDED #/not"}},
		{"through a reference", `{"$ref":"#/definitions/a","definitions":{"a":{"type":"string"}}}`,
			`{"$ref":"#/definitions/a","definitions":{"a":{"type":"null"}}}`, []string{"TYPE_CHANGED #/"}},
		{"a tree that refers to itself", object(`"v":{"type":"integer"},"next":{"$ref":"#"}`, closed),
			object(`"v":{"type":"number"},"next":{"$ref":"#"}`, closed), nil},
		{"a tree whose nodes changed", object(`"v":{"type":"number"},"next":{"$ref":"#"}`, closed),
			object(`"v":{"type":"integer"},"next":{"$ref":"#"}`, closed),
			[]string{"TYPE_NARROWED #/properties/next/properties/v", "TYPE_NARROWED #/properties/v"}},
	} {
		got := Incompatibilities(mustParse(t, tt.reader), mustParse(t, tt.writer))
		var list []string
		for _, i := range got {
			list = append(list, i.Type+" "+i.Path)
		}
		if !slices.Equal(list, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, list, tt.want)
		}
	}
}

func TestReferencesToOtherSchemas(t *testing.T) {
	address := func(kind string) Reference {
		return Reference{"address.json", `{"type":"` + kind + `"}`}
	}
	for _, order := range []string{
		`{"properties":{"to":{"$ref":"address.json"}}}`,
		`{"$id":"http://shop.example/order.json","properties":{"to":{"$ref":"address.json"}}}`,
	} {
		before, after := mustParse(t, order, address("string")), mustParse(t, order, address("null"))
		got := Incompatibilities(after, before)
		want := []Incompatibility{{"TYPE_CHANGED", "#/properties/to"}}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", order, got, want)
		}
	}
}

func TestIllegalSchemas(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{`, "not JSON"},
		{`5`, "a schema is an object or a boolean, not number"},
		{`{"type":"strin"}`, "/type"},
		{`{"$ref":"other.json"}`, "other.json is no reference of the schema"},
		{`{"$ref":"#/definitions/a"}`, "#/definitions/a"},
		{`{"$ref":"http://127.0.0.1:1/x.json"}`, "is no reference of the schema"},
		{`{"properties":{"a":{"minLength":-1}}}`, "/properties/a/minLength"},
	} {
		if _, err := Parse(tt.text, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s in it", tt.text, err, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	s := mustParse(t, `{ "type": "object", "properties": {"b": {}, "a": {"default": 1.50}} }`)
	if got, want := s.Text(), `{"type":"object","properties":{"b":{},"a":{"default":1.5}}}`; got != want {
		t.Errorf("text %s, want %s", got, want)
	}
	want := `{"properties":{"a":{"default":1.5},"b":{}},"type":"object"}`
	if got := s.Normalized(); got != want {
		t.Errorf("normalised %s, want %s", got, want)
	}
}

// Whatever comes in, parsing and comparing end, and a schema reads its own data.
func FuzzParse(f *testing.F) {
	f.Add(`{"type":["object","null"],"properties":{"a":{"$ref":"#"}},"required":["a"]}`)
	f.Add(`{"allOf":[{"enum":[1]},{"not":{"const":2}}],"$defs":{"x":{"$anchor":"y"}}}`)
	f.Add(`{"items":[{"multipleOf":0.1}],"additionalItems":{"pattern":"^a"},"dependencies":{"a":["b"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text, nil)
		if err != nil {
			return
		}
		again, err := Parse(s.Text(), nil)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", text, s.Text(), err)
		}
		if found := Incompatibilities(again, s); len(found) > 0 {
			t.Fatalf("%s cannot read what it wrote: %v", text, found)
		}
	})
}
