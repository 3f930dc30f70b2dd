package main

import (
	"fmt"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/evolve"
	"github.com/posthaste-go/posthaste/schemaregistry"
)

type schemaEvolveCmd struct {
	Subject  string   `required:"" placeholder:"SUBJECT" help:"The subject whose latest version is changed."`
	Add      []string `name:"add" sep:"none" placeholder:"NAME:TYPE[=DEFAULT]" help:"Add a field: string, int, long, float, double, boolean, bytes, and for Avro date, uuid, timestamp-millis, timestamp-micros, decimal(P,S) or a type as JSON. TYPE? is nullable. Repeatable."`
	Remove   []string `name:"remove" sep:"none" placeholder:"NAME" help:"Remove a field. Repeatable."`
	Rename   []string `name:"rename" sep:"none" placeholder:"OLD=NEW" help:"Rename a field; Avro keeps the old name as an alias. Repeatable."`
	Register bool     `help:"Register the new version if it is compatible."`
	Out      string   `placeholder:"FILE" help:"Where to write the new version (default: standard output)."`
	JSON     bool     `name:"json" help:"Print one JSON object in place of the new version: schema, compatible, level, reasons and, if registered, version and id."`

	schemaCommand
}

// Help is what --help adds.
func (*schemaEvolveCmd) Help() string {
	return withExample(`Makes the next version of a subject's schema and asks the registry whether it is compatible. It is
registered only with --register. The exit code is 1 if it is not compatible.`,
		"posthaste schema evolve --subject orders-value --add 'note:string?' --register")
}

// Run makes the next version.
func (c *schemaEvolveCmd) Run(e *env) error {
	changes := evolve.Changes{Remove: c.Remove, Rename: c.Rename}
	if err := changes.ParseAdd(c.Add); err != nil {
		return usagef("%v", err)
	}
	if len(c.Add)+len(c.Remove)+len(c.Rename) == 0 {
		return usagef("what is to change? Give --add, --remove or --rename")
	}
	return c.with(e, func(r *registryClient) error {
		found, err := r.at(e, c.Subject, "latest")
		if err != nil {
			return err
		}
		refs, err := referencesOf(e.ctx, r.Client, found.Schema)
		if err != nil {
			return err
		}
		next := found.Schema
		next.Text, err = evolve.Apply(e.ctx, string(next.Type.OrAvro()), next.Text, importsOf(refs),
			changes)
		if err != nil {
			return usagef("%v", err)
		}
		checked, err := r.CheckCompatibility(e.ctx, c.Subject, "", next)
		if err != nil {
			return err
		}
		level, err := r.CompatibilityLevel(e.ctx, c.Subject)
		if err != nil {
			return err
		}
		result := evolved{Subject: c.Subject, Schema: next.Text, Compatible: checked.OK,
			Level: string(level), Reasons: append([]string{}, reasonsOf(checked.Messages)...)}
		if !c.JSON || c.Out != "" {
			if err := writeOut(e, c.Out, readable(next)); err != nil {
				return err
			}
		}
		return c.finish(e, r, next, result)
	})
}

// evolved is what --json prints.
type evolved struct {
	Subject    string   `json:"subject"`
	Schema     string   `json:"schema"`
	Compatible bool     `json:"compatible"`
	Level      string   `json:"level"`
	Reasons    []string `json:"reasons"`
	Version    int      `json:"version,omitempty"` // if registered
	ID         int      `json:"id,omitempty"`
}

// finish registers the next version, if that is asked for and allowed, and
// reports.
func (c *schemaEvolveCmd) finish(e *env, r *registryClient, next schemaregistry.Schema,
	result evolved) error {
	if c.Register && result.Compatible {
		registered, err := r.Client.Register(e.ctx, c.Subject, next, schemaregistry.RegisterOptions{})
		if err != nil {
			return err
		}
		result.Version, result.ID = registered.Version, registered.ID
	}
	if c.JSON {
		if err := printJSON(e, result); err != nil {
			return err
		}
	}
	switch {
	case !result.Compatible:
		return fmt.Errorf("the new version is incompatible with subject %s at level %s: %s", c.Subject,
			result.Level, oneLine(fmt.Sprint(result.Reasons)))
	case c.JSON:
	case c.Register:
		e.note("registered %s version %d, id %d", c.Subject, result.Version, result.ID)
	default:
		e.note("compatible with %s at level %s; --register registers it", c.Subject, result.Level)
	}
	return nil
}
