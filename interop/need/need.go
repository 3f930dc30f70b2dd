// Package need decides what a test does when a program it needs is absent.
//
// On a developer's machine the test is skipped and says so on standard error.
// In CI (CI=true) nothing may be skipped silently, so there it fails.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Missing ends t because what it needs is not there: skipped, or failed where
// the environment has CI=true. The reason goes to standard error too: go test
// shows the text of a skip only with -v.
func Missing(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is needed where CI=true: %v", what, err)
		return
	}
	fmt.Fprintf(os.Stderr, "SKIPPED: %s: %s: %v\n", t.Name(), what, err)
	t.Skipf("%s: %v", what, err)
}

// Programs ends t, as Missing does, unless every named program is on the path.
func Programs(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Missing(t, name, err)
		}
	}
}
