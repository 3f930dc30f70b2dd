// Package rest is the REST API of Confluent's schema registry over a
// registry.Registry: the same paths, parameters, JSON and error codes.
//
//	request ─▶ context in the path, alias ─▶ route ─▶ handler ─▶ registry
//	                                           └─ a write, and another one leads ─▶ leader
package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/registry"
)

// Leader says who may write.
type Leader interface {
	// Leader is the URL of the registry that writes and whether it is this one. It
	// waits for one until ctx ends, and then returns none.
	Leader(ctx context.Context) (address string, self bool)
}

// Log is the topic that the registry reads.
type Log interface {
	Next() int64
	Wait(ctx context.Context, next int64) error
}

// Config is what the API answers from.
type Config struct {
	Registry *registry.Registry
	Leader   Leader
	Log      Log
	Logger   *slog.Logger
	// Cluster and Group are told to those who ask for the registry's identity.
	Cluster, Group, Version, Commit string
	Timeout                         time.Duration // to wait for a leader
	// Client carries requests to the leader; nil means http.DefaultClient.
	Client *http.Client
	// LeaderHTTPS refuses to send requests, which have passwords, to a leader that
	// serves plain HTTP: whoever is in the group says where it leads.
	LeaderHTTPS bool
}

// Handler is the API. It is safe for concurrent use.
type Handler struct {
	Config
	reg *registry.Registry
}

// New makes the API.
func New(c Config) *Handler {
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	client := *c.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return errors.New("it redirects, and registries do not")
	}
	c.Client = &client
	return &Handler{Config: c, reg: c.Registry}
}

// maxBody is the largest request; a record of the topic is smaller still.
const maxBody = 4 << 20

// call is one request on its way.
type call struct {
	*http.Request
	vars  map[string]string // of the path
	query url.Values
	body  []byte
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	contentType, ok := accepted(r.Header.Values("Accept"))
	if !ok {
		writeError(w, types[0], httpError(http.StatusNotAcceptable))
		return
	}
	result, err := h.serve(w, r)
	var forwarded *forwardedAnswer
	switch {
	case errors.As(err, &forwarded):
		forwarded.write(w)
	case err != nil:
		h.log(r, err)
		writeError(w, contentType, err)
	default:
		w.Header().Set("Content-Type", contentType)
		w.Header().Set(offsetHeader, strconv.FormatInt(h.Log.Next(), 10))
		writeResult(w, result)
	}
}

func (h *Handler) log(r *http.Request, err error) {
	var answer *registry.Error
	if !errors.As(err, &answer) || answer.Status >= http.StatusInternalServerError {
		h.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
}

// raw is an answer that is written as it is, without quotes.
type raw string

func writeResult(w http.ResponseWriter, result any) {
	switch v := result.(type) {
	case noContent:
		w.WriteHeader(http.StatusNoContent)
		return
	case raw:
		_, _ = io.WriteString(w, string(v)) // a client that is gone is no error of ours
		return
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(result)
}

type noContent struct{}

// errorBody is the JSON of an error.
type errorBody struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func writeError(w http.ResponseWriter, contentType string, err error) {
	var answer *registry.Error
	if !errors.As(err, &answer) {
		answer = &registry.Error{Status: http.StatusInternalServerError,
			Code: http.StatusInternalServerError, Message: err.Error()}
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(answer.Status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(errorBody{answer.Code, answer.Message})
}

// httpError is an error that has no code of its own.
func httpError(status int) *registry.Error {
	return &registry.Error{Status: status, Code: status,
		Message: "HTTP " + strconv.Itoa(status) + " " + http.StatusText(status)}
}

func badRequest(err error) *registry.Error {
	return &registry.Error{Status: http.StatusBadRequest, Code: http.StatusBadRequest,
		Message: "the request's body cannot be read: " + err.Error()}
}

// types of content, the preferred one first.
var types = []string{"application/vnd.schemaregistry.v1+json",
	"application/vnd.schemaregistry+json", "application/json"}

// accepted picks the type to answer with.
func accepted(headers []string) (string, bool) {
	if len(headers) == 0 {
		return types[0], true
	}
	asked := strings.ToLower(strings.Join(headers, ","))
	for _, t := range types {
		if strings.Contains(asked, t) {
			return t, true
		}
	}
	if strings.Contains(asked, "*/*") || strings.Contains(asked, "application/*") ||
		strings.TrimSpace(asked) == "" {
		return types[0], true
	}
	return "", false
}

// readable reports whether a body of that type can be read.
func readable(contentType string) bool {
	t, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	t = strings.TrimSpace(t)
	return t == "" || t == "application/octet-stream" || slices.Contains(types, t)
}

// serve finds the route and runs it.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	path, query, err := h.rewrite(r)
	if err != nil {
		return nil, err
	}
	route, vars, err := match(r.Method, path)
	if err != nil {
		return nil, err
	}
	c := &call{Request: r, vars: vars, query: query}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		if !readable(r.Header.Get("Content-Type")) {
			return nil, httpError(http.StatusUnsupportedMediaType)
		}
		if c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				return nil, httpError(http.StatusRequestEntityTooLarge)
			}
			return nil, badRequest(err)
		}
	}
	if route.write {
		if done, err := h.elsewhere(c, route); done != nil || err != nil {
			return done, err
		}
	}
	return route.handle(h, c)
}

// decode reads the body as JSON. Members that are not known are passed over, as
// newer clients send more.
func (c *call) decode(into any) error {
	if len(c.body) == 0 {
		return &registry.Error{Status: http.StatusUnprocessableEntity,
			Code: http.StatusUnprocessableEntity, Message: "the request has no body"}
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return badRequest(err)
	}
	return nil
}

// flag is a query parameter that is true or not.
func (c *call) flag(name string) bool { return strings.EqualFold(c.query.Get(name), "true") }

// number is a query parameter that is a number.
func (c *call) number(name string, otherwise int) (int, error) {
	text := c.query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, httpError(http.StatusNotFound) // as the Java registry does
	}
	return int(n), nil
}

// page cuts what offset and limit ask for out of a list.
func page[T any](c *call, list []T, most int) ([]T, error) {
	offset, err := c.number("offset", 0)
	if err != nil {
		return nil, err
	}
	limit, err := c.number("limit", -1)
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > most {
		limit = most
	}
	offset = min(max(offset, 0), len(list))
	list = list[offset:]
	if len(list) > limit {
		list = list[:limit]
	}
	if list == nil {
		list = []T{}
	}
	return list, nil
}
