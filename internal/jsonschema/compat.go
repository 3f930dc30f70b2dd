package jsonschema

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/internal/ordered"
)

// Incompatibility is one reason why a reader does not accept all that a writer
// does.
type Incompatibility struct {
	Type string // by the names of Confluent's registry, such as TYPE_CHANGED
	Path string // such as #/properties/name
}

// Incompatibilities lists why reader cannot read all data of writer; none means
// it can. Whatever is narrower in the reader is a reason: a keyword that is
// added, a limit that is nearer, a type that is gone. A property that is new is
// one too if the writer's schema is open: there may be data that has it with
// another type.
func Incompatibilities(reader, writer *Schema) []Incompatibility {
	known := map[pair][]Incompatibility{}
	for {
		c := &checker{memo: map[pair][]Incompatibility{}, active: map[pair]bool{}, known: known}
		result := c.compare(reader.root, writer.root)
		if !c.assumed {
			return result
		}
		// A cycle was taken to fit. What did not fit elsewhere is known now; with it
		// the cycles are looked at again, until nothing new comes.
		before := len(known)
		for p, found := range c.memo {
			if len(found) > 0 {
				known[p] = found
			}
		}
		if len(known) == before {
			return result
		}
	}
}

type pair struct{ reader, writer *node }

// checker compares one pair of schemas. The paths of what it finds are relative
// to the pair.
type checker struct {
	memo    map[pair][]Incompatibility
	active  map[pair]bool              // pairs under way: a cycle comes back to them
	known   map[pair][]Incompatibility // pairs that were found not to fit before
	assumed bool                       // a pair under way was taken to fit
}

// found collects reasons under paths.
type found struct {
	c    *checker
	list []Incompatibility
}

func (f *found) add(kind string, path ...string) {
	f.list = append(f.list, Incompatibility{kind, "#/" + strings.Join(path, "/")})
}

// sub compares two parts and says whether they fit.
func (f *found) sub(reader, writer *node, path ...string) bool {
	nested := f.c.compare(reader, writer)
	f.list = append(f.list, under(nested, path...)...)
	return len(nested) == 0
}

// under puts reasons below a path.
func under(list []Incompatibility, path ...string) []Incompatibility {
	out := make([]Incompatibility, len(list))
	for i, r := range list {
		rest := strings.TrimPrefix(r.Path, "#/")
		out[i] = Incompatibility{r.Type, "#/" + strings.Join(path, "/")}
		if rest != "" {
			out[i].Path += "/" + rest
		}
	}
	return out
}

func (c *checker) compare(reader, writer *node) []Incompatibility {
	switch {
	case reader == nil:
		return nil
	case writer == nil:
		return []Incompatibility{{"SCHEMA_ADDED", "#/"}}
	}
	p := pair{reader, writer}
	if list, ok := c.memo[p]; ok {
		return list
	}
	if c.active[p] {
		if list := c.known[p]; list != nil {
			return list
		}
		c.assumed = true
		return nil
	}
	c.active[p] = true
	f := &found{c: c}
	f.types(reader, writer)
	delete(c.active, p)
	c.memo[p] = f.list
	return f.list
}

func (f *found) types(reader, writer *node) {
	if reader.kind == combined && writer.kind != combined {
		if len(reader.parts) == 1 || reader.criterion != "allOf" {
			for _, part := range reader.parts {
				if len(f.c.compare(part, writer)) == 0 {
					return
				}
			}
		}
	}
	if writer.kind == combined && reader.kind != combined {
		if len(writer.parts) == 1 || writer.criterion == "allOf" {
			for _, part := range writer.parts {
				if len(f.c.compare(reader, part)) == 0 {
					return
				}
			}
		}
	}
	if reader.kind != writer.kind {
		if writer.kind == nothing || reader.kind == anything || bytesOf(reader) && bytesOf(writer) {
			return
		}
		f.add("TYPE_CHANGED")
		return
	}
	switch reader.kind {
	case text:
		f.limits(reader, writer, []limit{{"maxLength", "MAX_LENGTH", true},
			{"minLength", "MIN_LENGTH", false}})
		f.pattern(reader, writer)
	case number:
		f.numbers(reader, writer)
	case enum:
		f.enums(reader.json.Get("enum").Items, writer.json.Get("enum").Items)
	case constant:
		if !ordered.Equal(reader.json.Get("const"), writer.json.Get("const")) {
			f.add("ENUM_ARRAY_CHANGED", "const")
		}
	case not:
		// The other way round: what the reader refuses, the writer must refuse too.
		if len(f.c.compare(writer.inner, reader.inner)) > 0 {
			f.add("NOT_TYPE_EXTENDED", "not")
		}
	case combined:
		f.combinations(reader, writer)
	case object:
		f.objects(reader, writer)
	case array:
		f.arrays(reader, writer)
	}
}

// bytesOf reports whether Kafka Connect wrote the schema for bytes.
func bytesOf(n *node) bool {
	t := n.json.Get("connect.type")
	return t.Is(ordered.String) && t.Text == "bytes"
}

// limit is a keyword that bounds something from above or below.
type limit struct {
	keyword, name string
	upper         bool
}

func (f *found) limits(reader, writer *node, limits []limit) {
	for _, l := range limits {
		now, is := value(reader, l.keyword)
		old, was := value(writer, l.keyword)
		switch {
		case !is:
		case !was:
			f.add(l.name+"_ADDED", l.keyword)
		case l.upper && now.Cmp(old) < 0:
			f.add(l.name+"_DECREASED", l.keyword)
		case !l.upper && now.Cmp(old) > 0:
			f.add(l.name+"_INCREASED", l.keyword)
		}
	}
}

func value(n *node, keyword string) (*big.Rat, bool) {
	v := n.json.Get(keyword)
	if !v.Is(ordered.Number) {
		return nil, false
	}
	return ordered.Rat(v.Text)
}

func (f *found) pattern(reader, writer *node) {
	now, old := reader.json.Get("pattern"), writer.json.Get("pattern")
	switch {
	case now == nil:
	case old == nil:
		f.add("PATTERN_ADDED", "pattern")
	case now.Text != old.Text:
		f.add("PATTERN_CHANGED", "pattern")
	}
}

func (f *found) numbers(reader, writer *node) {
	f.limits(reader, writer, []limit{
		{"maximum", "MAXIMUM", true}, {"minimum", "MINIMUM", false},
		{"exclusiveMaximum", "EXCLUSIVE_MAXIMUM", true},
		{"exclusiveMinimum", "EXCLUSIVE_MINIMUM", false},
	})
	now, is := value(reader, "multipleOf")
	old, was := value(writer, "multipleOf")
	switch {
	case !is || was && now.Cmp(old) == 0:
	case !was:
		f.add("MULTIPLE_OF_ADDED", "multipleOf")
	case old.Sign() != 0 && new(big.Rat).Quo(now, old).IsInt():
		f.add("MULTIPLE_OF_EXPANDED", "multipleOf")
	case now.Sign() != 0 && !new(big.Rat).Quo(old, now).IsInt():
		f.add("MULTIPLE_OF_CHANGED", "multipleOf")
	}
	if reader.integer && !writer.integer {
		f.add("TYPE_NARROWED")
	}
}

func (f *found) enums(reader, writer []*ordered.Value) {
	switch {
	case containsAll(reader, writer):
	case containsAll(writer, reader):
		f.add("ENUM_ARRAY_NARROWED", "enum")
	default:
		f.add("ENUM_ARRAY_CHANGED", "enum")
	}
}

func containsAll(list, of []*ordered.Value) bool {
	return !slices.ContainsFunc(of, func(v *ordered.Value) bool {
		return !slices.ContainsFunc(list, func(w *ordered.Value) bool { return ordered.Equal(v, w) })
	})
}

// combinations compares allOf, anyOf and oneOf: each part of the shorter list
// needs a partner of its own in the other one.
func (f *found) combinations(reader, writer *node) {
	now, old := distinct(reader.parts), distinct(writer.parts)
	if reader.criterion != writer.criterion && !extended(reader, writer) {
		f.add("COMBINED_TYPE_CHANGED")
		return
	}
	switch {
	case len(old) < len(now) && reader.criterion == "allOf":
		f.add("PRODUCT_TYPE_EXTENDED")
	case len(old) > len(now) && writer.criterion != "allOf":
		f.add("SUM_TYPE_NARROWED")
	}
	partners := make([][]int, len(old))
	for i, from := range old {
		for j, to := range now {
			if len(f.c.compare(to, from)) == 0 {
				partners[i] = append(partners[i], j)
			}
		}
	}
	if match(partners, len(now)) < min(len(old), len(now)) {
		f.add("COMBINED_TYPE_SUBSCHEMAS_CHANGED")
	}
}

func extended(reader, writer *node) bool {
	one := func(n *node) bool { return len(n.parts) == 1 }
	return reader.criterion == "anyOf" || one(reader) && one(writer) ||
		one(writer) && reader.criterion == "oneOf" || one(reader) && writer.criterion == "allOf"
}

func distinct(list []*node) []*node {
	seen := map[string]bool{}
	var out []*node
	for _, n := range list {
		if !seen[n.source] {
			seen[n.source] = true
			out = append(out, n)
		}
	}
	return out
}

// match is the size of the largest matching of a bipartite graph, by augmenting
// paths.
func match(edges [][]int, right int) int {
	owner := make([]int, right)
	for i := range owner {
		owner[i] = -1
	}
	var seen []bool
	var try func(int) bool
	try = func(i int) bool {
		for _, j := range edges[i] {
			if seen[j] {
				continue
			}
			seen[j] = true
			if owner[j] < 0 || try(owner[j]) {
				owner[j] = i
				return true
			}
		}
		return false
	}
	size := 0
	for i := range edges {
		seen = make([]bool, right)
		if try(i) {
			size++
		}
	}
	return size
}

func index(i int) string { return strconv.Itoa(i) }
