package registry

import (
	"context"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/compat"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// RegisterOptions are the query parameters of a registration.
type RegisterOptions struct {
	Normalize bool // also if the subject's config says so
	Force     bool // whether compatible or not
}

// Register makes s the next version of its subject, or returns the version that
// is s already. s.ID is 0 and s.Version 0 unless the client gives them: an id
// needs mode IMPORT, a version has to be the next one.
func (r *Registry) Register(ctx context.Context, s Schema, o RegisterOptions) (*Schema, error) {
	if !schema.ValidSubject(s.Subject, false) {
		return nil, invalidSubject(s.Subject)
	}
	if err := s.RuleSet.Validate(); err != nil {
		return nil, fail(CodeInvalidRuleSet, "%v", err)
	}
	if found, err := r.Registered(s, o.Normalize); found != nil || err != nil {
		return found, err
	}
	r.writes.Lock()
	defer r.writes.Unlock()
	return r.register(ctx, s, o)
}

// Registered is the version that a registration of s would return without
// writing anything, or nil.
func (r *Registry) Registered(s Schema, normalize bool) (*Schema, error) {
	config := r.ConfigInScope(s.Subject)
	if config.DefaultMetadata != nil || config.OverrideMetadata != nil ||
		config.DefaultRuleSet != nil || config.OverrideRuleSet != nil {
		return nil, nil // they may change what is registered
	}
	s.References = slices.Clone(s.References)
	found, err := r.find(s, config,
		search{normalize: r.normalize(normalize, config), latest: s.Version == Latest})
	if err != nil || found == nil {
		return nil, err
	}
	if s.Version == 0 || s.Version == Latest {
		if s.ID == 0 || s.ID == found.ID {
			return found, nil
		}
		return nil, nil
	}
	if found.ID != s.ID {
		return nil, nil
	}
	if found.Version == s.Version {
		return found, nil
	}
	other := r.version(s.Subject, s.Version, false)
	if other != nil && other.ID == found.ID && other.GUID() == found.GUID() {
		return other, nil
	}
	return nil, nil
}

func (r *Registry) normalize(asked bool, c *store.Config) bool {
	return asked || c.Normalize != nil && *c.Normalize
}

// register does the work of Register; the caller holds writes.
func (r *Registry) register(ctx context.Context, s Schema, o RegisterOptions) (*Schema, error) {
	if err := r.mayRegister(&s); err != nil {
		return nil, err
	}
	config, importing := r.ConfigInScope(s.Subject), r.importing(s.Subject)
	versions := r.Versions(s.Subject)
	next := 1
	var alive []*Schema
	for _, v := range versions {
		next = v.Version + 1
		if !v.Deleted {
			alive = append(alive, v)
		}
	}
	s.References = slices.Clone(s.References)
	if !importing {
		if err := fill(&s, alive, config, next); err != nil {
			return nil, err
		}
	}
	strict := s.ID == 0 && (config.ValidateNewSchemas == nil || *config.ValidateNewSchemas)
	parsed, err := r.canonical(&s, config, r.normalize(o.Normalize, config), strict)
	if err != nil {
		return nil, err
	}
	if parsed == nil {
		return nil, fail(CodeInvalidSchema, "Empty schema")
	}
	found, id := r.known(&s, parsed, alive)
	if found != nil {
		return found, nil
	}
	if !importing && !o.Force {
		if messages := r.check(config, &s, parsed, alive); len(messages) > 0 {
			return nil, fail(CodeIncompatible, "Schema being registered is incompatible with an "+
				"earlier schema for subject \"%s\", details: [%s]", s.Subject, strings.Join(messages, ", "))
		}
	}
	if s.Version <= 0 {
		s.Version = next
	} else if s.Version != next && !importing {
		return nil, fail(CodeInvalidSchema, "Version %d is not one more than the previous version %d",
			s.Version, next-1)
	}
	return r.add(ctx, s, id)
}

// mayRegister looks at the mode.
func (r *Registry) mayRegister(s *Schema) error {
	mode := r.ModeInScope(s.Subject)
	if err := r.writable(s.Subject); err != nil {
		return err
	}
	if s.ID != 0 && !r.importing(s.Subject) {
		return r.notPermitted(s.Subject, "is not in import mode")
	}
	if s.ID == 0 && mode != ModeReadWrite {
		return r.notPermitted(s.Subject, "is not in read-write mode")
	}
	return nil
}

func (r *Registry) notPermitted(subject, why string) *Error {
	return fail(CodeNotPermitted, "Subject %s in context %s %s", subject,
		schema.ParseSubject(subject).Prefix(), why)
}

// known looks whether the schema is there: under the subject, which ends the
// matter, or under another one, whose id it then has as well.
func (r *Registry) known(s *Schema, parsed compat.Parsed, alive []*Schema) (*Schema, int) {
	wanted := s.ID
	id := r.IDOf(schema.ContextOf(s.Subject), s.GUID())
	if id != 0 && (wanted == 0 || wanted == id) {
		if v, ok := r.sameText(s); ok && s.Version == 0 {
			if found := r.version(v.Subject, v.Version, false); found != nil {
				return found, id
			}
		}
		wanted = id
	}
	if s.Version == 0 {
		for _, old := range slices.Backward(alive) {
			if (wanted == 0 || wanted == old.ID) && r.meansSame(s, parsed, old) {
				return old, old.ID
			}
		}
	}
	return nil, wanted
}

// add writes a new version.
func (r *Registry) add(ctx context.Context, s Schema, id int) (*Schema, error) {
	in := schema.ParseSubject(s.Subject)
	var records []store.Record
	if in.Qualified() && !slices.Contains(r.Contexts(), in.Context) {
		records = append(records, store.PutContext(in.Context))
	}
	if id == 0 {
		id = r.NextID(in.Context)
	} else if err := r.mayHaveID(&s, id); err != nil {
		return nil, err
	}
	s.ID = id
	for _, old := range r.Versions(s.Subject) {
		// A version that was deleted and is registered again moves to the end, unless
		// someone refers to it where it is.
		if old.Deleted && old.ID == id && old.Version < s.Version &&
			len(r.UsedBy(store.Version{Subject: old.Subject, Version: old.Version})) == 0 {
			records = append(records, store.RemoveSchema(old.Subject, old.Version))
		}
	}
	if err := r.write(ctx, append(records, store.PutSchema(&s))...); err != nil {
		return nil, err
	}
	found := r.State.Version(s.Subject, s.Version)
	if found == nil || found.ID != s.ID || found.Text != s.Text {
		return nil, fail(CodeStore, "Another registry wrote to the topic at the same time: try again")
	}
	return found, nil
}

// mayHaveID refuses an id that another schema has.
func (r *Registry) mayHaveID(s *Schema, id int) error {
	in := schema.ParseSubject(s.Subject)
	v, ok := r.keyIn(id, schema.Subject{Context: in.Context})
	if !ok {
		return nil
	}
	if old := r.State.Version(v.Subject, v.Version); old != nil && old.GUID() != s.GUID() {
		return fail(CodeNotPermitted, "Overwrite new schema with id %d in context %s is not permitted.",
			id, in.Prefix())
	}
	return nil
}

// fill gives s what it leaves out: an empty text is the latest version's, and
// metadata and rules come from there and from the config.
func fill(s *Schema, alive []*Schema, config *store.Config, next int) error {
	var latest *Schema
	if len(alive) > 0 {
		latest = alive[len(alive)-1]
	}
	if strings.TrimSpace(s.Text) == "" {
		if latest == nil {
			return fail(CodeInvalidSchema, "Empty schema")
		}
		s.Text, s.Type, s.References = latest.Text, latest.Type, slices.Clone(latest.References)
	}
	inherit(s, latest, config, next)
	return nil
}

// inherit merges metadata and rules: the config's defaults, then what s says or
// else the latest version, then the config's overrides. With next above 0 the
// property confluent:version is kept up.
func inherit(s *Schema, latest *Schema, config *store.Config, next int) {
	metadata, rules := s.Metadata, s.RuleSet
	if latest != nil && metadata == nil {
		metadata = latest.Metadata
	}
	if latest != nil && rules == nil {
		rules = latest.RuleSet
	}
	metadata = schema.MergeMetadata(schema.MergeMetadata(config.DefaultMetadata, metadata),
		config.OverrideMetadata)
	rules = schema.MergeRules(schema.MergeRules(config.DefaultRuleSet, rules),
		config.OverrideRuleSet)
	if next > 0 && (s.Version != 0 || metadata.Version() != 0) {
		metadata = metadata.WithVersion(next)
	}
	s.Metadata, s.RuleSet = metadata, rules
}

// canonical parses s and puts the text in it that is kept. An empty text is nil.
func (r *Registry) canonical(s *Schema, config *store.Config, normalize, strict bool) (
	compat.Parsed, error) {
	if strings.TrimSpace(s.Text) == "" {
		return nil, nil
	}
	if s.Type == "" {
		s.Type = schema.Avro
	}
	if s.ID != 0 && r.ModeInScope(s.Subject) != ModeImport {
		s.ID = 0
	}
	parsed, err := r.parse(s, strict)
	if err != nil {
		return nil, err
	}
	importing := r.importing(s.Subject)
	if !importing && config.ValidateFields != nil && *config.ValidateFields {
		if err := parsed.ValidateFields(); err != nil {
			return nil, fail(CodeInvalidSchema, "Invalid schema, details: %v", err)
		}
	}
	if normalize && !importing {
		if parsed, err = parsed.Normalized(); err != nil {
			return nil, fail(CodeInvalidSchema, "Invalid schema, details: %v", err)
		}
		s.References = sortReferences(s.References)
	}
	s.Text = parsed.Text()
	return parsed, nil
}

func sortReferences(list []schema.Reference) []schema.Reference {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b schema.Reference) int {
		return strings.Compare(a.Name+"\x00"+a.Subject, b.Name+"\x00"+b.Subject)
	})
	return slices.Compact(list)
}

// meansSame reports whether s, as a client sends it, is the version old: the
// same schema, perhaps with what it refers to written into it, or without the
// property confluent:version.
func (r *Registry) meansSame(s *Schema, parsed compat.Parsed, old *Schema) bool {
	if s.Type != old.Type {
		return false
	}
	inlined := len(s.References) == 0 && len(old.References) > 0
	if !inlined && !slices.Equal(s.References, old.References) {
		return false
	}
	mine, theirs := s.Metadata.Version(), old.Metadata.Version()
	metadata, other := s.Metadata, old.Metadata
	switch {
	case mine == 0 && theirs != 0:
		metadata, other = orEmpty(metadata), orEmpty(other.WithVersion(0))
	case mine != 0 && theirs == 0:
		if mine != old.Version {
			return false
		}
		metadata, other = orEmpty(metadata.WithVersion(0)), orEmpty(other)
	}
	if !same(metadata, other) || !same(s.RuleSet, old.RuleSet) {
		return false
	}
	if s.Text == old.Text && !inlined {
		return true
	}
	copied := *old
	copied.References = slices.Clone(old.References)
	before, err := r.parse(&copied, false)
	return err == nil && parsed.Equivalent(before)
}

func orEmpty(m *schema.Metadata) *schema.Metadata {
	if m == nil || len(m.Properties) == 0 && len(m.Tags) == 0 && len(m.Sensitive) == 0 {
		return &schema.Metadata{}
	}
	return m
}
