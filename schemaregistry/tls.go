package schemaregistry

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/posthaste-go/posthaste/internal/config"
	"github.com/posthaste-go/posthaste/internal/producer/security"
)

// tls is the TLS configuration of the schema.registry.ssl.* settings, or nil if
// there are none. Stores are read as the producer reads its own.
func (p *properties) tls() (*tls.Config, error) {
	const prefix = "schema.registry.ssl."
	at := func(key string) string { return p.text(prefix + key) }
	s := security.Settings{Protocol: "SSL", TLS: security.TLSSettings{
		Protocol: at("protocol"), EnabledProtocols: p.list(prefix + "enabled.protocols"),
		CipherSuites: p.list(prefix + "cipher.suites"),

		EndpointIdentification: p.verification(prefix),

		TruststoreLocation: at("truststore.location"), TruststoreType: at("truststore.type"),
		TruststorePassword:       at("truststore.password"),
		TruststoreCertificates:   at("truststore.certificates"),
		KeystoreLocation:         at("keystore.location"),
		KeystoreType:             at("keystore.type"),
		KeystorePassword:         at("keystore.password"),
		KeystoreKey:              at("keystore.key"),
		KeystoreCertificateChain: at("keystore.certificate.chain"),
		KeyPassword:              at("key.password"),
	}}
	any := false
	for key := range p.settings {
		any = any || strings.HasPrefix(key, prefix)
	}
	if !any {
		return nil, nil
	}
	if s.TLS.TruststoreType == "" {
		s.TLS.TruststoreType = storeType(s.TLS.TruststoreLocation, s.TLS.TruststoreCertificates)
	}
	if s.TLS.KeystoreType == "" {
		s.TLS.KeystoreType = storeType(s.TLS.KeystoreLocation, s.TLS.KeystoreKey)
	}
	cfg, err := s.TLSConfig()
	if err != nil {
		return nil, fmt.Errorf("%w: schema.registry.ssl.*: %w", ErrConfig, err)
	}
	return cfg, nil
}

// verification is the algorithm that checks the registry's name: https unless
// it is set, also to nothing.
func (p *properties) verification(prefix string) string {
	const key = "endpoint.identification.algorithm"
	if v, given := p.settings[prefix+key]; given {
		p.used[prefix+key] = true
		return strings.TrimSpace(v)
	}
	return "https"
}

// storeType is Kafka's default, JKS, unless the content or the file's name says
// PEM.
func storeType(location, inline string) string {
	if inline != "" || strings.HasSuffix(strings.ToLower(location), ".pem") {
		return "PEM"
	}
	return "JKS"
}

// loginModuleUser is the user of a JAAS configuration.
func loginModuleUser(jaas string) (user, password string, ok bool) {
	if jaas == "" {
		return "", "", false
	}
	parsed, err := config.ParseJAAS(jaas)
	if err != nil {
		return "", "", false
	}
	user, ok = parsed.Options["username"]
	return user, parsed.Options["password"], ok
}
