package jsonschema

import (
	"maps"
	"slices"

	"github.com/posthaste-go/posthaste/internal/ordered"
)

// open reports whether a schema lets anything be there that it does not name.
func (n *node) open() bool {
	return !n.closed && n.rest == nil && len(n.patterns) == 0 &&
		(n.uneval == nil || n.uneval.kind == anything)
}

// others is the schema of what has no schema of its own, or nil.
func (n *node) others() *node {
	if n.rest != nil {
		return n.rest
	}
	if !n.closed && n.uneval != nil && n.uneval.kind != nothing && n.uneval.kind != anything {
		return n.uneval
	}
	return nil
}

// otherProperty is others for a property, whose name may fit a pattern.
func (n *node) otherProperty(name string) *node {
	for _, p := range n.patterns {
		if p.MatchString(name) {
			return p.schema
		}
	}
	return n.others()
}

func (n *node) requires(name string) bool {
	return slices.Contains(stringsOf(n.json.Get("required")), name)
}

func (f *found) objects(reader, writer *node) {
	f.required(reader, writer)
	f.properties(reader, writer)
	f.dependencies(reader, writer)
	f.additional(reader, writer, "additionalProperties", "ADDITIONAL_PROPERTIES")
	f.unevaluated(reader, writer, "unevaluatedProperties", "UNEVALUATED_PROPERTIES")
	f.limits(reader, writer, []limit{{"maxProperties", "MAX_PROPERTIES", true},
		{"minProperties", "MIN_PROPERTIES", false}})
}

func (f *found) required(reader, writer *node) {
	for _, name := range slices.Sorted(maps.Keys(writer.properties)) {
		now := reader.properties[name]
		if now != nil && !writer.requires(name) && reader.requires(name) && !now.hasDefault {
			f.add("REQUIRED_ATTRIBUTE_ADDED", "required", name)
		}
	}
}

func (f *found) properties(reader, writer *node) {
	names := maps.Clone(writer.properties)
	maps.Copy(names, reader.properties)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		now, old := reader.properties[name], writer.properties[name]
		switch {
		case now == nil:
			f.propertyRemoved(reader, old, name)
		case old == nil:
			f.propertyAdded(reader, writer, name)
		default:
			f.sub(now.node, old.node, "properties", name)
		}
	}
}

func (f *found) propertyRemoved(reader *node, old *property, name string) {
	if reader.open() {
		return
	}
	other := reader.otherProperty(name)
	switch {
	case other == nil:
		if old.kind != nothing {
			f.add("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", "properties", name)
		}
	case !f.sub(other, old.node, "properties", name):
		f.add("PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "properties", name)
	}
}

func (f *found) propertyAdded(reader, writer *node, name string) {
	now := reader.properties[name]
	if writer.open() {
		switch {
		case now.kind == anything:
		case !reader.requires(name):
			f.add("OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "properties", name)
		case now.hasDefault:
			f.add("REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL", "properties", name)
		default:
			f.add("REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "properties", name)
		}
		return
	}
	if other := writer.otherProperty(name); other != nil &&
		!f.sub(now.node, other, "properties", name) {
		f.add("PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "properties", name)
	}
	if reader.requires(name) && !now.hasDefault {
		f.add("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", "properties", name)
	}
}

func (f *found) dependencies(reader, writer *node) {
	for _, name := range slices.Sorted(maps.Keys(reader.needs)) {
		now := reader.needs[name]
		old, was := writer.needs[name]
		more := slices.ContainsFunc(now, func(s string) bool { return !slices.Contains(old, s) })
		less := slices.ContainsFunc(old, func(s string) bool { return !slices.Contains(now, s) })
		switch {
		case len(now) == 0: // demands nothing
		case !was:
			f.add("DEPENDENCY_ARRAY_ADDED", "dependencies", name)
		case more && less:
			f.add("DEPENDENCY_ARRAY_CHANGED", "dependencies", name)
		case more:
			f.add("DEPENDENCY_ARRAY_EXTENDED", "dependencies", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(reader.needsSchema)) {
		if old := writer.needsSchema[name]; old == nil {
			f.add("DEPENDENCY_SCHEMA_ADDED", "dependencies", name)
		} else {
			f.sub(reader.needsSchema[name], old, "dependencies", name)
		}
	}
}

// additional compares additionalProperties or additionalItems.
func (f *found) additional(reader, writer *node, keyword, name string) {
	switch {
	case reader.closed != writer.closed:
		if reader.closed {
			f.add(name+"_REMOVED", keyword)
		}
	case reader.rest == nil:
	case writer.rest == nil:
		f.add(name+"_NARROWED", keyword)
	default:
		f.sub(reader.rest, writer.rest, keyword)
	}
}

func (f *found) unevaluated(reader, writer *node, keyword, name string) {
	now, old := reader.uneval, writer.uneval
	switch {
	case now == nil:
	case now.kind == nothing:
		if old == nil || old.kind != nothing {
			f.add(name+"_REMOVED", keyword)
		}
	case old == nil, old.kind == anything && now.kind != anything:
		f.add(name+"_NARROWED", keyword)
	case old.kind == nothing, now.kind == anything:
	default:
		f.sub(now, old, keyword)
	}
}

func (f *found) arrays(reader, writer *node) {
	f.list = append(f.list, under(f.c.compare(reader.items, writer.items), "items")...)
	f.tuples(reader, writer)
	f.additional(reader, writer, "additionalItems", "ADDITIONAL_ITEMS")
	f.unevaluated(reader, writer, "unevaluatedItems", "UNEVALUATED_ITEMS")
	f.limits(reader, writer, []limit{{"maxItems", "MAX_ITEMS", true},
		{"minItems", "MIN_ITEMS", false}, {"maxContains", "MAX_CONTAINS", true},
		{"minContains", "MIN_CONTAINS", false}})
	if unique(reader) && !unique(writer) {
		f.add("UNIQUE_ITEMS_ADDED", "uniqueItems")
	}
}

func unique(n *node) bool {
	v := n.json.Get("uniqueItems")
	return v.Is(ordered.Bool) && v.Bool
}

func (f *found) tuples(reader, writer *node) {
	for i := range max(len(reader.tuple), len(writer.tuple)) {
		at := "items/" + index(i)
		switch {
		case i >= len(reader.tuple):
			f.itemRemoved(reader, writer.tuple[i], at)
		case i >= len(writer.tuple):
			f.itemAdded(reader.tuple[i], writer, at)
		default:
			f.sub(reader.tuple[i], writer.tuple[i], at)
		}
	}
}

func (f *found) itemRemoved(reader, old *node, at string) {
	if reader.open() {
		return
	}
	other := reader.others()
	switch {
	case other == nil:
		if old.kind != nothing {
			f.add("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL", at)
		}
	case !f.sub(other, old, at):
		f.add("ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at)
	}
}

func (f *found) itemAdded(now, writer *node, at string) {
	if writer.open() {
		if now.kind != anything {
			f.add("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", at)
		}
		return
	}
	if other := writer.others(); other != nil && !f.sub(now, other, at) {
		f.add("ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at)
	}
}
