package registry

import (
	"slices"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
)

// SchemaQuery says which schemas ListSchemas returns.
type SchemaQuery struct {
	Prefix     string // of subjects
	Filter     Filter
	LatestOnly bool   // of each subject the last version that the filter lets through
	RuleType   string // only schemas with a rule of that type
	Aliases    bool   // also subjects that an alias with the prefix stands for
}

// Listed is a schema and the aliases that led to it.
type Listed struct {
	*Schema
	Aliases []string
}

// ListSchemas lists schemas in the order of subject and version.
func (r *Registry) ListSchemas(q SchemaQuery) []Listed {
	names := r.Subjects(q.Prefix)
	aliases := map[string][]string{}
	if q.Aliases {
		aliases = r.aliases(q.Prefix)
		for name := range aliases {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
	}
	var list []Listed
	for _, name := range names {
		last := -1
		for _, s := range r.Versions(name) {
			if !q.Filter.Match(s.Deleted) || q.RuleType != "" && !s.RuleSet.HasType(q.RuleType) {
				continue
			}
			if q.LatestOnly && last >= 0 {
				list = list[:last]
			}
			last = len(list)
			list = append(list, Listed{s, aliases[name]})
		}
	}
	return list
}

// aliases maps subjects to the aliases for them that begin with prefix.
func (r *Registry) aliases(prefix string) map[string][]string {
	out := map[string][]string{}
	for _, name := range r.AliasNames(prefix) {
		subject := schema.Within(name, r.Config(name).Alias)
		out[subject] = append(out[subject], name)
	}
	return out
}

// LatestWithMetadata finds the last version of a subject whose metadata has all
// of some properties.
func (r *Registry) LatestWithMetadata(subject string, want map[string]string, deleted bool) (
	*Schema, error) {
	for _, s := range slices.Backward(r.Versions(subject)) {
		if s.Deleted && !deleted || s.Metadata == nil {
			continue
		}
		if hasAll(s.Metadata.Properties, want) {
			return s, nil
		}
	}
	if !r.HasSubjects(schema.ParseSubject(subject), deleted) {
		return nil, subjectNotFound(subject)
	}
	return nil, schemaNotFound()
}

func hasAll(properties, want map[string]string) bool {
	for k, v := range want {
		if got, ok := properties[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// Format is a schema's text in a format such as resolved or serialized.
func (r *Registry) Format(s *Schema, format string) (string, error) {
	copied := *s
	copied.References = slices.Clone(s.References)
	parsed, err := r.parse(&copied, false)
	if err != nil {
		return "", err
	}
	return parsed.Formatted(format), nil
}

// NoConfig is the answer when a subject has no config of its own.
func (r *Registry) NoConfig(subject string) error {
	return fail(CodeNoSubjectConfig, "Subject '%s' does not have subject-level compatibility "+
		"configured", subject)
}

// NoMode is the answer when a subject has no mode of its own.
func (r *Registry) NoMode(subject string) error {
	return fail(CodeNoSubjectMode, "Subject '%s' does not have subject-level mode configured",
		subject)
}
