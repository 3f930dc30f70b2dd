package security

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// testCA signs certificates.
type testCA struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newTestCA(t testing.TB) *testCA {
	t.Helper()
	ca := &testCA{key: mustKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA of this test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca.cert = mustSign(t, template, template, &ca.key.PublicKey, ca.key)
	return ca
}

func mustKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustSign(
	t testing.TB, c, parent *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey,
) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// issue makes a certificate for a host or a client, valid until end.
func (ca *testCA) issue(t testing.TB, name string, end time.Time) tls.Certificate {
	t.Helper()
	key := mustKey(t)
	c := mustSign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, ca.cert, &key.PublicKey, ca.key)
	return tls.Certificate{Certificate: [][]byte{c.Raw, ca.cert.Raw}, PrivateKey: key}
}

func (ca *testCA) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
}

func (ca *testCA) keyPEM(t testing.TB) string { return keyPEM(t, ca.key) }

func keyPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func chainPEM(c tls.Certificate) string {
	var b strings.Builder
	for _, der := range c.Certificate {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return b.String()
}

// shake makes a handshake between client settings and a server, and then lets the
// client read one byte, since TLS 1.3 tells a client of a refusal only there.
func shake(t *testing.T, s TLSSettings, addr string, server func(net.Conn)) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		server(c)
	}()
	defer func() { <-done }()
	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	cfg, err := s.config()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Handshake(t.Context(), plain, addr, cfg)
	if err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

// serve is a TLS server that sends one byte to whom it accepts.
func serve(cfg *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		s := tls.Server(c, cfg)
		if s.Handshake() == nil {
			s.Write([]byte{1})
			io.Copy(io.Discard, s)
		}
	}
}

func TestHandshake(t *testing.T) {
	ca, stranger := newTestCA(t), newTestCA(t)
	inAnHour, anHourAgo := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	good := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "broker.test", inAnHour)}}
	old := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "broker.test", anHourAgo)}}
	only12 := good.Clone()
	only12.MaxVersion = tls.VersionTLS12
	mutual := good.Clone()
	mutual.ClientAuth = tls.RequireAndVerifyClientCert
	mutual.ClientCAs = pool([]*x509.Certificate{ca.cert})
	mutual12 := mutual.Clone()
	mutual12.MaxVersion = tls.VersionTLS12

	trusting := TLSSettings{
		TruststoreType: "PEM", TruststoreCertificates: ca.pem(), EndpointIdentification: "HTTPS"}
	with := func(change func(*TLSSettings)) TLSSettings {
		s := trusting
		change(&s)
		return s
	}
	asClient := func(by *testCA) TLSSettings {
		c := by.issue(t, "client", inAnHour)
		return with(func(s *TLSSettings) {
			s.KeystoreType, s.KeystoreKey = "PEM", keyPEM(t, c.PrivateKey)
			s.KeystoreCertificateChain = chainPEM(c)
		})
	}
	tests := map[string]struct {
		settings TLSSettings
		addr     string
		server   func(net.Conn)
		want     string // part of the error; empty: it succeeds
	}{
		"a trusted broker":        {trusting, "broker.test:9093", serve(good), ""},
		"a name with a final dot": {trusting, "broker.test.:9093", serve(good), ""},
		"a broker signed by a stranger": {
			with(func(s *TLSSettings) { s.TruststoreCertificates = stranger.pem() }),
			"broker.test:9093", serve(good), "ssl.truststore.location"},
		"a broker of another name": {trusting, "other.test:9093", serve(good), "advertised.listeners"},
		"a broker of another name, unchecked": {
			with(func(s *TLSSettings) { s.EndpointIdentification = "" }),
			"other.test:9093", serve(good), ""},
		"a stranger's broker, name unchecked": {
			with(func(s *TLSSettings) {
				s.EndpointIdentification, s.TruststoreCertificates = "", stranger.pem()
			}), "broker.test:9093", serve(good), "ssl.truststore.location"},
		"an expired certificate": {trusting, "broker.test:9093", serve(old), "renew the broker's"},
		"a broker that asks for our certificate": {
			asClient(ca), "broker.test:9093", serve(mutual), ""},
		"no certificate where one is asked for": {
			trusting, "broker.test:9093", serve(mutual), "set ssl.keystore.location"},
		"no certificate where one is asked for, TLS 1.2": {
			trusting, "broker.test:9093", serve(mutual12), "ssl.keystore.location"},
		"a certificate that the broker does not trust": {
			asClient(stranger), "broker.test:9093", serve(mutual), "ssl.keystore.location"},
		"no TLS version in common": {
			with(func(s *TLSSettings) { s.EnabledProtocols = []string{"TLSv1.3"} }),
			"broker.test:9093", serve(only12), "ssl.enabled.protocols"},
		"no cipher suite in common": {
			with(func(s *TLSSettings) {
				s.CipherSuites = []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}
			}), "broker.test:9093", serve(only12), "ssl.cipher.suites"},
		"a server that speaks something else": {
			trusting, "broker.test:9093",
			func(c net.Conn) {
				c.Write([]byte("SSH-2.0-server\r\n"))
				io.Copy(io.Discard, c)
			}, "does not speak TLS"},
		"a server that hangs up": {
			trusting, "broker.test:9093",
			func(c net.Conn) { c.Read(make([]byte, 1<<10)) }, "security.protocol"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := shake(t, tt.settings, tt.addr, tt.server)
			text := ""
			if err != nil {
				text = err.Error() + " " + Remedy(err)
			}
			if (err == nil) != (tt.want == "") || !strings.Contains(text, tt.want) {
				t.Errorf("error = %q, want %q in it", text, tt.want)
			}
		})
	}
}

func TestHandshakeEndsWithItsContext(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	reason := errors.New("no time left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := Handshake(ctx, ours, "broker:9093", &tls.Config{}); !errors.Is(err, reason) {
		t.Errorf("error = %v, want the context's cause", err)
	}
}

func TestVersionsAndCiphers(t *testing.T) {
	const gcm, chacha = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"
	tests := map[string]struct {
		s        TLSSettings
		min, max uint16
		suites   []uint16
	}{
		"nothing set": {TLSSettings{}, tls.VersionTLS12, tls.VersionTLS13, nil},
		"Kafka's defaults": {
			TLSSettings{Protocol: "TLSv1.3", EnabledProtocols: []string{"TLSv1.2", "TLSv1.3"}},
			tls.VersionTLS12, tls.VersionTLS13, nil},
		"ssl.protocol is the highest": {
			TLSSettings{Protocol: "TLSv1.2"}, tls.VersionTLS12, tls.VersionTLS12, nil},
		"ssl.protocol gives way": {
			TLSSettings{Protocol: "TLSv1.2", EnabledProtocols: []string{"TLSv1.3"}},
			tls.VersionTLS13, tls.VersionTLS13, nil},
		"old versions, in any order": {
			TLSSettings{Protocol: "TLS", EnabledProtocols: []string{"TLSv1.1", "TLSv1", "TLSv1.2"}},
			tls.VersionTLS10, tls.VersionTLS12, nil},
		"a suite of TLS 1.2 rules out 1.3": {
			TLSSettings{CipherSuites: []string{gcm}}, tls.VersionTLS12, tls.VersionTLS12,
			[]uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
		"a suite of TLS 1.3 rules out 1.2": {
			TLSSettings{CipherSuites: []string{chacha}}, tls.VersionTLS13, tls.VersionTLS13, nil},
		"suites of both": {
			TLSSettings{CipherSuites: []string{chacha, gcm}}, tls.VersionTLS12, tls.VersionTLS13,
			[]uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
		"Java's name of an old suite": {
			TLSSettings{CipherSuites: []string{"SSL_RSA_WITH_3DES_EDE_CBC_SHA"}},
			tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.s.config()
			if err != nil {
				t.Fatal(err)
			}
			if got.MinVersion != tt.min || got.MaxVersion != tt.max ||
				!slices.Equal(got.CipherSuites, tt.suites) {
				t.Errorf("versions %#x to %#x, suites %#x; want %#x to %#x, %#x", got.MinVersion,
					got.MaxVersion, got.CipherSuites, tt.min, tt.max, tt.suites)
			}
		})
	}
}

func TestTLSConfigRefuses(t *testing.T) {
	tests := map[string]struct {
		s         Settings
		key, part string
	}{
		"a protocol that does not exist": {Settings{Protocol: "TLS"}, "security.protocol", "SASL_SSL"},
		"a TLS version that is too old": {
			Settings{TLS: TLSSettings{EnabledProtocols: []string{"SSLv3"}}},
			"ssl.enabled.protocols", "SSLv3"},
		"a gap between TLS versions": {
			Settings{TLS: TLSSettings{EnabledProtocols: []string{"TLSv1.3", "TLSv1.1"}}},
			"ssl.enabled.protocols", "gap"},
		"an unknown ssl.protocol": {
			Settings{TLS: TLSSettings{Protocol: "QUIC"}}, "ssl.protocol", "QUIC"},
		"an unknown cipher suite": {
			Settings{TLS: TLSSettings{CipherSuites: []string{"AES128-SHA"}}},
			"ssl.cipher.suites", "standard names"},
		"no suite for the enabled version": {
			Settings{TLS: TLSSettings{CipherSuites: []string{"TLS_CHACHA20_POLY1305_SHA256"},
				EnabledProtocols: []string{"TLSv1.2"}}}, "ssl.cipher.suites", "enabled"},
		"a misspelled endpoint identification": {
			Settings{TLS: TLSSettings{EndpointIdentification: "htps"}},
			"ssl.endpoint.identification.algorithm", "https"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.s.Protocol == "" {
				tt.s.Protocol = "sasl_ssl"
			}
			_, err := tt.s.TLSConfig()
			wantSetting(t, err, tt.key, tt.part)
		})
	}
	s := Settings{Protocol: "plaintext", TLS: TLSSettings{Protocol: "nonsense"}}
	if cfg, err := s.TLSConfig(); cfg != nil || err != nil {
		t.Errorf("plaintext has a TLS configuration: %v, %v", cfg, err)
	}
}
