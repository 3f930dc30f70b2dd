package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/schemaregistry/compatibility"
)

// Differences from Apache Avro that are meant:
//
//   - A field of the reader that two of the writer's could be, by name and alias:
//     Java throws an AvroRuntimeException, we report an AMBIGUOUS_FIELD.
//   - A field that has its own name among its aliases: Java takes that for two
//     fields and throws as well; for us it is one.
const ambiguous = "AvroRuntimeException"

// ownAlias reports whether a field in a schema has its own name as an alias.
func ownAlias(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, ownAlias)
	case object:
		if list, ok := v["aliases"].([]any); ok && slices.Contains(list, v["name"]) {
			return true
		}
		for _, part := range v {
			if ownAlias(part) {
				return true
			}
		}
	}
	return false
}

// generator makes random Avro schemas and changes them a little.
type generator struct {
	*rand.Rand
	names int
}

type object = map[string]any

func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

func (g *generator) schema(depth int) any {
	simple := []any{"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
	n := g.IntN(14)
	switch {
	case depth == 0 || n < 6:
		return simple[g.IntN(len(simple))]
	case n < 7:
		return object{"type": "array", "items": g.schema(depth - 1)}
	case n < 8:
		return object{"type": "map", "values": g.schema(depth - 1)}
	case n < 9:
		return object{"type": "fixed", "name": g.name("F"), "size": g.IntN(3) + 1}
	case n < 10:
		e := object{"type": "enum", "name": g.name("E"), "symbols": []any{"A", "B", "C"}[:g.IntN(3)+1]}
		if g.IntN(3) == 0 {
			e["default"] = "A"
		}
		return e
	case n < 12:
		union := []any{"null", []any{"int", "long", "float", "double"}[g.IntN(4)]}
		if g.IntN(2) == 0 {
			union = append(union, []any{"string", "bytes", "boolean"}[g.IntN(3)])
		}
		if g.IntN(3) == 0 {
			union = append(union, g.record(depth-1))
		}
		return union
	}
	return g.record(depth - 1)
}

func (g *generator) record(depth int) any {
	fields := []any{}
	for i := range g.IntN(5) {
		f := object{"name": fmt.Sprintf("f%d", i), "type": g.schema(max(depth, 0))}
		if f["type"] == "int" && g.IntN(2) == 0 {
			f["default"] = 1
		}
		fields = append(fields, f)
	}
	return object{"type": "record", "name": g.name("R"), "fields": fields}
}

// change returns a schema that is like v but for something here or there.
func (g *generator) change(v any) any {
	switch v := v.(type) {
	case string:
		if g.IntN(5) == 0 {
			return []any{"null", "boolean", "int", "long", "float", "double", "bytes",
				"string"}[g.IntN(8)]
		}
		return v
	case []any:
		out := []any{}
		for _, branch := range v {
			if g.IntN(6) != 0 {
				out = append(out, g.change(branch))
			}
		}
		g.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return out
	case object:
		return g.changeObject(v)
	}
	return v
}

func (g *generator) changeObject(v object) any {
	out := object{}
	for k, item := range v {
		out[k] = item
	}
	if name, ok := v["name"].(string); ok && g.IntN(8) == 0 {
		out["name"] = g.name("N")
		if g.IntN(2) == 0 {
			out["aliases"] = []any{name}
		}
	}
	switch v["type"] {
	case "array":
		out["items"] = g.change(v["items"])
	case "map":
		out["values"] = g.change(v["values"])
	case "fixed":
		if g.IntN(4) == 0 {
			out["size"] = 7
		}
	case "enum":
		if g.IntN(3) == 0 {
			out["symbols"] = []any{"A", "D"}
		}
	case "record":
		out["fields"] = g.changeFields(v["fields"].([]any))
	}
	return out
}

func (g *generator) changeFields(list []any) []any {
	fields := []any{}
	for _, f := range list {
		f := f.(object)
		changed := object{"name": f["name"], "type": g.change(f["type"])}
		switch g.IntN(10) {
		case 0:
			continue
		case 1:
			changed["name"] = g.name("g")
		case 2:
			changed["name"], changed["aliases"] = g.name("g"), []any{f["name"]}
		case 3:
			changed["aliases"] = []any{"f1"}
		}
		fields = append(fields, changed)
	}
	if g.IntN(3) == 0 {
		f := object{"name": g.name("h"), "type": "int"}
		if g.IntN(2) == 0 {
			f["default"] = 3
		}
		fields = append(fields, f)
	}
	return fields
}

// Whether one schema reads another's data, for which reasons and where, is what
// Apache Avro says, on pairs that nobody thought of; and a schema's text is what
// Java writes.
func TestAvroCompatibilityIsJavas(t *testing.T) {
	const pairs = 4000
	g := &generator{Rand: rand.New(rand.NewPCG(1, 2))}
	var input bytes.Buffer
	texts := make([][2]string, pairs)
	for i := range texts {
		writer := g.schema(3)
		for side, v := range []any{g.change(writer), writer} {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			texts[i][side] = string(b)
			fmt.Fprintf(&input, "%s\n", b)
		}
	}
	cmd := java.AvroCompatibility(t)
	cmd.Stdin = &input
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != pairs {
		t.Fatalf("%d answers for %d pairs", len(lines), pairs)
	}
	count := map[string]int{}
	for i, line := range lines {
		parts := strings.Split(line, "\t")
		kind := compareOne(t, texts[i], parts)
		count[kind]++
	}
	t.Logf("%d pairs: %v", pairs, count)
	if count["compatible"] < pairs/10 || count["incompatible"] < pairs/10 {
		t.Errorf("the pairs are too much alike: %v", count)
	}
}

// compareOne compares our answer with Java's and says of which kind it was.
func compareOne(t *testing.T, texts [2]string, java []string) string {
	t.Helper()
	reader := compatibility.Schema{Text: texts[0]}
	found, err := compatibility.Check(compatibility.Backward, reader,
		compatibility.Schema{Text: texts[1]})
	if java[0] == "illegal" {
		if err == nil {
			t.Errorf("%s, %s: Java refuses one with %s", texts[0], texts[1], java[1])
		}
		return "illegal"
	}
	if err != nil {
		t.Errorf("%s, %s: %v", texts[0], texts[1], err)
		return "illegal"
	}
	if text, err := compatibility.Canonical(reader); err != nil || text != java[2] {
		t.Errorf("%s is written %s, %v; in Java %s", texts[0], text, err, java[2])
	}
	if java[0] == "error" {
		var schema any
		if err := json.Unmarshal([]byte(texts[0]), &schema); err != nil {
			t.Fatal(err)
		}
		named := len(found) > 0 && found[0].Type == "AMBIGUOUS_FIELD"
		if java[1] != ambiguous || !named && !ownAlias(schema) {
			t.Errorf("%s, %s: %v; Java throws %s", texts[0], texts[1], found, java[1])
		}
		return "error"
	}
	var ours []string
	for _, f := range found {
		ours = append(ours, f.Type+" "+f.Path+" "+f.Info)
	}
	if got := strings.Join(ours, ";"); got != java[0] {
		t.Errorf("reader %s\nwriter %s\n got %s\nJava %s", texts[0], texts[1], got, java[0])
	}
	if len(found) == 0 {
		return "compatible"
	}
	return "incompatible"
}
