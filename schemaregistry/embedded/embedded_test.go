package embedded_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// call sends a request and returns the status and the body.
func call(t *testing.T, url, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url+path,
		bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(bytes.TrimSpace(text))
}

// quoted is a registration's body.
func quoted(t *testing.T, kind, text string) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{"schemaType": kind, "schema": text})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t *testing.T, status int, body string) string {
	t.Helper()
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	return body
}

// What was answered is there after the registry is started again, and after the
// broker was killed.
func TestSchemasSurviveRestartAndKill(t *testing.T) {
	dir := t.TempDir()
	var want string
	for i, kill := range []bool{false, true, true, false} {
		b, err := broker.Start(broker.Config{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		r, err := embedded.Start(embedded.Config{BootstrapServers: []string{b.Addr()},
			InstanceID: "one"})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			status, got := call(t, r.URL(), "GET", "/schemas", "")
			if got = must(t, status, got); got != want {
				t.Errorf("after start %d: %s\nwant %s", i, got, want)
			}
		}
		status, body := call(t, r.URL(), "POST", fmt.Sprintf("/subjects/s%d/versions", i),
			quoted(t, "AVRO", fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, i)))
		must(t, status, body)
		status, want = call(t, r.URL(), "GET", "/schemas", "")
		must(t, status, want)
		if kill {
			if err := b.Kill(); err != nil {
				t.Error(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFirstSteps(t *testing.T) {
	r := embedded.Run(t, embedded.Config{})
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", 200, `{}`},
		{"GET", "/subjects", "", 200, `[]`},
		{"POST", "/subjects/t-value/versions", `{"schema":"{\"type\": \"string\"}"}`, 200,
			`{"version":1,"id":1,"guid":"095d71cf-1255-6b9d-5e33-0ad575b3df5d","schemaType":"AVRO","schema":"\"string\""}`},
		{"GET", "/subjects/t-value/versions", "", 200, `[1]`},
		{"GET", "/schemas/ids/1/schema", "", 200, `"string"`},
		{"POST", "/compatibility/subjects/t-value/versions/latest?verbose=true",
			`{"schema":"\"int\""}`, 200, `{"is_compatible":false,"messages":["{errorType:'TYPE_MISMATCH', ` +
				`description:'the type at path '/' of the new schema does not read that of the old schema', ` +
				`additionalInfo:'reader type: INT not compatible with writer type: STRING'}",` +
				`"{oldSchemaVersion: 1}","{oldSchema: '\"string\"'}",` +
				`"{validateFields: 'false', compatibility: 'BACKWARD'}"]}`},
		{"PUT", "/config/t-value", `{"compatibility":"none"}`, 200, `{"compatibility":"NONE"}`},
		{"GET", "/config/t-value", "", 200, `{"compatibilityLevel":"NONE"}`},
		{"DELETE", "/subjects/t-value", "", 200, `[1]`},
		{"GET", "/subjects/t-value/versions", "", 404,
			`{"error_code":40401,"message":"Subject 't-value' not found."}`},
	} {
		status, got := call(t, r.URL(), step.method, step.path, step.body)
		if status != step.status || got != step.want {
			t.Errorf("%s %s: %d %s\nwant %d %s", step.method, step.path, status, got, step.status, step.want)
		}
	}
}
