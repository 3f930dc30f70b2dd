package schemaregistry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Lock pins schemas and their ids, so that a program starts without its
// registry, and writes with the schemas that it was tested with. It is a JSON
// file to keep beside the program's source:
//
//	{
//	  "format": 1,
//	  "registry": "http://localhost:8081",
//	  "schemas": [
//	    {
//	      "subject": "orders-value", "version": 3, "id": 17,
//	      "guid": "f5d5…", "schemaType": "AVRO", "schema": "{\"type\": …}",
//	      "references": [{"name": "shop.Item", "subject": "item", "version": 1}]
//	    }
//	  ]
//	}
//
// guid, schemaType (AVRO) and references may be absent. Schemas are sorted by
// subject and version, so that a change of one is a change of a few lines. What
// a schema refers to is pinned too.
//
// With Config.LockFile, the client answers from the file what is in it: the id
// of a schema under a subject, the schema of an id or GUID, a version, and the
// latest version of a subject, which is the highest in the file. What is not in
// it goes to the registry.
type Lock struct {
	Format   int          `json:"format"`             // 1
	Registry string       `json:"registry,omitempty"` // where it was made; for people
	Schemas  []Registered `json:"schemas"`
}

const lockFormat = 1

// ReadLock reads and checks a lock file.
func ReadLock(path string) (*Lock, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lock file %s does not exist; make it with posthaste schema lock: %w",
			path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the lock file: %w", err)
	}
	l, err := ParseLock(b)
	if err != nil {
		return nil, fmt.Errorf("lock file %s: %w; make it again with posthaste schema lock", path, err)
	}
	return l, nil
}

// ParseLock reads and checks the content of a lock file.
func ParseLock(content []byte) (*Lock, error) {
	l := &Lock{}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(l); err != nil {
		return nil, fmt.Errorf("not a lock file: %w", err)
	}
	if l.Format != lockFormat {
		return nil, fmt.Errorf("format %d is unknown; this version reads %d", l.Format, lockFormat)
	}
	ids := map[idKey]string{}
	places := map[versionKey]bool{}
	for i := range l.Schemas {
		s := &l.Schemas[i]
		s.Type = s.Type.OrAvro()
		switch {
		case s.Subject == "" || s.Version < 1 || s.ID < 1 || s.Text == "":
			return nil, fmt.Errorf("schema %d has no subject, version, id or schema", i+1)
		case places[versionKey{s.Subject, s.Version}]:
			return nil, fmt.Errorf("version %d of subject %q is there twice", s.Version, s.Subject)
		}
		places[versionKey{s.Subject, s.Version}] = true
		key := idKey{contextOf(s.Subject), s.ID}
		if other, ok := ids[key]; ok && other != s.identity() {
			return nil, fmt.Errorf("id %d stands for two schemas", s.ID)
		}
		ids[key] = s.identity()
	}
	return l, nil
}

// Write replaces the file at path. A reader sees the old file or the new one.
func (l *Lock) Write(path string) error {
	slices.SortFunc(l.Schemas, func(a, b Registered) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Version, b.Version))
	})
	l.Format = lockFormat
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(l); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	_, err = temp.Write(b.Bytes())
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the lock file: %w", errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}

// Lock asks for the latest version of each subject, and for all that these refer
// to, and makes a lock of them. No subjects means all of the registry's.
func (c *Client) Lock(ctx context.Context, subjects ...string) (*Lock, error) {
	if len(subjects) == 0 {
		var err error
		if subjects, err = c.Subjects(ctx, ListOptions{}); err != nil {
			return nil, err
		}
	}
	l := &Lock{Format: lockFormat}
	if len(c.endpoints) > 0 {
		l.Registry = c.endpoints[0].base
	}
	have := map[versionKey]bool{}
	for _, subject := range subjects {
		r, err := c.Latest(ctx, subject)
		if err != nil {
			return nil, err
		}
		if err := c.lockWithReferences(ctx, l, r, have); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (c *Client) lockWithReferences(
	ctx context.Context, l *Lock, r Registered, have map[versionKey]bool,
) error {
	if have[versionKey{r.Subject, r.Version}] {
		return nil
	}
	have[versionKey{r.Subject, r.Version}] = true
	l.Schemas = append(l.Schemas, r)
	for _, ref := range r.References {
		used, err := c.Version(ctx, ref.Subject, ref.Version)
		if err != nil {
			return err
		}
		if err := c.lockWithReferences(ctx, l, used, have); err != nil {
			return err
		}
	}
	return nil
}

// pins is a lock by what is looked for.
type pins struct {
	ids    map[pinKey]Registered
	latest map[string]Registered
}

type pinKey struct{ subject, schema string }

// pin puts what a lock holds where questions look first. It may exceed
// Config.CacheSize.
func (c *Client) pin(l *Lock) {
	c.pins = pins{map[pinKey]Registered{}, map[string]Registered{}}
	c.cfg.CacheSize = max(c.cfg.CacheSize, 2*len(l.Schemas))
	for _, r := range l.Schemas {
		c.pins.ids[pinKey{r.Subject, r.identity()}] = r
		if c.pins.latest[r.Subject].Version < r.Version {
			c.pins.latest[r.Subject] = r
		}
		c.byID.put(idKey{contextOf(r.Subject), r.ID}, r)
		c.places.put(versionKey{r.Subject, r.Version}, r)
		if r.GUID != "" {
			c.byGUID.put(r.GUID, r)
		}
	}
}

// pinned is s as the lock file has it.
func (c *Client) pinned(subject string, s *Schema) (Registered, bool) {
	if len(c.pins.ids) == 0 {
		return Registered{}, false
	}
	r, ok := c.pins.ids[pinKey{subject, s.identity()}]
	return r, ok
}

func (c *Client) pinnedLatest(subject string) (Registered, bool) {
	r, ok := c.pins.latest[subject]
	return r, ok
}
