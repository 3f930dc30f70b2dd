package schemaregistry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
)

// Config says which registry to use and how. Only URLs (or LockFile) must be
// set; the zero value of everything else is the default that its comment names.
// [ConfigFromProperties] fills it from the keys of Confluent's Java serializers,
// which the comments give.
type Config struct {
	// URLs are tried in turn when one fails (schema.registry.url). A URL may hold
	// a user and password, and a path such as /contexts/.staging.
	URLs []string

	// Username and Password are sent with HTTP basic authentication
	// (basic.auth.credentials.source=USER_INFO, basic.auth.user.info).
	Username, Password string

	// BearerToken is sent as it is (bearer.auth.token). Token, if set, is asked for
	// one instead before each request, and does its own caching.
	BearerToken string
	Token       func(context.Context) (string, error)

	// Header is added to each request: bearer.auth.logical.cluster and
	// bearer.auth.identity.pool.id are headers of Confluent Cloud.
	Header http.Header

	// TLS is for https URLs; nil means the system's roots (schema.registry.ssl.*).
	TLS *tls.Config

	// HTTPClient replaces the one that this package makes; TLS, Proxy and
	// ConnectTimeout are then not used.
	HTTPClient *http.Client

	// Proxy is a URL that requests go through (proxy.host, proxy.port). Empty
	// means what the environment says (HTTPS_PROXY).
	Proxy string

	// ConnectTimeout bounds a connection's set-up (http.connect.timeout.ms, 60 s),
	// RequestTimeout one request with its answer (http.read.timeout.ms, 60 s).
	ConnectTimeout, RequestTimeout time.Duration

	// Retries is how often a round over all URLs is repeated (max.retries); 0
	// means 3, negative none. Waits between rounds begin at RetryBackoff
	// (retries.wait.ms, 1 s) and double up to RetryBackoffMax
	// (retries.max.wait.ms, 20 s).
	Retries                       int
	RetryBackoff, RetryBackoffMax time.Duration

	// LockFile pins schemas, so that a program starts without a registry: see
	// [Lock]. A file that does not exist is an error.
	LockFile string

	// CacheSize bounds how many schemas are kept of each kind of key
	// (max.schemas.per.subject, 1000).
	CacheSize int

	// LatestTTL is how long a subject's latest version is trusted by serializers
	// that use it (latest.cache.ttl.sec); 0 means for ever.
	LatestTTL time.Duration

	// MissingTTL is how long an id or a schema that the registry lacks is not
	// asked for again (missing.id.cache.ttl.sec, missing.schema.cache.ttl.sec); 0
	// asks each time.
	MissingTTL time.Duration

	// Serializers holds what serializers made with this client do, unless they are
	// told otherwise.
	Serializers Settings

	// Warnings is what ConfigFromProperties found without effect, one sentence
	// each.
	Warnings []string

	clock clock.Clock
}

// withDefaults checks c and fills in what is left out.
func (c Config) withDefaults() (Config, error) {
	if len(c.URLs) == 0 && c.LockFile == "" {
		return c, fmt.Errorf("%w: no URL; set schema.registry.url (Config.URLs)", ErrConfig)
	}
	if c.Username != "" && (c.BearerToken != "" || c.Token != nil) {
		return c, fmt.Errorf("%w: basic and bearer authentication exclude each other; "+
			"set one of them", ErrConfig)
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&c.ConnectTimeout, time.Minute}, {&c.RequestTimeout, time.Minute},
		{&c.RetryBackoff, time.Second}, {&c.RetryBackoffMax, 20 * time.Second},
	} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	switch {
	case c.Retries == 0:
		c.Retries = 3
	case c.Retries < 0:
		c.Retries = 0
	}
	if c.CacheSize <= 0 {
		c.CacheSize = 1000
	}
	if c.clock == nil {
		c.clock = clock.System{}
	}
	return c, nil
}

// endpoint is one URL of a registry.
type endpoint struct {
	base           string // without credentials and without a slash at the end
	user, password string
}

func parseEndpoints(urls []string) ([]endpoint, error) {
	var all []endpoint
	for _, raw := range urls {
		u, err := url.Parse(strings.TrimSpace(raw))
		if err != nil {
			return nil, fmt.Errorf("%w: schema.registry.url is not a URL; "+
				"write http://HOST:PORT", ErrConfig) // without the text, which may hold a password
		}
		if u.Scheme == "mock" {
			return nil, fmt.Errorf("%w: schema.registry.url=mock://… is Java's; "+
				"use the embedded registry (package schemaregistry/embedded)", ErrConfig)
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("%w: schema.registry.url %q is not of the form http://HOST:PORT",
				ErrConfig, u.Redacted())
		}
		e := endpoint{}
		if u.User != nil {
			e.user = u.User.Username()
			e.password, _ = u.User.Password()
		}
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		e.base = strings.TrimRight(u.String(), "/")
		all = append(all, e)
	}
	return all, nil
}

// transport makes the HTTP client that c asks for.
func (c *Config) transport() (*http.Client, error) {
	if c.HTTPClient != nil {
		return c.HTTPClient, nil
	}
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("%w: http.DefaultTransport was replaced; set HTTPClient", ErrConfig)
	}
	t := base.Clone()
	t.TLSClientConfig = c.TLS
	t.DialContext = dialer(c.ConnectTimeout)
	if c.Proxy != "" {
		u, err := url.Parse(c.Proxy)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("%w: proxy %q is not of the form http://HOST:PORT",
				ErrConfig, c.Proxy)
		}
		t.Proxy = http.ProxyURL(u)
	}
	return &http.Client{Transport: t}, nil
}
