package security

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/posthaste-go/posthaste/internal/config"
)

// Authenticator is one SASL exchange, on one connection. It does no I/O: the
// connection sends what it returns and hands it what the broker answers.
type Authenticator interface {
	// Name is the mechanism's registered name, as in sasl.mechanism.
	Name() string
	// Start is the client's first message.
	Start() ([]byte, error)
	// Next takes a challenge and returns the answer to it; done means that the
	// exchange has succeeded and no answer is due. An error ends the exchange.
	Next(challenge []byte) (response []byte, done bool, err error)
}

// Login holds credentials and makes exchanges from them. It may be used by many
// goroutines at once.
type Login struct {
	mechanism string
	settings  *SASLSettings
	tokens    *tokenCache // OAUTHBEARER
	extra     []extension // OAUTHBEARER
}

func newLogin(s *SASLSettings) (*Login, error) {
	l := &Login{mechanism: s.Mechanism, settings: s}
	switch s.Mechanism {
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		return l, s.checkUser()
	case "OAUTHBEARER":
		source, err := newTokenSource(s)
		if err != nil {
			return nil, err
		}
		if l.extra, err = extensions(s); err != nil {
			return nil, err
		}
		l.tokens = newTokenCache(source, s)
		return l, nil
	case "GSSAPI":
		return nil, refuse("sasl.mechanism", s.Mechanism,
			"Kerberos is not offered, although it is Kafka's default mechanism",
			"use "+config.Alternatives(config.Mechanisms)+
				"; a Kafka cluster can offer one of them beside GSSAPI (sasl.enabled.mechanisms)")
	}
	return nil, refuse("sasl.mechanism", s.Mechanism, "a mechanism that this producer does not have",
		"use "+config.Alternatives(config.Mechanisms))
}

func (s *SASLSettings) checkUser() error {
	reason := ""
	switch {
	case s.Username == "":
		reason = s.Mechanism + " needs a user name"
	case s.Password == "":
		reason = s.Mechanism + " needs a password"
	case !utf8.ValidString(s.Username) || !utf8.ValidString(s.Password):
		reason = "user name or password is not UTF-8"
	case strings.ContainsRune(s.Username+s.Password, 0):
		reason = "user name or password holds a zero byte"
	default:
		return nil
	}
	return refuse("sasl.jaas.config", "", reason,
		"write "+config.ModuleFor(s.Mechanism)+` required username="…" password="…";`)
}

// Authenticator starts an exchange. For OAUTHBEARER it gets a token first if the
// one at hand is old, which may take as long as sasl.login.* allow, or until ctx
// ends.
func (l *Login) Authenticator(ctx context.Context) (Authenticator, error) {
	switch l.mechanism {
	case "PLAIN":
		return &plain{l.settings.Username, l.settings.Password}, nil
	case "OAUTHBEARER":
		token, err := l.tokens.get(ctx)
		if err != nil {
			return nil, err
		}
		return &oauthBearer{token: token, extensions: l.extra}, nil
	default:
		return newSCRAM(l.settings), nil
	}
}

// plain is the mechanism PLAIN (RFC 4616). Source: PlainSaslServer.
type plain struct{ username, password string }

func (p *plain) Name() string { return "PLAIN" }

// Start sends no authorization identity: it is the user.
func (p *plain) Start() ([]byte, error) {
	return []byte("\x00" + p.username + "\x00" + p.password), nil
}

func (p *plain) Next([]byte) (response []byte, done bool, err error) { return nil, true, nil }

// oauthBearer is the mechanism OAUTHBEARER (RFC 7628, KIP-255).
// Source: OAuthBearerSaslClient.
type oauthBearer struct {
	token      string
	extensions []extension
}

// extension is a name and a value that go to the broker with the token (KIP-342).
type extension struct{ name, value string }

func (o *oauthBearer) Name() string { return "OAUTHBEARER" }

func (o *oauthBearer) Start() ([]byte, error) {
	const separator = "\x01"
	b := []byte("n,," + separator + "auth=Bearer " + o.token + separator)
	for _, e := range o.extensions {
		b = append(b, e.name+"="+e.value+separator...)
	}
	return append(b, separator...), nil
}

// Next takes an empty answer for success. Anything else is the broker's reason,
// after which the client owes a byte 1 only to hear that it has failed.
func (o *oauthBearer) Next(challenge []byte) (response []byte, done bool, err error) {
	if len(challenge) != 0 {
		return nil, false, fmt.Errorf("the broker refuses the token: %s", printable(challenge))
	}
	return nil, true, nil
}

// printable is a broker's text for an error message: short, and on one line.
func printable(b []byte) string {
	const most = 300
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, string(b[:min(len(b), most)]))
	return strings.TrimSpace(text)
}

// extensions reads the options extension_<name> of the login module; for
// unsecured tokens they are called unsecuredLoginExtension_<name>.
// Source: OAuthBearerLoginCallbackHandler, OAuthBearerClientInitialResponse.
func extensions(s *SASLSettings) (all []extension, err error) {
	for _, option := range sortedKeys(s.Options) {
		name, ok := strings.CutPrefix(option, "extension_")
		if !ok {
			name, ok = strings.CutPrefix(option, unsecuredExtension)
		}
		if !ok {
			continue
		}
		value := s.Options[option]
		if reason := checkExtension(name, value); reason != nil {
			return nil, refuse("sasl.jaas.config", "", fmt.Sprintf("option %s: %v", option, reason),
				"names have letters only, values printable ASCII")
		}
		all = append(all, extension{name, value})
	}
	return all, nil
}

func checkExtension(name, value string) error {
	if name == "" || strings.Trim(name, letters) != "" {
		return errors.New("not a name of letters")
	}
	if name == "auth" {
		return errors.New("auth is the token's own name")
	}
	if i := strings.IndexFunc(value, func(r rune) bool {
		return r > '~' || r < ' ' && r != '\t' && r != '\r' && r != '\n'
	}); value == "" || i >= 0 {
		return errors.New("its value is empty or has characters other than printable ASCII")
	}
	return nil
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
