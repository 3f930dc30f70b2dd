package posthaste

import (
	"maps"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/internal/config"
	"github.com/posthaste-go/posthaste/internal/producer/security"
	"github.com/posthaste-go/posthaste/partitioner"
	"github.com/posthaste-go/posthaste/serializer"
)

// equalFold compares words whose letter case does not count.
func equalFold[S ~string](a, b S) bool { return strings.EqualFold(string(a), string(b)) }

// classes finds what settings name by a Java class.
func (c *Config) classes(s *settings) error {
	s.partitioner = c.Partitioner
	if s.partitioner == nil && c.PartitionerClass != "" {
		p, ok := partitioner.ByName(c.PartitionerClass)
		if !ok {
			return noClass("partitioner.class", c.PartitionerClass,
				"use "+config.Alternatives(partitioner.Names())+"; or set Config.Partitioner")
		}
		s.partitioner = p
	}
	s.adaptive = c.PartitionerAdaptive && s.partitioner == nil
	for _, side := range []struct {
		key, class string
		to         *string
	}{
		{"key.serializer", c.KeySerializer, &s.keySerializer},
		{"value.serializer", c.ValueSerializer, &s.valueSerializer},
	} {
		if side.class != "" {
			if _, err := serializer.ByName(side.class); err != nil {
				return noClass(side.key, side.class, "use "+config.Alternatives(serializer.Names())+
					"; or leave it out and give Typed a Serializer")
			}
		}
		*side.to = side.class
	}
	for _, class := range c.InterceptorClasses {
		build, ok := namedInterceptors[class]
		if !ok { // of another package, by its simple name
			build, ok = namedInterceptors[class[strings.LastIndexByte(class, '.')+1:]]
		}
		if !ok {
			names := slices.Sorted(maps.Keys(namedInterceptors))
			return noClass("interceptor.classes", class, "known is "+config.Alternatives(names)+
				"; remove the others and set Config.Interceptors")
		}
		i, err := build(c)
		if err != nil {
			return err
		}
		s.interceptors = append(s.interceptors, i)
	}
	s.interceptors = append(s.interceptors, c.Interceptors...)
	return nil
}

func noClass(key, class, remedy string) error {
	return &ConfigError{Key: key, Value: class, Remedy: remedy,
		Reason: "this program does not have a class " + class}
}

// namedInterceptors makes the interceptors that interceptor.classes can name.
var namedInterceptors = map[string]func(*Config) (Interceptor, error){}

// security is TLS and SASL, if security.protocol asks for them.
func (c *Config) security(s *settings) error {
	protocol := string(c.SecurityProtocol)
	for _, fault := range []struct {
		wrong         bool
		field, remedy string
	}{
		{c.TLS != nil && !config.UsesTLS(protocol), "TLS", "SSL or SASL_SSL"},
		{c.SASLUsername != "" && !config.UsesSASL(protocol), "SASLUsername",
			"SASL_SSL or SASL_PLAINTEXT"},
	} {
		if fault.wrong { // never send in clear what was meant to be protected
			return &ConfigError{Key: "security.protocol", Value: protocol,
				Reason: "it makes no use of Config." + fault.field + ", which is set",
				Remedy: "set it to " + fault.remedy}
		}
	}
	s.security.Protocol = strings.ToUpper(protocol)
	s.tlsConfig = c.TLS
	s.security.TLS = security.TLSSettings{
		Protocol:                 c.SSLProtocol,
		EnabledProtocols:         c.SSLEnabledProtocols,
		CipherSuites:             c.SSLCipherSuites,
		EndpointIdentification:   c.SSLEndpointIdentificationAlgorithm,
		TruststoreLocation:       c.SSLTruststoreLocation,
		TruststoreType:           strings.ToUpper(c.SSLTruststoreType),
		TruststorePassword:       string(c.SSLTruststorePassword),
		TruststoreCertificates:   string(c.SSLTruststoreCertificates),
		KeystoreLocation:         c.SSLKeystoreLocation,
		KeystoreType:             strings.ToUpper(c.SSLKeystoreType),
		KeystorePassword:         string(c.SSLKeystorePassword),
		KeystoreKey:              string(c.SSLKeystoreKey),
		KeystoreCertificateChain: string(c.SSLKeystoreCertificateChain),
		KeyPassword:              string(c.SSLKeyPassword),
	}
	if !config.UsesSASL(protocol) {
		return nil
	}
	if !slices.Contains(config.Mechanisms, c.SASLMechanism) {
		return &ConfigError{Key: "sasl.mechanism", Value: c.SASLMechanism,
			Reason: "a mechanism that this producer does not have",
			Remedy: "use " + config.Alternatives(config.Mechanisms)}
	}
	s.security.SASL = security.SASLSettings{
		Mechanism:           c.SASLMechanism,
		Options:             map[string]string{},
		OAuth:               c.oauth(),
		ConnectTimeout:      c.SASLLoginConnectTimeout,
		ReadTimeout:         c.SASLLoginReadTimeout,
		RetryBackoff:        c.SASLLoginRetryBackoff,
		RetryBackoffMax:     c.SASLLoginRetryBackoffMax,
		RefreshBuffer:       c.SASLLoginRefreshBuffer,
		RefreshMinPeriod:    c.SASLLoginRefreshMinPeriod,
		RefreshWindowFactor: c.SASLLoginRefreshWindowFactor,
		RefreshWindowJitter: c.SASLLoginRefreshWindowJitter,
	}
	return c.login(&s.security.SASL)
}

// login reads the credentials: SASLUsername, or sasl.jaas.config.
func (c *Config) login(s *security.SASLSettings) error {
	refuse := func(reason string, cause error) error {
		row, _ := config.Lookup("sasl.jaas.config")
		return &ConfigError{Key: row.Name, Value: row.Show(string(c.SASLJAASConfig)),
			Reason: reason, Err: cause,
			Remedy: "write " + config.ModuleFor(c.SASLMechanism) +
				` required username="…" password="…"; or set Config.SASLUsername`}
	}
	if c.SASLJAASConfig != "" {
		login, err := config.ParseJAAS(string(c.SASLJAASConfig))
		if err != nil {
			return refuse("not a login module's line", err)
		}
		if want := config.ModuleFor(c.SASLMechanism); login.Module != want {
			return refuse(login.Module+" does not serve sasl.mechanism="+c.SASLMechanism, nil)
		}
		s.Options = login.Options
	}
	if c.SASLMechanism == "OAUTHBEARER" {
		return c.tokenSource(s)
	}
	s.Username, s.Password = s.Options["username"], s.Options["password"]
	if c.SASLUsername != "" {
		s.Username, s.Password = c.SASLUsername, string(c.SASLPassword)
	}
	if s.Username == "" {
		return refuse("sasl.mechanism="+c.SASLMechanism+" needs a user name and a password", nil)
	}
	return nil
}

// tokenSource checks that a token can be got from somewhere.
func (c *Config) tokenSource(s *security.SASLSettings) error {
	o := &s.OAuth
	if o.ClientID == "" {
		o.ClientID, o.ClientSecret = s.Options["clientId"], s.Options["clientSecret"]
	}
	if o.Scope == "" {
		o.Scope = s.Options["scope"]
	}
	if !slices.Contains(retrievers, o.Retriever) {
		return noClass("sasl.oauthbearer.jwt.retriever.class", c.SASLOAuthJWTRetriever,
			"use "+config.Alternatives(retrievers))
	}
	for option := range s.Options {
		if strings.HasPrefix(option, "unsecuredLogin") {
			return nil // a token that the client makes itself, for tests
		}
	}
	if o.TokenEndpointURL == "" {
		return &ConfigError{Key: "sasl.oauthbearer.token.endpoint.url",
			Reason: "sasl.mechanism=OAUTHBEARER needs a place to get tokens from",
			Remedy: "set it to the identity provider's address, or to a file: with a token"}
	}
	return nil
}

// retrievers are Kafka's ways to get a token, by their classes' simple names.
var retrievers = []string{
	"DefaultJwtRetriever", "ClientCredentialsJwtRetriever", "JwtBearerJwtRetriever",
	"FileJwtRetriever",
}

func (c *Config) oauth() security.OAuthSettings {
	retriever := c.SASLOAuthJWTRetriever
	return security.OAuthSettings{
		Retriever:        retriever[strings.LastIndexByte(retriever, '.')+1:],
		TokenEndpointURL: c.SASLOAuthTokenEndpointURL,
		Scope:            c.SASLOAuthScope,
		ClientID:         c.SASLOAuthClientID,
		ClientSecret:     string(c.SASLOAuthClientSecret),
		HeaderURLEncode:  c.SASLOAuthHeaderURLEncode,
		Assertion: security.AssertionSettings{
			File:           c.SASLOAuthAssertionFile,
			TemplateFile:   c.SASLOAuthAssertionTemplate,
			PrivateKeyFile: c.SASLOAuthAssertionKeyFile,
			Passphrase:     string(c.SASLOAuthAssertionPassphrase),
			Algorithm:      strings.ToUpper(c.SASLOAuthAssertionAlgorithm),
			Audience:       c.SASLOAuthAssertionAud,
			Issuer:         c.SASLOAuthAssertionIss,
			Subject:        c.SASLOAuthAssertionSub,
			IncludeID:      c.SASLOAuthAssertionJTI,
			Expires:        c.SASLOAuthAssertionExp,
			NotBefore:      c.SASLOAuthAssertionNbf,
		},
	}
}
