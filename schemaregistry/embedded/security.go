package embedded

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/rest"
)

// realm is what browsers show when they ask for a password.
const realm = "SchemaRegistry"

// What connections to other registries may take, as net/http has it.
const (
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 90 * time.Second
)

// security is what Config says of HTTPS and passwords, read and checked.
type security struct {
	server *tls.Config  // nil: plain HTTP
	peers  *http.Client // reaches the registry that leads
	users  *rest.Users  // nil: anybody may ask
}

func (c Config) security() (s security, err error) {
	if (c.CertFile == "") != (c.KeyFile == "") {
		return s, errors.New("registry config: CertFile and KeyFile go together: " +
			"give both for HTTPS, or none")
	}
	if c.TrustFile != "" && c.CertFile == "" {
		return s, errors.New("registry config: TrustFile is for HTTPS: give CertFile and KeyFile too")
	}
	if c.UsersFile != "" {
		if s.users, err = readUsers(c.UsersFile); err != nil {
			return s, fmt.Errorf("registry config: UsersFile %s: %w", c.UsersFile, err)
		}
	}
	peers := peerTransport()
	s.peers = &http.Client{Transport: peers}
	if c.CertFile == "" {
		return s, nil
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return s, fmt.Errorf("registry config: CertFile %s, KeyFile %s: %w", c.CertFile, c.KeyFile, err)
	}
	s.server = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	roots, err := c.trusted()
	if err != nil {
		return s, err
	}
	peers.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return s, nil
}

// peerTransport has the timeouts of net/http, also in a program that has put
// something else in the default's place.
func peerTransport() *http.Transport {
	if base, ok := http.DefaultTransport.(*http.Transport); ok {
		return base.Clone()
	}
	return &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: handshakeTimeout, IdleConnTimeout: idleTimeout}
}

// trusted is whose certificates the other registries may have.
func (c Config) trusted() (*x509.CertPool, error) {
	path := c.TrustFile
	roots := x509.NewCertPool()
	if path == "" { // one certificate for all of them, which may be self-signed
		path = c.CertFile
		if system, err := x509.SystemCertPool(); err == nil {
			roots = system
		}
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("registry config: TrustFile: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("registry config: TrustFile %s has no certificate in PEM", path)
	}
	return roots, nil
}

func readUsers(path string) (*rest.Users, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return rest.ReadUsers(f)
}

// scheme is that of the registry's URL.
func (s security) scheme() string {
	if s.server != nil {
		return "https"
	}
	return "http"
}

// close gives up connections to the leader.
func (s security) close() {
	if s.peers != nil {
		s.peers.CloseIdleConnections()
	}
}

// readable reports whether passwords pass through a network that others read.
func (s security) readable(listener net.Listener) bool {
	at, ok := listener.Addr().(*net.TCPAddr)
	return s.users != nil && s.server == nil && ok && !at.IP.IsLoopback()
}
