package embedded_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// certificate makes a self-signed one for 127.0.0.1: files of it and its key,
// and who trusts it.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return write(t, "cert.pem", string(text)), write(t, "key.pem",
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))), roots
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Over HTTPS with passwords all is as without: also a write that a registry
// passes on to the one that leads.
func TestHTTPSAndPasswords(t *testing.T) {
	b := broker.Run(t, broker.Config{})
	cert, key, roots := certificate(t)
	cfg := embedded.Config{BootstrapServers: []string{b.Addr()}, CertFile: cert, KeyFile: key,
		UsersFile: write(t, "users", "# who may\nann: secret,admin\nbob:other\n")}
	for i := range 2 { // the second one follows
		r := embedded.Run(t, cfg)
		if !strings.HasPrefix(r.URL(), "https://") {
			t.Fatalf("URL is %s", r.URL())
		}
		client := func(user, password string) *schemaregistry.Client {
			c, err := schemaregistry.NewClient(schemaregistry.Config{URLs: []string{r.URL()},
				Username: user, Password: password, TLS: &tls.Config{RootCAs: roots}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			return c
		}
		text := fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, i+1)
		s := schemaregistry.Schema{Type: schemaregistry.Avro, Text: text}
		got, err := client("ann", "secret").Register(t.Context(), fmt.Sprintf("s%d", i), s,
			schemaregistry.RegisterOptions{})
		if err != nil || got.ID != i+1 {
			t.Fatalf("registered with id %d, %v; want %d", got.ID, err, i+1)
		}
		for _, wrong := range [][2]string{{"", ""}, {"ann", "other"}, {"bob", ""}, {"eve", "secret"}} {
			_, err := client(wrong[0], wrong[1]).Subjects(t.Context(), schemaregistry.ListOptions{})
			var refused *schemaregistry.Error
			if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
				t.Errorf("%q: %v, want status 401", wrong, err)
			}
		}
	}
}

// Where passwords are sent over HTTPS only, none goes to a leader that has none.
func TestPasswordsAreNotPassedOnInTheClear(t *testing.T) {
	b := broker.Run(t, broker.Config{})
	cert, key, roots := certificate(t)
	users := write(t, "users", "ann: secret\n")
	leader := embedded.Run(t, embedded.Config{BootstrapServers: []string{b.Addr()}, UsersFile: users})
	r := embedded.Run(t, embedded.Config{BootstrapServers: []string{b.Addr()}, UsersFile: users,
		CertFile: cert, KeyFile: key})
	client := func(url string) *schemaregistry.Client {
		c, err := schemaregistry.NewClient(schemaregistry.Config{URLs: []string{url},
			Username: "ann", Password: "secret", TLS: &tls.Config{RootCAs: roots}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	s := schemaregistry.Schema{Type: schemaregistry.Avro, Text: `"int"`}
	got, err := client(r.URL()).Register(t.Context(), "s", s, schemaregistry.RegisterOptions{})
	var refused *schemaregistry.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusInternalServerError ||
		!strings.Contains(err.Error(), leader.URL()+" serves no HTTPS") {
		t.Errorf("registered %+v, %v, want a refusal that names the leader", got, err)
	}
	got, err = client(leader.URL()).Register(t.Context(), "s", s, schemaregistry.RegisterOptions{})
	if err != nil || got.ID != 1 {
		t.Errorf("the leader registers %+v, %v", got, err)
	}
}

func TestIllegalSecurityIsRefusedBeforeAnythingStarts(t *testing.T) {
	cert, key, _ := certificate(t)
	other, _, _ := certificate(t)
	for _, tt := range []struct {
		name, want string
		cfg        embedded.Config
	}{
		{"a certificate without its key", "CertFile and KeyFile go together",
			embedded.Config{CertFile: cert}},
		{"another one's key", "private key does not match",
			embedded.Config{CertFile: other, KeyFile: key}},
		{"trust without HTTPS", "TrustFile is for HTTPS", embedded.Config{TrustFile: cert}},
		{"trust in no certificate", "has no certificate in PEM",
			embedded.Config{CertFile: cert, KeyFile: key, TrustFile: key}},
		{"no file of users", "no such file", embedded.Config{UsersFile: cert + ".none"}},
		{"no users", "there is no user", embedded.Config{UsersFile: write(t, "u", "# none\n")}},
		{"a user without a password", "line 2: want NAME:PASSWORD",
			embedded.Config{UsersFile: write(t, "u", "a:b\nc\n")}},
		{"a user twice", "line 3: the same user as in line 1",
			embedded.Config{UsersFile: write(t, "u", "a:b\n\na:c\n")}},
		{"a password's hash", "line 1: a password as MD5 cannot be checked",
			embedded.Config{UsersFile: write(t, "u", "a: MD5:0123,admin\n")}},
	} {
		r, err := embedded.Start(tt.cfg)
		if err == nil {
			err = errors.Join(errors.New("it starts"), r.Close())
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.name, err, tt.want)
		}
	}
}
