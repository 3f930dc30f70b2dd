package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste"
)

// variant is settings that perf --compare times against others.
type variant struct {
	name     string // the settings that make it up, as given
	settings map[string]string
	cfg      posthaste.Config
}

// setting is one KEY=VALUE, or with an empty key a .properties file.
type setting struct{ key, value string }

func (s setting) String() string {
	if s.key == "" {
		return s.value
	}
	return s.key + "=" + s.value
}

// mostVariants bounds what one comparison can keep apart.
const mostVariants = 8

// parseCompare reads one --compare. Pieces between commas are KEY=VALUE; one
// without = is a further value of the key before it, and each such value is a
// variant of its own:
//
//	linger.ms=5,batch.size=65536   one variant with two settings
//	linger.ms=0,5,20               three variants
//	linger.ms=0,5,acks=1           two variants, both with acks=1
//	tuned.properties               one variant: the settings of the file
//
// A comma that is part of a value is written \, .
func parseCompare(text string) ([][]setting, error) {
	var choices [][]setting
	for _, piece := range splitUnescaped(text) {
		key, value, ok := strings.Cut(piece, "=")
		key = strings.TrimSpace(key)
		switch last := len(choices) - 1; {
		case ok && key != "":
			if slices.ContainsFunc(choices, func(c []setting) bool { return c[0].key == key }) {
				return nil, usagef("--compare %s: %s stands there twice; write its values as %s=%s,…",
					text, key, key, value)
			}
			choices = append(choices, []setting{{key, value}})
		case !ok && strings.HasSuffix(piece, ".properties"):
			choices = append(choices, []setting{{"", piece}})
		case !ok && last >= 0 && choices[last][0].key != "":
			choices[last] = append(choices[last], setting{choices[last][0].key, piece})
		default:
			return nil, usagef("--compare %s: %q is no KEY=VALUE and no .properties file; write for "+
				"example --compare linger.ms=0 --compare linger.ms=5,batch.size=65536", text, piece)
		}
	}
	return product(choices), nil
}

// splitUnescaped divides text at commas that no backslash stands before.
func splitUnescaped(text string) []string {
	var pieces []string
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			b.WriteByte(',')
			i++
		case text[i] == ',':
			pieces = append(pieces, b.String())
			b.Reset()
		default:
			b.WriteByte(text[i])
		}
	}
	return append(pieces, b.String())
}

// product lists every combination of one setting from each choice, in order.
func product(choices [][]setting) [][]setting {
	all := [][]setting{nil}
	for _, choice := range choices {
		var next [][]setting
		for _, sofar := range all {
			for _, s := range choice {
				next = append(next, append(slices.Clone(sofar), s))
			}
		}
		all = next
	}
	return all
}

// variants makes what --compare asks for out of the settings that hold for all.
// Where it names one variant only, the first is those settings as they are.
func (c *perfCmd) variants(base posthaste.Config) ([]variant, error) {
	var all []variant
	for _, text := range c.Compare {
		combinations, err := parseCompare(text)
		if err != nil {
			return nil, err
		}
		for _, settings := range combinations {
			v, err := c.variant(base, settings)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
	}
	if len(all) == 1 {
		all = append([]variant{{name: "as configured", cfg: base}}, all...)
	}
	if len(all) > mostVariants {
		return nil, usagef("--compare makes %d variants; compare at most %d at a time", len(all),
			mostVariants)
	}
	return all, nil
}

func (c *perfCmd) variant(base posthaste.Config, settings []setting) (variant, error) {
	v := variant{cfg: base, settings: map[string]string{}}
	var names []string
	for _, s := range settings {
		names = append(names, s.String())
		if s.key != "" {
			v.settings[s.key] = s.value
			continue
		}
		given, err := readProperties(s.value)
		if err != nil {
			return v, openFailure(s.value, err)
		}
		delete(given, "bootstrap.servers") // all variants send to one cluster
		maps.Copy(v.settings, given)
	}
	v.name = strings.Join(names, ", ")
	for _, key := range sortedKeys(v.settings) {
		if err := v.cfg.Set(key, v.settings[key]); err != nil {
			return v, err
		}
	}
	return v, v.cfg.Validate()
}
