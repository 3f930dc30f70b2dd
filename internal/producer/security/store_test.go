package security

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/config"
)

func mustRead(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantSetting fails unless err is about the setting, says what to do, and shows
// no secret.
func wantSetting(t *testing.T, err error, key, part string) {
	t.Helper()
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("error = %v (%T), want a *config.Error about %s", err, err, key)
	}
	if e.Key != key || !strings.Contains(e.Error(), part) || e.Remedy == "" {
		t.Errorf("error = %v, want one about %s with %q in it", e, key, part)
	}
	for _, secret := range []string{"changeit", "keypass", "s3cret", "PRIVATE KEY-----"} {
		if strings.Contains(e.Error(), secret) {
			t.Errorf("error shows a secret: %v", e)
		}
	}
}

// oneLine is PEM as it ends up in a properties file: blanks for line ends.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestEveryKeystoreHoldsTheSameKeyAndChain(t *testing.T) {
	file := func(name, format, password, keyPassword string) TLSSettings {
		return TLSSettings{
			KeystoreLocation: filepath.Join("testdata", name), KeystoreType: format,
			KeystorePassword: password, KeyPassword: keyPassword,
		}
	}
	inline := func(key, password string) TLSSettings {
		return TLSSettings{
			KeystoreType: "PEM", KeystoreKey: key, KeyPassword: password,
			KeystoreCertificateChain: mustRead(t, "client-chain.pem"),
		}
	}
	both := filepath.Join(t.TempDir(), "both.pem")
	text := mustRead(t, "client-chain.pem") + mustRead(t, "client-key-aes256.pem")
	if err := os.WriteFile(both, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]TLSSettings{
		"JKS":                             file("client.jks", "JKS", "changeit", "keypass"),
		"JKS that is called PKCS12":       file("client.jks", "PKCS12", "changeit", "keypass"),
		"PKCS12 of keytool":               file("client.p12", "PKCS12", "changeit", ""),
		"PKCS12 of OpenSSL":               file("client-openssl.p12", "pkcs12", "changeit", ""),
		"PKCS12 under the default type":   file("client.p12", "JKS", "changeit", ""),
		"PEM inline":                      inline(mustRead(t, "client-key.pem"), ""),
		"PEM inline on one line":          inline(oneLine(mustRead(t, "client-key.pem")), ""),
		"PEM as OpenSSL writes EC keys":   inline(mustRead(t, "client-key-ec.pem"), ""),
		"PEM encrypted with AES-256":      inline(mustRead(t, "client-key-aes256.pem"), "keypass"),
		"PEM encrypted with 3DES":         inline(mustRead(t, "client-key-des3.pem"), "keypass"),
		"PEM encrypted, keyed with SHA-1": inline(mustRead(t, "client-key-aes128-sha1.pem"), "keypass"),
		"PEM file with chain and key": {
			KeystoreLocation: both, KeystoreType: "PEM", KeyPassword: "keypass"},
		"PEM file, type in small letters": {
			KeystoreLocation: both, KeystoreType: "pem", KeyPassword: "keypass"},
	}
	key, err := parsePEMKey(mustRead(t, "client-key.pem"), "")
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := pem.Decode([]byte(mustRead(t, "client-chain.pem")))
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := s.keystore()
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || len(got[0].Certificate) != 2 {
				t.Fatalf("%d keys, want one with a chain of two", len(got))
			}
			if !bytes.Equal(got[0].Certificate[0], leaf.Bytes) {
				t.Error("the chain does not begin with our certificate")
			}
			if !got[0].PrivateKey.(*ecdsa.PrivateKey).Equal(key) {
				t.Error("another private key")
			}
		})
	}
}

func TestKeystoreRefuses(t *testing.T) {
	jks := filepath.Join("testdata", "client.jks")
	p12 := filepath.Join("testdata", "client.p12")
	pemFile := filepath.Join("testdata", "client-chain.pem")
	chain, key := mustRead(t, "client-chain.pem"), mustRead(t, "client-key.pem")
	inline := func(name, password string) TLSSettings {
		return TLSSettings{KeystoreType: "PEM", KeystoreKey: mustRead(t, name),
			KeystoreCertificateChain: chain, KeyPassword: password}
	}
	tests := map[string]struct {
		s         TLSSettings
		key, part string
	}{
		"a key while the type is JKS": {
			TLSSettings{KeystoreType: "JKS", KeystoreKey: key, KeystoreCertificateChain: chain},
			"ssl.keystore.type", "set it to PEM"},
		"a key without certificates": {
			TLSSettings{KeystoreType: "PEM", KeystoreKey: key},
			"ssl.keystore.key", "ssl.keystore.certificate.chain"},
		"certificates without a key": {
			TLSSettings{KeystoreType: "PEM", KeystoreCertificateChain: chain},
			"ssl.keystore.certificate.chain", "ssl.keystore.key"},
		"a key and a file": {
			TLSSettings{KeystoreType: "PEM", KeystoreKey: key, KeystoreCertificateChain: chain,
				KeystoreLocation: pemFile}, "ssl.keystore.location", "remove one"},
		"a store password for PEM": {
			TLSSettings{KeystoreType: "PEM", KeystoreLocation: pemFile, KeystorePassword: "changeit"},
			"ssl.keystore.password", "ssl.key.password"},
		"a password without a store": {
			TLSSettings{KeystorePassword: "changeit"}, "ssl.keystore.password", "ssl.keystore.location"},
		"a JKS without a password": {
			TLSSettings{KeystoreLocation: jks}, "ssl.keystore.location", "ssl.keystore.password"},
		"a JKS and the wrong password": {
			TLSSettings{KeystoreLocation: jks, KeystorePassword: "nonsense"},
			"ssl.keystore.location", "password is wrong"},
		"a JKS and the wrong key password": {
			TLSSettings{KeystoreLocation: jks, KeystorePassword: "changeit", KeyPassword: "nonsense"},
			"ssl.keystore.location", "password is wrong"},
		"a PKCS12 and the wrong password": {
			TLSSettings{KeystoreLocation: p12, KeystorePassword: "nonsense"},
			"ssl.keystore.location", "password is wrong"},
		"a file that is not there": {
			TLSSettings{KeystoreLocation: "none.jks", KeystorePassword: "changeit"},
			"ssl.keystore.location", "no such file"},
		"a PEM file under the default type": {
			TLSSettings{KeystoreLocation: pemFile, KeystorePassword: "changeit"},
			"ssl.keystore.location", "set the type to PEM"},
		"a file of no known kind": {
			TLSSettings{KeystoreLocation: "store_test.go", KeystorePassword: "changeit"},
			"ssl.keystore.location", "neither JKS nor PKCS12"},
		"a type that nobody has": {
			TLSSettings{KeystoreLocation: jks, KeystoreType: "BCFKS", KeystorePassword: "changeit"},
			"ssl.keystore.location", "keytool"},
		"a truststore in place of a keystore": {
			TLSSettings{KeystoreLocation: filepath.Join("testdata", "trust.jks"),
				KeystorePassword: "changeit"}, "ssl.keystore.location", "no private key"},
		"an encrypted key without its password": {
			inline("client-key-aes256.pem", ""), "ssl.keystore.key", "no password"},
		"an encrypted key and the wrong password": {
			inline("client-key-aes256.pem", "nonsense"), "ssl.keystore.key", "password is wrong"},
		"a key in PBES1": {
			inline("client-key-pbes1.pem", "keypass"), "ssl.keystore.key", "openssl pkcs8"},
		"a key in OpenSSL's old encryption": {
			inline("client-key-old.pem", "keypass"), "ssl.keystore.key", "openssl pkcs8"},
		"a key that is not the certificate's": {
			TLSSettings{KeystoreType: "PEM", KeystoreKey: newTestCA(t).keyPEM(t),
				KeystoreCertificateChain: chain}, "ssl.keystore.key", "does not belong"},
		"PEM that ends in the middle": {
			TLSSettings{KeystoreType: "PEM", KeystoreKey: key[:60], KeystoreCertificateChain: chain},
			"ssl.keystore.key", "no end"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.s.keystore()
			wantSetting(t, err, tt.key, tt.part)
		})
	}
}

func TestEveryTruststoreTrustsTheSame(t *testing.T) {
	file := func(name, format, password string) TLSSettings {
		return TLSSettings{TruststoreLocation: filepath.Join("testdata", name),
			TruststoreType: format, TruststorePassword: password}
	}
	inline := func(text string) TLSSettings {
		return TLSSettings{TruststoreType: "PEM", TruststoreCertificates: text}
	}
	ca := mustRead(t, "ca.pem")
	want, err := parsePEMCertificates(ca)
	if err != nil {
		t.Fatal(err)
	}
	client, err := parsePEMCertificates(mustRead(t, "client-chain.pem"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		s    TLSSettings
		want int // 0: the authority, 1: the client's own certificate
	}{
		"JKS":                        {file("trust.jks", "JKS", "changeit"), 0},
		"JKS without a password":     {file("trust.jks", "", ""), 0},
		"PKCS12":                     {file("trust.p12", "PKCS12", "changeit"), 0},
		"PEM file":                   {file("ca.pem", "PEM", ""), 0},
		"PEM inline":                 {inline(ca), 0},
		"PEM inline on one line":     {inline(oneLine(ca)), 0},
		"a JKS keystore, its own":    {file("client.jks", "JKS", "changeit"), 1},
		"a PKCS12 keystore, its own": {file("client.p12", "PKCS12", "changeit"), 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.s.truststore()
			if err != nil {
				t.Fatal(err)
			}
			expect := pool(want)
			if tt.want == 1 {
				expect = pool(client[:1])
			}
			if !got.Equal(expect) {
				t.Error("other certificates than those in the file")
			}
		})
	}
	if got, err := (&TLSSettings{}).truststore(); got != nil || err != nil {
		t.Errorf("without a truststore: %v, %v; want the system's", got, err)
	}
}

func TestTruststoreRefuses(t *testing.T) {
	jks := filepath.Join("testdata", "trust.jks")
	tests := map[string]struct {
		s         TLSSettings
		key, part string
	}{
		"certificates while the type is JKS": {
			TLSSettings{TruststoreType: "JKS", TruststoreCertificates: "x"},
			"ssl.truststore.type", "set it to PEM"},
		"certificates and a file": {
			TLSSettings{TruststoreType: "PEM", TruststoreCertificates: "x", TruststoreLocation: jks},
			"ssl.truststore.location", "remove one"},
		"a password for PEM": {
			TLSSettings{TruststoreType: "PEM", TruststoreCertificates: "x", TruststorePassword: "changeit"},
			"ssl.truststore.password", "remove it"},
		"a password without a store": {
			TLSSettings{TruststorePassword: "changeit"},
			"ssl.truststore.password", "ssl.truststore.location"},
		"text that is not PEM": {
			TLSSettings{TruststoreType: "PEM", TruststoreCertificates: "x"},
			"ssl.truststore.certificates", "no PEM block"},
		"a JKS and the wrong password": {
			TLSSettings{TruststoreLocation: jks, TruststorePassword: "nonsense"},
			"ssl.truststore.location", "password is wrong"},
		"a PKCS12 and the wrong password": {
			TLSSettings{TruststoreLocation: filepath.Join("testdata", "trust.p12"),
				TruststorePassword: "nonsense"}, "ssl.truststore.location", "password is wrong"},
		"a file that is not there": {
			TLSSettings{TruststoreLocation: "none"}, "ssl.truststore.location", "no such file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.s.truststore()
			wantSetting(t, err, tt.key, tt.part)
		})
	}
}

// Whatever a store file holds, reading it must end in a store or an error.
func FuzzParseJKS(f *testing.F) {
	f.Add([]byte(mustRead(f, "client.jks")), "", "keypass")
	f.Add([]byte(mustRead(f, "trust.jks")), "changeit", "")
	f.Add([]byte("\xfe\xed\xfe\xed\x00\x00\x00\x02\xff\xff\xff\xff"+strings.Repeat("x", 20)), "", "")
	f.Fuzz(func(t *testing.T, b []byte, storePassword, keyPassword string) {
		if !isJKS(b) {
			return
		}
		s, err := parseJKS(b, storePassword, keyPassword)
		if err != nil && (len(s.keys) > 0 || len(s.trusted) > 0) {
			t.Fatalf("a store beside the error %v", err)
		}
	})
}

func FuzzParsePEMKey(f *testing.F) {
	for _, name := range []string{"client-key.pem", "client-key-ec.pem", "client-key-old.pem",
		"client-key-pbes1.pem", "client-chain.pem"} {
		f.Add(mustRead(f, name), "keypass")
	}
	f.Add("-----BEGIN EC PRIVATE KEY----------END EC PRIVATE KEY-----", "")
	f.Fuzz(func(t *testing.T, text, password string) {
		if key, err := parsePEMKey(text, password); (key == nil) == (err == nil) {
			t.Fatalf("key %v, error %v", key, err)
		}
	})
}
