package posthaste

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"
	"time"
)

// TestRandomSettingsDoWhatKafkaDoes compares with what became of producers that
// Kafka's own code built from settings drawn at random.
func TestRandomSettingsDoWhatKafkaDoes(t *testing.T) {
	raw, err := os.ReadFile("testdata/config/random-rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Rows []struct {
			Given                 map[string]string
			Refused               bool
			Idempotence           bool
			Acks                  int16
			DeliveryTimeoutMs     int64
			LingerMs              int64
			BatchSize             int
			ReconnectBackoffMaxMs int64
			ClientID              string
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	for _, row := range golden.Rows {
		if _, ok := row.Given["linger.ms"]; !ok {
			row.Given["linger.ms"] = "5" // Kafka's default; ours is 0
		}
		var s settings
		c, err := ConfigFromMap(row.Given)
		if err == nil {
			s, err = c.effective()
		}
		if err == nil {
			err = s.checkBootstrap(t.Context(), lookupInTest)
		}
		if row.Refused != (err != nil) {
			t.Errorf("%v\nerror %v, want refused %v", row.Given, err, row.Refused)
		}
		if err != nil {
			if _, ok := errors.AsType[*ConfigError](err); !ok {
				t.Errorf("%v: %T is no *ConfigError", row.Given, err)
			}
			continue
		}
		backoff := time.Duration(math.MaxInt64)
		if row.ReconnectBackoffMaxMs < math.MaxInt64/int64(time.Millisecond) {
			backoff = time.Duration(row.ReconnectBackoffMaxMs) * time.Millisecond
		}
		if s.idempotence != row.Idempotence || s.acks != row.Acks ||
			s.deliveryTimeout.Milliseconds() != row.DeliveryTimeoutMs ||
			s.linger.Milliseconds() != row.LingerMs || s.batchSize != row.BatchSize ||
			s.reconnectBackoffMax != backoff ||
			counted.ReplaceAllString(s.clientID, "producer-<n>") != row.ClientID {
			t.Errorf("%v\nin force %+v\nwant %+v", row.Given, s, row)
		}
	}
}
