package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
	"github.com/posthaste-go/posthaste/schemaregistry"
)

type schemaListCmd struct {
	Subject string `placeholder:"SUBJECT" help:"List the versions of this subject."`
	Prefix  string `placeholder:"TEXT" help:"Only subjects that begin so."`
	Deleted bool   `help:"Softly deleted ones too."`
	JSON    bool   `name:"json" help:"Print one JSON object a line."`

	schemaCommand
}

// Help is what --help adds.
func (*schemaListCmd) Help() string {
	return withExample(`Lists each subject with its latest version, or the versions of one subject.`,
		"posthaste schema list --prefix orders")
}

// Run lists.
func (c *schemaListCmd) Run(e *env) error {
	return c.with(e, func(r *registryClient) error {
		all, err := r.Schemas(e.ctx, schemaregistry.ListOptions{Prefix: c.Prefix + c.Subject,
			Deleted: c.Deleted, LatestOnly: c.Subject == ""})
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(w, "SUBJECT\tVERSION\tID\tTYPE")
		}
		n := 0
		for _, s := range all {
			if c.Subject != "" && s.Subject != c.Subject {
				continue
			}
			n++
			if c.JSON {
				if err := printPlace(e, s); err != nil {
					return err
				}
				continue
			}
			deleted := ""
			if s.Deleted {
				deleted = " (deleted)"
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s%s\n", s.Subject, s.Version, s.ID, s.Type.OrAvro(), deleted)
		}
		if c.Subject != "" && n == 0 {
			return noSubject(c.Subject)
		}
		if c.JSON {
			return nil
		}
		if n == 0 {
			e.note("%s has no schemas", r.where)
			return nil
		}
		return w.Flush()
	})
}

func noSubject(subject string) error {
	return fmt.Errorf("subject %s does not exist; posthaste schema list shows those that do, "+
		"--deleted the deleted ones too", subject)
}

type schemaShowCmd struct {
	Subject string `placeholder:"SUBJECT" help:"The subject."`
	Version string `default:"latest" placeholder:"N" help:"The version (default: ${default})."`
	ID      int    `name:"id" placeholder:"N" help:"The schema's id, instead of subject and version."`
	GUID    string `name:"guid" placeholder:"GUID" help:"The schema's GUID, likewise."`
	JSON    bool   `name:"json" help:"Print one JSON object with all that the registry knows."`

	schemaCommand
}

// Help is what --help adds.
func (*schemaShowCmd) Help() string {
	return withExample(`Prints the text of a registered schema, indented if it is JSON.`,
		"posthaste schema show --subject orders-value --version 2")
}

// Run prints one schema.
func (c *schemaShowCmd) Run(e *env) error {
	given := 0
	for _, is := range []bool{c.Subject != "", c.ID != 0, c.GUID != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return usagef("which schema? Give one of --subject, --id and --guid")
	}
	return c.with(e, func(r *registryClient) error {
		found, err := c.find(e, r)
		if err != nil {
			return err
		}
		if c.JSON {
			found.Type = found.Type.OrAvro()
			return printJSON(e, found)
		}
		_, err = e.out.Write(readable(found.Schema))
		return err
	})
}

func (c *schemaShowCmd) find(e *env, r *registryClient) (schemaregistry.Registered, error) {
	switch {
	case c.ID != 0:
		found, err := r.ByID(e.ctx, "", c.ID)
		if errors.Is(err, schemaregistry.ErrNotFound) {
			err = fmt.Errorf("no schema has id %d in %s; posthaste schema list shows ids", c.ID, r.where)
		}
		return found, err
	case c.GUID != "":
		s, err := r.SchemaByGUID(e.ctx, c.GUID)
		return schemaregistry.Registered{Schema: s, GUID: c.GUID}, err
	}
	return r.at(e, c.Subject, c.Version)
}

// at is a version of a subject: a number, or latest.
func (r *registryClient) at(e *env, subject, version string) (found schemaregistry.Registered,
	err error) {
	if version == "" || version == "latest" {
		found, err = r.CachedLatest(e.ctx, subject) // a lock file may have it
	} else {
		n, bad := strconv.Atoi(version)
		if bad != nil || n < 1 {
			return found, usagef("version %s: give a number from 1, or latest", version)
		}
		found, err = r.Version(e.ctx, subject, n)
	}
	if e, ok := errors.AsType[*schemaregistry.Error](err); ok && e.Code == 40401 {
		err = noSubject(subject)
	}
	return found, err
}

// readable is a schema's text for people.
func readable(s schemaregistry.Schema) []byte {
	var b bytes.Buffer
	if s.Type == schemaregistry.Protobuf || json.Indent(&b, []byte(s.Text), "", "  ") != nil {
		return []byte(strings.TrimRight(s.Text, "\n") + "\n")
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

type schemaDeleteCmd struct {
	Subject   string `required:"" placeholder:"SUBJECT" help:"The subject."`
	Version   string `placeholder:"N" help:"Only this version, or latest (default: all)."`
	Permanent bool   `help:"For ever, what was deleted softly before. Records with its id can then not be read."`
	JSON      bool   `name:"json" help:"Print one JSON object."`

	schemaCommand
}

// Help is what --help adds.
func (*schemaDeleteCmd) Help() string {
	return withExample(`Deletes softly: nothing new can be written with the schema, records with its id can be read.`,
		"posthaste schema delete --subject orders-value --version 2")
}

// Run deletes.
func (c *schemaDeleteCmd) Run(e *env) error {
	return c.with(e, func(r *registryClient) error {
		versions, err := c.delete(e, r)
		if e, ok := errors.AsType[*schemaregistry.Error](err); ok && e.Code == 40401 {
			return noSubject(c.Subject)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e, struct {
				Subject   string `json:"subject"`
				Versions  []int  `json:"versions"`
				Permanent bool   `json:"permanent"`
			}{c.Subject, versions, c.Permanent})
		}
		e.note("deleted %s of %s", report.Plural(int64(len(versions)), "version"), c.Subject)
		return nil
	})
}

func (c *schemaDeleteCmd) delete(e *env, r *registryClient) ([]int, error) {
	how := schemaregistry.Soft
	if c.Permanent {
		how = schemaregistry.Permanent
	}
	switch c.Version {
	case "":
		return r.DeleteSubject(e.ctx, c.Subject, how)
	case "latest":
		latest, err := r.Latest(e.ctx, c.Subject)
		if err != nil {
			return nil, err
		}
		return []int{latest.Version}, r.DeleteVersion(e.ctx, c.Subject, latest.Version, how)
	}
	n, err := strconv.Atoi(c.Version)
	if err != nil || n < 1 {
		return nil, usagef("--version %s: give a number from 1, or latest", c.Version)
	}
	return []int{n}, r.DeleteVersion(e.ctx, c.Subject, n, how)
}

type schemaLockCmd struct {
	Subjects []string `arg:"" optional:"" name:"subject" help:"Subjects to pin at their latest version, with what they refer to (default: all)."`
	Out      string   `default:"schemas.lock.json" placeholder:"FILE" help:"The file (default: ${default})."`
	JSON     bool     `name:"json" help:"Print one JSON object for each schema that is pinned."`

	schemaCommand
}

// Help is what --help adds.
func (*schemaLockCmd) Help() string {
	return withExample(`Writes the latest versions of subjects and their ids to a file. A producer with
schema.registry.lock.file=FILE, or --schema-lock FILE here, starts and writes without asking the
registry for them.`,
		"posthaste schema lock --out schemas.lock.json orders-value")
}

// Run writes the lock file.
func (c *schemaLockCmd) Run(e *env) error {
	return c.with(e, func(r *registryClient) error {
		l, err := r.Lock(e.ctx, c.Subjects...)
		if err != nil {
			if re, ok := errors.AsType[*schemaregistry.Error](err); ok && re.Code == 40401 {
				return noSubject(re.Subject)
			}
			return err
		}
		if len(l.Schemas) == 0 {
			return fmt.Errorf("%s has no schemas to pin", r.where)
		}
		if r.embedded != nil {
			l.Registry = "" // an address of this moment
		}
		if err := l.Write(c.Out); err != nil {
			return err
		}
		if c.JSON {
			for _, s := range l.Schemas {
				if err := printPlace(e, s); err != nil {
					return err
				}
			}
			return nil
		}
		e.note("pinned %s in %s", report.Plural(int64(len(l.Schemas)), "schema"), c.Out)
		return nil
	})
}
