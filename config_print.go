package posthaste

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/posthaste-go/posthaste/internal/config"
)

// Warnings lists, one line each, what a Config says without effect: unknown keys
// with the name that was probably meant, settings of the Java virtual machine,
// duplicate lines, and values that a rule between settings replaced.
func (c *Config) Warnings() []string {
	if c.origin == nil {
		return nil
	}
	var all []string
	for _, w := range c.origin.warnings {
		all = append(all, w.text)
	}
	v, changes, err := c.ruled()
	if err != nil {
		return all
	}
	for _, change := range append(changes, config.Unused(v, c.isGiven)...) {
		at := c.locate(&ConfigError{Key: change.Key})
		text := change.String()
		if at := position(at.File, at.Line); at != "" {
			text = at + ": " + text
		}
		all = append(all, text)
	}
	return all
}

// Property is one setting as it stands.
type Property struct {
	Key    string // as in producer.properties
	Value  string // as in producer.properties; [hidden] for a password
	Source string // file:line, "given", "rule" or "default"
}

// Properties lists the settings that a producer of this Config would use, by name,
// passwords hidden, and then what serializers and interceptors get. Settings that
// have no effect here are left out. If the Config is not valid, the values are those
// before the rules between settings.
func (c *Config) Properties() []Property {
	if c.origin == nil {
		return nil
	}
	inForce, ruled := map[string]any{}, map[string]bool{}
	for i := range config.Table {
		if row := &config.Table[i]; row.Field != "" {
			// An illegal field shows as nothing; Validate says what is wrong.
			inForce[row.Name], _ = load(c, row)
		}
	}
	if v, changes, err := c.ruled(); err == nil {
		inForce = v
		for _, change := range changes {
			ruled[change.Key] = true
		}
	}
	var all []Property
	for i := range config.Table {
		row := &config.Table[i]
		if row.Field == "" {
			continue
		}
		p := Property{row.Name, row.Show(config.Format(inForce[row.Name])), c.source(row.Name)}
		if ruled[row.Name] {
			p.Source = "rule"
		}
		all = append(all, p)
	}
	for _, key := range slices.Sorted(maps.Keys(c.origin.extra)) {
		value := config.ShowUnknown(key, c.origin.extra[key])
		all = append(all, Property{key, value, c.source(key)})
	}
	return all
}

func (c *Config) source(name string) string {
	if !c.isGiven(name) {
		return "default"
	}
	at := c.locate(&ConfigError{Key: name})
	if text := position(at.File, at.Line); text != "" {
		return text
	}
	return "given"
}

// Lookup is a setting's value as text, as serializers and interceptors read it:
// that of a known setting as it stands, passwords in clear, or that of an unknown
// one as it was given.
func (c *Config) Lookup(key string) (value string, ok bool) {
	if c.origin == nil {
		return "", false
	}
	if value, ok = c.origin.extra[key]; ok {
		return value, true
	}
	row, known := config.Lookup(key)
	if !known || row.Field == "" {
		return "", false
	}
	v, err := load(c, row)
	if err != nil || v == nil {
		return "", false
	}
	return config.Format(v), true
}

// Map is all settings as text, as ConfigFromMap reads them: what serializers get to
// configure themselves with. Secrets are in clear. Settings without a value, and
// those without effect here, are left out.
func (c *Config) Map() map[string]string {
	if c.origin == nil {
		return nil
	}
	all := maps.Clone(c.origin.extra)
	for i := range config.Table {
		if value, ok := c.Lookup(config.Table[i].Name); ok {
			all[config.Table[i].Name] = value
		}
	}
	return all
}

// String shows the settings that were given, one line, passwords hidden.
func (c Config) String() string { return c.given() }

// LogValue is String, so that log/slog prints no password either.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.given()) }

func (c *Config) given() string {
	text := "posthaste.Config{"
	for _, p := range c.Properties() {
		if p.Source != "default" {
			text += fmt.Sprintf(" %s=%s", p.Key, p.Value)
		}
	}
	return text + " }"
}
