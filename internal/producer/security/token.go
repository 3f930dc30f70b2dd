package security

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
)

// token is an access token for OAUTHBEARER.
type token struct {
	value   string
	issued  time.Time
	expires time.Time // zero: not known
}

// tokenSource gets tokens. One call at a time.
type tokenSource interface {
	token(ctx context.Context) (token, error)
}

// newTokenSource chooses where tokens come from: options of unsecured tokens, or
// else sasl.oauthbearer.jwt.retriever.class by the name of Kafka's class.
func newTokenSource(s *SASLSettings) (tokenSource, error) {
	for name := range s.Options {
		if strings.HasPrefix(name, unsecuredPrefix) {
			return newUnsecured(s.Options)
		}
	}
	const key = "sasl.oauthbearer.jwt.retriever.class"
	name := s.OAuth.Retriever[strings.LastIndexByte(s.OAuth.Retriever, '.')+1:]
	inFile := strings.HasPrefix(s.OAuth.TokenEndpointURL, "file:")
	switch {
	case name == "FileJwtRetriever", (name == "" || name == "DefaultJwtRetriever") && inFile:
		return newFileToken(s.OAuth.TokenEndpointURL)
	case name == "", name == "DefaultJwtRetriever", name == "ClientCredentialsJwtRetriever":
		return newClientCredentials(s)
	case name == "JwtBearerJwtRetriever":
		return newAssertionGrant(s)
	}
	return nil, refuse(key, s.OAuth.Retriever, "a Java class that this program does not have",
		"use DefaultJwtRetriever, ClientCredentialsJwtRetriever, JwtBearerJwtRetriever or "+
			"FileJwtRetriever")
}

// tokenCache keeps a token until it is old. A token of unknown age is used once.
//
// Locks: none. busy admits one caller at a time to the fields below it, since
// getting a token waits for the network.
type tokenCache struct {
	source   tokenSource
	settings *SASLSettings
	busy     chan struct{}

	current token
	renewAt time.Time // zero: at once
}

func newTokenCache(source tokenSource, s *SASLSettings) *tokenCache {
	return &tokenCache{source: source, settings: s, busy: make(chan struct{}, 1)}
}

// get is a token that is not old, or, if no new one can be had, one that is old
// but has not expired.
func (c *tokenCache) get(ctx context.Context) (string, error) {
	select {
	case c.busy <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-c.busy }()

	now := clock.Now()
	if now.Before(c.renewAt) {
		return c.current.value, nil
	}
	t, err := c.source.token(ctx)
	if err == nil {
		err = checkToken(t.value)
	}
	if err != nil {
		if now.Before(c.current.expires) {
			return c.current.value, nil
		}
		return "", fmt.Errorf("get a token for OAUTHBEARER: %w", err)
	}
	c.current, c.renewAt = t, c.settings.renewal(t, clock.Now(), rand.Float64())
	return t.value, nil
}

// renewal is when t is to be renewed: after a part of its life that varies at
// random, early enough to have its successor before it expires, and not too soon.
// Source: ExpiringCredentialRefreshingLogin.refreshMs (KIP-255).
func (s *SASLSettings) renewal(t token, now time.Time, random float64) time.Time {
	life := t.expires.Sub(t.issued)
	if t.expires.IsZero() || life <= 0 {
		return time.Time{}
	}
	part := s.RefreshWindowFactor + s.RefreshWindowJitter*random
	at := t.issued.Add(time.Duration(float64(life) * min(part, 1)))
	if t.expires.Sub(now) < s.RefreshBuffer+s.RefreshMinPeriod {
		return at // both give way where there is no room for them
	}
	if latest := t.expires.Add(-s.RefreshBuffer); at.After(latest) {
		at = latest
	}
	if earliest := now.Add(s.RefreshMinPeriod); at.Before(earliest) {
		at = earliest
	}
	return at
}

// checkToken refuses what would break the message it travels in (RFC 6750).
func checkToken(value string) error {
	if value == "" {
		return errors.New("the token is empty")
	}
	if i := strings.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }); i >= 0 {
		return fmt.Errorf("the token has a character at %d that no token has", i)
	}
	return nil
}

// claimedTimes reads when a JWT was issued and expires; zero what it does not
// say. A token that is not a JWT says nothing.
func claimedTimes(value string) (issued, expires time.Time) {
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return issued, expires
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return issued, expires
	}
	var claims struct{ Iat, Exp float64 }
	if json.Unmarshal(b, &claims) != nil {
		return issued, expires
	}
	at := func(seconds float64) time.Time {
		if seconds <= 0 || seconds > 1<<40 {
			return time.Time{}
		}
		return time.UnixMilli(int64(seconds * 1000))
	}
	return at(claims.Iat), at(claims.Exp)
}

// fileToken reads a finished token from a file, which others keep fresh, every
// time it is asked. Source: FileJwtRetriever.
type fileToken struct{ path string }

func newFileToken(endpoint string) (tokenSource, error) {
	const key = "sasl.oauthbearer.token.endpoint.url"
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "file" || u.Path == "" {
		return nil, refuse(key, endpoint, "not the address of a file",
			"write it as file:///path/to/token")
	}
	if _, err := os.Stat(u.Path); err != nil {
		return nil, refuse(key, endpoint, "cannot read the token: "+err.Error(),
			"name a file that this program may read")
	}
	return fileToken{u.Path}, nil
}

func (f fileToken) token(context.Context) (token, error) {
	b, err := os.ReadFile(f.path)
	if err != nil {
		return token{}, err
	}
	return token{value: strings.TrimSpace(string(b))}, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
