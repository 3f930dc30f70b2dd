package posthaste

import "testing"

func TestBatchSizes(t *testing.T) {
	const kib = 1 << 10
	for name, tt := range map[string]struct {
		change      func(*Config)
		now, behind int // capacities
	}{
		"default": {func(*Config) {}, 16 * kib, 1024 * kib},
		"given":   {func(c *Config) { c.BatchSize = 20_000 }, 20_017, 20_017},
		"given as it is": {func(c *Config) { must(t, c.Set("batch.size", "16384")) },
			16_401, 16_401},
		"little memory":       {func(c *Config) { c.BufferMemory = 4000 * kib }, 16 * kib, 128 * kib},
		"very little memory":  {func(c *Config) { c.BufferMemory = 100 * kib }, 16_401, 16_401},
		"small requests":      {func(c *Config) { c.MaxRequestSize = 100 * kib }, 16 * kib, 64 * kib},
		"very small requests": {func(c *Config) { c.MaxRequestSize = 20 * kib }, 16_401, 16_401},
		"no acknowledgements": {func(c *Config) {
			c.Acks, c.EnableIdempotence = AcksNone, IdempotenceOff
		}, 16_401, 16_401},
	} {
		t.Run(name, func(t *testing.T) {
			c := DefaultConfig()
			c.BootstrapServers = []string{"localhost:9092"}
			tt.change(&c)
			s, err := c.settle()
			if err != nil {
				t.Fatal(err)
			}
			now, behind := s.batchSizes()
			if now+17 != tt.now || behind+17 != tt.behind {
				t.Errorf("%d and %d bytes, want %d and %d", now+17, behind+17, tt.now, tt.behind)
			}
		})
	}
}
