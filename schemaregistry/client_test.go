package schemaregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stub is a registry that answers by path: "GET /subjects" → body. A function
// may answer instead.
type stub struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // as "GET /path?query body"
	answers  map[string]any
}

func newStub(t *testing.T, answers map[string]any) *stub {
	t.Helper()
	s := &stub{answers: answers}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body json.RawMessage
	_ = json.NewDecoder(r.Body).Decode(&body) // none is fine
	line := r.Method + " " + r.URL.RequestURI()
	s.mu.Lock()
	s.requests = append(s.requests, strings.TrimSpace(line+" "+string(body)))
	answer, ok := s.answers[line]
	s.mu.Unlock()
	switch answer := answer.(type) {
	case http.HandlerFunc:
		answer(w, r)
	case string:
		fmt.Fprint(w, answer)
	default:
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error_code": 40401, "message": "Subject not found."}`)
		}
	}
}

func (s *stub) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func mustClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const userSchema = `{"type": "record", "name": "User", "fields": []}`

func TestRegisterAsksOnceAndAnswersIDsFromThenOn(t *testing.T) {
	s := newStub(t, map[string]any{
		"POST /subjects/users-value/versions": `{"id": 7, "version": 2, "guid": "g-7"}`,
	})
	c := mustClient(t, Config{URLs: []string{s.URL}})
	for range 3 {
		r, err := c.Register(t.Context(), "users-value", Schema{Text: userSchema}, RegisterOptions{})
		if err != nil || r.ID != 7 || r.Version != 2 || r.GUID != "g-7" || r.Type != Avro {
			t.Fatalf("Register = %+v, %v", r, err)
		}
	}
	for _, get := range []func() (Schema, error){
		func() (Schema, error) { return c.SchemaByID(t.Context(), 7) },
		func() (Schema, error) { return c.SchemaByGUID(t.Context(), "g-7") },
	} {
		if got, err := get(); err != nil || got.Text != userSchema {
			t.Errorf("schema of the id: %+v, %v", got, err)
		}
	}
	seen := s.seen()
	if len(seen) != 1 {
		t.Fatalf("%d requests, want 1: %q", len(seen), seen)
	}
	// Registries before Confluent Platform 5.5 refuse schemaType.
	if strings.Contains(seen[0], "schemaType") {
		t.Errorf("request %s names a type for Avro", seen[0])
	}
}

func TestOneRequestHoweverManyGoroutinesAsk(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	s := newStub(t, map[string]any{
		"GET /schemas/ids/5": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			<-release
			fmt.Fprint(w, `{"schema": "\"string\""}`)
		}),
	})
	c := mustClient(t, Config{URLs: []string{s.URL}})
	impatient, giveUp := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 50 {
		ctx := t.Context()
		if i == 0 {
			ctx = impatient
		}
		wg.Go(func() {
			got, err := c.SchemaByID(ctx, 5)
			if i == 0 && errors.Is(err, context.Canceled) {
				return // gave up; the others get their answer all the same
			}
			if err != nil || got.Text != `"string"` {
				t.Errorf("SchemaByID = %+v, %v", got, err)
			}
		})
	}
	giveUp()
	close(release)
	wg.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// The roundTripper stands for the network: synctest has no sockets.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	rec := httptest.NewRecorder()
	rec.WriteHeader(status)
	rec.Body.WriteString(body)
	return rec.Result()
}

func TestFailuresGoToTheNextURLThenWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hosts []string
		var at []time.Duration
		start := time.Now()
		c := mustClient(t, Config{
			URLs:         []string{"http://one", "http://two"},
			RetryBackoff: time.Second, RetryBackoffMax: 4 * time.Second,
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				hosts = append(hosts, r.URL.Host)
				at = append(at, time.Since(start).Round(time.Second))
				if len(hosts) < 4 {
					return answer(503, `{"error_code": 50302, "message": "no leader"}`), nil
				}
				return answer(200, `["a"]`), nil
			})},
		})
		for range 2 {
			if got, err := c.Subjects(t.Context(), ListOptions{}); err != nil || len(got) != 1 {
				t.Fatalf("Subjects = %v, %v", got, err)
			}
		}
		// The URL that answered comes first the next time.
		if got, want := fmt.Sprint(hosts, at), "[one two one two two] [0s 0s 1s 1s 1s]"; got != want {
			t.Errorf("requests %s, want %s", got, want)
		}
	})
}

func TestARefusalIsNotRetriedAndSaysWhatToDo(t *testing.T) {
	s := newStub(t, nil)
	c := mustClient(t, Config{URLs: []string{strings.Replace(s.URL, "://", "://me:secret@", 1)}})
	_, err := c.Latest(t.Context(), "orders-value")
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != 40401 || !errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnavailable) {
		t.Fatalf("Latest: %v", err)
	}
	for _, want := range []string{s.URL, `"orders-value"`, "Subject not found", "auto.register"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%q shows a password", err)
	}
	if n := len(s.seen()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestLockFileAnswersWithoutARegistry(t *testing.T) {
	s := newStub(t, map[string]any{
		"GET /subjects": `["order-value"]`,
		"GET /subjects/order-value/versions/latest": `{"subject": "order-value", "version": 3, "id": 9,
			"guid": "g-9", "schema": "{\"type\": \"record\"}",
			"references": [{"name": "Item", "subject": "item", "version": 1}]}`,
		"GET /subjects/item/versions/1": `{"subject": "item", "version": 1, "id": 4, "schema": "\"int\""}`,
	})
	online := mustClient(t, Config{URLs: []string{s.URL}})
	lock, err := online.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "schemas.lock")
	if err := lock.Write(path); err != nil {
		t.Fatal(err)
	}
	c := mustClient(t, Config{LockFile: path})
	order := Schema{
		Text:       `{"type":"record"}`, // other white space
		References: []Reference{{Name: "Item", Subject: "item", Version: 1}},
	}
	r, err := c.Register(t.Context(), "order-value", order, RegisterOptions{})
	if err != nil || r.ID != 9 {
		t.Errorf("Register = %+v, %v", r, err)
	}
	if r, err := c.CachedLatest(t.Context(), "order-value"); err != nil || r.Version != 3 {
		t.Errorf("CachedLatest = %+v, %v", r, err)
	}
	if r, err := c.Version(t.Context(), "item", 1); err != nil || r.ID != 4 {
		t.Errorf("Version = %+v, %v", r, err)
	}
	if got, err := c.SchemaByGUID(t.Context(), "g-9"); err != nil || got.Text != `{"type": "record"}` {
		t.Errorf("SchemaByGUID = %+v, %v", got, err)
	}
	_, err = c.Latest(t.Context(), "other")
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "posthaste schema lock") {
		t.Errorf("what is not pinned: %v", err)
	}
}
