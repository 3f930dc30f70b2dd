package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/registry"
)

// Headers between registries. X-Forward is Confluent's: a request that has it is
// not forwarded again.
const (
	forwardHeader = "X-Forward"
	offsetHeader  = "X-Schema-Registry-Offset" // of the topic, that the answer knows of
)

// forwardedAnswer is the leader's answer to a request that was passed on. It is
// an error only in that it ends the work here.
type forwardedAnswer struct {
	status int
	header http.Header
	body   []byte
}

func (f *forwardedAnswer) Error() string { return "answered by the leader" }

func (f *forwardedAnswer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", f.header.Get("Content-Type"))
	w.WriteHeader(f.status)
	_, _ = w.Write(f.body)
}

// elsewhere passes a write on if another registry leads. It returns nothing when
// the write is ours to do.
func (h *Handler) elsewhere(c *call, route *route) (any, error) {
	ctx, cancel := context.WithTimeout(c.Context(), h.Timeout)
	defer cancel()
	leader, self := h.Leader.Leader(ctx)
	if self {
		return nil, nil
	}
	if route.method == http.MethodPost {
		// A schema that is registered already is known here as well.
		s, err := c.schema()
		if err != nil {
			return nil, err
		}
		if found, err := h.reg.Registered(s, c.flag("normalize")); err == nil && found != nil {
			return h.registered(c, found)
		}
	}
	if c.Header.Get(forwardHeader) != "" {
		return nil, registry.UnknownLeader()
	}
	for {
		if leader == "" {
			return nil, registry.UnknownLeader()
		}
		answer, err := h.forward(c, leader)
		again := err != nil && (unsent(err) || route.method != http.MethodDelete && lost(err)) ||
			err == nil && answer.refused()
		if again && pause(ctx, retryAfter) {
			// The leader has gone, and the group will name another. Nothing was written,
			// or what is the same when it is written twice.
			if leader, self = h.Leader.Leader(ctx); self {
				return nil, nil
			}
			continue
		}
		if err != nil {
			return nil, registry.ForwardingFailed(err)
		}
		return nil, answer
	}
}

// retryAfter is how long a write waits for the group to notice that its leader
// is gone.
const retryAfter = 100 * time.Millisecond

// pause waits, and reports whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// unsent reports whether a request did not reach anybody.
func unsent(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// lost reports whether a connection ended before its answer: the leader closed it
// as the request came, or broke down over it.
func lost(err error) bool {
	var broken *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &broken) && !broken.Timeout()
}

// refused reports whether the registry that was asked does not lead.
func (f *forwardedAnswer) refused() bool {
	var body errorBody
	return f.status >= http.StatusInternalServerError && json.Unmarshal(f.body, &body) == nil &&
		body.Code == registry.CodeUnknownLeader
}

// forward has the leader do what is asked, and waits until its write is here. That
// takes no longer than the leader's wait for its own lease, its write, and our
// reading of it.
func (h *Handler) forward(c *call, leader string) (*forwardedAnswer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), 3*h.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, c.Method, leader+c.URL.RequestURI(),
		bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	if h.LeaderHTTPS && request.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s serves no HTTPS, and passwords are not sent without: "+
			"give it a certificate, as this registry has", leader)
	}
	request.Header = c.Header.Clone()
	request.Header.Set(forwardHeader, "true")
	response, err := h.Client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 2*maxBody))
	if err != nil {
		return nil, err
	}
	// Who wrote here reads here what was written.
	if next, err := strconv.ParseInt(response.Header.Get(offsetHeader), 10, 64); err == nil {
		if err := h.Log.Wait(ctx, next); err != nil {
			return nil, fmt.Errorf("the leader has answered, but its write did not arrive: %w", err)
		}
	}
	return &forwardedAnswer{response.StatusCode, response.Header, body}, nil
}
