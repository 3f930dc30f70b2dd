// Package franz tells franz-go, which consumes and administers where this module
// only produces, what a producer's configuration says: the brokers, TLS and SASL.
// Every key store and mechanism that produces also reads.
package franz

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/config"
	"github.com/posthaste-go/posthaste/internal/producer/security"
)

// Options is what cfg says about reaching the brokers. Errors match
// posthaste.ConfigError.
func Options(cfg *posthaste.Config) ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(cfg.BootstrapServers...)}
	if cfg.ClientID != "" {
		opts = append(opts, kgo.ClientID(cfg.ClientID))
	}
	s, err := settings(cfg)
	if err != nil {
		return nil, err
	}
	t, err := s.TLSConfig()
	if err != nil {
		return nil, configFailure(err)
	}
	if t != nil {
		opts = append(opts, kgo.Dialer(func(ctx context.Context, _, addr string) (net.Conn, error) {
			return Dial(ctx, addr, t)
		}))
	}
	login, err := s.Login()
	if err != nil {
		return nil, configFailure(err)
	}
	if login != nil {
		opts = append(opts, kgo.SASL(mechanism{cfg.SASLMechanism, login}))
	}
	return opts, nil
}

// TLS is the TLS of cfg's security.protocol, nil if it has none.
func TLS(cfg *posthaste.Config) (*tls.Config, error) {
	s, err := settings(cfg)
	if err != nil {
		return nil, err
	}
	t, err := s.TLSConfig()
	return t, configFailure(err)
}

// Dial connects to addr with TLS.
func Dial(ctx context.Context, addr string, cfg *tls.Config) (net.Conn, error) {
	var d net.Dialer
	plain, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	encrypted, err := security.Handshake(ctx, plain, addr, cfg)
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return encrypted, nil
}

// configFailure makes an error about a setting one that ends with exit code 2.
func configFailure(err error) error {
	if e, ok := err.(*config.Error); ok {
		return &posthaste.ConfigError{Key: e.Key, Value: e.Value, Reason: e.Reason, Remedy: e.Remedy}
	}
	return err
}

// mechanism is a login as franz-go wants it.
type mechanism struct {
	name  string
	login *security.Login
}

// Name is the mechanism's registered name.
func (m mechanism) Name() string { return m.name }

// Authenticate begins an exchange.
func (m mechanism) Authenticate(ctx context.Context, _ string) (sasl.Session, []byte, error) {
	a, err := m.login.Authenticator(ctx)
	if err != nil {
		return nil, nil, err
	}
	first, err := a.Start()
	return exchange{a}, first, err
}

type exchange struct{ security.Authenticator }

// Challenge answers the broker.
func (x exchange) Challenge(challenge []byte) (done bool, answer []byte, err error) {
	answer, done, err = x.Next(challenge)
	return done, answer, err
}

func settings(cfg *posthaste.Config) (*security.Settings, error) {
	s := &security.Settings{Protocol: string(cfg.SecurityProtocol), TLS: security.TLSSettings{
		Protocol: cfg.SSLProtocol, EnabledProtocols: cfg.SSLEnabledProtocols,
		CipherSuites:           cfg.SSLCipherSuites,
		EndpointIdentification: cfg.SSLEndpointIdentificationAlgorithm,
		TruststoreLocation:     cfg.SSLTruststoreLocation, TruststoreType: cfg.SSLTruststoreType,
		TruststorePassword:     string(cfg.SSLTruststorePassword),
		TruststoreCertificates: string(cfg.SSLTruststoreCertificates),
		KeystoreLocation:       cfg.SSLKeystoreLocation, KeystoreType: cfg.SSLKeystoreType,
		KeystorePassword:         string(cfg.SSLKeystorePassword),
		KeystoreKey:              string(cfg.SSLKeystoreKey),
		KeystoreCertificateChain: string(cfg.SSLKeystoreCertificateChain),
		KeyPassword:              string(cfg.SSLKeyPassword),
	}, SASL: security.SASLSettings{
		Mechanism: cfg.SASLMechanism, Username: cfg.SASLUsername, Password: string(cfg.SASLPassword),
		ConnectTimeout: cfg.SASLLoginConnectTimeout, ReadTimeout: cfg.SASLLoginReadTimeout,
		RetryBackoff: cfg.SASLLoginRetryBackoff, RetryBackoffMax: cfg.SASLLoginRetryBackoffMax,
		RefreshBuffer:       cfg.SASLLoginRefreshBuffer,
		RefreshMinPeriod:    cfg.SASLLoginRefreshMinPeriod,
		RefreshWindowFactor: cfg.SASLLoginRefreshWindowFactor,
		RefreshWindowJitter: cfg.SASLLoginRefreshWindowJitter,
		OAuth: security.OAuthSettings{
			Retriever: cfg.SASLOAuthJWTRetriever, TokenEndpointURL: cfg.SASLOAuthTokenEndpointURL,
			Scope: cfg.SASLOAuthScope, ClientID: cfg.SASLOAuthClientID,
			ClientSecret:    string(cfg.SASLOAuthClientSecret),
			HeaderURLEncode: cfg.SASLOAuthHeaderURLEncode,
			Assertion: security.AssertionSettings{File: cfg.SASLOAuthAssertionFile,
				TemplateFile:   cfg.SASLOAuthAssertionTemplate,
				PrivateKeyFile: cfg.SASLOAuthAssertionKeyFile,
				Passphrase:     string(cfg.SASLOAuthAssertionPassphrase),
				Algorithm:      cfg.SASLOAuthAssertionAlgorithm, Audience: cfg.SASLOAuthAssertionAud,
				Issuer: cfg.SASLOAuthAssertionIss, Subject: cfg.SASLOAuthAssertionSub,
				IncludeID: cfg.SASLOAuthAssertionJTI, Expires: cfg.SASLOAuthAssertionExp,
				NotBefore: cfg.SASLOAuthAssertionNbf},
		}}}
	if cfg.SASLJAASConfig != "" && config.UsesSASL(s.Protocol) {
		login, err := config.ParseJAAS(string(cfg.SASLJAASConfig))
		if err != nil {
			return nil, &posthaste.ConfigError{Key: "sasl.jaas.config", Value: config.Hidden,
				Reason: "not a login module's line", Err: err}
		}
		s.SASL.Options = login.Options
		if cfg.SASLUsername == "" {
			s.SASL.Username, s.SASL.Password = login.Options["username"], login.Options["password"]
		}
	}
	return s, nil
}
