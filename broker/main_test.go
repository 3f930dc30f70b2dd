package broker_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/posthaste-go/posthaste/broker"
)

// childDir and childAddr make this test binary a broker: see TestKillDashNine.
const (
	childDir  = "POSTHASTE_TEST_BROKER_DIR"
	childAddr = "POSTHASTE_TEST_BROKER_ADDR"
	// childVersion is its transaction.version, if it is to have another than 2.
	childVersion = "POSTHASTE_TEST_BROKER_TXN_VERSION"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveUntilKilled(dir, os.Getenv(childAddr))
	}
	goleak.VerifyTestMain(m)
}

// serveUntilKilled is the child process.
func serveUntilKilled(dir, addr string) {
	// Small segments, so that kills hit rolls too.
	properties := map[string]string{"log.segment.bytes": "65536"}
	if v := os.Getenv(childVersion); v != "" {
		properties["posthaste.transaction.version"] = v
	}
	b, err := broker.Start(broker.Config{DataDir: dir, Listen: addr,
		Topics: map[string]int{"orders": 4}, Properties: properties})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("ready", b.Addr())
	select {}
}
