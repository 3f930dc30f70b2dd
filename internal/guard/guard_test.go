package guard

import (
	"os"
	"testing"
)

var sink int

func loop(n int) func() func() {
	return func() func() {
		return func() {
			for i := range n {
				sink += i * sink
			}
		}
	}
}

// The guard's own check: work of known size, and twice the same count.
func TestCountIsExact(t *testing.T) {
	works := map[string]Work{"short": {Times: 10, Prepare: loop(100)},
		"long": {Times: 10, Prepare: loop(200)}}
	if name := os.Getenv(variable); name != "" {
		perform(works[name])
		os.Exit(0)
	}
	if reason := unable(); reason != "" {
		t.Skip(reason)
	}
	counts := map[string]int{}
	for name := range works {
		for range 2 {
			n, err := count(t.Name(), name)
			if err != nil {
				t.Fatal(err)
			}
			if before := counts[name]; before != 0 && before != n {
				t.Errorf("%s: %d instructions, and then %d", name, before, n)
			}
			counts[name] = n
		}
	}
	if s, l := counts["short"], counts["long"]; s < 2000 || l-s < 8*(s/10) || l > 2*s {
		t.Errorf("%d instructions for 1000 rounds, %d for 2000", s, l)
	}
}

func TestAWorkThatEndsBeforeItBeginsIsAnError(t *testing.T) {
	if os.Getenv(variable) != "" {
		os.Exit(3)
	}
	if reason := unable(); reason != "" {
		t.Skip(reason)
	}
	if n, err := count(t.Name(), "nothing"); err == nil {
		t.Errorf("counted %d instructions of nothing", n)
	}
}
