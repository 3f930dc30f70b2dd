package avro

import (
	"fmt"
	"slices"

	avro "github.com/twmb/avro"
)

// action makes bytes of the reader's schema from bytes of the writer's. It fails
// only when it runs: what a writer's union might hold, and a reader could not
// take, does no harm until it comes.
type action struct {
	run    func(t *transcoder) error
	always error // what run fails with, if it always does
}

// resolver builds actions. Source: Resolver of Apache Avro for Java, whose
// ResolvingDecoder is as patient; the specification's text would refuse more.
type resolver struct {
	writer, reader map[string]*avro.SchemaNode // named types
	built          map[pair]*action

	// decimals refuses decimals of different scale, which Java would misread by a
	// power of ten.
	decimals bool
}

type pair struct{ w, r *avro.SchemaNode }

func newResolver(writer, reader *avro.SchemaNode) *resolver {
	r := &resolver{
		writer: map[string]*avro.SchemaNode{}, reader: map[string]*avro.SchemaNode{},
		built: map[pair]*action{},
	}
	collect(writer, r.writer)
	collect(reader, r.reader)
	return r
}

func follow(n *avro.SchemaNode, named map[string]*avro.SchemaNode) *avro.SchemaNode {
	if def := named[n.Type]; def != nil {
		return def
	}
	return n
}

// mismatch is an action that fails.
func mismatch(path, format string, args ...any) *action {
	err := fmt.Errorf("%w: at %s: %s", ErrResolution, orRoot(path), fmt.Sprintf(format, args...))
	return &action{func(*transcoder) error { return err }, err}
}

func orRoot(path string) string {
	if path == "" {
		return "the top"
	}
	return path
}

// build is the action for a pair of schemas; path is the reader's, for messages.
func (b *resolver) build(w, r *avro.SchemaNode, path string) *action {
	w, r = follow(w, b.writer), follow(r, b.reader)
	key := pair{w, r}
	if a := b.built[key]; a != nil {
		return a // a type that holds itself
	}
	a := &action{}
	b.built[key] = a
	switch {
	case w.Type == "union":
		*a = *b.writerUnion(w, r, path)
	case r.Type == "union":
		*a = *b.readerUnion(w, r, path)
	case kindOf(w) == kindOf(r):
		*a = *b.same(w, r, path)
	default:
		*a = *promote(w, r, path)
	}
	return a
}

func kindOf(n *avro.SchemaNode) string {
	if n.Type == "error" {
		return "record"
	}
	return n.Type
}

// same is for two schemas of one kind.
func (b *resolver) same(w, r *avro.SchemaNode, path string) *action {
	if b.decimals && w.LogicalType == "decimal" && r.LogicalType == "decimal" &&
		w.Scale != r.Scale {
		return mismatch(path, "a decimal written with %d digits behind the point "+
			"cannot be read with %d", w.Scale, r.Scale)
	}
	switch kindOf(w) {
	case "record":
		return b.record(w, r, path)
	case "array":
		return b.blocks(w.Items, b.build(w.Items, r.Items, path+"[]"), false)
	case "map":
		return b.blocks(w.Values, b.build(w.Values, r.Values, path+"[]"), true)
	case "enum":
		return enum(w, r, path)
	case "fixed":
		switch {
		case !named(w, r):
			return mismatch(path, "fixed %s is not %s, nor one of its aliases", full(w), full(r))
		case w.Size != r.Size:
			return mismatch(path, "fixed %s has %d bytes, the reader wants %d",
				full(w), w.Size, r.Size)
		}
	}
	return b.copies(w)
}

func full(n *avro.SchemaNode) string {
	if n.Namespace == "" {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// named reports whether w has r's name, or one that r had.
func named(w, r *avro.SchemaNode) bool {
	name := full(w)
	return name == full(r) || slices.ContainsFunc(r.Aliases, func(alias string) bool {
		if !slices.Contains([]byte(alias), '.') && r.Namespace != "" {
			alias = r.Namespace + "." + alias
		}
		return alias == name
	})
}

// copies hands a value of w on as it is.
func (b *resolver) copies(w *avro.SchemaNode) *action {
	skip := b.skip(w)
	return &action{run: func(t *transcoder) error {
		before := t.in
		if err := skip.run(t); err != nil {
			return err
		}
		t.out = append(t.out, before[:len(before)-len(t.in)]...)
		return nil
	}}
}

func enum(w, r *avro.SchemaNode, path string) *action {
	if !named(w, r) {
		return mismatch(path, "enum %s is not %s, nor one of its aliases", full(w), full(r))
	}
	index := make([]int, len(w.Symbols))
	for i, symbol := range w.Symbols {
		index[i] = slices.Index(r.Symbols, symbol)
		if index[i] < 0 && r.HasEnumDefault {
			index[i] = slices.Index(r.Symbols, r.EnumDefault)
		}
	}
	return &action{run: func(t *transcoder) error {
		n, err := t.index(len(index), "enum "+w.Name)
		if err != nil {
			return err
		}
		if index[n] < 0 {
			return fmt.Errorf("%w: at %s: the reader's enum %s lacks %s and has no default",
				ErrResolution, orRoot(path), r.Name, w.Symbols[n])
		}
		t.long(int64(index[n]))
		return nil
	}}
}

// record reads the writer's fields in their order and writes the reader's in
// theirs.
func (b *resolver) record(w, r *avro.SchemaNode, path string) *action {
	slots := make([]slot, len(w.Fields))
	taken := make([]int, len(r.Fields)) // the writer's field, or -1
	for i := range r.Fields {
		taken[i] = fieldIndex(w, &r.Fields[i], named(w, r))
	}
	defaults := make([][]byte, len(r.Fields))
	inOrder := true
	last := -1
	for i := range r.Fields {
		f := &r.Fields[i]
		at := join(path, f.Name)
		from := taken[i]
		if from >= 0 {
			slots[from].action = b.build(&w.Fields[from].Type, &f.Type, at)
			inOrder = inOrder && from > last
			last = max(last, from)
			continue
		}
		if !f.HasDefault {
			return mismatch(at, "the writer's record %s has no such field, "+
				"and the reader's has no default", full(w))
		}
		var err error
		if defaults[i], err = encodeDefault(&f.Type, f.Default); err != nil {
			return mismatch(at, "its default is not one: %v", err)
		}
	}
	for i := range slots {
		if slots[i].action == nil {
			slots[i].action, slots[i].skipped = b.skip(&w.Fields[i].Type), true
		}
	}
	if inOrder {
		return recordInOrder(slots, taken, defaults)
	}
	return recordReordered(slots, taken, defaults)
}

// slot is what happens to a field of the writer's.
type slot struct {
	action  *action
	skipped bool
}

// fieldIndex is the writer's field for one of the reader's, or -1. Aliases of
// fields count if the record itself is known under its name or an alias.
func fieldIndex(w *avro.SchemaNode, f *avro.SchemaField, aliased bool) int {
	byName := slices.IndexFunc(w.Fields, func(x avro.SchemaField) bool { return x.Name == f.Name })
	if byName >= 0 {
		return byName
	}
	if !aliased {
		return -1
	}
	return slices.IndexFunc(w.Fields, func(x avro.SchemaField) bool {
		return slices.Contains(f.Aliases, x.Name)
	})
}

func recordInOrder(slots []slot, taken []int, defaults [][]byte) *action {
	return &action{run: func(t *transcoder) error {
		defer t.leave()
		if err := t.enter(); err != nil {
			return err
		}
		next := 0
		for i, from := range taken {
			if from < 0 {
				t.out = append(t.out, defaults[i]...)
				continue
			}
			for ; next <= from; next++ {
				if err := slots[next].action.run(t); err != nil {
					return err
				}
			}
		}
		for ; next < len(slots); next++ {
			if err := slots[next].action.run(t); err != nil {
				return err
			}
		}
		return nil
	}}
}

// recordReordered keeps the fields' bytes aside until their turn comes.
func recordReordered(slots []slot, taken []int, defaults [][]byte) *action {
	return &action{run: func(t *transcoder) error {
		defer t.leave()
		if err := t.enter(); err != nil {
			return err
		}
		start := len(t.out)
		type span struct{ from, to int }
		spans := make([]span, len(slots))
		for i := range slots {
			spans[i].from = len(t.out)
			if err := slots[i].action.run(t); err != nil {
				return err
			}
			spans[i].to = len(t.out)
		}
		fields := slices.Clone(t.out[start:])
		t.out = t.out[:start]
		for i, from := range taken {
			if from < 0 {
				t.out = append(t.out, defaults[i]...)
				continue
			}
			t.out = append(t.out, fields[spans[from].from-start:spans[from].to-start]...)
		}
		return nil
	}}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (b *resolver) writerUnion(w, r *avro.SchemaNode, path string) *action {
	branches := make([]*action, len(w.Branches))
	for i := range w.Branches {
		branches[i] = b.build(&w.Branches[i], r, path)
	}
	return &action{run: func(t *transcoder) error {
		defer t.leave()
		if err := t.enter(); err != nil {
			return err
		}
		n, err := t.index(len(branches), "union")
		if err != nil {
			return err
		}
		return branches[n].run(t)
	}}
}

func toBranch(i int, then *action) *action {
	return &action{run: func(t *transcoder) error {
		t.long(int64(i))
		return then.run(t)
	}}
}

func (b *resolver) readerUnion(w, r *avro.SchemaNode, path string) *action {
	i := b.match(w, r, path)
	if i < 0 {
		return mismatch(path, "no branch of the reader's union takes the writer's %s", describe(w))
	}
	return toBranch(i, b.build(w, &r.Branches[i], path))
}

// match is the branch of r for a value of w: of the same kind, and for named
// types of the same name; else a record of the same structure; else one that w
// is promoted to. Source: Resolver.ReaderUnion.firstMatchingBranch.
func (b *resolver) match(w, r *avro.SchemaNode, path string) int {
	structural := -1
	for i := range r.Branches {
		branch := follow(&r.Branches[i], b.reader)
		if kindOf(branch) != kindOf(w) {
			continue
		}
		switch kindOf(w) {
		case "enum", "fixed", "record":
		default:
			return i
		}
		if named(w, branch) {
			return i
		}
		if kindOf(w) == "record" && b.structureFits(w, branch, path) &&
			(structural < 0 || w.Name == branch.Name) {
			structural = i
		}
	}
	if structural >= 0 {
		return structural
	}
	return slices.IndexFunc(r.Branches, func(n avro.SchemaNode) bool {
		return promotable(kindOf(w), kindOf(follow(&n, b.reader)))
	})
}

// structureFits reports whether the reader's record finds all its fields.
func (b *resolver) structureFits(w, r *avro.SchemaNode, path string) bool {
	for i := range r.Fields {
		from := fieldIndex(w, &r.Fields[i], named(w, r))
		if from < 0 {
			if !r.Fields[i].HasDefault {
				return false
			}
			continue
		}
		x := follow(&w.Fields[from].Type, b.writer)
		y := follow(&r.Fields[i].Type, b.reader)
		if x.Type == "union" || kindOf(x) == kindOf(y) || promotable(kindOf(x), kindOf(y)) {
			continue
		}
		if y.Type != "union" || b.match(x, y, path) < 0 {
			return false
		}
	}
	return true
}
