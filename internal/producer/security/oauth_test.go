package security

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(claims)) + ".c2ln"
}

// payload decodes part n of a JWT.
func payload(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[n])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// bearer cuts the token out of a client's first message.
func bearer(t *testing.T, first string) (token, rest string) {
	t.Helper()
	text, ok := strings.CutPrefix(first, "n,,\x01auth=Bearer ")
	token, rest, found := strings.Cut(text, "\x01")
	if !ok || !found {
		t.Fatalf("first message is %q", first)
	}
	return token, rest
}

func TestUnsecuredToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustLogin(t, SASLSettings{Mechanism: "OAUTHBEARER", Options: map[string]string{
			"unsecuredLoginStringClaim_sub":   "alice",
			"unsecuredLoginNumberClaim_level": "7",
			"unsecuredLoginListClaim_scope":   "|read|write",
			"unsecuredLoginLifetimeSeconds":   "60",
			"unsecuredLoginExtension_team":    "red",
		}})
		a, first := mustStart(t, l)
		token, rest := bearer(t, first)
		if rest != "team=red\x01\x01" {
			t.Errorf("after the token comes %q", rest)
		}
		claims := payload(t, token, 1)
		want := map[string]any{
			"sub": "alice", "level": 7.0, "scope": []any{"read", "write"},
			"iat": float64(time.Now().Unix()), "exp": float64(time.Now().Unix() + 60),
		}
		if fmt.Sprint(claims) != fmt.Sprint(want) {
			t.Errorf("claims %v, want %v", claims, want)
		}
		if alg := payload(t, token, 0)["alg"]; alg != "none" || !strings.HasSuffix(token, ".") {
			t.Errorf("token %q is signed", token)
		}
		if _, done, err := a.Next(nil); !done || err != nil {
			t.Errorf("an empty answer: %t, %v; want success", done, err)
		}
	})
}

func TestARefusedTokenTellsTheBrokersReason(t *testing.T) {
	a := &oauthBearer{token: "t"}
	_, done, err := a.Next([]byte(`{"status":"invalid_token"}`))
	if done || err == nil || !strings.Contains(err.Error(), "invalid_token") {
		t.Errorf("Next = %t, %v", done, err)
	}
}

func TestOAuthRefuses(t *testing.T) {
	option := func(pairs ...string) SASLSettings {
		s := SASLSettings{Options: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			s.Options[pairs[i]] = pairs[i+1]
		}
		return s
	}
	endpoint := func(url string) SASLSettings {
		return SASLSettings{OAuth: OAuthSettings{TokenEndpointURL: url}}
	}
	bearerOf := func(a AssertionSettings) SASLSettings {
		return SASLSettings{OAuth: OAuthSettings{
			TokenEndpointURL: "https://idp.test/token", Retriever: "JwtBearerJwtRetriever", Assertion: a}}
	}
	ec := AssertionSettings{PrivateKeyFile: filepath.Join("testdata", "client-key.pem")}
	tests := map[string]struct {
		s         SASLSettings
		key, part string
	}{
		"no place for tokens": {
			SASLSettings{}, "sasl.oauthbearer.token.endpoint.url", "file:"},
		"an address without a scheme": {
			endpoint("idp.test/token"), "sasl.oauthbearer.token.endpoint.url", "https://"},
		"a token file that is not there": {
			endpoint("file:///none/token"), "sasl.oauthbearer.token.endpoint.url", "no such file"},
		"no client id": {endpoint("https://idp.test/token"),
			"sasl.oauthbearer.client.credentials.client.id", "client.secret"},
		"a retriever of somebody else": {
			SASLSettings{OAuth: OAuthSettings{Retriever: "com.example.Retriever"}},
			"sasl.oauthbearer.jwt.retriever.class", "JwtBearerJwtRetriever"},
		"an unsecured token without a principal": {
			option("unsecuredLoginStringClaim_name", "x"),
			"sasl.jaas.config", "unsecuredLoginStringClaim_sub"},
		"an unsecured number that is none": {
			option("unsecuredLoginStringClaim_sub", "x", "unsecuredLoginNumberClaim_a", "b"),
			"sasl.jaas.config", "unsecuredLoginNumberClaim_a"},
		"an unsecured token that has expired": {
			option("unsecuredLoginStringClaim_sub", "x", "unsecuredLoginLifetimeSeconds", "0"),
			"sasl.jaas.config", "lifetime"},
		"a misspelled option": {
			option("unsecuredLoginStringClaim_sub", "x", "unsecuredLoginLifetime", "1"),
			"sasl.jaas.config", "unsecuredLoginLifetime"},
		"an extension called auth": {
			option("unsecuredLoginStringClaim_sub", "x", "extension_auth", "y"),
			"sasl.jaas.config", "extension_auth"},
		"an extension that breaks the message": {
			option("unsecuredLoginStringClaim_sub", "x", "extension_a", "y\x01z"),
			"sasl.jaas.config", "extension_a"},
		"no key for assertions": {
			bearerOf(AssertionSettings{}), "sasl.oauthbearer.assertion.private.key.file", "PEM"},
		"a key that does not fit the algorithm": {
			bearerOf(ec), "sasl.oauthbearer.assertion.algorithm", "ES256"},
		"a template that is not there": {
			bearerOf(AssertionSettings{PrivateKeyFile: ec.PrivateKeyFile, Algorithm: "ES256",
				TemplateFile: "none"}), "sasl.oauthbearer.assertion.template.file", "no such file"},
		"an assertion that is not there": {
			bearerOf(AssertionSettings{File: "none"}), "sasl.oauthbearer.assertion.file", "no such file"},
		"a truststore for the endpoint that is not there": {
			SASLSettings{OAuth: OAuthSettings{TokenEndpointURL: "https://idp.test"},
				Options: map[string]string{"ssl.truststore.location": "none"}},
			"sasl.jaas.config", "ssl.truststore.location"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.s.Mechanism = "OAUTHBEARER"
			_, err := (&Settings{Protocol: "SASL_SSL", SASL: tt.s}).Login()
			wantSetting(t, err, tt.key, tt.part)
		})
	}
}

func TestATokenFileIsReadForEveryConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	l := (*Login)(nil)
	for _, text := range []string{jwt(`{"exp":9999999999,"iat":1}`), "opaque-token"} {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if l == nil {
			l = mustLogin(t, SASLSettings{Mechanism: "OAUTHBEARER",
				OAuth: OAuthSettings{TokenEndpointURL: "file://" + path}})
		}
		_, first := mustStart(t, l)
		if token, _ := bearer(t, first); token != text {
			t.Errorf("token %q, want %q", token, text)
		}
	}
	if err := os.WriteFile(path, []byte("two words"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Authenticator(t.Context()); err == nil {
		t.Error("a token with a blank in it is taken")
	}
}

// idp is an identity provider that answers with status and body in turn, the last
// one for ever.
type idp struct {
	*httptest.Server
	answers []idpAnswer
	asked   atomic.Int32
	last    atomic.Pointer[http.Request]
	onAsk   func() // may be nil
}

type idpAnswer struct {
	status int
	body   string
}

func newIDP(t *testing.T, answers ...idpAnswer) *idp {
	t.Helper()
	p := &idp{answers: answers}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if err := r.ParseForm(); err != nil {
			t.Errorf("request: %v", err)
		}
		n := int(p.asked.Add(1)) - 1
		p.last.Store(r)
		if p.onAsk != nil {
			p.onAsk()
		}
		a := p.answers[min(n, len(p.answers)-1)]
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(a.status)
		io.WriteString(w, a.body)
	}))
	t.Cleanup(p.Close)
	return p
}

// credentials are settings that ask p with patience.
func (p *idp) credentials() SASLSettings {
	return SASLSettings{
		Mechanism:    "OAUTHBEARER",
		RetryBackoff: time.Millisecond, RetryBackoffMax: 2 * time.Second,
		RefreshWindowFactor: 0.8,
		OAuth: OAuthSettings{TokenEndpointURL: p.URL + "/token", ClientID: "me",
			ClientSecret: "s3cret", Scope: "kafka"},
	}
}

func TestClientCredentials(t *testing.T) {
	p := newIDP(t, idpAnswer{200, `{"access_token":"tok","expires_in":3600}`})
	l := mustLogin(t, p.credentials())
	_, first := mustStart(t, l)
	if token, _ := bearer(t, first); token != "tok" {
		t.Errorf("token %q", token)
	}
	r := p.last.Load()
	if id, secret, _ := r.BasicAuth(); id != "me" || secret != "s3cret" {
		t.Errorf("authorization %q %q", id, secret)
	}
	if r.Method != "POST" || r.URL.Path != "/token" ||
		r.Form.Encode() != "grant_type=client_credentials&scope=kafka" {
		t.Errorf("%s %s with %s", r.Method, r.URL, r.Form.Encode())
	}
	mustStart(t, l)
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times for a token that lives an hour", n)
	}
}

func TestClientCredentialsFromTheLoginModule(t *testing.T) {
	p := newIDP(t, idpAnswer{200, `{"id_token":"tok"}`})
	s := p.credentials()
	s.OAuth = OAuthSettings{TokenEndpointURL: p.URL, HeaderURLEncode: true}
	s.Options = map[string]string{
		"clientId": "me&you", "clientSecret": "s3 cret", "scope": "old", "extension_team": "red"}
	l := mustLogin(t, s)
	_, first := mustStart(t, l)
	if token, rest := bearer(t, first); token != "tok" || rest != "team=red\x01\x01" {
		t.Errorf("token %q, then %q", token, rest)
	}
	if id, secret, _ := p.last.Load().BasicAuth(); id != "me%26you" || secret != "s3+cret" {
		t.Errorf("authorization %q %q, want them URL-encoded", id, secret)
	}
	mustStart(t, l)
	if n := p.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want once for each use of a token of unknown age", n)
	}
}

func TestTokenEndpointAnswers(t *testing.T) {
	good := idpAnswer{200, `{"access_token":"tok"}`}
	tests := map[string]struct {
		answers []idpAnswer // and a good one behind them
		asked   int32
		want    string // part of the error; empty: there is a token
	}{
		"busy, then well":      {[]idpAnswer{{503, ""}, {429, "x"}}, 3, ""},
		"wrong credentials":    {[]idpAnswer{{401, `{"error":"invalid_client"}`}}, 1, "invalid_client"},
		"a wrong scope":        {[]idpAnswer{{400, `{"error":"invalid_scope"}`}}, 1, "bearer.scope"},
		"a wrong address":      {[]idpAnswer{{404, "<html>"}}, 1, "token.endpoint.url"},
		"a redirect":           {[]idpAnswer{{302, ""}}, 1, "302"},
		"not JSON":             {[]idpAnswer{{200, "<html>"}}, 1, "not JSON"},
		"no token":             {[]idpAnswer{{200, "{}"}}, 1, "no access_token"},
		"a token with a blank": {[]idpAnswer{{200, `{"access_token":"a b"}`}}, 1, "character at 1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newIDP(t, append(tt.answers, good)...)
			_, err := mustLogin(t, p.credentials()).Authenticator(t.Context())
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q in it", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error shows the secret: %v", err)
			}
			if n := p.asked.Load(); n != tt.asked {
				t.Errorf("asked %d times, want %d", n, tt.asked)
			}
		})
	}
}

func TestAskingEndsWithPatienceOrContext(t *testing.T) {
	p := newIDP(t, idpAnswer{503, ""})
	s := p.credentials()
	s.RetryBackoffMax = 20 * time.Millisecond
	if _, err := mustLogin(t, s).Authenticator(t.Context()); err == nil {
		t.Error("a token from a provider that is always busy")
	}
	s.RetryBackoff, s.RetryBackoffMax = time.Hour, time.Hour
	l := mustLogin(t, s)
	reason := errors.New("closing")
	ctx, cancel := context.WithCancelCause(t.Context())
	p.onAsk = func() { cancel(reason) } // while the next attempt is an hour away
	if _, err := l.Authenticator(ctx); !errors.Is(err, reason) {
		t.Errorf("error = %v, want the context's cause", err)
	}
}

func TestAssertionIsSigned(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey := mustKey(t)
	check := map[string]func(digest, signature []byte) bool{
		"RS256": func(d, s []byte) bool {
			return rsa.VerifyPKCS1v15(&rsaKey.PublicKey, crypto.SHA256, d, s) == nil
		},
		"ES256": func(d, s []byte) bool {
			return len(s) == 64 && ecdsa.Verify(&ecKey.PublicKey, d,
				new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:]))
		},
	}
	dir := t.TempDir()
	template := filepath.Join(dir, "template.json")
	text := `{"header":{"kid":"k1"},"payload":{"sub":"template","dept":"x"}}`
	if err := os.WriteFile(template, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for algorithm, key := range map[string]any{"RS256": rsaKey, "ES256": ecKey} {
		t.Run(algorithm, func(t *testing.T) {
			keyFile := filepath.Join(dir, algorithm+".pem")
			if err := os.WriteFile(keyFile, []byte(keyPEM(t, key)), 0o600); err != nil {
				t.Fatal(err)
			}
			p := newIDP(t, idpAnswer{200, `{"access_token":"tok"}`})
			s := p.credentials()
			s.OAuth.Retriever = "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever"
			s.OAuth.Assertion = AssertionSettings{
				PrivateKeyFile: keyFile, Algorithm: strings.ToLower(algorithm), TemplateFile: template,
				Audience: "idp", Subject: "me", IncludeID: true,
				Expires: 300 * time.Second, NotBefore: 60 * time.Second,
			}
			mustStart(t, mustLogin(t, s))
			r := p.last.Load()
			if g := r.Form.Get("grant_type"); g != "urn:ietf:params:oauth:grant-type:jwt-bearer" ||
				r.Header.Get("Authorization") != "" || r.Form.Get("scope") != "kafka" {
				t.Errorf("request %v with %v", r.Form, r.Header)
			}
			assertion := r.Form.Get("assertion")
			header, claims := payload(t, assertion, 0), payload(t, assertion, 1)
			if header["alg"] != algorithm || header["kid"] != "k1" {
				t.Errorf("header %v", header)
			}
			if claims["sub"] != "me" || claims["dept"] != "x" || claims["aud"] != "idp" ||
				claims["jti"] == nil || claims["exp"].(float64)-claims["nbf"].(float64) != 360 {
				t.Errorf("claims %v", claims)
			}
			signed, signature, _ := cutLast(assertion)
			b, err := base64.RawURLEncoding.DecodeString(signature)
			if err != nil {
				t.Fatal(err)
			}
			if d := sha256.Sum256([]byte(signed)); !check[algorithm](d[:], b) {
				t.Error("the signature is wrong")
			}
		})
	}
}

func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, '.')
	return text[:i], text[i+1:], i >= 0
}

func TestTheEndpointsCertificateIsCheckedByTheLoginModulesOptions(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"access_token":"tok"}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the client that leaves
	s.StartTLS()
	defer s.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := (&idp{Server: s}).credentials()
	settings.RetryBackoffMax = time.Millisecond
	if _, err := mustLogin(t, settings).Authenticator(t.Context()); err == nil {
		t.Error("a certificate of a stranger is taken")
	}
	settings.Options = map[string]string{
		"ssl.truststore.location": path, "ssl.truststore.type": "PEM"}
	mustStart(t, mustLogin(t, settings))
}

// countingSource gives tokens numbered from 1 that live for life, or fails.
type countingSource struct {
	life time.Duration
	n    int
	fail bool
}

func (s *countingSource) token(context.Context) (token, error) {
	if s.fail {
		return token{}, errors.New("the provider is down")
	}
	s.n++
	now := time.Now()
	return token{fmt.Sprint("token-", s.n), now, now.Add(s.life)}, nil
}

func TestTokensAreRenewedBeforeTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &countingSource{life: time.Hour}
		c := newTokenCache(source, &SASLSettings{RefreshWindowFactor: 0.8})
		want := func(token string) {
			t.Helper()
			if got, err := c.get(t.Context()); got != token || err != nil {
				t.Errorf("token %q, %v; want %q", got, err, token)
			}
		}
		want("token-1")
		time.Sleep(47 * time.Minute)
		want("token-1")
		time.Sleep(2 * time.Minute) // 0.8 of its life have passed
		want("token-2")
		source.fail = true
		time.Sleep(59 * time.Minute)
		want("token-2") // no new one to be had, and it is still good
		time.Sleep(2 * time.Minute)
		_, err := c.get(t.Context())
		if err == nil || !strings.Contains(err.Error(), "provider is down") {
			t.Errorf("error = %v, want why there is no token", err)
		}
		source.fail = false
		want("token-3")
	})
}

// The rules of KIP-255, with its defaults of 60 s and 300 s.
func TestRenewal(t *testing.T) {
	s := &SASLSettings{RefreshWindowFactor: 0.8, RefreshWindowJitter: 0.05,
		RefreshBuffer: 300 * time.Second, RefreshMinPeriod: 60 * time.Second}
	now := time.Unix(1_700_000_000, 0)
	tests := map[string]struct {
		issued, life time.Duration // issued: before now
		random       float64
		want         time.Duration // after now
	}{
		"at a part of its life":            {0, 10000 * time.Second, 0, 8000 * time.Second},
		"varied at random":                 {0, 10000 * time.Second, 1, 8500 * time.Second},
		"early enough before it expires":   {0, 1000 * time.Second, 0, 700 * time.Second},
		"early enough, some time after":    {830 * time.Second, 1200 * time.Second, 0, 70 * time.Second},
		"both give way to a short life":    {0, 100 * time.Second, 0, 80 * time.Second},
		"at once where no life is known":   {0, 0, 0, -1},
		"not too soon":                     {9000 * time.Second, 10000 * time.Second, 0, time.Minute},
		"a token that has expired already": {200 * time.Second, 100 * time.Second, 0, -120 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tok := token{issued: now.Add(-tt.issued)}
			if tt.life > 0 {
				tok.expires = tok.issued.Add(tt.life)
			}
			got := s.renewal(tok, now, tt.random)
			if tt.want == -1 && got.IsZero() {
				return
			}
			if d := got.Sub(now).Round(time.Second); d != tt.want {
				t.Errorf("renewed after %v, want %v", d, tt.want)
			}
		})
	}
}

func TestOneConnectionAsksWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTokenCache(&countingSource{life: time.Hour}, &SASLSettings{RefreshWindowFactor: 0.8})
		c.busy <- struct{}{} // someone is asking
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want the context's", err)
		}
		<-c.busy
		if _, err := c.get(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
