package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the registry has answered is there after kill -9, however often and in
// the middle of whatever it is killed: an id means the schema that it was given
// for, and no schema has got two.
func TestNoRegistrationIsLostWhenTheProcessIsKilled(t *testing.T) {
	const kills, writers = 6, 4
	dir := t.TempDir()
	acked := map[int]string{} // schemas by id
	ids := map[string]int{}
	var mu sync.Mutex
	next := 0
	for round := range kills + 1 {
		process, url := startRegistry(t, dir)
		for id, text := range acked {
			if got := schemaByID(t, url, id); got != text {
				t.Fatalf("round %d: id %d was answered for %s and is %s", round, id, text, got)
			}
		}
		if round == kills {
			break
		}
		var wg sync.WaitGroup
		enough := make(chan struct{}, 1)
		before := len(acked)
		for range writers {
			wg.Go(func() {
				for {
					mu.Lock()
					n := next
					next++
					mu.Unlock()
					text := fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, n)
					id, err := registerSchema(url, fmt.Sprintf("s%d", n), text)
					if err != nil {
						return // it is gone
					}
					mu.Lock()
					if old, known := acked[id]; known && old != text {
						t.Errorf("id %d is given for %s and for %s", id, old, text)
					}
					acked[id], ids[text] = text, id
					if len(acked)-before >= 10+7*round {
						select {
						case enough <- struct{}{}:
						default:
						}
					}
					mu.Unlock()
				}
			})
		}
		select {
		case <-enough: // the others are in the middle of theirs
		case <-time.After(time.Minute):
			t.Error("no schemas are registered")
		}
		if err := process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		_ = process.Wait() // killed
	}
	if len(ids) != len(acked) {
		t.Errorf("%d ids for %d schemas", len(acked), len(ids))
	}
	t.Logf("%d schemas were acknowledged before %d kills", len(acked), kills)
}

// startRegistry runs the broker with its registry as a process of its own, which
// is killed when the test ends, and returns the registry's URL.
func startRegistry(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "broker", "--listen", "127.0.0.1:0", "--data", dir,
		"--schema-registry", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), runMain+"=1")
	out := newLines()
	cmd.Stdout, cmd.Stderr = out, t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	lines := strings.Split(strings.TrimSpace(out.wait(t, 2)), "\n")
	return cmd, "http://" + strings.TrimPrefix(lines[1], "registry ")
}

// registerSchema is one request on a connection of its own.
func registerSchema(url, subject, text string) (int, error) {
	body, err := json.Marshal(map[string]string{"schema": text})
	if err != nil {
		return 0, err
	}
	answer, err := send(http.MethodPost, url+"/subjects/"+subject+"/versions", string(body))
	if err != nil {
		return 0, err
	}
	var registered struct{ ID int }
	return registered.ID, json.Unmarshal(answer, &registered)
}

func schemaByID(t *testing.T, url string, id int) string {
	t.Helper()
	answer, err := send(http.MethodGet, fmt.Sprintf("%s/schemas/ids/%d", url, id), "")
	if err != nil {
		t.Fatal(err)
	}
	var found struct{ Schema string }
	if err := json.Unmarshal(answer, &found); err != nil {
		t.Fatal(err)
	}
	return found.Schema
}

func send(method, url, body string) ([]byte, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Close = true // the process behind it will not last
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", method, url, answer.StatusCode, b)
	}
	return b, err
}
