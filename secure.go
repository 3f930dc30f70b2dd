package posthaste

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/posthaste-go/posthaste/internal/producer/conn"
	"github.com/posthaste-go/posthaste/internal/producer/security"
)

// secure adds TLS and SASL to the connections.
func (p *Producer) secure(out *conn.Settings) error {
	s := &p.settings
	if s.tls != nil {
		cfg, err := tlsOf(s.tls)
		if err != nil {
			return err
		}
		out.Secure = func(ctx context.Context, plain net.Conn, addr string) (net.Conn, error) {
			return security.Handshake(ctx, plain, addr, cfg)
		}
	}
	if s.sasl != nil {
		login, err := (&security.Settings{Protocol: "SASL_PLAINTEXT", SASL: saslOf(s.sasl)}).Login()
		if err != nil {
			return err
		}
		out.Mechanism = func(ctx context.Context) (conn.Mechanism, error) {
			return login.Authenticator(ctx)
		}
	}
	return nil
}

func tlsOf(t *tlsSettings) (*tls.Config, error) {
	if t.config != nil {
		return t.config, nil
	}
	identification := ""
	if t.verifyHostname {
		identification = "https"
	}
	return (&security.Settings{Protocol: "SSL", TLS: security.TLSSettings{
		Protocol: t.protocol, EnabledProtocols: t.enabledProtocols, CipherSuites: t.cipherSuites,
		EndpointIdentification: identification,
		TruststoreLocation:     t.truststoreLocation, TruststoreType: t.truststoreType,
		TruststorePassword: t.truststorePassword, TruststoreCertificates: t.truststoreCertificates,
		KeystoreLocation: t.keystoreLocation, KeystoreType: t.keystoreType,
		KeystorePassword: t.keystorePassword, KeystoreKey: t.keystoreKey,
		KeystoreCertificateChain: t.keystoreCertificateChain, KeyPassword: t.keyPassword,
	}}).TLSConfig()
}

func saslOf(s *saslSettings) security.SASLSettings {
	o := &s.oauth
	return security.SASLSettings{
		Mechanism: s.mechanism, Username: s.username, Password: s.password, Options: s.options,
		ConnectTimeout: s.loginConnectTimeout, ReadTimeout: s.loginReadTimeout,
		RetryBackoff: s.loginRetryBackoff, RetryBackoffMax: s.loginRetryBackoffMax,
		RefreshBuffer: s.loginRefreshBuffer, RefreshMinPeriod: s.loginRefreshMinPeriod,
		RefreshWindowFactor: s.loginRefreshWindowFactor,
		RefreshWindowJitter: s.loginRefreshWindowJitter,
		OAuth: security.OAuthSettings{
			Retriever: o.retriever, TokenEndpointURL: o.tokenEndpointURL, Scope: o.scope,
			ClientID: o.clientID, ClientSecret: o.clientSecret, HeaderURLEncode: o.headerURLEncode,
			Assertion: security.AssertionSettings{
				File: o.assertionFile, TemplateFile: o.assertionTemplate,
				PrivateKeyFile: o.assertionKeyFile, Passphrase: o.assertionPassphrase,
				Algorithm: o.assertionAlgorithm, Audience: o.assertionAud, Issuer: o.assertionIss,
				Subject: o.assertionSub, IncludeID: o.assertionJTI,
				Expires: o.assertionExp, NotBefore: o.assertionNbf,
			},
		},
	}
}
