package driver

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// sh starts a driver that is a shell script.
func sh(t *testing.T, script string) *Driver {
	t.Helper()
	a := New("script", func() *exec.Cmd { return exec.Command("sh", "-c", script) })
	t.Cleanup(a.Close)
	return a
}

func TestPartitionsReadsRowsUntilDone(t *testing.T) {
	a := sh(t, `while read -r command; do
		echo '{"row":3}'; echo '{"row":1}'; echo '{"done":true}'; done`)
	for range 2 {
		got, err := a.Partitions(t.Context(), [][]byte{[]byte("a"), nil}, 4)
		if err != nil || len(got) != 2 || got[0] != 3 || got[1] != 1 {
			t.Fatalf("Partitions = %v, %v; want [3 1]", got, err)
		}
	}
}

func TestProgramThatFailsACommandTakesTheNext(t *testing.T) {
	a := sh(t, `read -r command; echo '{"failed":"no such topic"}'
		read -r command; echo '{"done":true}'`)
	if _, err := a.Consume(t.Context(), Consume{}); err == nil ||
		!strings.Contains(err.Error(), "no such topic") {
		t.Errorf("first command: %v, want the program's own words", err)
	}
	if _, err := a.Consume(t.Context(), Consume{}); err != nil {
		t.Errorf("second command: %v", err)
	}
}

func TestProgramThatDiesShowsItsStandardError(t *testing.T) {
	a := sh(t, `read -r command; echo 'ClassNotFoundException: Driver' >&2; sleep 0.1`)
	for _, which := range []string{"first", "second"} {
		_, err := a.Consume(t.Context(), Consume{})
		if err == nil || !strings.Contains(err.Error(), "ClassNotFoundException") {
			t.Errorf("%s command: %v, want what the program said last", which, err)
		}
	}
}

func TestProgramThatHangsIsKilledWhenTheContextEnds(t *testing.T) {
	a := sh(t, `exec sleep 600`)
	for range 2 { // the second on a new program
		hang(t, a)
	}
}

func hang(t *testing.T, a *Driver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Consume(ctx, Consume{}); err == nil ||
		!strings.Contains(err.Error(), "deadline") {
		t.Errorf("Consume = %v, want the deadline named", err)
	}
}
