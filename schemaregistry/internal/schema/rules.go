package schema

import (
	"fmt"
	"maps"
	"slices"
	"unicode"
)

// RuleSet is the rules of a data contract. A registry keeps them; clients apply
// them.
type RuleSet struct {
	MigrationRules []Rule `json:"migrationRules,omitempty"`
	DomainRules    []Rule `json:"domainRules,omitempty"`
	EncodingRules  []Rule `json:"encodingRules,omitempty"`
	EnableAt       string `json:"enableAt,omitempty"`
}

// Rule is one rule of a RuleSet.
type Rule struct {
	Name      string            `json:"name,omitempty"`
	Doc       string            `json:"doc,omitempty"`
	Kind      string            `json:"kind,omitempty"` // TRANSFORM or CONDITION
	Mode      string            `json:"mode,omitempty"`
	Type      string            `json:"type,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	Expr      string            `json:"expr,omitempty"`
	OnSuccess string            `json:"onSuccess,omitempty"`
	OnFailure string            `json:"onFailure,omitempty"`
	Disabled  bool              `json:"disabled"`
}

const maxRuleName = 64

var (
	migrationModes = []string{"UPGRADE", "DOWNGRADE", "UPDOWN"}
	dataModes      = []string{"WRITE", "READ", "WRITEREAD"}
)

// Validate refuses rules that no client could apply.
func (s *RuleSet) Validate() error {
	if s == nil {
		return nil
	}
	names := map[string]bool{}
	for _, phase := range []struct {
		name  string
		rules []Rule
		modes []string
	}{
		{"migration", s.MigrationRules, migrationModes},
		{"domain", s.DomainRules, dataModes},
		{"encoding", s.EncodingRules, dataModes},
	} {
		for i := range phase.rules {
			r := &phase.rules[i]
			if names[r.Name] {
				return fmt.Errorf("two rules have the name %q", r.Name)
			}
			names[r.Name] = true
			if err := r.validate(); err != nil {
				return err
			}
			if !slices.Contains(phase.modes, r.Mode) {
				return fmt.Errorf("rule %s: mode %q: a %s rule's is one of %v",
					r.Name, r.Mode, phase.name, phase.modes)
			}
		}
	}
	return nil
}

func (r *Rule) validate() error {
	if r.Name == "" || len(r.Name) > maxRuleName {
		return fmt.Errorf("rule name %q: want 1 to %d characters", r.Name, maxRuleName)
	}
	for i, c := range r.Name {
		ok := c == '_' || unicode.IsLetter(c) || i > 0 && (c == '-' || unicode.IsDigit(c))
		if !ok {
			return fmt.Errorf("rule name %q: want letters, digits, _ and -, a letter or _ first", r.Name)
		}
	}
	if r.Type == "" {
		return fmt.Errorf("rule %s has no type", r.Name)
	}
	if r.Kind != "" && r.Kind != "TRANSFORM" && r.Kind != "CONDITION" {
		return fmt.Errorf("rule %s: kind %q: want TRANSFORM or CONDITION", r.Name, r.Kind)
	}
	if r.Mode == "WRITEREAD" || r.Mode == "UPDOWN" {
		return nil
	}
	for _, action := range []string{r.OnSuccess, r.OnFailure} {
		if slices.Contains([]byte(action), ',') {
			return fmt.Errorf("rule %s: two actions %q: only for modes WRITEREAD and UPDOWN",
				r.Name, action)
		}
	}
	return nil
}

func (s *RuleSet) hash(write func(...string)) {
	for _, rules := range [][]Rule{s.MigrationRules, s.DomainRules, s.EncodingRules} {
		for i := range rules {
			rules[i].hash(write)
		}
	}
	write(s.EnableAt)
}

func (r *Rule) hash(write func(...string)) {
	write(r.Name, r.Doc, r.Kind, r.Mode, r.Type)
	write(slices.Sorted(slices.Values(r.Tags))...)
	for _, k := range slices.Sorted(maps.Keys(r.Params)) {
		write(k, r.Params[k])
	}
	write(r.Expr, r.OnSuccess, r.OnFailure)
	if r.Disabled {
		write("\x01")
	}
}

// HasType reports whether a rule of that type is in the set.
func (s *RuleSet) HasType(t string) bool {
	if s == nil {
		return false
	}
	return slices.ContainsFunc(slices.Concat(s.MigrationRules, s.DomainRules, s.EncodingRules),
		func(r Rule) bool { return r.Type == t })
}

// MergeRules is a overlaid with b: a rule of b takes the place of one of its
// name. Either may be nil.
func MergeRules(a, b *RuleSet) *RuleSet {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := &RuleSet{
		MigrationRules: mergeRules(a.MigrationRules, b.MigrationRules),
		DomainRules:    mergeRules(a.DomainRules, b.DomainRules),
		EncodingRules:  mergeRules(a.EncodingRules, b.EncodingRules),
		EnableAt:       b.EnableAt,
	}
	if out.EnableAt == "" {
		out.EnableAt = a.EnableAt
	}
	return out
}

func mergeRules(a, b []Rule) []Rule {
	var out []Rule
	for _, r := range a {
		if !slices.ContainsFunc(b, func(n Rule) bool { return n.Name == r.Name }) {
			out = append(out, r)
		}
	}
	return append(out, b...)
}
