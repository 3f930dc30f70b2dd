package schemaregistry

import (
	"errors"
	"net/http"
	"testing"

	"github.com/posthaste-go/posthaste/internal/memory"
)

// What a registry answers comes from the network. Reading it must not panic,
// must fail with an *Error, and must not allocate out of proportion.
func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`{"id": 1, "version": 2, "schema": "\"int\"", "references": [{"name": "a"}]}`))
	f.Add(200, []byte(`[1, 2, "x"]`))
	f.Add(200, []byte(`{"id": 1e99, "metadata": {"tags": {"a": ["b"]}}, "ruleSet": {}}`))
	f.Add(409, []byte(`{"error_code": 409, "message": "incompatible"}`))
	f.Add(404, []byte(`<html>not a registry</html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			status = 200
		}
		c := mustClient(t, Config{
			URLs: []string{"http://x"}, Retries: -1,
			HTTPClient: &http.Client{Transport: roundTripper(
				func(*http.Request) (*http.Response, error) { return answer(status, string(body)), nil })},
		})
		ctx := t.Context()
		calls := []func() error{
			func() error { _, err := c.SchemaByID(ctx, 1); return err },
			func() error { _, err := c.SchemaByGUID(ctx, "g"); return err },
			func() error { _, err := c.Latest(ctx, "s"); return err },
			func() error { _, err := c.Version(ctx, "s", 1); return err },
			func() error { _, err := c.Subjects(ctx, ListOptions{}); return err },
			func() error { _, err := c.Versions(ctx, "s", ListOptions{}); return err },
			func() error { _, err := c.Schemas(ctx, ListOptions{}); return err },
			func() error { _, err := c.SubjectVersionsOf(ctx, 1, ListOptions{}); return err },
			func() error { _, err := c.Register(ctx, "s", Schema{Text: `"int"`}, RegisterOptions{}); return err },
			func() error { _, err := c.CheckCompatibility(ctx, "s", "", Schema{}); return err },
			func() error { _, err := c.CompatibilityLevel(ctx, "s"); return err },
		}
		for i, call := range calls {
			var err error
			memory.Check(t, len(body), func() { err = call() })
			if _, ok := errors.AsType[*Error](err); err != nil && !ok {
				t.Fatalf("call %d: %v is no *Error", i, err)
			}
		}
	})
}

// A lock file is edited by people and merged by tools.
func FuzzParseLock(f *testing.F) {
	f.Add([]byte(`{"format": 1, "schemas": [{"subject": "s", "version": 1, "id": 1, "schema": "\"int\""}]}`))
	f.Add([]byte(`{"format": 2}`))
	f.Add([]byte(`{"format": 1, "schemas": [{"subject": "s"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLock(b)
		if (l == nil) == (err == nil) {
			t.Fatalf("ParseLock = %v, %v", l, err)
		}
	})
}
