// Package guard keeps the cost of hot paths from growing unnoticed, on machines
// where time cannot be trusted: it counts processor instructions.
//
//	func TestInstructions(t *testing.T) {
//		guard.Check(t, map[string]guard.Work{"append": {Times: 32, Prepare: func() func() { … }}})
//	}
//
// Check runs the test again in a process of its own, stops all its threads but
// the one with the work, and takes that one instruction by instruction (ptrace).
// Nothing else that runs on the machine changes the count, so that a budget may
// stand a hundredth above what is needed. Budgets are in the calling package's
// testdata/instructions.json; make guard UPDATE=-update writes them anew.
//
// It works where there are no performance counters, as in most virtual machines,
// but on Linux with amd64 only; elsewhere tests are skipped, as they are under the
// race detector. Only tests import it.
package guard

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/golden"
)

// Work is a piece of a hot path.
type Work struct {
	// Times is how often the work is done in a row; the count is for one. A few
	// thousand instructions in all take some tens of milliseconds.
	Times int
	// Prepare returns the work. It must not need another goroutine.
	Prepare func() func()
}

// slack is how far above its budget a count may be: other processors take other
// ways through copying and checksums.
const slack = 1.02

// Variables of the environment. Without the first, Check skips: budgets are a
// step of their own (make guard), not an obstacle in everyone's test run. The
// second tells a process what to do and to be watched at.
const (
	wanted   = "POSTHASTE_GUARD"
	variable = "POSTHASTE_GUARD_WORK"
)

// budgets is what is stored: instructions by name, and the Go that they are of.
type budgets struct {
	Go           string         `json:"go"`
	Instructions map[string]int `json:"instructions"`
}

const file = "testdata/instructions.json"

// Check counts the instructions of each work and fails t if one has grown by more
// than 2 % over its budget. It must be called from a test of its own.
func Check(t *testing.T, works map[string]Work) {
	t.Helper()
	if name := os.Getenv(variable); name != "" {
		perform(works[name])
		os.Exit(0)
	}
	if os.Getenv(wanted) == "" {
		t.Skip("make guard runs this")
	}
	if reason := unable(); reason != "" {
		t.Skip(reason)
	}
	stored := read(t)
	found := budgets{Go: release(), Instructions: map[string]int{}}
	for name, w := range works {
		n, err := count(t.Name(), name)
		if err != nil {
			t.Fatalf("count the instructions of %s: %v", name, err)
		}
		n /= w.Times
		found.Instructions[name] = n
		t.Logf("%s: %d instructions, budget %d", name, n, stored.Instructions[name])
	}
	if golden.Updating() {
		write(t, found)
		return
	}
	if stored.Go != "" && stored.Go != found.Go {
		t.Skipf("the budgets are those of %s; write them anew with make guard UPDATE=-update", stored.Go)
	}
	for name, n := range found.Instructions {
		budget, ok := stored.Instructions[name]
		switch {
		case !ok:
			t.Errorf("%s has no budget: write it with make guard UPDATE=-update", name)
		case float64(n) > slack*float64(budget):
			t.Errorf("%s takes %d instructions, %.1f %% more than its budget of %d; if that is worth it, "+
				"run make guard UPDATE=-update and say why", name, n, 100*float64(n-budget)/float64(budget),
				budget)
		case float64(n)*slack*slack < float64(budget):
			t.Logf("%s has become cheaper: %d instead of %d; make guard UPDATE=-update holds it there", name, n,
				budget)
		}
	}
}

// release is the Go that compiled the test, without its patch: go1.26.
func release() string {
	parts := strings.SplitN(runtime.Version(), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func read(t *testing.T) (b budgets) {
	t.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return b
	}
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		t.Fatalf("read budgets: %v", err)
	}
	return b
}

func write(t *testing.T, b budgets) {
	t.Helper()
	text, err := json.MarshalIndent(b, "", "  ")
	if err == nil {
		golden.Compare(t, file, append(text, '\n'))
		return
	}
	t.Fatal(fmt.Errorf("write budgets: %w", err))
}
