package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/schemadiff"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/compatibility"
)

type schemaDiffCmd struct {
	Old  string `arg:"" help:"The old schema: a file, SUBJECT (its latest version) or SUBJECT:VERSION."`
	New  string `arg:"" help:"The new one, likewise."`
	Type string `placeholder:"TYPE" help:"Of files: avro, protobuf or json-schema (default: by the file's extension)."`
	JSON bool   `name:"json" help:"Print one JSON object."`

	schemaCommand
}

// Help is what --help adds.
func (*schemaDiffCmd) Help() string {
	return withExample(`Prints what the new schema has otherwise, field by field, and whether it is compatible with the
old one at each level. Two files need no registry.`,
		"posthaste schema diff orders-value:1 order.avsc")
}

// isFile reports whether path is a file, and so no subject.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// Run compares.
func (c *schemaDiffCmd) Run(e *env) error {
	if isFile(c.Old) && isFile(c.New) {
		return c.compare(e, nil)
	}
	return c.with(e, func(r *registryClient) error { return c.compare(e, r) })
}

func (c *schemaDiffCmd) compare(e *env, r *registryClient) error {
	before, err := c.load(e, r, c.Old)
	if err != nil {
		return err
	}
	after, err := c.load(e, r, c.New)
	if err != nil {
		return err
	}
	if before.kind != after.kind {
		return fmt.Errorf("%s is %s and %s is %s: such schemas are never compatible", c.Old,
			schemaTypes[before.kind], c.New, schemaTypes[after.kind])
	}
	changes, err := schemadiff.Compare(e.ctx, before.forDiff(), after.forDiff())
	if err != nil {
		return err
	}
	levels, err := checkLevels(before, after)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(e, struct {
			Changes       []schemadiff.Change `json:"changes"`
			Compatibility []levelResult       `json:"compatibility"`
		}{changes, levels})
	}
	return printDiff(e, changes, levels)
}

// loadedSchema is a schema with what it refers to.
type loadedSchema struct {
	kind schemaregistry.Type
	text string
	refs []reference
}

func (s loadedSchema) forDiff() schemadiff.Schema {
	d := schemadiff.Schema{Type: string(s.kind), Text: s.text, References: textsOf(s.refs)}
	for _, r := range s.refs {
		d.ReferenceNames = append(d.ReferenceNames, r.name)
	}
	return d
}

func (s loadedSchema) forCheck() compatibility.Schema {
	c := compatibility.Schema{Type: string(s.kind), Text: s.text}
	for _, r := range s.refs {
		c.References = append(c.References, compatibility.Reference{Name: r.name, Text: r.text})
	}
	return c
}

// load finds a schema by a file's name or by subject and version.
func (c *schemaDiffCmd) load(e *env, r *registryClient, name string) (s loadedSchema, err error) {
	if isFile(name) {
		if s.kind, err = schemaTypeOf("--type", c.Type, name); err == nil {
			s.text, err = readSchemaFile(name)
		}
		return s, err
	}
	return r.load(e, name)
}

// load finds SUBJECT or SUBJECT:VERSION.
func (r *registryClient) load(e *env, name string) (s loadedSchema, err error) {
	found, err := r.at(e, name, "latest")
	if i := strings.LastIndexByte(name, ':'); err != nil && i > 0 {
		if again, second := r.at(e, name[:i], name[i+1:]); second == nil {
			found, err = again, nil
		} else if _, wrong := errors.AsType[*usageError](second); !wrong {
			err = second
		}
	}
	if err != nil {
		return s, err
	}
	s.kind, s.text = found.Type.OrAvro(), found.Text
	s.refs, err = referencesOf(e.ctx, r.Client, found.Schema)
	return s, err
}

// levelResult is whether two schemas are compatible at a level.
type levelResult struct {
	Level      string   `json:"level"`
	Compatible bool     `json:"compatible"`
	Reasons    []string `json:"reasons"`
}

// checkLevels compares at each level between two schemas; the transitive ones
// differ from these only where there are more.
func checkLevels(before, after loadedSchema) (all []levelResult, err error) {
	for _, level := range []compatibility.Level{compatibility.Backward, compatibility.Forward,
		compatibility.Full} {
		found, err := compatibility.Check(level, after.forCheck(), before.forCheck())
		if err != nil {
			return nil, err
		}
		result := levelResult{string(level), len(found) == 0, []string{}}
		for _, f := range found {
			result.Reasons = append(result.Reasons, f.Description)
		}
		all = append(all, result)
	}
	return all, nil
}

func printDiff(e *env, changes []schemadiff.Change, levels []levelResult) error {
	var b strings.Builder
	if len(changes) == 0 {
		b.WriteString("no field differs\n")
	}
	for _, c := range changes {
		switch c.Kind {
		case "added":
			fmt.Fprintf(&b, "+ %s: %s\n", c.Path, c.New)
		case "removed":
			fmt.Fprintf(&b, "- %s: %s\n", c.Path, c.Old)
		default:
			fmt.Fprintf(&b, "~ %s: %s -> %s\n", c.Path, c.Old, c.New)
		}
	}
	for _, l := range levels {
		answer := "compatible"
		if !l.Compatible {
			answer = "incompatible"
		}
		fmt.Fprintf(&b, "%-8s %s\n", l.Level, answer)
		if l.Level == string(compatibility.Full) {
			continue // its reasons are those of the other two
		}
		for _, text := range l.Reasons {
			fmt.Fprintf(&b, "  %s\n", oneLine(text))
		}
	}
	_, err := e.out.Write([]byte(b.String()))
	return err
}
