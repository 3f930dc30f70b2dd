package avro

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/wireformat"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/internal/fakeregistry"
)

type order struct {
	ID    int64     `avro:"id"`
	Item  string    `avro:"item"`
	Price *float64  `avro:"price"`
	At    time.Time `avro:"at"`
	Tags  []string  `avro:"tags"`
}

func sample() order {
	price := 2.5
	return order{7, "tea", &price, time.UnixMilli(1700000000123).UTC(), []string{"a", "b"}}
}

// generated has its schema as posthaste schema generate writes it.
type generated struct {
	Name string `avro:"name"`
}

func (*generated) AvroSchema() string {
	return `{"type": "record", "name": "Generated", "namespace": "shop",
		"fields": [{"name": "name", "type": "string"}]}`
}

var (
	_ serializer.Serializer[order]   = (*Serde[order])(nil)
	_ serializer.Deserializer[order] = (*Serde[order])(nil)
	_ serializer.Configurer          = (*Serde[order])(nil)
)

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
	d := must(For[order](registry.Client(t)))(t)
	b, err := d.Serialize([]byte("before"), "orders", nil, sample())
	if err != nil || !bytes.HasPrefix(b, []byte("before\x00\x00\x00\x00\x01")) {
		t.Fatalf("Serialize = %q, %v", b, err)
	}
	got, err := d.Deserialize("orders", nil, b[len("before"):])
	if diff := cmp.Diff(sample(), got); err != nil || diff != "" {
		t.Fatalf("Deserialize: %v, %s", err, diff)
	}
	for range 10 {
		if _, err := d.Serialize(nil, "orders", nil, sample()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(registry.Requests(), ", "); got != "POST /subjects/orders-value/versions" {
		t.Errorf("requests: %s", got)
	}
	// From here on the registry is not needed.
	registry.SetDown(true)
	if _, err := d.Serialize(nil, "orders", nil, sample()); err != nil {
		t.Errorf("with the registry down: %v", err)
	}
	_, err = d.Serialize(nil, "other", nil, sample())
	if !errors.Is(err, schemaregistry.ErrUnavailable) ||
		!strings.Contains(err.Error(), `"other-value"`) {
		t.Errorf("what the registry was not asked for: %v", err)
	}
}

func TestPointersMapsAndGeneratedTypes(t *testing.T) {
	registry := fakeregistry.Run(t)
	client := registry.Client(t)

	pointers := must(For[*order](client))(t)
	want := sample()
	b := must(pointers.Serialize([]byte{}, "orders", nil, &want))(t)
	if got, err := pointers.Deserialize("orders", nil, b); err != nil || !cmp.Equal(*got, want) {
		t.Errorf("pointer: %+v, %v", got, err)
	}
	if b, err := pointers.Serialize([]byte{}, "orders", nil, nil); b != nil || err != nil {
		t.Errorf("a nil pointer is %q, %v; want null", b, err)
	}
	if got, err := pointers.Deserialize("orders", nil, nil); got != nil || err != nil {
		t.Errorf("null is read as %v, %v", got, err)
	}
	values := must(For[order](client))(t)
	if _, err := values.Deserialize("orders", nil, nil); !errors.Is(err, serializer.ErrNull) {
		t.Errorf("null into a struct: %v", err)
	}

	typed := must(For[generated](client, schemaregistry.Subject(
		schemaregistry.RecordName)))(t)
	b = must(typed.Serialize([]byte{}, "any topic", nil, generated{"x"}))(t)
	if got, err := typed.Deserialize("any topic", nil, b); err != nil || got.Name != "x" {
		t.Errorf("generated: %+v, %v", got, err)
	}
	if r, err := client.Latest(t.Context(), "shop.Generated"); err != nil || r.ID != 2 {
		t.Errorf("subject of the record's name: %+v, %v", r, err)
	}

	generic := must(Generic(client, schemaregistry.Subject(
		func(string, bool, string) (string, error) { return "shop.Generated", nil })))(t)
	b = must(generic.Serialize([]byte{}, "t", nil, map[string]any{"name": "y"}))(t)
	got, err := generic.Deserialize("t", nil, b)
	if diff := cmp.Diff(any(map[string]any{"name": "y"}), got); err != nil || diff != "" {
		t.Errorf("generic: %v, %s", err, diff)
	}
}

const (
	version1 = `{"type": "record", "name": "User", "fields": [
		{"name": "name", "type": "string"}, {"name": "age", "type": "int"}]}`
	version2 = `{"type": "record", "name": "User", "fields": [
		{"name": "email", "type": ["null", "string"], "default": null},
		{"name": "full_name", "type": "string", "aliases": ["name"]},
		{"name": "age", "type": "long"}, {"name": "level", "type": "int", "default": 3}]}`
)

type user1 struct {
	Name string `avro:"name"`
	Age  int    `avro:"age"`
}

type user2 struct {
	Email *string `avro:"email"`
	Name  string  `avro:"full_name"`
	Age   int64   `avro:"age"`
	Level int     `avro:"level"`
}

func TestNewReadersReadOldRecordsAndOldReadersNewOnes(t *testing.T) {
	client := fakeregistry.Run(t).Client(t)
	old := must(Of[user1](client, schemaregistry.Schema{Text: version1}))(t)
	fresh := must(Of[user2](client, schemaregistry.Schema{Text: version2}))(t)

	b := must(old.Serialize([]byte{}, "users", nil, user1{"Ann", 41}))(t)
	got, err := fresh.Deserialize("users", nil, b)
	if diff := cmp.Diff(user2{Name: "Ann", Age: 41, Level: 3}, got); err != nil || diff != "" {
		t.Errorf("new reader, old record: %v, %s", err, diff)
	}

	// An old reader knows nothing of a new name, so this writer keeps it.
	added := must(Of[user2](client, schemaregistry.Schema{Text: strings.Replace(
		strings.Replace(version2, `, "aliases": ["name"]`, "", 1), `"age", "type": "long"`,
		`"age", "type": "int"`, 1)}))(t)
	b = must(added.Serialize([]byte{}, "users", nil, user2{Name: "Bob", Age: 5, Level: 1}))(t)
	_, err = old.Deserialize("users", nil, b)
	if !errors.Is(err, ErrResolution) || !strings.Contains(err.Error(), "at name:") {
		t.Errorf("a field that the writer renamed: %v", err)
	}
	type user3 struct {
		Name  string `avro:"name"`
		Extra string `avro:"extra"`
		Age   int32  `avro:"age"`
	}
	newer := must(For[user3](client))(t)
	b = must(newer.Serialize([]byte{}, "users", nil, user3{"Eve", "dropped", 6}))(t)
	if got, err := old.Deserialize("users", nil, b); err != nil || got != (user1{"Eve", 6}) {
		t.Errorf("old reader, new record: %+v, %v", got, err)
	}
}

func TestIDsGoIntoHeadersOnDemandAndReadersTakeBoth(t *testing.T) {
	client := fakeregistry.Run(t).Client(t)
	d := must(For[order](client, schemaregistry.HeaderIDs))(t)
	var headers []serializer.Header
	b := must(d.Serialize([]byte{}, "orders", &headers, sample()))(t)
	if len(headers) != 1 || headers[0].Key != wireformat.ValueHeader || headers[0].Value[0] != 1 ||
		len(headers[0].Value) != 17 {
		t.Fatalf("headers = %v", headers)
	}
	plain := must(For[order](client))(t)
	for _, reader := range []*Serde[order]{d, plain} {
		if got, err := reader.Deserialize("orders", headers, b); err != nil || !cmp.Equal(got, sample()) {
			t.Errorf("from the header: %+v, %v", got, err)
		}
	}
	framed := must(plain.Serialize([]byte{}, "orders", nil, sample()))(t)
	if !bytes.Equal(framed[5:], b) {
		t.Errorf("payloads differ: %x, %x", framed[5:], b)
	}
	if _, err := d.Serialize([]byte{}, "orders", nil, sample()); err == nil {
		t.Error("no headers to write to, and no error")
	}
}

func TestSchemaReferencesAreFollowed(t *testing.T) {
	registry := fakeregistry.Run(t)
	registry.Add("item", schemaregistry.Schema{Text: `{"type": "record", "name": "Item",
		"namespace": "shop", "fields": [{"name": "sku", "type": "string"}]}`})
	cart := schemaregistry.Schema{
		Text: `{"type": "record", "name": "Cart", "namespace": "shop",
			"fields": [{"name": "items", "type": {"type": "array", "items": "Item"}}]}`,
		References: []schemaregistry.Reference{{Name: "shop.Item", Subject: "item", Version: 1}},
	}
	d := must(Of[map[string]any](registry.Client(t), cart))(t)
	v := map[string]any{"items": []any{map[string]any{"sku": "t-1"}}}
	b := must(d.Serialize([]byte{}, "carts", nil, v))(t)
	other := must(Generic(registry.Client(t)))(t) // knows nothing yet
	got, err := other.Deserialize("carts", nil, b)
	if diff := cmp.Diff(any(v), got); err != nil || diff != "" {
		t.Errorf("Deserialize: %v, %s", err, diff)
	}
}

func TestLatestVersionMustReadTheOwnType(t *testing.T) {
	registry := fakeregistry.Run(t)
	registry.Add("users-value", schemaregistry.Schema{Text: version1})
	client := registry.Client(t)
	same := must(Of[user1](client, schemaregistry.Schema{Text: version1},
		schemaregistry.UseLatest))(t)
	if _, err := same.Serialize(nil, "users", nil, user1{"Ann", 3}); err != nil {
		t.Error(err)
	}
	// What the type lacks of the latest schema gets its default there.
	registry.Add("wide-value", schemaregistry.Schema{Text: version2})
	wide := must(Of[user1](client, schemaregistry.Schema{Text: version1},
		schemaregistry.UseLatest))(t)
	b := must(wide.Serialize(nil, "wide", nil, user1{"Ann", 3}))(t)
	reader := must(Of[user2](client, schemaregistry.Schema{Text: version2}))(t)
	if got, err := reader.Deserialize("wide", nil, b); err != nil || b[4] != 2 ||
		!cmp.Equal(got, user2{Name: "Ann", Age: 3, Level: 3}) {
		t.Errorf("written with the latest schema: %+v, %v", got, err)
	}
	strict := must(For[order](client, schemaregistry.UseLatest))(t)
	_, err := strict.Serialize(nil, "users", nil, sample())
	if !errors.Is(err, ErrResolution) || !strings.Contains(err.Error(), "compatibility.strict") {
		t.Errorf("a latest schema that does not fit: %v", err)
	}
	none := must(For[order](client, schemaregistry.NoRegister))(t)
	_, err = none.Serialize(nil, "users", nil, sample())
	if !errors.Is(err, schemaregistry.ErrNotFound) {
		t.Errorf("a schema that is not registered: %v", err)
	}
}

func TestAValueThatDoesNotFitNamesPathValueAndType(t *testing.T) {
	s := mustParse(t, `{"type": "record", "name": "Order", "fields": [
		{"name": "id", "type": "long"},
		{"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line",
			"fields": [{"name": "sku", "type": "string"}, {"name": "n", "type": ["null", "int"]}]}}},
		{"name": "next", "type": ["null", "Order"], "default": null},
		{"name": "size", "type": {"type": "enum", "name": "Size", "symbols": ["S", "M"]}, "default": "S"},
		{"name": "by", "type": {"type": "map", "values": "boolean"}, "default": {}}]}`)
	line := func(sku, n any) map[string]any { return map[string]any{"sku": sku, "n": n} }
	full := func(change string, v any) map[string]any {
		m := map[string]any{"id": 1, "lines": []any{line("a", nil)}, "size": "M"}
		if change != "" {
			m[change] = v
		}
		return m
	}
	if _, err := s.Append(nil, full("", nil)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		v    any
		path string
		want string
	}{
		{"a string for a long", full("id", "x"), "id", `"x" is a string, but the schema wants long`},
		{"within a list", full("lines", []any{line("a", 1), line(2.5, 1)}), "lines[1].sku",
			"2.5 is a float64, but the schema wants string"},
		{"no branch of a union", full("lines", []any{line("a", "three")}), "lines[0].n",
			`"three" is a string, but the schema wants one of null, int`},
		{"a type that holds itself", full("next", full("id", true)), "next.id",
			"true is a bool, but the schema wants long"},
		{"a symbol that is not there", full("size", "XL"), "size", "enum Size (S, M)"},
		{"a map's value", full("by", map[string]any{"k": 1}), `by["k"]`, "wants boolean"},
		{"a field that is missing", map[string]any{"id": 1}, "lines", "missing and has no default"},
		{"something else altogether", 5, "", "wants record Order"},
		{"nothing", nil, "", "wants record Order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Append(nil, tt.v)
			e, ok := errors.AsType[*serializer.FieldError](err)
			if !ok || !errors.Is(err, serializer.ErrValue) {
				t.Fatalf("Append: %v", err)
			}
			if e.Path != tt.path || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("path %q: %v\nwant %q: %s", e.Path, err, tt.path, tt.want)
			}
		})
	}
}

func TestBytesThatAreNotTheSchemasAreMalformed(t *testing.T) {
	client := fakeregistry.Run(t).Client(t)
	d := must(For[order](client))(t)
	b := must(d.Serialize([]byte{}, "orders", nil, sample()))(t)
	for _, bad := range [][]byte{{}, []byte("{}"), b[:4], b[:7], append(bytes.Clone(b), 1)} {
		if v, err := d.Deserialize("orders", nil, bad); !errors.Is(err, serializer.ErrMalformed) {
			t.Errorf("%x is read as %+v, %v", bad, v, err)
		}
	}
	unknown := append(wireformat.AppendID(nil, 99), b[5:]...)
	if _, err := d.Deserialize("orders", nil, unknown); !errors.Is(err, schemaregistry.ErrNotFound) {
		t.Errorf("an id that the registry lacks: %v", err)
	}
}

func TestDecimalsOfOtherScaleAreRefused(t *testing.T) {
	decimal := func(scale string) *Schema {
		return mustParse(t, `{"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": `+
			scale+`}`)
	}
	if _, err := Resolve(decimal("2"), decimal("3")); !errors.Is(err, ErrResolution) {
		t.Errorf("Resolve: %v", err)
	}
	if _, err := Resolve(decimal("2"), decimal("2")); err != nil {
		t.Errorf("Resolve: %v", err)
	}
}
