package schemaregistry

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ConfigFromProperties reads what a client's settings say of the schema
// registry, by the keys of Confluent's Java serializers; docs/schemas.md lists
// them. Keys of other things, such as a producer's, are passed over. The keys of
// authentication may have schema.registry. in front, as ssl.* must.
//
// Config.Warnings names keys that have no effect here. Errors match ErrConfig and
// name the key.
func ConfigFromProperties(settings map[string]string) (Config, error) {
	p := properties{settings: settings, used: map[string]bool{}}
	c := Config{}
	c.URLs = p.list("schema.registry.url")
	c.LockFile = p.text("schema.registry.lock.file")
	p.authentication(&c)
	p.network(&c)
	p.caches(&c)
	if p.err == nil {
		p.err = c.Serializers.read(&p)
	}
	if p.err == nil {
		c.TLS, p.err = p.tls()
	}
	if p.err != nil {
		return Config{}, p.err
	}
	c.Warnings = p.warnings()
	return c, nil
}

// properties reads settings and remembers which were read. After the first
// error it reads nothing more.
type properties struct {
	settings map[string]string
	used     map[string]bool
	err      error
}

func (p *properties) text(keys ...string) string {
	for _, key := range keys {
		p.used[key] = true
	}
	for _, key := range keys {
		if v := strings.TrimSpace(p.settings[key]); v != "" {
			return v
		}
	}
	return ""
}

// either is a key with or without the registry's prefix.
func either(key string) (string, string) { return key, "schema.registry." + key }

func (p *properties) client(key string) string { return p.text(either(key)) }

func (p *properties) list(key string) (all []string) {
	for part := range strings.SplitSeq(p.text(key), ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

func (p *properties) fail(key, value, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: %s=%s is not %s", ErrConfig, key, value, want)
	}
}

func (p *properties) flag(key string, otherwise bool) bool {
	switch v := p.text(key); strings.ToLower(v) {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	default:
		p.fail(key, v, "true or false")
		return otherwise
	}
}

func (p *properties) number(key string, otherwise int) int {
	v := p.client(key)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		p.fail(key, v, "a whole number")
	}
	return n
}

func (p *properties) duration(key string, unit time.Duration) time.Duration {
	n := p.number(key, 0)
	if n < 0 || n > int(time.Duration(1<<63-1)/unit) {
		n = 0
	}
	return time.Duration(n) * unit
}

func (p *properties) authentication(c *Config) {
	source := strings.ToUpper(p.client("basic.auth.credentials.source"))
	info := p.client("basic.auth.user.info")
	user, password, ok := strings.Cut(info, ":")
	switch source {
	case "", "URL": // the URL's own are used anyway; .NET and Python need no source
		if source == "URL" {
			info = ""
		}
	case "USER_INFO":
		if !ok {
			p.fail("basic.auth.user.info", "(hidden)", "of the form USER:PASSWORD, "+
				"as basic.auth.credentials.source=USER_INFO wants it")
		}
	case "SASL_INHERIT":
		user, password, ok = p.saslUser()
		info = user
		if !ok {
			p.fail("basic.auth.credentials.source", source, "usable: there is no user in "+
				"sasl.jaas.config, nor in sasl.username and sasl.password")
		}
	default:
		p.fail("basic.auth.credentials.source", source, "one of URL, USER_INFO, SASL_INHERIT")
	}
	if info != "" {
		c.Username, c.Password = user, password
	}
	p.bearer(c)
}

// saslUser is the user of the Kafka connection.
func (p *properties) saslUser() (user, password string, ok bool) {
	user, password = p.settings["sasl.username"], p.settings["sasl.password"]
	if user != "" {
		return user, password, true
	}
	return loginModuleUser(p.settings["sasl.jaas.config"])
}

func (p *properties) bearer(c *Config) {
	token := p.client("bearer.auth.token")
	source := strings.ToUpper(p.client("bearer.auth.credentials.source"))
	header := func(name, key string) {
		if v := p.client(key); v != "" {
			if c.Header == nil {
				c.Header = http.Header{}
			}
			c.Header.Set(name, v)
		}
	}
	header("target-sr-cluster", "bearer.auth.logical.cluster")
	header("Confluent-Identity-Pool-Id", "bearer.auth.identity.pool.id")
	for key := range p.settings {
		if name, ok := strings.CutPrefix(key, "request.header."); ok {
			header(name, key)
		}
	}
	grant := &clientCredentials{
		endpoint: p.client("bearer.auth.issuer.endpoint.url"),
		id:       p.client("bearer.auth.client.id"), secret: p.client("bearer.auth.client.secret"),
		scope:  p.client("bearer.auth.scope"),
		buffer: time.Duration(p.number("bearer.auth.cache.expiry.buffer.seconds", 300)) * time.Second,
	}
	switch source {
	case "", "STATIC_TOKEN":
		if source != "" && token == "" {
			p.fail("bearer.auth.token", "", "set, as bearer.auth.credentials.source=STATIC_TOKEN "+
				"wants it")
		}
		c.BearerToken = token
	case "OAUTHBEARER":
		if grant.endpoint == "" || grant.id == "" || grant.secret == "" {
			p.fail("bearer.auth.credentials.source", source, "usable without "+
				"bearer.auth.issuer.endpoint.url, bearer.auth.client.id and bearer.auth.client.secret")
		}
		c.Token = grant.token
	default:
		p.fail("bearer.auth.credentials.source", source,
			"one of STATIC_TOKEN, OAUTHBEARER; set Config.Token for others")
	}
}

func (p *properties) network(c *Config) {
	c.ConnectTimeout = p.duration("http.connect.timeout.ms", time.Millisecond)
	c.RequestTimeout = p.duration("http.read.timeout.ms", time.Millisecond)
	c.RetryBackoff = p.duration("retries.wait.ms", time.Millisecond)
	c.RetryBackoffMax = p.duration("retries.max.wait.ms", time.Millisecond)
	if c.Retries = p.number("max.retries", 3); c.Retries == 0 {
		c.Retries = -1
	}
	host, port := p.client("proxy.host"), p.number("proxy.port", 0)
	switch {
	case host != "" && port > 0:
		c.Proxy = "http://" + net.JoinHostPort(host, strconv.Itoa(port))
	case host != "" || port > 0:
		p.fail("proxy.port", strconv.Itoa(port), "usable: proxy.host and proxy.port go together")
	}
}

func (p *properties) caches(c *Config) {
	c.CacheSize = p.number("max.schemas.per.subject", 0)
	c.LatestTTL = p.duration("latest.cache.ttl.sec", time.Second)
	c.MissingTTL = max(p.duration("missing.id.cache.ttl.sec", time.Second),
		p.duration("missing.schema.cache.ttl.sec", time.Second),
		p.duration("missing.version.cache.ttl.sec", time.Second))
}

// read fills s; what the settings do not name stays as it is.
func (s *Settings) read(p *properties) error {
	latest := p.flag("use.latest.version", s.UseLatestVersion)
	switch explicit := p.text("auto.register.schemas"); {
	case explicit != "":
		register := p.flag("auto.register.schemas", true)
		s.NoAutoRegister = !register
		// As in Java, who registers does not look for the latest.
		s.UseLatestVersion = latest && !register
	default:
		s.UseLatestVersion = latest
	}
	s.LaxLatest = !p.flag("latest.compatibility.strict", !s.LaxLatest)
	s.LaxSchemaID = !p.flag("id.compatibility.strict", !s.LaxSchemaID)
	s.Normalize = p.flag("normalize.schemas", s.Normalize)
	s.NoValidation = !p.flag("json.fail.invalid.schema", !s.NoValidation)
	if id := p.number("use.schema.id", -1); id > 0 {
		s.UseSchemaID = id
	}
	for pair := range strings.SplitSeq(p.text("use.latest.with.metadata"), ",") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			if s.UseLatestWithMetadata == nil {
				s.UseLatestWithMetadata = map[string]string{}
			}
			s.UseLatestWithMetadata[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	for _, side := range []struct {
		name    string
		subject *SubjectNameStrategy
		header  *bool
	}{
		{"key", &s.KeySubject, &s.KeyHeaderID}, {"value", &s.ValueSubject, &s.ValueHeaderID},
	} {
		p.strategy(side.name+".subject.name.strategy", side.subject)
		p.idSerializer(side.name+".schema.id.serializer", side.header)
		p.text(side.name + ".schema.id.deserializer") // readers take both ways
	}
	return p.err
}

func (p *properties) strategy(key string, to *SubjectNameStrategy) {
	name := p.text(key)
	if name == "" {
		return
	}
	strategy, err := StrategyByName(name)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%s: %w", key, err)
	}
	*to = strategy
}

func (p *properties) idSerializer(key string, inHeader *bool) {
	switch name := p.text(key); name[strings.LastIndexByte(name, '.')+1:] {
	case "":
	case "PrefixSchemaIdSerializer":
		*inHeader = false
	case "HeaderSchemaIdSerializer":
		*inHeader = true
	default:
		p.fail(key, name, "one of PrefixSchemaIdSerializer, HeaderSchemaIdSerializer")
	}
}

// ignored are keys of the serializers that have no meaning here, or whose only
// meaning is what happens anyway.
var ignored = []string{
	"avro.remove.java.properties", "avro.use.logical.type.converters",
	"avro.reflection.allow.null", "schema.reflection", "specific.avro.reader",
	"specific.avro.key.type", "specific.avro.value.type", "specific.protobuf.key.type",
	"specific.protobuf.value.type", "derive.type", "json.key.type", "json.value.type",
	"type.property", "json.schema.spec.version", "json.oneof.for.nullables",
	"json.write.dates.iso8601", "json.default.property.inclusion",
	"json.fail.unknown.properties",
}

// warnings are keys that speak of a registry and were not read.
func (p *properties) warnings() (all []string) {
	for _, key := range slices.Sorted(maps.Keys(p.settings)) {
		if p.used[key] || slices.Contains(ignored, key) {
			continue
		}
		for _, prefix := range []string{
			"schema.registry.", "basic.auth.", "bearer.auth.", "rule.", "rules.", "avro.", "protobuf.",
			"latest.", "missing.", "use.", "normalize.", "reference.", "context.",
		} {
			if strings.HasPrefix(key, prefix) {
				all = append(all, key+" has no effect here")
				break
			}
		}
	}
	return all
}
