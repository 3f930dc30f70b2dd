package posthaste_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste"
)

// A Java service's producer.properties is used as it is; what looks like a slip is
// a warning.
func ExampleLoadProperties() {
	file := strings.NewReader(`
bootstrap.servers = kafka-1:9092,\
                    kafka-2:9092
linger.ms = 20
compresion.type = zstd
`)
	cfg, err := posthaste.LoadProperties(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.BootstrapServers, cfg.Linger)
	for _, w := range cfg.Warnings() {
		fmt.Println(w)
	}
	// Output:
	// [kafka-1:9092 kafka-2:9092] 20ms
	// line 5: unknown setting compresion.type; did you mean compression.type?
}

// Rules between settings are checked as a whole, and say what to change.
func ExampleConfig_Validate() {
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{"localhost:9092"}
	cfg.EnableIdempotence = posthaste.IdempotenceOn
	cfg.Acks = posthaste.AcksLeader
	fmt.Println(cfg.Validate())
	// Output:
	// acks=1: enable.idempotence=true needs acks=all; set acks=all, or enable.idempotence=false
}

// Properties shows where each value came from. A rule raised the delivery timeout,
// because it was not given.
func ExampleConfig_Properties() {
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{"localhost:9092"}
	cfg.RequestTimeout = 3 * time.Minute
	for _, p := range cfg.Properties() {
		if p.Source != "default" {
			fmt.Printf("%s=%s (%s)\n", p.Key, p.Value, p.Source)
		}
	}
	// Output:
	// bootstrap.servers=localhost:9092 (given)
	// delivery.timeout.ms=180000 (rule)
	// request.timeout.ms=180000 (given)
}
