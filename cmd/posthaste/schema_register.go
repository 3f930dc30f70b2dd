package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry"
)

// schemaFile is the flags that say which schema is meant by a file.
type schemaFile struct {
	File       string   `arg:"" name:"file" help:"The schema: .avsc, .proto or .json; - is standard input."`
	Subject    string   `required:"" placeholder:"SUBJECT" help:"The subject, such as orders-value."`
	Type       string   `placeholder:"TYPE" help:"avro, protobuf or json-schema (default: by the file's extension)."`
	References []string `name:"reference" sep:"none" placeholder:"NAME=SUBJECT:VERSION" help:"A schema that this one uses, as it spells its name: a type of Avro, an import of Protobuf, a $$ref of JSON Schema. Repeatable."`
}

// schema reads the file.
func (f *schemaFile) schema(e *env) (s schemaregistry.Schema, err error) {
	if s.Type, err = schemaTypeOf("--type", f.Type, f.File); err != nil {
		return s, err
	}
	if s.References, err = parseReferences(f.References); err != nil {
		return s, err
	}
	s.Text, err = readSchemaText(e, f.File)
	return s, err
}

// parseReferences reads --reference flags.
func parseReferences(flags []string) (all []schemaregistry.Reference, err error) {
	for _, flag := range flags {
		name, place, ok := strings.Cut(flag, "=")
		i := strings.LastIndexByte(place, ':')
		version := 0
		if ok && name != "" && i > 0 {
			version, err = strconv.Atoi(place[i+1:])
		}
		if err != nil || version < 1 {
			return nil, usagef("--reference %s: write NAME=SUBJECT:VERSION, for example "+
				"shop.Item=item:1", flag)
		}
		all = append(all, schemaregistry.Reference{Name: name, Subject: place[:i], Version: version})
	}
	return all, nil
}

type schemaRegisterCmd struct {
	schemaFile
	Normalize bool `help:"Let the registry compare normal forms, so that spelling makes no version."`
	JSON      bool `name:"json" help:"Print one JSON object."`

	schemaCommand
}

// Help is what --help adds.
func (*schemaRegisterCmd) Help() string {
	return withExample(`Registers a schema, unless the subject has it already, and prints its version and id.`,
		"posthaste schema register --subject orders-value order.avsc")
}

// Run registers.
func (c *schemaRegisterCmd) Run(e *env) error {
	s, err := c.schema(e)
	if err != nil {
		return err
	}
	return c.with(e, func(r *registryClient) error {
		registered, err := r.Register(e.ctx, c.Subject, s,
			schemaregistry.RegisterOptions{Normalize: c.Normalize})
		if err != nil {
			return r.explain(e, c.Subject, s, err)
		}
		if registered.Version == 0 { // registries before Confluent Platform 7.4 do not tell
			if registered, err = r.Lookup(e.ctx, c.Subject, s,
				schemaregistry.LookupOptions{Normalize: c.Normalize}); err != nil {
				return err
			}
		}
		if c.JSON {
			registered.Schema = schemaregistry.Schema{Type: s.Type}
			return printPlace(e, registered)
		}
		_, err = fmt.Fprintf(e.out, "%s version %d, id %d\n", c.Subject, registered.Version,
			registered.ID)
		return err
	})
}

// explain words the refusal of a schema because of compatibility by its reasons.
func (r *registryClient) explain(e *env, subject string, s schemaregistry.Schema,
	err error) error {
	if !errors.Is(err, schemaregistry.ErrIncompatible) {
		return err
	}
	checked, asking := r.CheckCompatibility(e.ctx, subject, "", s)
	reasons := reasonsOf(checked.Messages)
	if asking != nil || len(reasons) == 0 {
		return err
	}
	level := "its level"
	if l, err := r.CompatibilityLevel(e.ctx, subject); err == nil {
		level = "level " + string(l)
	}
	const shown = 3
	if len(reasons) > shown {
		reasons = append(reasons[:shown], fmt.Sprintf("and %d more, which posthaste schema check shows",
			len(reasons)-shown))
	}
	return fmt.Errorf("the schema is incompatible with subject %s at %s (HTTP status 409): %s", subject,
		level, strings.Join(reasons, "; "))
}

// reason matches how registries write one reason of several parts.
var reason = regexp.MustCompile(`(?s)^\{errorType:.*?description:'(.*)', additionalInfo:.*\}$`)

// reasonsOf is what the messages of a compatibility check say is wrong, in
// words. Confluent's registry adds the old schema and the level.
func reasonsOf(messages []string) (reasons []string) {
	for _, m := range messages {
		if strings.HasPrefix(m, "{oldSchema") || strings.HasPrefix(m, "{compatibility") ||
			strings.HasPrefix(m, "{validateFields") {
			continue
		}
		if parts := reason.FindStringSubmatch(m); parts != nil {
			m = parts[1]
		}
		reasons = append(reasons, m)
	}
	return reasons
}

// schemaPlace is where a schema is registered, as --json prints it.
type schemaPlace struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	GUID    string `json:"guid,omitempty"`
	Type    string `json:"schemaType"`
	Deleted bool   `json:"deleted,omitempty"`
}

func printPlace(e *env, r schemaregistry.Registered) error {
	return printJSON(e, schemaPlace{r.Subject, r.Version, r.ID, r.GUID, string(r.Type.OrAvro()),
		r.Deleted})
}

// printJSON prints one object on a line.
func printJSON(e *env, v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

type schemaCheckCmd struct {
	schemaFile
	Version string `placeholder:"N" help:"Against this version, or latest (default: those that the subject's level asks for)."`
	JSON    bool   `name:"json" help:"Print one JSON object."`

	schemaCommand
}

// Help is what --help adds.
func (*schemaCheckCmd) Help() string {
	return withExample(`Asks the registry whether the schema could be the subject's next version by its compatibility
level, and prints the reasons if not. Nothing is registered. The exit code is 1 if it could not.`,
		"posthaste schema check --subject orders-value order.avsc")
}

// Run checks.
func (c *schemaCheckCmd) Run(e *env) error {
	s, err := c.schema(e)
	if err != nil {
		return err
	}
	return c.with(e, func(r *registryClient) error {
		checked, err := r.CheckCompatibility(e.ctx, c.Subject, c.Version, s)
		if err != nil {
			return err
		}
		level, err := r.CompatibilityLevel(e.ctx, c.Subject)
		if err != nil {
			return err
		}
		reasons := reasonsOf(checked.Messages)
		if c.JSON {
			if reasons == nil {
				reasons = []string{}
			}
			err = printJSON(e, struct {
				Subject    string               `json:"subject"`
				Compatible bool                 `json:"compatible"`
				Level      schemaregistry.Level `json:"level"`
				Reasons    []string             `json:"reasons"`
			}{c.Subject, checked.OK, level, reasons})
		} else {
			err = printCheck(e, c.Subject, level, checked.OK, reasons)
		}
		if err == nil && !checked.OK {
			err = errReported
			if c.JSON {
				err = fmt.Errorf("the schema is incompatible with subject %s at level %s", c.Subject, level)
			}
		}
		return err
	})
}

// printCheck prints the answer of a check.
func printCheck(e *env, subject string, level schemaregistry.Level, ok bool,
	reasons []string) error {
	answer := "compatible"
	if !ok {
		answer = "incompatible"
	}
	if _, err := fmt.Fprintf(e.out, "%s with %s at level %s\n", answer, subject, level); err != nil {
		return err
	}
	for _, text := range reasons {
		if _, err := fmt.Fprintf(e.out, "  %s\n", oneLine(text)); err != nil {
			return err
		}
	}
	return nil
}
