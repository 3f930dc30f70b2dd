package schemaregistry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIsMissingIsNotAskedForAgainForAWhile(t *testing.T) {
	asked := 0
	c := mustClient(t, Config{
		URLs: []string{"http://x"}, MissingTTL: time.Minute,
		HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			asked++
			return answer(404, `{"error_code": 40403, "message": "Schema not found"}`), nil
		})},
	})
	clock := &manualClock{now: time.Unix(0, 0)}
	c.cfg.clock = clock
	for range 3 {
		if _, err := c.SchemaByID(t.Context(), 5); !errors.Is(err, ErrNotFound) {
			t.Fatalf("SchemaByID: %v", err)
		}
	}
	if asked != 1 {
		t.Errorf("%d requests, want 1", asked)
	}
	clock.now = clock.now.Add(time.Minute)
	if _, err := c.SchemaByID(t.Context(), 5); !errors.Is(err, ErrNotFound) || asked != 2 {
		t.Errorf("after a minute: %v, %d requests", err, asked)
	}
}

func TestOldSchemasMakeRoomForNewOnes(t *testing.T) {
	asked := map[string]int{}
	c := mustClient(t, Config{
		URLs: []string{"http://x"}, CacheSize: 2,
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked[r.URL.Path]++
			return answer(200, `{"schema": "\"int\""}`), nil
		})},
	})
	for _, id := range []int{1, 2, 1, 3, 3, 2, 1} { // 3 drives out 1
		if _, err := c.SchemaByID(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	want := "map[/schemas/ids/1:2 /schemas/ids/2:1 /schemas/ids/3:1]"
	if got := fmt.Sprint(asked); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

// A registry that never answers holds nobody longer than he wants to wait, and
// its request ends when the last has given up.
func TestWaitingEndsWithTheContextOrTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := 0
		c := mustClient(t, Config{
			URLs: []string{"http://x"},
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				ended++
				return nil, r.Context().Err()
			})},
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.SchemaByID(ctx, 1)
		synctest.Wait()
		if !errors.Is(err, context.DeadlineExceeded) || ended != 1 {
			t.Errorf("SchemaByID: %v, %d requests ended", err, ended)
		}
		go func() {
			time.Sleep(time.Second)
			c.Close()
		}()
		if _, err := c.Subjects(t.Context(), ListOptions{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Subjects of a client that is closed meanwhile: %v", err)
		}
		if _, err := c.SchemaByID(t.Context(), 1); !errors.Is(err, ErrClosed) {
			t.Errorf("SchemaByID of a closed client: %v", err)
		}
	})
}

func TestARegistryMaySayHowLongToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := mustClient(t, Config{
			URLs: []string{"http://x"},
			HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				if asked++; asked > 1 {
					return answer(200, `[]`), nil
				}
				busy := answer(429, ``)
				busy.Header.Set("Retry-After", "7")
				return busy, nil
			})},
		})
		start := time.Now()
		_, err := c.Subjects(t.Context(), ListOptions{})
		if waited := time.Since(start); err != nil || waited != 7*time.Second {
			t.Errorf("Subjects: %v after %v, want 7s", err, waited)
		}
	})
}

func TestSubjectsOfAContextHaveIDsOfTheirOwn(t *testing.T) {
	s := newStub(t, map[string]any{
		"GET /schemas/ids/1":                             `{"schema": "\"int\""}`,
		"GET /schemas/ids/1?subject=order":               `{"schema": "\"int\""}`,
		"GET /schemas/ids/1?subject=%3A.staging%3Aorder": `{"schema": "\"long\""}`,
	})
	c := mustClient(t, Config{URLs: []string{s.URL}})
	for subject, want := range map[string]string{"": `"int"`, "order": `"int"`, ":.staging:order": `"long"`} {
		if r, err := c.ByID(t.Context(), subject, 1); err != nil || r.Text != want {
			t.Errorf("id 1 for subject %q: %s, %v; want %s", subject, r.Text, err, want)
		}
	}
}

func TestReferencesAreGivenOnceAndFirstWhatOthersNeed(t *testing.T) {
	refs := func(names ...string) string {
		var all []string
		for _, n := range names {
			all = append(all, fmt.Sprintf(`{"name": %q, "subject": %q, "version": 1}`, n, n))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	version := func(name string, uses ...string) string {
		return fmt.Sprintf(`{"subject": %q, "version": 1, "id": 1, "schema": %q, "references": %s}`,
			name, name, refs(uses...))
	}
	s := newStub(t, map[string]any{
		"GET /subjects/a/versions/1":    version("a", "c"),
		"GET /subjects/b/versions/1":    version("b", "c", "a"),
		"GET /subjects/c/versions/1":    version("c"),
		"GET /subjects/self/versions/1": version("self", "self"),
	})
	c := mustClient(t, Config{URLs: []string{s.URL}})
	all, err := c.References(t.Context(), Schema{References: []Reference{
		{"b", "b", 1}, {"a", "a", 1}}})
	var order []string
	for _, r := range all {
		order = append(order, r.Schema.Text)
	}
	if got := strings.Join(order, " "); err != nil || got != "c a b" {
		t.Errorf("order %s, %v", got, err)
	}
	all, err = c.References(t.Context(), Schema{References: []Reference{{"self", "self", 1}}})
	if err != nil || len(all) != 1 {
		t.Errorf("a schema that refers to itself: %v, %v", all, err)
	}
}
