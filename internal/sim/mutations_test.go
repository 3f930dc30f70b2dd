//go:build mutate

package sim

import (
	"flag"
	"fmt"
	"testing"

	"github.com/posthaste-go/posthaste/internal/mutation"
)

var triesFlag = flag.Int("sim.tries", 2000, "schedules to find a mutation in")

// Whoever checks promises must be able to say that one is broken: each of these
// bugs is found.
func TestMutations(t *testing.T) {
	for _, bug := range mutation.All() {
		t.Run(bug.String(), func(t *testing.T) {
			mutation.Set(bug)
			defer mutation.Set(mutation.None)
			for seed := range uint64(*triesFlag) {
				wrong := tryWith(t, bug, seed+1)
				if len(wrong) > 0 {
					fmt.Printf("%s: found by seed %d: %s\n", bug, seed+1, wrong[0])
					return
				}
			}
			t.Errorf("not found in %d schedules", *triesFlag)
		})
	}
}

// tryWith runs a schedule of the kind that should show the bug.
func tryWith(t *testing.T, bug mutation.Bug, seed uint64) (wrong []string) {
	t.Helper()
	if bug.Transactional() {
		return simulateTransactions(t, seed).wrong
	}
	return simulate(t, seed).wrong
}
