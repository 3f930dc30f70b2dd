package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/compat"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/schema"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// reserved is the property of metadata that lists fields not to be used.
const reserved = "confluent:reserved"

// Check says why s cannot be the next version of its subject: not at all if the
// list is empty. With version 0 it is compared as at a registration, else with
// that version only.
func (r *Registry) Check(s Schema, version int, normalize bool) ([]string, error) {
	config := r.ConfigInScope(s.Subject)
	var earlier []*Schema
	if version == 0 {
		for _, v := range r.Versions(s.Subject) {
			if !v.Deleted {
				earlier = append(earlier, v)
			}
		}
	} else if v := r.version(s.Subject, version, false); v != nil {
		earlier = append(earlier, v)
	} else if version != Latest {
		return nil, versionNotFound(version)
	}
	strict := config.ValidateNewSchemas == nil || *config.ValidateNewSchemas
	s.References = slices.Clone(s.References)
	parsed, err := r.canonical(&s, config, r.normalize(normalize, config), strict)
	if err != nil {
		return nil, err
	}
	if parsed == nil {
		return nil, fail(CodeInvalidSchema, "Empty schema")
	}
	return r.check(config, &s, parsed, earlier), nil
}

// check compares a schema with earlier versions, rising.
func (r *Registry) check(config *store.Config, s *Schema, parsed compat.Parsed,
	earlier []*Schema) []string {
	var messages []string
	validate := config.ValidateFields != nil && *config.ValidateFields
	if validate {
		messages = reservedFields(s, parsed, earlier)
	}
	if group := config.CompatibilityGroup; group != "" {
		earlier = slices.DeleteFunc(slices.Clone(earlier), func(old *Schema) bool {
			return property(old.Metadata, group) != property(s.Metadata, group)
		})
	}
	messages = append(messages, r.compare(config.CompatibilityLevel, parsed, earlier)...)
	if len(messages) > 0 {
		messages = append(messages, fmt.Sprintf("{validateFields: '%t', compatibility: '%s'}",
			validate, config.CompatibilityLevel))
	}
	return messages
}

// compare parses earlier versions as far as the level needs them.
func (r *Registry) compare(level string, parsed compat.Parsed, earlier []*Schema) []string {
	if level == "NONE" {
		return nil
	}
	for _, old := range slices.Backward(earlier) {
		copied := *old
		copied.References = slices.Clone(old.References)
		before, err := r.parse(&copied, false)
		if err != nil {
			return []string{fmt.Sprintf("version %d cannot be read: %v", old.Version, err)}
		}
		one := []compat.Version{{Schema: before, Version: old.Version}}
		if found := compat.Check(level, parsed, one); len(found) > 0 {
			return compat.Messages(found, one)
		}
		if !compat.Transitive(level) {
			break
		}
	}
	return nil
}

func property(m *schema.Metadata, name string) string {
	if m == nil {
		return ""
	}
	return m.Properties[name]
}

// reservedFields says which fields are used although metadata reserves them,
// and which are no longer reserved.
func reservedFields(s *Schema, parsed compat.Parsed, earlier []*Schema) []string {
	var messages []string
	now := split(property(s.Metadata, reserved))
	if len(earlier) > 0 {
		for _, field := range split(property(earlier[len(earlier)-1].Metadata, reserved)) {
			if !slices.Contains(now, field) {
				messages = append(messages, fmt.Sprintf("{errorType:'%s', description:'%s'}",
					"RESERVED_FIELD_REMOVED", "the new schema no longer reserves the field "+field))
			}
		}
	}
	for _, field := range now {
		if parsed.HasField(field) {
			messages = append(messages, fmt.Sprintf("{errorType:'%s', description:'%s'}",
				"FIELD_CONFLICTS_WITH_RESERVED_FIELD", "the new schema has the reserved field "+field))
		}
	}
	return messages
}

func split(list string) []string {
	var out []string
	for _, item := range strings.Split(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
