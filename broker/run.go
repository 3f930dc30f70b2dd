package broker

// TB is the part of testing.TB that Run needs; naming it here keeps package
// testing out of programs.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Run starts a broker that is closed when the test ends, which fails if either
// does. The Logger of cfg stays as it is: give one that writes to t to see what
// the broker says.
func Run(t TB, cfg Config) *Broker {
	t.Helper()
	b, err := Start(cfg)
	if err != nil {
		t.Fatalf("start broker: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close broker: %v", err)
		}
	})
	return b
}
