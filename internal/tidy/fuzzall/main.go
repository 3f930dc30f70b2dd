// Fuzzall runs every fuzz target of the module, one after the other, for
// -fuzztime each, and fails with the first that finds something.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func main() {
	fuzztime := flag.String("fuzztime", "30s", "time for each target")
	flag.Parse()
	packages, err := exec.Command("go", "list", "./...").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "go list:", err)
		os.Exit(1)
	}
	for _, p := range strings.Fields(string(packages)) {
		targets, err := exec.Command("go", "test", "-list", "^Fuzz", p).Output()
		if err != nil {
			fmt.Fprintf(os.Stderr, "go test -list %s: %v\n%s", p, err, targets)
			os.Exit(1)
		}
		for _, target := range strings.Fields(string(targets)) {
			if strings.HasPrefix(target, "Fuzz") {
				run(p, target, *fuzztime)
			}
		}
	}
}

func run(pkg, target, fuzztime string) {
	fmt.Println("fuzz", pkg, target)
	cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+target+"$",
		"-fuzztime", fuzztime, pkg)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		os.Exit(1)
	}
}
