package rest

import (
	"net/http"
	"strings"
	"testing"
)

// Whatever a file of users holds, only whom it names gets in, with the password
// that it has.
func FuzzReadUsers(f *testing.F) {
	f.Add("ann: secret,admin\n# more\nbob:other")
	f.Add("a:OBF:x")
	f.Add(":\n\n,")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ReadUsers(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, name := range []string{"", "nobody-" + text} {
			for _, password := range []string{"", "secret"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
				if err != nil {
					t.Fatal(err)
				}
				if u.Allowed(r) {
					t.Error("a request without a password gets in")
				}
				r.SetBasicAuth(name, password)
				if u.Allowed(r) {
					t.Errorf("%q gets in with %q", name, password)
				}
			}
		}
	})
}
