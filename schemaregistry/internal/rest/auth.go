package rest

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Users are the names and passwords that may ask a registry.
type Users struct {
	passwords map[string][sha256.Size]byte
}

// ReadUsers reads lines of "name: password", as the file of Confluent's
// PropertyFileLoginModule has them; roles behind a comma do nothing here. Lines
// that are empty or begin with # are passed over. Passwords that are obfuscated
// or hashed are refused. Errors name the line, not what is in it.
func ReadUsers(r io.Reader) (*Users, error) {
	u := &Users{passwords: map[string][sha256.Size]byte{}}
	lines, at := bufio.NewScanner(r), map[string]int{}
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		password, _, _ = strings.Cut(password, ",")
		name, password = strings.TrimSpace(name), strings.TrimSpace(password)
		if !ok || name == "" || password == "" {
			return nil, fmt.Errorf("line %d: want NAME:PASSWORD", n)
		}
		for _, form := range []string{"OBF:", "MD5:", "CRYPT:", "BCRYPT:"} {
			if strings.HasPrefix(password, form) {
				return nil, fmt.Errorf("line %d: a password as %s cannot be checked here; "+
					"write the password itself", n, strings.TrimSuffix(form, ":"))
			}
		}
		if before := at[name]; before > 0 {
			return nil, fmt.Errorf("line %d: the same user as in line %d", n, before)
		}
		at[name] = n
		u.passwords[name] = sha256.Sum256([]byte(password))
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(u.passwords) == 0 {
		return nil, fmt.Errorf("there is no user: write lines of NAME:PASSWORD")
	}
	return u, nil
}

// Allowed reports whether a request has the name and password of a user. It
// takes as long whether or not there is one of that name.
func (u *Users) Allowed(r *http.Request) bool {
	name, password, ok := r.BasicAuth()
	given := sha256.Sum256([]byte(password))
	want, known := u.passwords[name]
	same := subtle.ConstantTimeCompare(given[:], want[:]) == 1
	return ok && known && same
}

// Authenticate lets only users reach next (authentication.method=BASIC).
func Authenticate(next http.Handler, users *Users, realm string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if users.Allowed(r) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", realm))
		refused := httpError(http.StatusUnauthorized)
		refused.Message = http.StatusText(http.StatusUnauthorized)
		writeError(w, types[0], refused)
	})
}
