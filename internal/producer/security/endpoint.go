package security

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
)

const (
	// No wait is unbounded, although Kafka's timeouts are if they are not set.
	defaultConnectTimeout = 10 * time.Second
	defaultReadTimeout    = 30 * time.Second

	maxTokenResponse = 1 << 20 // bytes
)

// endpoint gets tokens from an identity provider's token endpoint over HTTP: by
// client credentials (RFC 6749, 4.4; KIP-768) or by an assertion (RFC 7523;
// KIP-1139). Source: HttpJwtRetriever.
type endpoint struct {
	url           string
	shown         string // url for messages, without what may be secret
	client        *http.Client
	authorization string // of client credentials; empty for assertions
	// form makes the request's parameters, anew for each attempt: assertions age.
	form func() (url.Values, error)

	backoff, backoffMax time.Duration
}

func newEndpoint(s *SASLSettings) (*endpoint, error) {
	const key = "sasl.oauthbearer.token.endpoint.url"
	address := s.OAuth.TokenEndpointURL
	if address == "" {
		return nil, refuse(key, "", "OAUTHBEARER needs a place to get tokens from",
			"set it to the identity provider's token endpoint, or to a file: with a token")
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, refuse(key, address, "not the address of a token endpoint",
			"write it as https://host/path")
	}
	client, err := s.httpClient()
	if err != nil {
		return nil, err
	}
	u.RawQuery = strings.Repeat("…", min(len(u.RawQuery), 1))
	return &endpoint{
		url: address, shown: u.Redacted(), client: client,
		backoff: s.RetryBackoff, backoffMax: s.RetryBackoffMax,
	}, nil
}

// httpClient keeps no connection, and so no goroutine, after an answer. TLS is as
// the login module's options ssl.* say, which have the names of the producer's.
func (s *SASLSettings) httpClient() (*http.Client, error) {
	connect, read := s.ConnectTimeout, s.ReadTimeout
	if connect <= 0 {
		connect = defaultConnectTimeout
	}
	if read <= 0 {
		read = defaultReadTimeout
	}
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: connect}).DialContext,
		DisableKeepAlives: true,
	}
	if t, ok := tlsOptions(s.Options); ok {
		cfg, err := t.config()
		if err != nil {
			return nil, refuse("sasl.jaas.config", "", err.Error(),
				"the options ssl.* are for the identity provider")
		}
		transport.TLSClientConfig = cfg
	}
	return &http.Client{
		Transport: transport,
		Timeout:   connect + read,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // credentials go where they were meant to
		},
	}, nil
}

// newClientCredentials gets tokens for a client id and its secret.
// Source: ClientCredentialsJwtRetriever.
func newClientCredentials(s *SASLSettings) (tokenSource, error) {
	e, err := newEndpoint(s)
	if err != nil {
		return nil, err
	}
	id, secret := s.OAuth.ClientID, s.OAuth.ClientSecret
	if id == "" {
		id, secret = s.Options["clientId"], s.Options["clientSecret"]
	}
	if id == "" || secret == "" {
		return nil, refuse("sasl.oauthbearer.client.credentials.client.id", id,
			"a token endpoint needs a client id and a client secret",
			"set sasl.oauthbearer.client.credentials.client.id and …client.secret")
	}
	if s.OAuth.HeaderURLEncode {
		id, secret = url.QueryEscape(id), url.QueryEscape(secret)
	}
	e.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	scope := s.scope()
	e.form = func() (url.Values, error) {
		v := url.Values{"grant_type": {"client_credentials"}}
		if scope != "" {
			v.Set("scope", scope)
		}
		return v, nil
	}
	return e, nil
}

func (s *SASLSettings) scope() string {
	if s.OAuth.Scope != "" {
		return s.OAuth.Scope
	}
	return s.Options["scope"]
}

// token asks until it is given one, the answer is one that will not change, or
// sasl.login.retry.backoff.max.ms have passed. Source: Retry.
func (e *endpoint) token(ctx context.Context) (token, error) {
	end := clock.Now().Add(e.backoffMax)
	for wait := e.backoff; ; wait *= 2 {
		t, err := e.ask(ctx)
		var lasting *lastingError
		if err == nil || errors.As(err, &lasting) {
			return t, err
		}
		left := end.Sub(clock.Now())
		if left <= 0 || wait <= 0 {
			return token{}, err
		}
		timer := clock.System{}.NewTimer(min(wait, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return token{}, fmt.Errorf("%w; before that: %w", context.Cause(ctx), err)
		}
	}
}

// lastingError is an answer that asking again will not change.
type lastingError struct{ err error }

func (e *lastingError) Error() string { return e.err.Error() }
func (e *lastingError) Unwrap() error { return e.err }

func (e *endpoint) ask(ctx context.Context) (token, error) {
	form, err := e.form()
	if err != nil {
		return token{}, &lastingError{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url,
		strings.NewReader(form.Encode()))
	if err != nil {
		return token{}, &lastingError{err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Cache-Control", "no-cache")
	if e.authorization != "" {
		req.Header.Set("Authorization", e.authorization)
	}
	asked := clock.Now()
	resp, err := e.client.Do(req)
	if err != nil {
		return token{}, fmt.Errorf("ask %s: %w", e.shown, withoutURL(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenResponse))
	if err != nil {
		return token{}, fmt.Errorf("read the answer of %s: %w", e.shown, err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return token{}, e.refused(resp, body)
	}
	t, err := parseTokenResponse(body, asked)
	if err != nil {
		return token{}, &lastingError{fmt.Errorf("answer of %s: %w", e.shown, err)}
	}
	return t, nil
}

// withoutURL drops what http.Client says about the request, whose URL may hold a
// secret.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refused tells answers that may change from those that will not.
func (e *endpoint) refused(resp *http.Response, body []byte) error {
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	text := resp.Status
	if json.Unmarshal(body, &answer) == nil && answer.Error != "" {
		text += ": " + printable([]byte(answer.Error+" "+answer.Description))
	}
	err := fmt.Errorf("%s answers %s", e.shown, text)
	switch code := resp.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code == http.StatusTooManyRequests,
		code >= 500 && code != http.StatusNotImplemented &&
			code != http.StatusHTTPVersionNotSupported:
		return err
	case code == http.StatusUnauthorized || code == http.StatusBadRequest:
		return &lastingError{fmt.Errorf(
			"%w; check sasl.oauthbearer.client.credentials.* and sasl.oauthbearer.scope", err)}
	default:
		return &lastingError{fmt.Errorf("%w; check sasl.oauthbearer.token.endpoint.url", err)}
	}
}

// parseTokenResponse reads access_token or, if there is none, id_token; a life
// that a JWT does not tell is taken from expires_in. Source: JwtResponseParser.
func parseTokenResponse(body []byte, asked time.Time) (token, error) {
	var answer struct {
		AccessToken string  `json:"access_token"`
		IDToken     string  `json:"id_token"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return token{}, fmt.Errorf("not JSON: %w", err)
	}
	t := token{value: answer.AccessToken}
	if t.value == "" {
		t.value = answer.IDToken
	}
	if t.value == "" {
		return token{}, errors.New("no access_token in it")
	}
	t.issued, t.expires = claimedTimes(t.value)
	if t.issued.IsZero() {
		t.issued = asked
	}
	if t.expires.IsZero() && answer.ExpiresIn > 0 {
		t.expires = asked.Add(time.Duration(min(answer.ExpiresIn, 1<<31) * float64(time.Second)))
	}
	return t, nil
}
