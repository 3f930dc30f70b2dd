package config

import (
	"fmt"
	"strings"
)

// Unknown is a warning about a key that is no producer setting: what the other
// client or component that it belongs to calls it here, or the name that was
// probably meant. It is empty for settings that serializers and interceptors of
// this module read.
func Unknown(key string) string {
	if isPlugin(key) {
		return ""
	}
	for _, f := range foreign {
		if instead, ok := f.names[key]; ok {
			text := fmt.Sprintf("%s is %s's name", key, f.client)
			if instead == "" {
				return text + "; the producer here has no such setting"
			}
			return text + "; " + instead
		}
	}
	for _, side := range otherSides {
		for name := range strings.FieldsSeq(side.names) {
			if key == name {
				return fmt.Sprintf("%s is a setting of the %s; a producer does not use it",
					key, side.name)
			}
		}
	}
	if near := Nearest(key); near != "" {
		return fmt.Sprintf("unknown setting %s; did you mean %s?", key, near)
	}
	return fmt.Sprintf("unknown setting %s; it is kept for serializers and interceptors", key)
}

// pluginPrefixes begin settings of serializers and interceptors, which get all
// settings when they are made.
var pluginPrefixes = []string{
	"key.serializer.", "value.serializer.", "serializer.", // character sets, list elements
	"counting.interceptor.",
	"schema.registry.", "basic.auth.", "bearer.auth.", "avro.", "json.", "protobuf.",
	"default.list.key.serde.", "default.list.value.serde.",
}

// pluginNames are such settings without a prefix of their own.
var pluginNames = strings.Fields(`
	auto.register.schemas use.latest.version use.schema.id use.latest.with.metadata
	latest.compatibility.strict latest.cache.size latest.cache.ttl.sec normalize.schemas
	max.schemas.per.subject key.subject.name.strategy value.subject.name.strategy
	key.schema.id.serializer value.schema.id.serializer reference.subject.name.strategy
	schema.reflection specific.avro.reader id.compatibility.strict rule.executors rule.actions
	missing.id.cache.ttl.sec missing.schema.cache.ttl.sec proxy.host proxy.port
	list.key.serializer.inner list.value.serializer.inner`)

func isPlugin(key string) bool {
	for _, prefix := range pluginPrefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	for _, name := range pluginNames {
		if key == name {
			return true
		}
	}
	return false
}

// Nearest is the setting whose name is closest to key, empty if none is close. It
// also sees through other spellings (LINGER_MS, lingerMs, linger-ms) and prefixes
// (producer.linger.ms, spring.kafka.producer.properties.linger.ms).
func Nearest(key string) string {
	plain := fold(key)
	best, bestDistance := "", max(len(plain)/4+1, 2)
	prefixed := ""
	for i := range Table {
		name := Table[i].Name
		if strings.HasSuffix(strings.ToLower(key), "."+name) && len(name) > len(prefixed) {
			prefixed = name
		}
		folded := fold(name)
		if folded == plain {
			return name
		}
		if d := distance(plain, folded, bestDistance); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		return prefixed
	}
	return best
}

// fold leaves only what distinguishes names: letters and digits, in lower case.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("._- ", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// distance counts the insertions, deletions, replacements and swaps of neighbours
// that make b of a; it stops counting at limit.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

var secretWords = strings.Fields("password passphrase secret token credential user.info key.pem")

// ShowUnknown is the value of an unknown setting as it may be printed: hidden if
// its name speaks of a secret.
func ShowUnknown(key, value string) string {
	lower := strings.ToLower(key)
	for _, word := range secretWords {
		if value != "" && strings.Contains(lower, word) {
			return Hidden
		}
	}
	return value
}
