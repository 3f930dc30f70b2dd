package store

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// Versions are all versions of a subject, deleted ones among them, rising. The
// list is the caller's to read, not to change.
func (s *State) Versions(subject string) []*schema.Schema {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.subjects[subject]
}

// Version is one version, deleted or not, or nil.
func (s *State) Version(subject string, version int) *schema.Schema {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.find(subject, version)
}

// Subjects lists the subjects whose names begin with prefix, in order. Prefix
// :*: stands for every context, also in front of more.
func (s *State) Subjects(prefix string) []string {
	s.sort()
	s.mu.RLock()
	defer s.mu.RUnlock()
	rest, everywhere := strings.CutPrefix(prefix, schema.Wildcard)
	if !everywhere {
		return slices.Clone(withPrefix(s.names(), prefix))
	}
	var list []string
	for _, name := range s.names() {
		if strings.HasPrefix(schema.ParseSubject(name).Name, rest) {
			list = append(list, name)
		}
	}
	return list
}

// HasSubjects reports whether there is a subject that is meant by what: its own
// name, or a context's with an empty one.
func (s *State) HasSubjects(what schema.Subject, deleted bool) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if what.Name != "" {
		return hasVersion(s.subjects[what.String()], deleted)
	}
	for name, versions := range s.subjects {
		if schema.Matches(name, what) && hasVersion(versions, deleted) {
			return true
		}
	}
	return false
}

func hasVersion(list []*schema.Schema, deleted bool) bool {
	return slices.ContainsFunc(list, func(sc *schema.Schema) bool { return deleted || !sc.Deleted })
}

// Config is the config of a subject, or "" for the registry's own; nil if none.
func (s *State) Config(subject string) *Config {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.configs[subject]
}

// AliasNames lists the subjects that begin with prefix and are an alias for
// another one, in order.
func (s *State) AliasNames(prefix string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []string
	for name, c := range s.configs {
		if c.Alias != "" && strings.HasPrefix(name, prefix) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// Mode is the mode of a subject, or "" for the registry's own; "" if none.
func (s *State) Mode(subject string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.modes[subject]
}

// Modes lists the subjects that have a mode of their own.
func (s *State) Modes() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.modes))
}

// Contexts lists the contexts besides the default one, in order.
func (s *State) Contexts() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.named))
}

// NextID is the least id above all that were ever seen in a context.
func (s *State) NextID(context string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.contexts[context]; c != nil {
		return c.maxID + 1
	}
	return 1
}

// SubjectVersions are the versions that have an id: of each subject the last
// that got it. Deleted ones are among them. In order of subjects.
func (s *State) SubjectVersions(context string, id int) []Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.contexts[context]
	if c == nil {
		return nil
	}
	list := make([]Version, 0, len(c.ids[id]))
	for subject, version := range c.ids[id] {
		list = append(list, Version{subject, version})
	}
	slices.SortFunc(list, func(a, b Version) int { return cmp.Compare(a.Subject, b.Subject) })
	return list
}

// IDOf is the id of a schema in a context, 0 if it has none there.
func (s *State) IDOf(context string, guid schema.GUID) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.contexts[context]; c != nil {
		return c.guids[guid]
	}
	return 0
}

// UsedBy lists the ids of schemas that refer to a version, deleted ones among
// them, in order.
func (s *State) UsedBy(v Version) []ContextID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.contexts[schema.ContextOf(v.Subject)]
	if c == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(c.usedBy[v]), func(a, b ContextID) int {
		return cmp.Or(cmp.Compare(a.Context, b.Context), cmp.Compare(a.ID, b.ID))
	})
}
