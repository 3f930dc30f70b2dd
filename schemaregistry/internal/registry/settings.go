package registry

import (
	"context"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/compat"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// The modes of a subject, context or registry.
const (
	ModeReadWrite        = "READWRITE"
	ModeReadOnly         = "READONLY"
	ModeReadOnlyOverride = "READONLY_OVERRIDE"
	ModeImport           = "IMPORT"
	ModeForward          = "FORWARD"
)

var modes = []string{ModeReadWrite, ModeReadOnly, ModeReadOnlyOverride, ModeImport, ModeForward}

// global is the context whose config and mode are for all contexts.
var global = schema.Subject{Context: schema.GlobalContext}.Prefix()

// setting is the name under which config and mode of a subject are kept: "" for
// the default context.
func setting(subject string) string { return schema.ParseSubject(subject).String() }

// scope lists where to look for a setting of subject, nearest first.
func scope(subject string) []string {
	s := schema.ParseSubject(subject)
	return []string{s.String(), s.Prefix(), global}
}

// OwnConfig is the config that was given to just that subject, or nil. The
// default and the global context always have one.
func (r *Registry) OwnConfig(subject string) *store.Config {
	c := r.Config(setting(subject))
	if c == nil {
		s := schema.ParseSubject(subject)
		if !s.IsDefault() && s.Context != schema.GlobalContext {
			return nil
		}
		c = &store.Config{}
	}
	return r.withLevel(c)
}

func (r *Registry) withLevel(c *store.Config) *store.Config {
	if c.CompatibilityLevel != "" {
		return c
	}
	out := *c
	out.CompatibilityLevel = r.defaultLevel
	return &out
}

// ConfigInScope is the config that holds for a subject.
func (r *Registry) ConfigInScope(subject string) *store.Config {
	own := r.Config(setting(subject))
	if own == nil || setting(subject) == "" {
		for _, name := range scope(subject) {
			if c := r.Config(name); c != nil {
				return r.withLevel(c)
			}
		}
		return r.withLevel(&store.Config{})
	}
	own = r.withLevel(own)
	top := r.Config("")
	if top == nil {
		return own
	}
	merged := *own
	for _, b := range []struct{ to, from **bool }{
		{&merged.Normalize, &top.Normalize},
		{&merged.ValidateFields, &top.ValidateFields},
		{&merged.ValidateNewSchemas, &top.ValidateNewSchemas},
		{&merged.ValidateRules, &top.ValidateRules},
	} {
		if *b.to == nil {
			*b.to = *b.from
		}
	}
	if merged.CompatibilityPolicy == "" {
		merged.CompatibilityPolicy = top.CompatibilityPolicy
	}
	if merged.CompatibilityGroup == "" {
		merged.CompatibilityGroup = top.CompatibilityGroup
	}
	return &merged
}

// OwnMode is the mode that was given to just that subject, or "". The default and
// the global context always have one.
func (r *Registry) OwnMode(subject string) string {
	if m := r.Mode(setting(subject)); m != "" {
		return m
	}
	s := schema.ParseSubject(subject)
	if s.IsDefault() || s.Context == schema.GlobalContext {
		return ModeReadWrite
	}
	return ""
}

// ModeInScope is the mode that holds for a subject.
func (r *Registry) ModeInScope(subject string) string {
	for _, name := range scope(subject) {
		if m := r.Mode(name); m != "" {
			return m
		}
	}
	return ModeReadWrite
}

func (r *Registry) importing(subject string) bool {
	m := r.ModeInScope(subject)
	return m == ModeImport || m == ModeForward
}

// writable refuses a change in a read-only mode.
func (r *Registry) writable(subject string) error {
	if m := r.ModeInScope(subject); m == ModeReadOnly || m == ModeReadOnlyOverride {
		return r.notPermitted(subject, "is in read-only mode")
	}
	return nil
}

// UpdateConfig changes the config of a subject, which change gets a copy of.
func (r *Registry) UpdateConfig(ctx context.Context, subject string,
	change func(*store.Config)) (*store.Config, error) {
	if !schema.ValidSubject(subject, true) {
		return nil, invalidSubject(subject)
	}
	r.writes.Lock()
	defer r.writes.Unlock()
	if err := r.writable(subject); err != nil {
		return nil, err
	}
	c := store.Config{}
	if old := r.Config(setting(subject)); old != nil {
		c = *old
	}
	change(&c)
	for _, rules := range []*schema.RuleSet{c.DefaultRuleSet, c.OverrideRuleSet} {
		if err := rules.Validate(); err != nil {
			return nil, fail(CodeInvalidRuleSet, "%v", err)
		}
	}
	return &c, r.write(ctx, store.PutConfig(setting(subject), &c))
}

// Level is a compatibility level in its one spelling.
func Level(text string) (string, error) {
	level := strings.ToUpper(text)
	if !slices.Contains(compat.Levels, level) {
		return "", fail(CodeInvalidCompatibility, "Invalid compatibility level. Valid values are %s",
			strings.ToLower(strings.Join(compat.Levels, ", ")))
	}
	return level, nil
}

// DeleteConfig takes the config of a subject away and returns it.
func (r *Registry) DeleteConfig(ctx context.Context, subject string) (*store.Config, error) {
	r.writes.Lock()
	defer r.writes.Unlock()
	old := r.OwnConfig(subject)
	if old == nil {
		return nil, subjectNotFound(subject)
	}
	if err := r.writable(subject); err != nil {
		return nil, err
	}
	return old, r.write(ctx, store.PutConfig(setting(subject), nil))
}

// SetMode sets the mode of a subject; "" takes it away. Mode IMPORT needs a
// subject or context without schemas, unless force says otherwise: ids that are
// imported must not meet others.
func (r *Registry) SetMode(ctx context.Context, subject, mode string, force bool) error {
	if !schema.ValidSubject(subject, true) {
		return invalidSubject(subject)
	}
	if mode != "" && !slices.Contains(modes, mode) {
		return fail(CodeInvalidMode, "Invalid mode. Valid values are %s", strings.Join(modes, ", "))
	}
	s := schema.ParseSubject(subject)
	if mode == ModeForward && (s.Context != schema.GlobalContext || s.Name != "") {
		return fail(CodeInvalidMode, "Forward mode only supported on global level")
	}
	r.writes.Lock()
	defer r.writes.Unlock()
	var records []store.Record
	if mode == ModeImport && r.ModeInScope(subject) != ModeImport && !force {
		var err error
		if records, err = r.empty(s); err != nil {
			return err
		}
	}
	return r.write(ctx, append(records, store.PutMode(setting(subject), mode))...)
}

// empty makes sure that s holds no schema, and forgets deleted ones.
func (r *Registry) empty(s schema.Subject) ([]store.Record, error) {
	var records []store.Record
	for _, name := range r.Subjects(schema.Wildcard) {
		// The registry's own mode is for all contexts.
		if !s.IsDefault() && !schema.Matches(name, s) {
			continue
		}
		for _, v := range r.Versions(name) {
			if !v.Deleted {
				return nil, fail(CodeNotPermitted, "Cannot import since found existing subjects")
			}
			if len(r.UsedBy(store.Version{Subject: name, Version: v.Version})) > 0 {
				return nil, referenceExists(name, v.Version)
			}
			records = append(records, store.RemoveSchema(name, v.Version))
		}
	}
	return append(records, store.ClearSubject(s.String())), nil
}

// DeleteMode takes the mode of a subject away and returns it. Recursive does so
// for all subjects of a context.
func (r *Registry) DeleteMode(ctx context.Context, subject string, recursive bool) (string, error) {
	r.writes.Lock()
	defer r.writes.Unlock()
	old := r.OwnMode(subject)
	if old == "" && !recursive {
		return "", subjectNotFound(subject)
	}
	records := []store.Record{store.PutMode(setting(subject), "")}
	s := schema.ParseSubject(subject)
	for _, name := range r.Modes() {
		of := schema.ParseSubject(name)
		if recursive && s.Name == "" && of.Name != "" && of.Context == s.Context {
			records = append(records, store.PutMode(name, ""))
		}
	}
	return old, r.write(ctx, records...)
}
