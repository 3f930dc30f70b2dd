package config

import (
	"fmt"
	"strings"
)

// Mechanisms are the SASL mechanisms that a producer can use.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"}

// UsesSASL reports whether a security.protocol authenticates with SASL.
func UsesSASL(protocol string) bool {
	return strings.HasPrefix(strings.ToUpper(protocol), "SASL_")
}

// UsesTLS reports whether a security.protocol encrypts.
func UsesTLS(protocol string) bool {
	return strings.HasSuffix(strings.ToUpper(protocol), "SSL")
}

// Login is what sasl.jaas.config says.
type Login struct {
	Module  string // the login module's Java class
	Options map[string]string
}

// Kafka's login modules, and which mechanisms each serves.
var loginModules = map[string][]string{
	"org.apache.kafka.common.security.plain.PlainLoginModule": {"PLAIN"},
	"org.apache.kafka.common.security.scram.ScramLoginModule": {
		"SCRAM-SHA-256", "SCRAM-SHA-512"},
	"org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule": {"OAUTHBEARER"},
}

// ModuleFor is the login module that serves a mechanism; empty if none does.
func ModuleFor(mechanism string) string {
	for module, serves := range loginModules {
		for _, m := range serves {
			if m == mechanism {
				return module
			}
		}
	}
	return ""
}

// ParseJAAS reads the value of sasl.jaas.config:
//
//	module flag option=value option="value" ;
//
// Flag is one of required, requisite, sufficient and optional; it has no meaning
// with a single module and is not kept. Values may be in double or single quotes,
// with backslash escapes. The error names the place, but no value: it may be a
// password.
//
// Source: org.apache.kafka.common.security.JaasConfig (KIP-85).
func ParseJAAS(text string) (*Login, error) {
	t := jaasTokens{rest: text}
	login := &Login{Options: map[string]string{}}
	var err error
	if login.Module, err = t.word("the login module's class"); err != nil {
		return nil, err
	}
	flag, err := t.word("required")
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(flag) {
	case "required", "requisite", "sufficient", "optional":
	default:
		return nil, fmt.Errorf("%s is followed by something else than required", login.Module)
	}
	for {
		name, end, err := t.next()
		if err != nil {
			return nil, err
		}
		if end || name.quoted || name.text == "=" {
			return nil, fmt.Errorf("the ; at the end is missing, or an option has no name")
		}
		if name.text == ";" {
			break
		}
		if eq, _, err := t.next(); err != nil || eq.quoted || eq.text != "=" {
			return nil, fmt.Errorf("option %s is not followed by =", name.text)
		}
		value, end, err := t.next()
		if err != nil {
			return nil, err
		}
		if end || !value.quoted && (value.text == ";" || value.text == "=") {
			return nil, fmt.Errorf("option %s has no value", name.text)
		}
		login.Options[name.text] = value.text
	}
	if _, end, err := t.next(); err != nil || !end {
		return nil, fmt.Errorf("something follows the ; there must be one login module only")
	}
	return login, nil
}

type jaasToken struct {
	text   string
	quoted bool
}

// jaasTokens cuts JAAS text into words, quoted strings, = and ;. Comments are
// those of Java.
type jaasTokens struct{ rest string }

func (t *jaasTokens) word(what string) (string, error) {
	token, end, err := t.next()
	if err != nil {
		return "", err
	}
	if end || token.quoted || token.text == "=" || token.text == ";" {
		return "", fmt.Errorf("%s is missing", what)
	}
	return token.text, nil
}

// skip drops white space and comments.
func (t *jaasTokens) skip() {
	for {
		t.rest = strings.TrimLeft(t.rest, " \t\r\n\f")
		switch {
		case strings.HasPrefix(t.rest, "//"):
			_, t.rest, _ = strings.Cut(t.rest, "\n")
		case strings.HasPrefix(t.rest, "/*"):
			_, t.rest, _ = strings.Cut(t.rest[2:], "*/")
		default:
			return
		}
	}
}

func (t *jaasTokens) next() (token jaasToken, end bool, err error) {
	t.skip()
	if t.rest == "" {
		return jaasToken{}, true, nil
	}
	switch c := t.rest[0]; c {
	case '=', ';':
		t.rest = t.rest[1:]
		return jaasToken{text: string(c)}, false, nil
	case '"', '\'':
		text, err := t.quoted(c)
		return jaasToken{text: text, quoted: true}, false, err
	}
	n := strings.IndexAny(t.rest, " \t\r\n\f=;\"'")
	if n < 0 {
		n = len(t.rest)
	}
	text := t.rest[:n]
	t.rest = t.rest[n:]
	return jaasToken{text: text}, false, nil
}

func (t *jaasTokens) quoted(quote byte) (string, error) {
	var out strings.Builder
	for i := 1; i < len(t.rest); i++ {
		switch c := t.rest[i]; c {
		case quote:
			t.rest = t.rest[i+1:]
			return out.String(), nil
		case '\n', '\r':
			return "", fmt.Errorf("a quoted value ends with its line; close it with %c", quote)
		case '\\':
			if i++; i < len(t.rest) {
				out.WriteByte(jaasEscape(t.rest[i]))
			}
		default:
			out.WriteByte(c)
		}
	}
	return "", fmt.Errorf("a quoted value is not closed with %c", quote)
}

func jaasEscape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	}
	return c
}
