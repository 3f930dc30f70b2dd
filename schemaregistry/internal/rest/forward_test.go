package rest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
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
