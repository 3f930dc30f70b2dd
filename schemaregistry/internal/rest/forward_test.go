package rest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/registry"
	"github.com/posthaste-go/posthaste/schemaregistry/internal/store"
)

// elsewhereLeads is a group that is led from a URL, and a topic without records.
type elsewhereLeads struct{ url string }

func (l elsewhereLeads) Leader(context.Context) (string, bool) { return l.url, false }

func (elsewhereLeads) Next() int64 { return 0 }

func (elsewhereLeads) Wait(context.Context, int64) error { return nil }

// What a leader does instead of answering is an error, in time, and whoever it
// names gets no password.
func TestALeaderThatDoesNotAnswer(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s is sent on, Authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	for _, tt := range []struct {
		name, want string
		leader     http.HandlerFunc
	}{
		{"one that is silent", "deadline exceeded", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Second):
			}
		}},
		{"one that redirects", "it redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leader := httptest.NewServer(tt.leader)
			defer leader.Close()
			group := elsewhereLeads{leader.URL}
			h := New(Config{Leader: group, Log: group, Timeout: 50 * time.Millisecond,
				Logger: slog.New(slog.DiscardHandler)})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/contexts/.c", nil)
			r.SetBasicAuth("ann", "secret")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body, err := io.ReadAll(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if w.Code != http.StatusInternalServerError || !strings.Contains(string(body), tt.want) {
				t.Errorf("answered with %d %s, want 500 and %q in it", w.Code, body, tt.want)
			}
		})
	}
}

// A leader that leaves closes connections that a request may be on its way over.
// The next leader is asked what may be asked twice; whether a deletion was done
// nobody can tell.
func TestALeaderThatLeaves(t *testing.T) {
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, "/subjects/s/versions", `{"schema":"\"int\""}`, http.StatusOK},
		{http.MethodPut, "/config", `{"compatibility":"FULL"}`, http.StatusOK},
		{http.MethodDelete, "/contexts/.c", "", http.StatusInternalServerError},
	} {
		t.Run(tt.method, func(t *testing.T) {
			var asked atomic.Int32
			leader := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					panic(http.ErrAbortHandler) // the connection ends without an answer
				}
				body, err := io.ReadAll(r.Body)
				if err != nil || string(body) != tt.body {
					t.Errorf("the next leader is sent %q, error %v; want %q", body, err, tt.body)
				}
			}))
			defer leader.Close()
			group := elsewhereLeads{leader.URL}
			logger := slog.New(slog.DiscardHandler)
			h := New(Config{Leader: group, Log: group, Timeout: 10 * time.Second, Logger: logger,
				Registry: registry.New(store.NewState(), nil, registry.Config{Logger: logger})})
			r := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path,
				strings.NewReader(tt.body))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%s is answered with %d %s, want %d", tt.method, w.Code, w.Body, tt.want)
			}
		})
	}
}
