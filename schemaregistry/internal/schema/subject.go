package schema

import (
	"errors"
	"strings"
	"unicode"
)

// Contexts are written in front of a subject: :.staging:orders-value. A subject
// without is in the default context.
const (
	DefaultContext = "."
	GlobalContext  = ".__GLOBAL" // for config and mode of all contexts
	Wildcard       = ":*:"       // all contexts, as a prefix of subjects
)

// Subject is a subject's name taken apart.
type Subject struct {
	Context string // begins with a dot
	Name    string // "" means the context itself
}

// ParseSubject reads a subject as it stands in requests and records. Every text
// is one.
func ParseSubject(text string) Subject {
	if rest, ok := strings.CutPrefix(text, Wildcard); ok {
		return Subject{"*", rest}
	}
	if !strings.HasPrefix(text, ":.") {
		return Subject{DefaultContext, text}
	}
	context, name, _ := strings.Cut(text[1:], ":")
	return Subject{context, name}
}

// Prefix is what stands before the names of the context's subjects: "" for the
// default context.
func (s Subject) Prefix() string {
	if s.Context == DefaultContext {
		return ""
	}
	return ":" + s.Context + ":"
}

// String is the subject in the one form that is stored.
func (s Subject) String() string { return s.Prefix() + s.Name }

// IsDefault reports whether s is the default context itself, whose config and
// mode are the registry's own.
func (s Subject) IsDefault() bool { return s.Context == DefaultContext && s.Name == "" }

// Qualified reports whether the subject names a context.
func (s Subject) Qualified() bool { return s.Context != DefaultContext }

// Within is the subject that name means in the context of parent: its own if it
// names one, else the parent's.
func Within(parent, name string) string {
	s := ParseSubject(name)
	if !s.Qualified() {
		s.Context = ParseSubject(parent).Context
	}
	return s.String()
}

// ContextOf is a subject's context.
func ContextOf(subject string) string { return ParseSubject(subject).Context }

// ValidSubject reports whether a schema may be registered under s, or, with
// settings, whether config and mode may be given to it.
func ValidSubject(text string, settings bool) bool {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return false
	}
	s := ParseSubject(text)
	if s.Name == "__GLOBAL" || s.Name == "__EMPTY" {
		return false
	}
	return settings || s.Context != GlobalContext
}

// NormalizeContext makes a subject's prefix of a context in any of its forms:
// staging, .staging, :.staging:.
func NormalizeContext(context string) (string, error) {
	context = strings.TrimPrefix(context, ":")
	context = strings.TrimSuffix(context, ":")
	if strings.Contains(context, ":") {
		return "", errors.New("a context's name cannot contain a colon: " + context)
	}
	if !strings.HasPrefix(context, ".") {
		context = "." + context
	}
	return Subject{Context: context}.Prefix(), nil
}

// Matches reports whether subject s is meant by what: it itself, or a subject of
// the context that what is. nil means the default context.
func Matches(s string, what Subject) bool {
	if what.Name != "" {
		return s == what.String()
	}
	return what.Context == GlobalContext || ContextOf(s) == what.Context
}
