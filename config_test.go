package posthaste

import (
	"strings"
	"testing"
	"time"
)

func TestTheZeroConfigIsRefused(t *testing.T) {
	var c Config
	for name, err := range map[string]error{
		"Validate": c.Validate(),
		"Set":      c.Set("acks", "all"),
	} {
		if err == nil || !strings.Contains(err.Error(), "DefaultConfig") {
			t.Errorf("%s: %v, want an error that names DefaultConfig", name, err)
		}
	}
}

func TestDefaultsAreKafkasButForLinger(t *testing.T) {
	c := DefaultConfig()
	c.BootstrapServers = []string{"localhost:9092"}
	s, err := c.effective()
	if err != nil {
		t.Fatal(err)
	}
	if s.linger != 0 || s.deliveryTimeout != 2*time.Minute || !s.idempotence || s.acks != -1 ||
		s.batchSize != 16384 || s.bufferMemory != 32<<20 || s.maxInFlight != 5 {
		t.Errorf("effective settings: %+v", s)
	}
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %q", w)
	}
}
