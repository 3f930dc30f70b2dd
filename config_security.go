package posthaste

import (
	"maps"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/internal/config"
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
	if config.UsesTLS(protocol) {
		s.tls = &tlsSettings{
			config:                   c.TLS,
			protocol:                 c.SSLProtocol,
			enabledProtocols:         c.SSLEnabledProtocols,
			cipherSuites:             c.SSLCipherSuites,
			verifyHostname:           equalFold(c.SSLEndpointIdentificationAlgorithm, "https"),
			truststoreLocation:       c.SSLTruststoreLocation,
			truststoreType:           strings.ToUpper(c.SSLTruststoreType),
			truststorePassword:       string(c.SSLTruststorePassword),
			truststoreCertificates:   string(c.SSLTruststoreCertificates),
			keystoreLocation:         c.SSLKeystoreLocation,
			keystoreType:             strings.ToUpper(c.SSLKeystoreType),
			keystorePassword:         string(c.SSLKeystorePassword),
			keystoreKey:              string(c.SSLKeystoreKey),
			keystoreCertificateChain: string(c.SSLKeystoreCertificateChain),
			keyPassword:              string(c.SSLKeyPassword),
		}
	}
	if !config.UsesSASL(protocol) {
		return nil
	}
	if !slices.Contains(config.Mechanisms, c.SASLMechanism) {
		return &ConfigError{Key: "sasl.mechanism", Value: c.SASLMechanism,
			Reason: "a mechanism that this producer does not have",
			Remedy: "use " + config.Alternatives(config.Mechanisms)}
	}
	s.sasl = &saslSettings{
		mechanism:                c.SASLMechanism,
		options:                  map[string]string{},
		oauth:                    c.oauth(),
		loginConnectTimeout:      c.SASLLoginConnectTimeout,
		loginReadTimeout:         c.SASLLoginReadTimeout,
		loginRetryBackoff:        c.SASLLoginRetryBackoff,
		loginRetryBackoffMax:     c.SASLLoginRetryBackoffMax,
		loginRefreshBuffer:       c.SASLLoginRefreshBuffer,
		loginRefreshMinPeriod:    c.SASLLoginRefreshMinPeriod,
		loginRefreshWindowFactor: c.SASLLoginRefreshWindowFactor,
		loginRefreshWindowJitter: c.SASLLoginRefreshWindowJitter,
	}
	return c.login(s.sasl)
}

// login reads the credentials: SASLUsername, or sasl.jaas.config.
func (c *Config) login(s *saslSettings) error {
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
		s.options = login.Options
	}
	if c.SASLMechanism == "OAUTHBEARER" {
		return c.tokenSource(s)
	}
	s.username, s.password = s.options["username"], s.options["password"]
	if c.SASLUsername != "" {
		s.username, s.password = c.SASLUsername, string(c.SASLPassword)
	}
	if s.username == "" {
		return refuse("sasl.mechanism="+c.SASLMechanism+" needs a user name and a password", nil)
	}
	return nil
}

// tokenSource checks that a token can be got from somewhere.
func (c *Config) tokenSource(s *saslSettings) error {
	o := &s.oauth
	if o.clientID == "" {
		o.clientID, o.clientSecret = s.options["clientId"], s.options["clientSecret"]
	}
	if o.scope == "" {
		o.scope = s.options["scope"]
	}
	if !slices.Contains(retrievers, o.retriever) {
		return noClass("sasl.oauthbearer.jwt.retriever.class", c.SASLOAuthJWTRetriever,
			"use "+config.Alternatives(retrievers))
	}
	if o.tokenEndpointURL == "" {
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

func (c *Config) oauth() oauthSettings {
	retriever := c.SASLOAuthJWTRetriever
	return oauthSettings{
		tokenEndpointURL:    c.SASLOAuthTokenEndpointURL,
		scope:               c.SASLOAuthScope,
		clientID:            c.SASLOAuthClientID,
		clientSecret:        string(c.SASLOAuthClientSecret),
		headerURLEncode:     c.SASLOAuthHeaderURLEncode,
		retriever:           retriever[strings.LastIndexByte(retriever, '.')+1:],
		assertionFile:       c.SASLOAuthAssertionFile,
		assertionTemplate:   c.SASLOAuthAssertionTemplate,
		assertionKeyFile:    c.SASLOAuthAssertionKeyFile,
		assertionPassphrase: string(c.SASLOAuthAssertionPassphrase),
		assertionAlgorithm:  strings.ToUpper(c.SASLOAuthAssertionAlgorithm),
		assertionAud:        c.SASLOAuthAssertionAud,
		assertionIss:        c.SASLOAuthAssertionIss,
		assertionSub:        c.SASLOAuthAssertionSub,
		assertionJTI:        c.SASLOAuthAssertionJTI,
		assertionExp:        c.SASLOAuthAssertionExp,
		assertionNbf:        c.SASLOAuthAssertionNbf,
	}
}
