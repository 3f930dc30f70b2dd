package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

// Help is what --help adds.
func (*versionCmd) Help() string {
	return withExample("",
		"posthaste version")
}

// Run prints the version that the binary was built from.
func (c *versionCmd) Run(e *env) error {
	version, revision := buildVersion()
	if c.JSON {
		return json.NewEncoder(e.out).Encode(map[string]string{"version": version,
			"revision": revision, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
	}
	_, err := fmt.Fprintf(e.out, "posthaste %s%s (%s, %s/%s)\n", version, revision,
		runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// buildVersion reads what the Go toolchain stamps into a binary.
func buildVersion() (version, revision string) {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)", ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			revision = " " + s.Value[:12]
		}
	}
	return info.Main.Version, revision
}
