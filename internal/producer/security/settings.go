package security

import (
	"crypto/tls"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/config"
)

// Settings are what a producer's configuration says about security.
type Settings struct {
	Protocol string // security.protocol; letter case does not count
	TLS      TLSSettings
	SASL     SASLSettings
}

// TLSConfig is the TLS configuration that the settings describe, or nil if
// security.protocol has no TLS. It reads the stores' files. ServerName is left
// empty: see Handshake.
func (s *Settings) TLSConfig() (*tls.Config, error) {
	if err := s.checkProtocol(); err != nil || !config.UsesTLS(s.Protocol) {
		return nil, err
	}
	return s.TLS.config()
}

// Login holds the credentials for SASL, or is nil if security.protocol has none.
func (s *Settings) Login() (*Login, error) {
	if err := s.checkProtocol(); err != nil || !config.UsesSASL(s.Protocol) {
		return nil, err
	}
	return newLogin(&s.SASL)
}

func (s *Settings) checkProtocol() error {
	switch strings.ToUpper(s.Protocol) {
	case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
		return nil
	}
	return refuse("security.protocol", s.Protocol, "not a security protocol",
		"use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
}

// TLSSettings are the ssl.* settings. Empty means not set.
type TLSSettings struct {
	Protocol               string   // ssl.protocol
	EnabledProtocols       []string // ssl.enabled.protocols
	CipherSuites           []string // ssl.cipher.suites
	EndpointIdentification string   // ssl.endpoint.identification.algorithm

	TruststoreLocation     string // ssl.truststore.location
	TruststoreType         string // ssl.truststore.type: JKS, PKCS12 or PEM
	TruststorePassword     string // ssl.truststore.password
	TruststoreCertificates string // ssl.truststore.certificates, PEM

	KeystoreLocation         string // ssl.keystore.location
	KeystoreType             string // ssl.keystore.type: JKS, PKCS12 or PEM
	KeystorePassword         string // ssl.keystore.password
	KeystoreKey              string // ssl.keystore.key, PEM
	KeystoreCertificateChain string // ssl.keystore.certificate.chain, PEM
	KeyPassword              string // ssl.key.password
}

// SASLSettings are the sasl.* settings and the credentials.
type SASLSettings struct {
	Mechanism string            // sasl.mechanism
	Username  string            // for PLAIN and SCRAM
	Password  string            // goes with Username
	Options   map[string]string // of the login module in sasl.jaas.config; may be nil
	OAuth     OAuthSettings     // for OAUTHBEARER

	ConnectTimeout time.Duration // sasl.login.connect.timeout.ms; 0 means a default of ours
	ReadTimeout    time.Duration // sasl.login.read.timeout.ms; 0 means a default of ours

	RetryBackoff    time.Duration // sasl.login.retry.backoff.ms
	RetryBackoffMax time.Duration // sasl.login.retry.backoff.max.ms

	RefreshBuffer       time.Duration // sasl.login.refresh.buffer.seconds
	RefreshMinPeriod    time.Duration // sasl.login.refresh.min.period.seconds
	RefreshWindowFactor float64       // sasl.login.refresh.window.factor
	RefreshWindowJitter float64       // sasl.login.refresh.window.jitter
}

// OAuthSettings are the sasl.oauthbearer.* settings that a client has. Empty
// client id, secret and scope are taken from Options (clientId, clientSecret,
// scope), as they were before Kafka 4.1 (KIP-1139).
type OAuthSettings struct {
	Retriever        string // sasl.oauthbearer.jwt.retriever.class, with or without its package
	TokenEndpointURL string // sasl.oauthbearer.token.endpoint.url
	Scope            string // sasl.oauthbearer.scope
	ClientID         string // sasl.oauthbearer.client.credentials.client.id
	ClientSecret     string // sasl.oauthbearer.client.credentials.client.secret
	HeaderURLEncode  bool   // sasl.oauthbearer.header.urlencode

	Assertion AssertionSettings
}

// AssertionSettings are the sasl.oauthbearer.assertion.* settings (KIP-1139).
type AssertionSettings struct {
	File           string        // …file: a finished assertion; the rest then does not count
	TemplateFile   string        // …template.file
	PrivateKeyFile string        // …private.key.file
	Passphrase     string        // …private.key.passphrase
	Algorithm      string        // …algorithm: RS256 or ES256
	Audience       string        // …claim.aud
	Issuer         string        // …claim.iss
	Subject        string        // …claim.sub
	IncludeID      bool          // …claim.jti.include
	Expires        time.Duration // …claim.exp.seconds
	NotBefore      time.Duration // …claim.nbf.seconds
}

// refuse is the error about one setting. Passwords are not shown.
func refuse(key, value, reason, remedy string) error {
	if row, ok := config.Lookup(key); ok && value != "" {
		value = row.Show(value)
	}
	return &config.Error{Key: key, Value: value, Reason: reason, Remedy: remedy}
}
