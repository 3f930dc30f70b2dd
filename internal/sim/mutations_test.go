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
				if v := simulate(t, seed+1); len(v.wrong) > 0 {
					fmt.Printf("%s: found by seed %d: %s\n", bug, v.plan.seed, v.wrong[0])
					return
				}
			}
			t.Errorf("not found in %d schedules", *triesFlag)
		})
	}
}
