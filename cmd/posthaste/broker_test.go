package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// The registry's address is printed once it serves, and what it keeps lies in
// the broker's directory.
func TestBrokerServesASchemaRegistry(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []string{`[]`, `["t-value"]`} {
		server := start(t, "broker", "--listen", "127.0.0.1:0", "--data", dir,
			"--schema-registry", "127.0.0.1:0")
		lines := strings.Split(strings.TrimSpace(server.out.wait(t, 2)), "\n")
		addr, ok := strings.CutPrefix(lines[1], "registry ")
		if !ok || !strings.HasPrefix(lines[0], "ready ") {
			t.Fatalf("printed %q", lines)
		}
		if got := request(t, http.MethodGet, "http://"+addr+"/subjects", ""); got != want {
			t.Errorf("subjects = %s, want %s", got, want)
		}
		request(t, http.MethodPost, "http://"+addr+"/subjects/t-value/versions",
			`{"schema": "\"string\""}`)
		server.interrupt()
		if r := <-server.done; r.code != exitOK {
			t.Errorf("exit code %d: %s", r.code, r.err)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "_schemas-0*")); len(found) == 0 {
		t.Errorf("no topic of schemas in %s", dir)
	}
}

func TestASchemaRegistryOnAnAddressInUse(t *testing.T) {
	taken := start(t, "broker", "--listen", "127.0.0.1:0", "--data", t.TempDir())
	addr := strings.TrimPrefix(strings.TrimSpace(taken.out.wait(t, 1)), "ready ")
	r := runCommand(t, "", "broker", "--listen", "127.0.0.1:0", "--data", t.TempDir(),
		"--schema-registry", addr)
	if r.code != exitFailed || !strings.Contains(r.err, addr) || strings.Count(r.err, "\n") != 1 {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	taken.interrupt()
	<-taken.done
}

func request(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, url, answer.StatusCode, text, err)
	}
	return strings.TrimSpace(string(text))
}
