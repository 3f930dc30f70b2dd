package need

import (
	"errors"
	"testing"
)

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Name() string          { return "TestOfAnother" }
func (r *recorder) Skipf(string, ...any)  { r.ended = "skipped" }
func (r *recorder) Fatalf(string, ...any) { r.ended = "failed" }

func TestMissing(t *testing.T) {
	tests := []struct{ name, ci, want string }{
		{"without CI the test is skipped", "", "skipped"},
		{"an environment with CI=false is not CI", "false", "skipped"},
		{"with CI=true the test fails", "true", "failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("CI", tt.ci)
			r := &recorder{TB: t}
			Missing(r, "java", errors.New("not on the path"))
			if r.ended != tt.want {
				t.Errorf("test %s, want %s", r.ended, tt.want)
			}
		})
	}
}
