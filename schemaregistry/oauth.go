package schemaregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
)

// clientCredentials gets bearer tokens from an OAuth 2 server (RFC 6749, section
// 4.4) and keeps each until shortly before it expires.
type clientCredentials struct {
	endpoint, id, secret, scope string
	buffer                      time.Duration // before the expiry

	mu    sync.Mutex // held while one caller asks; the others want its answer
	value string
	until time.Time
}

const oauthTimeout = 30 * time.Second

func (g *clientCredentials) token(ctx context.Context) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.value != "" && clock.Now().Before(g.until) {
		return g.value, nil
	}
	ctx, cancel := context.WithTimeout(ctx, oauthTimeout)
	defer cancel()
	form := url.Values{"grant_type": {"client_credentials"}}
	if g.scope != "" {
		form.Set("scope", g.scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.endpoint,
		strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("%w: bearer.auth.issuer.endpoint.url: %w", ErrConfig, err)
	}
	req.SetBasicAuth(url.QueryEscape(g.id), url.QueryEscape(g.secret))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var told struct {
		Token   string  `json:"access_token"`
		Expires float64 `json:"expires_in"`
		Error   string  `json:"error"`
	}
	if err := json.Unmarshal(body, &told); err != nil || told.Token == "" {
		return "", fmt.Errorf("%s answers HTTP status %d %s; "+
			"check bearer.auth.client.id, bearer.auth.client.secret and bearer.auth.scope",
			g.endpoint, resp.StatusCode, told.Error)
	}
	life := time.Duration(told.Expires * float64(time.Second))
	if life <= 0 {
		life = 5 * time.Minute
	}
	if life > 2*g.buffer {
		life -= g.buffer
	} else {
		life /= 2
	}
	g.value, g.until = told.Token, clock.Now().Add(life)
	return g.value, nil
}
