package jsonschema

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/internal/ordered"
)

// kind is what a schema is about. One that says several things at once, such as
// a type and an enum, is an allOf of them.
type kind uint8

const (
	anything kind = iota // true, {}
	nothing              // false
	null
	boolean
	number
	text
	array
	object
	enum
	constant
	not
	combined
	conditional
)

// node is one schema, or one thing that it says.
type node struct {
	kind   kind
	source string // its text: equal ones in a combination count once
	json   *ordered.Value

	criterion string  // of a combination: allOf, anyOf or oneOf
	parts     []*node // of it
	inner     *node   // of not

	integer bool // a number that is whole

	properties map[string]*property
	patterns   []pattern
	rest       *node // additionalProperties or additionalItems, if it is a schema
	closed     bool  // it is false
	uneval     *node // unevaluatedProperties or unevaluatedItems

	items *node   // of all items
	tuple []*node // of the first ones

	needs       map[string][]string // property: others that must be there with it
	needsSchema map[string]*node
}

type property struct {
	*node
	hasDefault bool
}

type pattern struct {
	*regexp.Regexp
	schema *node
}

// builder makes nodes. A schema that refers to itself is a cycle of nodes.
type builder struct {
	docs  documents
	nodes map[*ordered.Value]*node
}

var keywords = map[kind][]string{
	array: {"items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
		"prefixItems", "unevaluatedItems", "minContains", "maxContains"},
	object: {"properties", "required", "minProperties", "maxProperties", "dependencies",
		"patternProperties", "additionalProperties", "propertyNames", "dependentRequired",
		"dependentSchemas", "unevaluatedProperties"},
	number: {"minimum", "maximum", "minimumExclusive", "maximumExclusive", "exclusiveMinimum",
		"exclusiveMaximum", "multipleOf"},
	text: {"minLength", "maxLength", "pattern", "format"},
}

var typeKinds = map[string]kind{"string": text, "number": number, "integer": number,
	"object": object, "array": array, "boolean": boolean, "null": null}

// build makes the node of a schema that stands at an address.
func (b *builder) build(v *ordered.Value, at *url.URL) (*node, error) {
	if n := b.nodes[v]; n != nil {
		return n, nil
	}
	n := &node{json: v, source: v.String()}
	b.nodes[v] = n
	if v.Kind == ordered.Bool {
		if !v.Bool {
			n.kind = nothing
		}
		return n, nil
	}
	if id := v.Get("$id"); id.Is(ordered.String) {
		if u, err := at.Parse(id.Text); err == nil {
			at = u
		}
	}
	if ref := v.Get("$ref"); ref.Is(ordered.String) {
		target, err := b.follow(ref.Text, at, 0)
		if err != nil {
			return nil, err
		}
		*n = *target // a cycle of references alone was refused before
		b.nodes[v] = target
		return target, nil
	}
	parts, err := b.parts(v, at)
	if err != nil {
		return nil, err
	}
	switch len(parts) {
	case 0:
	case 1:
		*n = *parts[0]
		n.json, n.source = v, v.String()
	default:
		n.kind, n.criterion, n.parts = combined, "allOf", parts
	}
	return n, nil
}

// parts are the things that a schema says.
func (b *builder) parts(v *ordered.Value, at *url.URL) ([]*node, error) {
	var parts []*node
	add := func(n *node) {
		n.json, n.source = v, v.String()+"#"+strconv.Itoa(len(parts))
		parts = append(parts, n)
	}
	if v.Get("enum").Is(ordered.Array) {
		add(&node{kind: enum})
	}
	for _, criterion := range []string{"allOf", "anyOf", "oneOf"} {
		if list := v.Get(criterion); list.Is(ordered.Array) {
			of, err := b.list(list, at)
			if err != nil {
				return nil, err
			}
			add(&node{kind: combined, criterion: criterion, parts: of})
		}
	}
	if inner := v.Get("not"); inner != nil {
		n, err := b.build(inner, at)
		if err != nil {
			return nil, err
		}
		add(&node{kind: not, inner: n})
	}
	if v.Get("const") != nil {
		add(&node{kind: constant})
	}
	typed, err := b.typed(v, at)
	if err != nil {
		return nil, err
	}
	for _, n := range typed {
		add(n)
	}
	if v.Get("if") != nil {
		add(&node{kind: conditional})
	}
	return parts, nil
}

func (b *builder) list(list *ordered.Value, at *url.URL) ([]*node, error) {
	var out []*node
	for _, item := range list.Items {
		n, err := b.build(item, at)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// typed is what a schema says of values of a type. Without the keyword type its
// other keywords tell.
func (b *builder) typed(v *ordered.Value, at *url.URL) ([]*node, error) {
	t := v.Get("type")
	if t.Is(ordered.String) {
		n, err := b.ofType(v, t.Text, at)
		return []*node{n}, err
	}
	if t.Is(ordered.Array) {
		one := &node{kind: combined, criterion: "anyOf"}
		for i, item := range t.Items {
			n, err := b.ofType(v, item.Text, at)
			if err != nil {
				return nil, err
			}
			n.json, n.source = v, v.String()+"#type"+strconv.Itoa(i)
			one.parts = append(one.parts, n)
		}
		return []*node{one}, nil
	}
	var out []*node
	for _, k := range []kind{array, object, number, text} {
		if slices.ContainsFunc(keywords[k], func(name string) bool { return v.Get(name) != nil }) {
			n, err := b.ofKind(v, k, at)
			if err != nil {
				return nil, err
			}
			out = append(out, n)
		}
	}
	return out, nil
}

func (b *builder) ofType(v *ordered.Value, name string, at *url.URL) (*node, error) {
	n, err := b.ofKind(v, typeKinds[name], at)
	if err == nil {
		n.integer = name == "integer"
	}
	return n, err
}

func (b *builder) ofKind(v *ordered.Value, k kind, at *url.URL) (*node, error) {
	n := &node{kind: k, json: v}
	switch k {
	case array:
		return n, b.array(n, v, at)
	case object:
		return n, b.object(n, v, at)
	}
	return n, nil
}

// optional builds a schema that may be missing.
func (b *builder) optional(v *ordered.Value, at *url.URL) (*node, error) {
	if v == nil {
		return nil, nil
	}
	return b.build(v, at)
}

func (b *builder) array(n *node, v *ordered.Value, at *url.URL) (err error) {
	rest := v.Get("additionalItems")
	switch items := v.Get("items"); {
	case v.Get("prefixItems").Is(ordered.Array):
		if n.tuple, err = b.list(v.Get("prefixItems"), at); err != nil {
			return err
		}
		rest = items
	case items.Is(ordered.Array):
		if n.tuple, err = b.list(items, at); err != nil {
			return err
		}
	case items != nil:
		if n.items, err = b.build(items, at); err != nil {
			return err
		}
	}
	if err := b.remainder(n, rest, at); err != nil {
		return err
	}
	n.uneval, err = b.optional(v.Get("unevaluatedItems"), at)
	return err
}

// remainder reads additionalProperties or additionalItems.
func (b *builder) remainder(n *node, rest *ordered.Value, at *url.URL) (err error) {
	if rest.Is(ordered.Bool) {
		n.closed = !rest.Bool
		return nil
	}
	n.rest, err = b.optional(rest, at)
	return err
}

func (b *builder) object(n *node, v *ordered.Value, at *url.URL) (err error) {
	n.properties = map[string]*property{}
	for _, m := range members(v.Get("properties")) {
		p, err := b.build(m.Value, at)
		if err != nil {
			return err
		}
		n.properties[m.Name] = &property{p, m.Value.Get("default") != nil}
	}
	for _, m := range members(v.Get("patternProperties")) {
		p, err := b.build(m.Value, at)
		if err != nil {
			return err
		}
		expression, err := regexp.Compile(m.Name)
		if err != nil {
			return fmt.Errorf("patternProperties: %w", err)
		}
		n.patterns = append(n.patterns, pattern{expression, p})
	}
	if err := b.remainder(n, v.Get("additionalProperties"), at); err != nil {
		return err
	}
	if n.uneval, err = b.optional(v.Get("unevaluatedProperties"), at); err != nil {
		return err
	}
	return b.dependencies(n, v, at)
}

func (b *builder) dependencies(n *node, v *ordered.Value, at *url.URL) error {
	n.needs, n.needsSchema = map[string][]string{}, map[string]*node{}
	for _, keyword := range []string{"dependencies", "dependentRequired", "dependentSchemas"} {
		for _, m := range members(v.Get(keyword)) {
			if m.Value.Kind == ordered.Array {
				n.needs[m.Name] = stringsOf(m.Value)
				continue
			}
			s, err := b.build(m.Value, at)
			if err != nil {
				return err
			}
			n.needsSchema[m.Name] = s
		}
	}
	return nil
}

func members(v *ordered.Value) []ordered.Member {
	if v == nil {
		return nil
	}
	return v.Members
}

func stringsOf(v *ordered.Value) []string {
	var list []string
	if v != nil {
		for _, item := range v.Items {
			list = append(list, item.Text)
		}
	}
	return list
}

// maxFollow bounds a chain of references.
const maxFollow = 100

// follow finds what a $ref means.
func (b *builder) follow(ref string, at *url.URL, depth int) (*node, error) {
	if depth > maxFollow {
		return nil, fmt.Errorf("$ref %q refers to itself", ref)
	}
	address, err := at.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("$ref %q: %w", ref, err)
	}
	fragment := address.Fragment
	target := *address
	target.Fragment = ""
	doc := b.resource(target.String())
	if doc == nil {
		return nil, fmt.Errorf("$ref %q leads nowhere", ref)
	}
	v := lookup(doc, fragment)
	if v == nil {
		return nil, fmt.Errorf("$ref %q leads nowhere", ref)
	}
	if next := v.Get("$ref"); next.Is(ordered.String) && b.nodes[v] == nil {
		return b.follow(next.Text, &target, depth+1)
	}
	return b.build(v, &target)
}

// resource finds a schema by its address: a document, or a part of one that has
// that $id.
func (b *builder) resource(address string) *ordered.Value {
	if address == base {
		return b.docs[len(b.docs)-1].value
	}
	if i := b.docs.index(address); i >= 0 {
		return b.docs[i].value
	}
	for _, doc := range b.docs {
		from, _ := url.Parse(base)
		if v := byID(doc.value, from, address); v != nil {
			return v
		}
	}
	return nil
}

// byID looks for a schema whose $id makes it an address.
func byID(v *ordered.Value, at *url.URL, address string) *ordered.Value {
	if id := v.Get("$id"); id.Is(ordered.String) {
		if u, err := at.Parse(id.Text); err == nil {
			at = u
		}
		if strings.TrimSuffix(at.String(), "#") == address {
			return v
		}
	}
	for _, child := range children(v) {
		if found := byID(child, at, address); found != nil {
			return found
		}
	}
	return nil
}

func children(v *ordered.Value) []*ordered.Value {
	list := v.Items
	for _, m := range v.Members {
		list = append(slices.Clip(list), m.Value)
	}
	return list
}

// lookup finds the part of a document that a fragment names: a JSON pointer, or
// an anchor.
func lookup(doc *ordered.Value, fragment string) *ordered.Value {
	if fragment != "" && fragment[0] != '/' {
		return byAnchor(doc, fragment)
	}
	v := doc
	for _, part := range strings.Split(fragment, "/")[1:] {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch {
		case v.Is(ordered.Object):
			v = v.Get(part)
		case v.Is(ordered.Array):
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v.Items) {
				return nil
			}
			v = v.Items[i]
		default:
			return nil
		}
	}
	return v
}

func byAnchor(v *ordered.Value, name string) *ordered.Value {
	for _, keyword := range []string{"$anchor", "$dynamicAnchor", "$id"} {
		if a := v.Get(keyword); a.Is(ordered.String) && strings.TrimPrefix(a.Text, "#") == name {
			return v
		}
	}
	for _, child := range children(v) {
		if found := byAnchor(child, name); found != nil {
			return found
		}
	}
	return nil
}
