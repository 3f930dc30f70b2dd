package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Check is the bounds of a setting.
type Check interface {
	// Allows reports whether v, of the type that Setting.Parse returns, is legal.
	Allows(v any) bool
	// String is how Kafka's documentation writes the bounds.
	String() string
	// Wanted completes the sentence "give …".
	Wanted() string
	// Kafka is the name of Kafka's validator.
	Kafka() string
}

// atLeast is a lower bound of whole numbers.
type atLeast int64

func (c atLeast) Allows(v any) bool { n, ok := v.(int64); return ok && n >= int64(c) }
func (c atLeast) String() string    { return fmt.Sprintf("[%d,...]", int64(c)) }
func (c atLeast) Wanted() string    { return fmt.Sprintf("%d or more", int64(c)) }
func (c atLeast) Kafka() string     { return "Range" }

// between are both bounds, inclusive, of whole numbers.
type between struct{ min, max int64 }

func (c between) Allows(v any) bool {
	n, ok := v.(int64)
	return ok && n >= c.min && n <= c.max
}
func (c between) String() string { return fmt.Sprintf("[%d,...,%d]", c.min, c.max) }
func (c between) Wanted() string { return fmt.Sprintf("%d to %d", c.min, c.max) }
func (c between) Kafka() string  { return "Range" }

// fraction are both bounds, inclusive, of a double. NaN is outside.
type fraction struct{ min, max float64 }

func (c fraction) Allows(v any) bool {
	f, ok := v.(float64)
	return ok && f >= c.min && f <= c.max
}
func (c fraction) String() string {
	return fmt.Sprintf("[%s,...,%s]", javaFloat(c.min), javaFloat(c.max))
}
func (c fraction) Wanted() string {
	return fmt.Sprintf("%s to %s", javaFloat(c.min), javaFloat(c.max))
}
func (c fraction) Kafka() string { return "Range" }

// javaFloat writes 1 as 1.0, as Kafka does.
func javaFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// gzipLevel is a level of gzip, or -1 for the codec's own default (KIP-390).
type gzipLevel struct{}

func (gzipLevel) Allows(v any) bool {
	n, ok := v.(int64)
	return ok && (n == -1 || n >= 1 && n <= 9)
}
func (gzipLevel) String() string { return "[1,...,9] or -1" }
func (gzipLevel) Wanted() string { return "1 to 9, or -1 for the codec's default" }
func (gzipLevel) Kafka() string  { return "LambdaValidator" }

// oneOf lists the legal words. Letter case counts.
type oneOf []string

func (c oneOf) Allows(v any) bool { s, ok := v.(string); return ok && slices.Contains(c, s) }
func (c oneOf) String() string    { return "[" + strings.Join(c, ", ") + "]" }
func (c oneOf) Wanted() string    { return Alternatives(c) }
func (c oneOf) Kafka() string     { return "ValidString" }

// oneOfFold lists the legal words. Letter case does not count.
type oneOfFold []string

func (c oneOfFold) Allows(v any) bool {
	s, ok := v.(string)
	return ok && slices.ContainsFunc(c, func(word string) bool {
		return strings.EqualFold(word, s)
	})
}
func (c oneOfFold) String() string {
	return "(case insensitive) [" + strings.Join(c, ", ") + "]"
}
func (c oneOfFold) Wanted() string { return Alternatives(c) }
func (c oneOfFold) Kafka() string  { return "CaseInsensitiveValidString" }

// notBlank wants any text.
type notBlank struct{}

func (notBlank) Allows(v any) bool { s, ok := v.(string); return ok && trim(s) != "" }
func (notBlank) String() string    { return "non-empty string" }
func (notBlank) Wanted() string    { return "a text that is not empty, or leave the setting out" }
func (notBlank) Kafka() string     { return "NonEmptyString" }

// Alternatives joins words as a sentence does: a, b or c.
func Alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
