package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parse makes the setting's value of text, as Kafka's ConfigDef does, and checks
// its bounds. The result has the Go type that Kind names. Errors are an *Error.
//
// Blanks around text do not count; booleans ignore case; elements of a list are
// separated by commas and a repeated one counts once; numbers are decimal.
//
// Source: ConfigDef.parseType and ConfigDef.ValidList of Kafka 4.4.
func (s *Setting) Parse(text string) (any, error) {
	v, err := s.parseKind(text)
	if err != nil {
		var fault *fault
		if !errors.As(err, &fault) {
			return nil, err
		}
		return nil, s.error(text, fault)
	}
	if err := s.Verify(v, text); err != nil {
		return nil, err
	}
	return v, nil
}

// Verify checks the bounds of a value that Parse would return; text is how to
// show it. Errors are an *Error.
func (s *Setting) Verify(v any, text string) error {
	if list, ok := v.([]string); ok {
		if slices.Contains(list, "") {
			return s.error(text,
				&fault{"an element of the list is empty", "remove the extra comma"})
		}
		if len(list) == 0 && s.Required {
			return s.error(text, &fault{"the list is empty", "give at least one " + elementOf(s)})
		}
	}
	if s.Check == nil || s.Check.Allows(v) {
		return nil
	}
	return s.error(text, &fault{"out of bounds", "give " + s.Check.Wanted() + s.unitWords()})
}

func (s *Setting) error(text string, f *fault) error {
	return &Error{Key: s.Name, Value: s.Show(text), Reason: f.reason, Remedy: f.remedy}
}

func elementOf(s *Setting) string {
	if s.Name == "bootstrap.servers" {
		return "host:port"
	}
	return "element"
}

// fault is an Error before the setting's name and value are added.
type fault struct{ reason, remedy string }

func (f *fault) Error() string { return f.reason }

// trim removes what Java's String.trim removes: control characters and the
// space, but no other white space.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
}

func (s *Setting) parseKind(text string) (any, error) {
	text = trim(text)
	switch s.Kind {
	case Bool:
		switch strings.ToLower(text) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, &fault{"neither true nor false", "write true or false"}
	case Short:
		return s.parseInt(text, 16)
	case Int:
		return s.parseInt(text, 32)
	case Long:
		return s.parseInt(text, 64)
	case Double:
		return parseDouble(text)
	case List:
		return parseList(text), nil
	case String, Class, Password:
		return text, nil
	}
	panic("config: " + s.Name + " has no kind")
}

func (s *Setting) parseInt(text string, bits int) (any, error) {
	n, err := strconv.ParseInt(text, 10, bits)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, strconv.ErrRange):
		limit := int64(math.MaxInt64) >> (64 - bits)
		return nil, &fault{fmt.Sprintf("does not fit %d bits", bits),
			fmt.Sprintf("give at most %d", limit)}
	}
	return nil, &fault{"not a whole number", "write digits only" + s.unitWords()}
}

func (s *Setting) unitWords() string {
	switch s.Unit {
	case Millis:
		return ", in milliseconds"
	case Seconds:
		return ", in seconds"
	case Bytes:
		return ", in bytes"
	case Plain:
	}
	return ""
}

// javaDouble is what Double.parseDouble reads and strconv.ParseFloat must not
// see otherwise: Go's underscores and "inf" are refused, Java's suffixes are cut.
var javaDouble = regexp.MustCompile(
	`^([+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?` +
		`|0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+))[fFdD]?$`)

func parseDouble(text string) (any, error) {
	m := javaDouble.FindStringSubmatch(text)
	if m == nil {
		return nil, &fault{"not a number", "write one like 0.8"}
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // beyond the range is infinity in Java
		return nil, &fault{"not a number", "write one like 0.8"}
	}
	return v, nil
}

func parseList(text string) []string {
	list := []string{}
	if text == "" {
		return list
	}
	for element := range strings.SplitSeq(text, ",") {
		element = strings.TrimSpace(element)
		if !slices.Contains(list, element) {
			list = append(list, element)
		}
	}
	return list
}

// Format is v as Parse reads it. The nil value is the empty text.
func Format(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []string:
		return strings.Join(v, ",")
	case string:
		return v
	}
	panic(fmt.Sprintf("config: no setting has a value of type %T", v))
}
