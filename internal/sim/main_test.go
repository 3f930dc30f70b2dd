package sim

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/posthaste-go/posthaste/internal/compression"
)

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400) // schedules leave much behind, and little at a time
	debug.SetMemoryLimit(2 << 30)
	compression.KeepZSTDDecoders(2 * runtime.GOMAXPROCS(0))
	os.Exit(m.Run())
}
