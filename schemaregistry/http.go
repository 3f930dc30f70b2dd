package schemaregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/backoff"
)

const (
	contentType = "application/vnd.schemaregistry.v1+json"

	// maxAnswer bounds what is read of an answer, bytes. Confluent's registry
	// refuses schemas above 1 MB; lists of subjects may be longer.
	maxAnswer = 64 << 20
)

// request is one call of the REST API.
type request struct {
	what    string // in words, for errors
	subject string // likewise
	method  string
	path    string // escaped, with a slash in front
	query   url.Values
	body    any // nil for none
	out     any // where the answer goes
}

func dialer(timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext
}

// do asks each URL in turn until one gives an answer that counts, and repeats
// that Config.Retries times. Every call of the API may be repeated: what was done
// already is not done again.
//
// Source: RestService and RetryExecutor of Confluent's Java client.
func (c *Client) do(ctx context.Context, r request) error {
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })()
	fail := &Error{Operation: r.what, Subject: r.subject}
	if len(c.endpoints) == 0 {
		fail.URL = "(lock file " + c.cfg.LockFile + ")"
		fail.Err = errors.New("it is not pinned there, and no URL is configured")
		return fail
	}
	body, err := encode(r.body)
	if err != nil {
		return fmt.Errorf("%s: %w", r.what, err)
	}
	wait := backoff.Policy{
		Initial: c.cfg.RetryBackoff, Max: c.cfg.RetryBackoffMax, Jitter: backoff.Jitter,
	}
	for round := 0; ; round++ {
		first := int(c.preferred.Load())
		var after time.Duration
		for i := range c.endpoints {
			at := (first + i) % len(c.endpoints)
			asked, again, err := c.attempt(ctx, &c.endpoints[at], r, body, fail)
			if err == nil {
				c.preferred.Store(int32(at))
				return nil
			}
			after = max(after, asked)
			if !again {
				return err
			}
		}
		if round >= c.cfg.Retries {
			return fail
		}
		delay := wait.Delay(round)
		if after > 0 {
			delay = min(after, c.cfg.RetryBackoffMax)
		}
		if err := c.sleep(ctx, delay); err != nil {
			return err
		}
	}
}

func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(body)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// sleep waits for d, or for the end of ctx or of the client.
func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	t := c.cfg.clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done(): // the caller's, or ErrClosed
		return context.Cause(ctx)
	}
}

// attempt asks one URL once. again says that another attempt makes sense; after
// is how long the registry asked to wait. The error is fail, filled in, but for
// the end of ctx.
func (c *Client) attempt(
	ctx context.Context, e *endpoint, r request, body []byte, fail *Error,
) (after time.Duration, again bool, err error) {
	fail.Attempts++
	fail.URL, fail.Status, fail.Code, fail.Message, fail.Err = e.base, 0, 0, "", nil

	timed, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	req, err := c.request(timed, e, r, body)
	if err != nil {
		fail.Err = err
		return 0, false, fail
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, ctx.Err() == nil, c.unreached(ctx, err, fail)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, ctx.Err() == nil, c.unreached(ctx, err, fail)
	}
	if len(answer) > maxAnswer {
		fail.Err = fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
		return 0, false, fail
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		if err := decode(answer, r.out); err != nil {
			fail.Status = resp.StatusCode
			fail.Err = fmt.Errorf("the answer is not a schema registry's: %w", err)
			return 0, false, fail
		}
		return 0, false, nil
	}
	fail.Status = resp.StatusCode
	fail.Code, fail.Message = refusal(answer)
	return retryAfter(resp.Header), retriable(resp.StatusCode), fail
}

// unreached is the error of a request without an answer: the end of the
// caller's patience, or fail.
func (c *Client) unreached(ctx context.Context, err error, fail *Error) error {
	if ctx.Err() != nil { // the caller's, or ErrClosed
		fail.Err = context.Cause(ctx)
		return fail
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // its text repeats the URL
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v: %w", c.cfg.RequestTimeout, err)
	}
	fail.Err = err
	return fail
}

func (c *Client) request(
	ctx context.Context, e *endpoint, r request, body []byte,
) (*http.Request, error) {
	address := e.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, reader)
	if err != nil {
		return nil, err
	}
	for name, values := range c.cfg.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", contentType+", application/vnd.schemaregistry+json, application/json")
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	return req, c.authenticate(ctx, req, e)
}

func (c *Client) authenticate(ctx context.Context, req *http.Request, e *endpoint) error {
	switch {
	case c.cfg.Token != nil:
		token, err := c.cfg.Token(ctx)
		if err != nil {
			return fmt.Errorf("get a bearer token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	case c.cfg.BearerToken != "":
		req.Header.Set("Authorization", "Bearer "+c.cfg.BearerToken)
	case c.cfg.Username != "":
		req.SetBasicAuth(c.cfg.Username, c.cfg.Password)
	case e.user != "":
		req.SetBasicAuth(e.user, e.password)
	}
	return nil
}

// decode reads an answer. A *string takes it as it is.
func decode(answer []byte, out any) error {
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(answer)
		return nil
	}
	return json.Unmarshal(answer, out)
}

// refusal is the code and the words of an error answer.
func refusal(answer []byte) (code int, message string) {
	var told struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(answer, &told) == nil && (told.Code != 0 || told.Message != "") {
		return told.Code, told.Message
	}
	const most = 200 // of a proxy's page
	text := strings.Join(strings.Fields(string(answer[:min(len(answer), 4*most)])), " ")
	if len(text) > most {
		text = text[:most] + "…"
	}
	return 0, strings.ToValidUTF8(text, "�")
}

// retryAfter is how long a registry asks to wait, in seconds on the wire.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || n < 0 {
		return 0 // none, or a date: the own backoff serves
	}
	return time.Duration(min(n, 3600)) * time.Second
}

// unavailable reports whether err says that the registry gave no answer that
// counts.
func unavailable(err error) bool { return errors.Is(err, ErrUnavailable) }
