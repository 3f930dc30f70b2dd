package security

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/posthaste-go/posthaste/internal/clock"
)

// The options of a login module that makes tokens without a signature.
const (
	unsecuredPrefix    = "unsecuredLogin"
	unsecuredString    = unsecuredPrefix + "StringClaim_"
	unsecuredNumber    = unsecuredPrefix + "NumberClaim_"
	unsecuredList      = unsecuredPrefix + "ListClaim_"
	unsecuredExtension = unsecuredPrefix + "Extension_"
	unsecuredPrincipal = unsecuredPrefix + "PrincipalClaimName"
	unsecuredLifetime  = unsecuredPrefix + "LifetimeSeconds"
	unsecuredScope     = unsecuredPrefix + "ScopeClaimName"
)

// unsecured makes JWTs without a signature, for development: whoever can reach
// the broker can be anybody. Source: OAuthBearerUnsecuredLoginCallbackHandler.
type unsecured struct {
	claims   map[string]any
	lifetime time.Duration
}

func newUnsecured(options map[string]string) (tokenSource, error) {
	u := &unsecured{claims: map[string]any{}, lifetime: time.Hour}
	principal := "sub"
	for _, name := range sortedKeys(options) {
		value := options[name]
		var err error
		switch {
		case strings.HasPrefix(name, unsecuredString):
			u.claims[name[len(unsecuredString):]] = value
		case strings.HasPrefix(name, unsecuredNumber):
			var x float64
			x, err = strconv.ParseFloat(value, 64)
			u.claims[name[len(unsecuredNumber):]] = x
		case strings.HasPrefix(name, unsecuredList):
			u.claims[name[len(unsecuredList):]] = splitList(value)
		case name == unsecuredLifetime:
			var seconds int64
			seconds, err = strconv.ParseInt(value, 10, 32)
			u.lifetime = time.Duration(seconds) * time.Second
			if err == nil && seconds <= 0 {
				err = fmt.Errorf("%d seconds are no lifetime", seconds)
			}
		case name == unsecuredPrincipal:
			principal = value
		case name == unsecuredScope, strings.HasPrefix(name, unsecuredExtension):
		case strings.HasPrefix(name, unsecuredPrefix):
			err = fmt.Errorf("no option of Kafka has this name")
		}
		if err != nil {
			return nil, refuse("sasl.jaas.config", "", "option "+name+": "+err.Error(),
				"correct it, or remove it")
		}
	}
	if who, ok := u.claims[principal].(string); !ok || who == "" {
		return nil, refuse("sasl.jaas.config", "", "the token names no principal",
			"add "+unsecuredString+principal+`="…"`)
	}
	return u, nil
}

// splitList cuts a list whose first character is its separator: ",a,b".
func splitList(text string) []string {
	if text == "" {
		return []string{}
	}
	_, n := utf8.DecodeRuneInString(text)
	return strings.Split(text[n:], text[:n])
}

func (u *unsecured) token(context.Context) (token, error) {
	now := clock.Now()
	t := token{issued: now, expires: now.Add(u.lifetime)}
	claims := map[string]any{"iat": t.issued.Unix(), "exp": t.expires.Unix()}
	for name, value := range u.claims {
		claims[name] = value
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return token{}, fmt.Errorf("make an unsecured token: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	t.value = encode([]byte(`{"alg":"none"}`)) + "." + encode(body) + "."
	return t, nil
}
