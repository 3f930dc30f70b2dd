package security

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
)

// tlsOptions are the settings among the options of a login module, which are
// called as the producer's are.
func tlsOptions(options map[string]string) (t TLSSettings, ok bool) {
	t.EndpointIdentification = "https"
	list := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	}
	for name, value := range options {
		if !strings.HasPrefix(name, "ssl.") {
			continue
		}
		ok = true
		switch name {
		case "ssl.protocol":
			t.Protocol = value
		case "ssl.enabled.protocols":
			t.EnabledProtocols = list(value)
		case "ssl.cipher.suites":
			t.CipherSuites = list(value)
		case "ssl.endpoint.identification.algorithm":
			t.EndpointIdentification = value
		case "ssl.truststore.location":
			t.TruststoreLocation = value
		case "ssl.truststore.type":
			t.TruststoreType = value
		case "ssl.truststore.password":
			t.TruststorePassword = value
		case "ssl.truststore.certificates":
			t.TruststoreCertificates = value
		case "ssl.keystore.location":
			t.KeystoreLocation = value
		case "ssl.keystore.type":
			t.KeystoreType = value
		case "ssl.keystore.password":
			t.KeystorePassword = value
		case "ssl.keystore.key":
			t.KeystoreKey = value
		case "ssl.keystore.certificate.chain":
			t.KeystoreCertificateChain = value
		case "ssl.key.password":
			t.KeyPassword = value
		}
	}
	return t, ok
}

func (t *TLSSettings) config() (*tls.Config, error) {
	cfg := &tls.Config{}
	var err error
	if cfg.RootCAs, err = t.truststore(); err != nil {
		return nil, err
	}
	if cfg.Certificates, err = t.keystore(); err != nil {
		return nil, err
	}
	if err := t.setVersions(cfg); err != nil {
		return nil, err
	}
	if err := t.setCiphers(cfg); err != nil {
		return nil, err
	}
	switch algorithm := t.EndpointIdentification; {
	case strings.EqualFold(algorithm, "https"):
	case algorithm == "":
		// Go checks all or nothing by itself; Java without endpoint identification
		// still checks that the certificate is signed by someone it trusts.
		cfg.InsecureSkipVerify = true
		cfg.VerifyConnection = verifyChain(cfg.RootCAs)
	default:
		return nil, refuse("ssl.endpoint.identification.algorithm", algorithm,
			"not a way of checking a broker's name", "use https, or leave it empty to switch it off")
	}
	return cfg, nil
}

// verifyChain checks a server's certificate as crypto/tls does, but for its name.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the broker shows no certificate")
		}
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range s.PeerCertificates[1:] {
			options.Intermediates.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(options)
		return err
	}
}

// versions are TLS versions by Java's names, oldest first.
var versions = []struct {
	name    string
	version uint16
}{
	{"TLSv1", tls.VersionTLS10},
	{"TLSv1.1", tls.VersionTLS11},
	{"TLSv1.2", tls.VersionTLS12},
	{"TLSv1.3", tls.VersionTLS13},
}

func versionIndex(name string) int {
	for i, v := range versions {
		if strings.EqualFold(v.name, strings.TrimSpace(name)) {
			return i
		}
	}
	return -1
}

// setVersions allows the enabled protocols up to ssl.protocol. If that would
// leave none, ssl.protocol gives way, as it does in Java.
func (t *TLSSettings) setVersions(cfg *tls.Config) error {
	const known = "use TLSv1.2 and TLSv1.3"
	enabled := t.EnabledProtocols
	if len(enabled) == 0 {
		enabled = []string{"TLSv1.2", "TLSv1.3"}
	}
	var on []int
	for _, name := range enabled {
		i := versionIndex(name)
		if i < 0 {
			return refuse("ssl.enabled.protocols", strings.Join(enabled, ","),
				name+" is not a TLS version that Go's crypto/tls has", known)
		}
		on = append(on, i)
	}
	slices.Sort(on)
	on = slices.Compact(on)
	if on[len(on)-1]-on[0] != len(on)-1 {
		return refuse("ssl.enabled.protocols", strings.Join(enabled, ","),
			"versions with a gap between them cannot be enabled", "name neighbours only")
	}
	if name := t.Protocol; name != "" && !strings.EqualFold(name, "TLS") {
		top := versionIndex(name)
		if top < 0 {
			return refuse("ssl.protocol", name, "not a TLS version that Go's crypto/tls has",
				"use TLSv1.3 or TLSv1.2")
		}
		if top >= on[0] {
			on = slices.DeleteFunc(on, func(i int) bool { return i > top })
		}
	}
	cfg.MinVersion = versions[on[0]].version
	cfg.MaxVersion = versions[on[len(on)-1]].version
	return nil
}

// setCiphers allows the cipher suites of TLS 1.2 that are named. Those of TLS 1.3
// are not configurable in Go; if only such are named, TLS 1.2 is not spoken.
func (t *TLSSettings) setCiphers(cfg *tls.Config) error {
	if len(t.CipherSuites) == 0 {
		return nil
	}
	known := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
	modern := false
	for _, name := range t.CipherSuites {
		standard := strings.TrimSpace(name)
		if rest, ok := strings.CutPrefix(standard, "SSL_"); ok {
			standard = "TLS_" + rest // Java's name of the oldest ones
		}
		i := slices.IndexFunc(known, func(c *tls.CipherSuite) bool { return c.Name == standard })
		switch {
		case i < 0:
			return refuse("ssl.cipher.suites", strings.Join(t.CipherSuites, ","),
				name+" is not a cipher suite that Go's crypto/tls has",
				"use standard names, as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
		case slices.Equal(known[i].SupportedVersions, []uint16{tls.VersionTLS13}):
			modern = true
		default:
			cfg.CipherSuites = append(cfg.CipherSuites, known[i].ID)
		}
	}
	switch {
	case len(cfg.CipherSuites) == 0:
		cfg.MinVersion = tls.VersionTLS13
	case !modern:
		cfg.MaxVersion = min(cfg.MaxVersion, tls.VersionTLS12)
	}
	if cfg.MinVersion > cfg.MaxVersion {
		return refuse("ssl.cipher.suites", strings.Join(t.CipherSuites, ","),
			"no suite of an enabled TLS version is among them",
			"add one, or change ssl.enabled.protocols")
	}
	return nil
}
