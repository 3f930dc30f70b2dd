// Package registry is what a schema registry does, without HTTP: it registers,
// finds, compares and deletes schemas by the rules of Confluent's registry. What
// it knows is a store.State; what it changes it writes to the topic and reads
// back.
package registry

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/compat"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// Log is where records go: a *store.Topic.
type Log interface {
	Write(ctx context.Context, records ...store.Record) (int64, error)
}

// Registry answers questions from a State and changes it through a Log. Its
// methods may be called concurrently.
//
// Locks: writes is held during a whole change, from the look at the state to the
// moment its records are read back, so that changes follow each other.
type Registry struct {
	*store.State
	log          Log
	logger       *slog.Logger
	defaultLevel string

	writes sync.Mutex
	parsed parsedCache
}

// Config says how a registry starts out.
type Config struct {
	Compatibility string // the level where none is set; "" means BACKWARD
	Logger        *slog.Logger
}

// New makes a registry of what state holds.
func New(state *store.State, log Log, cfg Config) *Registry {
	if cfg.Compatibility == "" {
		cfg.Compatibility = "BACKWARD"
	}
	return &Registry{State: state, log: log, logger: cfg.Logger, defaultLevel: cfg.Compatibility,
		parsed: parsedCache{entries: map[parsedKey]compat.Parsed{}}}
}

// write appends records; the caller holds writes.
func (r *Registry) write(ctx context.Context, records ...store.Record) error {
	_, err := r.log.Write(ctx, records...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return fail(CodeSchemaTooLarge, "Write failed because schema is too large: %v", err)
	case errors.Is(err, store.ErrNotRead), errors.Is(err, context.DeadlineExceeded):
		return fail(CodeTimeout, "Write to the Kafka store timed out: %v", err)
	}
	return fail(CodeStore, "Write to the Kafka store failed: %v", err)
}

// Schema is a schema as clients hand it over and get it back.
type Schema = schema.Schema

// parsedCache keeps schemas that were parsed lately.
type parsedCache struct {
	mu      sync.Mutex
	entries map[parsedKey]compat.Parsed
}

type parsedKey struct {
	kind, context string
	guid          schema.GUID
	strict        bool
}

// maxParsed is how many parsed schemas are kept; then all are dropped.
const maxParsed = 1000

func (c *parsedCache) get(k parsedKey) compat.Parsed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[k]
}

func (c *parsedCache) put(k parsedKey, p compat.Parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= maxParsed {
		clear(c.entries)
	}
	c.entries[k] = p
}

// parse reads a schema with what it refers to. References of version -1 are set
// to the latest in s.
func (r *Registry) parse(s *Schema, strict bool) (compat.Parsed, error) {
	references, err := r.resolve(s, !strict)
	if err != nil {
		return nil, err
	}
	plain := Schema{Text: s.Text, References: s.References}
	k := parsedKey{s.Type, schema.ContextOf(s.Subject), plain.GUID(), strict}
	if p := r.parsed.get(k); p != nil {
		return p, nil
	}
	p, err := compat.Parse(compat.Source{Type: s.Type, Text: s.Text, References: references},
		compat.Options{Strict: strict})
	if err != nil {
		kind := s.Type
		if kind == "" {
			kind = schema.Avro
		}
		return nil, fail(CodeInvalidSchema, "Invalid schema of type %s, details: %v", kind, err)
	}
	// A deleted and rewritten version of a reference would be found stale here.
	if len(s.References) == 0 {
		r.parsed.put(k, p)
	}
	return p, nil
}

// resolve collects the texts of all that s refers to, each before those that
// refer to it.
func (r *Registry) resolve(s *Schema, deleted bool) ([]compat.Reference, error) {
	var list []compat.Reference
	seen := map[string]bool{}
	err := r.resolveInto(s, deleted, seen, &list)
	return list, err
}

func (r *Registry) resolveInto(s *Schema, deleted bool, seen map[string]bool,
	list *[]compat.Reference) error {
	for i := range s.References {
		ref := &s.References[i]
		if ref.Name == "" || ref.Subject == "" || ref.Version == 0 {
			return fail(CodeInvalidSchema, "Invalid schema: reference %+v: want name, subject and version",
				*ref)
		}
		subject := schema.Within(s.Subject, ref.Subject)
		found := r.version(subject, ref.Version, deleted)
		if found == nil {
			return fail(CodeInvalidSchema, "Invalid schema: No schema reference found for subject "+
				"\"%s\" and version %d", subject, ref.Version)
		}
		if ref.Version == Latest {
			ref.Version = found.Version
		}
		if seen[ref.Name] {
			continue
		}
		seen[ref.Name] = true
		// What is stored has no version -1, so the copy is not changed.
		if err := r.resolveInto(found, deleted, seen, list); err != nil {
			return err
		}
		*list = append(*list, compat.Reference{Name: ref.Name, Text: found.Text})
	}
	return nil
}
