// Command bench-limit takes the same flags as the bench clients and puts the same
// bytes on the wire without being a producer: the bound the others are compared
// with. Package limit says what it leaves out.
package main

import (
	"os"

	"github.com/posthaste-go/posthaste/bench/internal/limit"
	"github.com/posthaste-go/posthaste/bench/internal/run"
)

func main() {
	os.Exit(run.Main(func(o *run.Options) (run.Identity, run.Factory, error) {
		id := run.Identity{Client: "limit", Version: "-"}
		if o.Threads > 1 {
			id.Note = "one goroutine"
		}
		return id, limit.New, nil
	}))
}
