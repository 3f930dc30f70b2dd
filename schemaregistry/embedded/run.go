package embedded

// TB is the part of testing.TB that Run needs; naming it here keeps package
// testing out of programs.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Run starts a registry that is closed when the test ends, which fails if either
// does. Without Config.BootstrapServers it has a broker in memory of its own.
func Run(t TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("start registry: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close registry: %v", err)
		}
	})
	return s
}
