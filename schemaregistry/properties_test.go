package schemaregistry

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPropertiesAreSpelledAsInJava(t *testing.T) {
	c, err := ConfigFromProperties(map[string]string{
		"bootstrap.servers":               "localhost:9092", // not ours
		"schema.registry.url":             "http://one:8081, http://two:8081",
		"basic.auth.credentials.source":   "USER_INFO",
		"basic.auth.user.info":            "me:se:cret",
		"max.schemas.per.subject":         "50",
		"latest.cache.ttl.sec":            "300",
		"missing.id.cache.ttl.sec":        "5",
		"http.connect.timeout.ms":         "1500",
		"http.read.timeout.ms":            "2500",
		"max.retries":                     "0",
		"retries.wait.ms":                 "10",
		"retries.max.wait.ms":             "20",
		"proxy.host":                      "proxy",
		"proxy.port":                      "3128",
		"auto.register.schemas":           "false",
		"use.latest.version":              "true",
		"latest.compatibility.strict":     "false",
		"normalize.schemas":               "true",
		"use.schema.id":                   "12",
		"value.subject.name.strategy":     "io.confluent.kafka.serializers.subject.RecordNameStrategy",
		"key.schema.id.serializer":        "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer",
		"specific.avro.reader":            "true", // has no meaning in Go
		"schema.registry.lock.file":       "schemas.lock",
		"bearer.auth.logical.cluster":     "lsrc-1",
		"rule.executors":                  "checkSsn",
		"schema.registry.unheard.of":      "1",
		"use.latest.with.metadata":        "application.version=2",
		"json.fail.invalid.schema":        "false",
		"reference.subject.name.strategy": "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(c.URLs, c.Username, c.Password, c.CacheSize, c.LatestTTL, c.MissingTTL,
		c.ConnectTimeout, c.RequestTimeout, c.Retries, c.RetryBackoff, c.RetryBackoffMax, c.Proxy,
		c.LockFile, c.Header, c.TLS == nil)
	want := "[http://one:8081 http://two:8081] me se:cret 50 5m0s 5s 1.5s 2.5s -1 10ms 20ms " +
		"http://proxy:3128 schemas.lock map[Target-Sr-Cluster:[lsrc-1]] true\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s := c.Serializers
	subject, err := s.SubjectName("t", "shop.Order")
	if !s.NoAutoRegister || !s.UseLatestVersion || !s.LaxLatest || !s.Normalize ||
		s.UseSchemaID != 12 || subject != "shop.Order" || err != nil || s.HeaderID() ||
		!s.KeyHeaderID || !s.NoValidation ||
		s.UseLatestWithMetadata["application.version"] != "2" {
		t.Errorf("settings %+v, %q, %v", s, subject, err)
	}
	want = "[reference.subject.name.strategy has no effect here " +
		"rule.executors has no effect here schema.registry.unheard.of has no effect here]"
	if got := fmt.Sprint(c.Warnings); got != want {
		t.Errorf("warnings %s, want %s", got, want)
	}
}

func TestAuthenticationKeys(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]string
		want     string // user password token, or the key in the error
	}{
		{"librdkafka's and Python's spelling", map[string]string{
			"schema.registry.basic.auth.user.info": "u:p"}, "u p "},
		{"credentials of the URL", map[string]string{
			"basic.auth.credentials.source": "URL", "basic.auth.user.info": "u:p"}, "  "},
		{"those of the Kafka connection", map[string]string{
			"basic.auth.credentials.source": "SASL_INHERIT",
			"sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required ` +
				`username="ann" password="x y";`}, "ann x y "},
		{"no user to inherit", map[string]string{
			"basic.auth.credentials.source": "SASL_INHERIT"}, "!basic.auth.credentials.source"},
		{"no password", map[string]string{
			"basic.auth.credentials.source": "USER_INFO",
			"basic.auth.user.info":          "secret"}, "!basic.auth.user.info"},
		{"static token", map[string]string{
			"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": "tok"}, "  tok"},
		{"token is missing", map[string]string{
			"bearer.auth.credentials.source": "STATIC_TOKEN"}, "!bearer.auth.token"},
		{"unknown source", map[string]string{
			"bearer.auth.credentials.source": "CUSTOM"}, "!Config.Token"},
		{"OAuth without a server", map[string]string{
			"bearer.auth.credentials.source": "OAUTHBEARER"}, "!bearer.auth.issuer.endpoint.url"},
		{"not a number", map[string]string{"max.retries": "few"}, "!max.retries=few"},
		{"not a boolean", map[string]string{"use.latest.version": "1"}, "!use.latest.version=1"},
		{"unknown strategy", map[string]string{
			"value.subject.name.strategy": "com.acme.Mine"}, "!com.acme.Mine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ConfigFromProperties(tt.settings)
			if key, bad := strings.CutPrefix(tt.want, "!"); bad {
				if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), key) {
					t.Errorf("error %v does not name %s", err, key)
				}
				if err != nil && strings.Contains(err.Error(), "secret") &&
					strings.Contains(tt.name, "password") {
					t.Errorf("%v shows a secret", err)
				}
				return
			}
			if got := c.Username + " " + c.Password + " " + c.BearerToken; err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// A file that says nothing of auto.register.schemas and asks for the latest
// version gets it; Java registers silently in that case.
func TestUseLatestVersionImpliesNoRegistration(t *testing.T) {
	for given, want := range map[string]bool{"": true, "false": true, "true": false} {
		c, err := ConfigFromProperties(map[string]string{
			"use.latest.version": "true", "auto.register.schemas": given})
		if err != nil || c.Serializers.UseLatestVersion != want {
			t.Errorf("auto.register.schemas=%s: %+v, %v", given, c.Serializers, err)
		}
	}
}

func TestTLSAndBasicAuthenticationReachTheRegistry(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, `[%q]`, user+"/"+password)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that does not trust it is meant
	s.StartTLS()
	t.Cleanup(s.Close)
	path := filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{
		"schema.registry.url": s.URL, "basic.auth.credentials.source": "USER_INFO",
		"basic.auth.user.info": "me:secret", "schema.registry.ssl.truststore.location": path,
	}
	cfg, err := ConfigFromProperties(settings)
	if err != nil {
		t.Fatal(err)
	}
	got, err := mustClient(t, cfg).Subjects(t.Context(), ListOptions{})
	if err != nil || got[0] != "me/secret" {
		t.Errorf("Subjects = %q, %v", got, err)
	}
	_, err = mustClient(t, Config{URLs: []string{s.URL}, Retries: -1}).
		Subjects(t.Context(), ListOptions{})
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("without the truststore: %v", err)
	}
}

func TestOAuthTokensAreFetchedOnceAndRenewed(t *testing.T) {
	asked := 0
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		id, secret, _ := r.BasicAuth()
		if id != "id" || secret != "s" || r.FormValue("grant_type") != "client_credentials" ||
			r.FormValue("scope") != "sr" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "invalid_client"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token": "t%d", "expires_in": 3600}`, asked)
	}))
	t.Cleanup(issuer.Close)
	settings := map[string]string{
		"schema.registry.url": "http://x", "bearer.auth.credentials.source": "OAUTHBEARER",
		"bearer.auth.issuer.endpoint.url": issuer.URL, "bearer.auth.client.id": "id",
		"bearer.auth.client.secret": "s", "bearer.auth.scope": "sr",
	}
	cfg, err := ConfigFromProperties(settings)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if token, err := cfg.Token(t.Context()); err != nil || token != "t1" {
			t.Fatalf("token %q, %v", token, err)
		}
	}
	settings["bearer.auth.client.secret"] = "wrong"
	if cfg, err = ConfigFromProperties(settings); err != nil {
		t.Fatal(err)
	}
	_, err = cfg.Token(t.Context())
	if err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("a wrong secret: %v", err)
	}
}

func TestLatestIsTrustedForItsTimeAndStaleRatherThanNone(t *testing.T) {
	version, down := 1, false
	ask := func(*http.Request) (*http.Response, error) {
		if down {
			return nil, errors.New("connection refused")
		}
		return answer(200, fmt.Sprintf(`{"id": 1, "version": %d, "schema": "\"int\""}`, version)), nil
	}
	c := mustClient(t, Config{
		URLs: []string{"http://x"}, LatestTTL: time.Minute, Retries: -1,
		HTTPClient: &http.Client{Transport: roundTripper(ask)},
	})
	clock := &manualClock{now: time.Unix(0, 0)}
	c.cfg.clock = clock
	check := func(want int) {
		t.Helper()
		if r, err := c.CachedLatest(t.Context(), "s"); err != nil || r.Version != want {
			t.Errorf("CachedLatest = %d, %v; want %d", r.Version, err, want)
		}
	}
	check(1)
	version = 2
	check(1)
	clock.now = clock.now.Add(time.Minute)
	check(2)
	clock.now = clock.now.Add(time.Hour)
	down = true
	check(2)
}

type manualClock struct{ now time.Time }

func (c *manualClock) Now() time.Time                       { return c.now }
func (c *manualClock) NewTimer(d time.Duration) *time.Timer { return time.NewTimer(d) }
