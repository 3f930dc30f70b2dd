package security

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"strings"

	"github.com/posthaste-go/posthaste/internal/clock"
)

const assertionKey = "sasl.oauthbearer.assertion."

// newAssertionGrant gets tokens for a signed assertion about who asks (RFC 7523).
// Source: JwtBearerJwtRetriever (KIP-1139).
func newAssertionGrant(s *SASLSettings) (tokenSource, error) {
	e, err := newEndpoint(s)
	if err != nil {
		return nil, err
	}
	assert, err := newAssertion(&s.OAuth.Assertion)
	if err != nil {
		return nil, err
	}
	scope := s.scope()
	e.form = func() (url.Values, error) {
		text, err := assert()
		if err != nil {
			return nil, err
		}
		v := url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
			"assertion":  {text},
		}
		if scope != "" {
			v.Set("scope", scope)
		}
		return v, nil
	}
	return e, nil
}

// newAssertion returns a function that makes assertions, or that reads a finished
// one from its file every time.
func newAssertion(s *AssertionSettings) (func() (string, error), error) {
	if s.File != "" {
		if _, err := os.Stat(s.File); err != nil {
			return nil, refuse(assertionKey+"file", s.File, err.Error(), "name a file with an assertion")
		}
		return func() (string, error) {
			b, err := os.ReadFile(s.File)
			return strings.TrimSpace(string(b)), err
		}, nil
	}
	a := &assertion{settings: s}
	var err error
	if a.sign, err = s.signer(); err != nil {
		return nil, err
	}
	if err := a.readTemplate(); err != nil {
		return nil, err
	}
	return a.make, nil
}

// assertion makes signed JWTs. Claims of the settings go before those of the
// template.
type assertion struct {
	settings *AssertionSettings
	sign     func(digest []byte) ([]byte, error)
	template struct{ Header, Payload map[string]any }
}

func (a *assertion) readTemplate() error {
	if a.settings.TemplateFile == "" {
		return nil
	}
	b, err := os.ReadFile(a.settings.TemplateFile)
	if err == nil {
		err = json.Unmarshal(b, &a.template)
	}
	if err != nil {
		return refuse(assertionKey+"template.file", a.settings.TemplateFile, err.Error(),
			`write JSON with the objects "header" and "payload"`)
	}
	return nil
}

func (a *assertion) make() (string, error) {
	s, now := a.settings, clock.Now()
	header := map[string]any{"typ": "JWT"}
	maps.Copy(header, a.template.Header)
	header["alg"] = s.algorithm()
	claims := map[string]any{}
	maps.Copy(claims, a.template.Payload)
	claims["iat"] = now.Unix()
	claims["exp"] = now.Add(s.Expires).Unix()
	claims["nbf"] = now.Add(-s.NotBefore).Unix()
	for name, value := range map[string]string{
		"aud": s.Audience, "iss": s.Issuer, "sub": s.Subject,
	} {
		if value != "" {
			claims[name] = value
		}
	}
	if s.IncludeID {
		claims["jti"] = rand.Text()
	}
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("make an assertion: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("make an assertion: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(h) + "." + encode(c)
	digest := sha256.Sum256([]byte(signed))
	signature, err := a.sign(digest[:])
	if err != nil {
		return "", fmt.Errorf("sign an assertion: %w", err)
	}
	return signed + "." + encode(signature), nil
}

func (s *AssertionSettings) algorithm() string {
	if s.Algorithm == "" {
		return "RS256"
	}
	return strings.ToUpper(s.Algorithm)
}

// signer reads the private key and returns how it signs a SHA-256 digest.
func (s *AssertionSettings) signer() (func([]byte) ([]byte, error), error) {
	const key = assertionKey + "private.key.file"
	if s.PrivateKeyFile == "" {
		return nil, refuse(key, "", "JwtBearerJwtRetriever needs a key to sign assertions with",
			"name a PEM file with a private key, or set "+assertionKey+"file")
	}
	text, err := os.ReadFile(s.PrivateKeyFile)
	if err != nil {
		return nil, refuse(key, s.PrivateKeyFile, err.Error(), "name a PEM file with a private key")
	}
	private, err := parsePEMKey(string(text), s.Passphrase)
	if err != nil {
		return nil, refuse(key, s.PrivateKeyFile, err.Error(),
			"name a PEM file with a private key; its password is "+assertionKey+"private.key.passphrase")
	}
	algorithm := s.algorithm()
	switch k := private.(type) {
	case *rsa.PrivateKey:
		if algorithm == "RS256" {
			return func(digest []byte) ([]byte, error) {
				return rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest)
			}, nil
		}
	case *ecdsa.PrivateKey:
		if algorithm == "ES256" && k.Curve == elliptic.P256() {
			return func(digest []byte) ([]byte, error) { return signES256(k, digest) }, nil
		}
	}
	return nil, refuse(assertionKey+"algorithm", s.Algorithm,
		fmt.Sprintf("does not fit the key in %s, a %T", s.PrivateKeyFile, private),
		"use RS256 with an RSA key, or ES256 with an EC key on P-256")
}

// signES256 is both halves of the signature, 32 bytes each (RFC 7518, 3.4).
func signES256(k *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, k, digest)
	if err != nil {
		return nil, err
	}
	const half = 32
	if r.BitLen() > 8*half || s.BitLen() > 8*half {
		return nil, errors.New("a signature of more than 64 bytes")
	}
	b := make([]byte, 2*half)
	r.FillBytes(b[:half])
	s.FillBytes(b[half:])
	return b, nil
}
