package sim

import (
	"flag"
	"os"
	"runtime"
	"testing"

	"github.com/posthaste-go/posthaste/internal/compression"
)

func TestMain(m *testing.M) {
	flag.Parse()
	compression.KeepZSTDDecoders(2 * runtime.GOMAXPROCS(0))
	os.Exit(m.Run())
}
