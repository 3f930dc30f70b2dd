package security

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// store is what a keystore or truststore holds.
type store struct {
	trusted []*x509.Certificate
	keys    []tls.Certificate
}

func (s *store) addKey(key crypto.PrivateKey, chain [][]byte) error {
	if len(chain) == 0 {
		return errors.New("a private key without a certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	if !samePublicKey(key, leaf) {
		return fmt.Errorf("the private key does not belong to the first certificate (%s)", leaf.Subject)
	}
	s.keys = append(s.keys, tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf})
	return nil
}

// trustFirst trusts the first certificate of a chain and none of its authorities.
// Source: sun.security.validator.TrustStoreUtil.
func (s *store) trustFirst(chain [][]byte) error {
	if len(chain) == 0 {
		return nil
	}
	c, err := x509.ParseCertificate(chain[0])
	if err == nil {
		s.trusted = append(s.trusted, c)
	}
	return err
}

func (s *store) addPEM(keyText, chainText, keyPassword string) error {
	key, err := parsePEMKey(keyText, keyPassword)
	if err != nil {
		return err
	}
	chain, err := parsePEMCertificates(chainText)
	if err != nil {
		return err
	}
	var der [][]byte
	for _, c := range chain {
		der = append(der, c.Raw)
	}
	return s.addKey(key, der)
}

// keystore reads this client's key and certificates; nil if there are none.
// Source: DefaultSslEngineFactory.createKeystore.
func (t *TLSSettings) keystore() ([]tls.Certificate, error) {
	const key = "ssl.keystore.key"
	isPEM := strings.EqualFold(t.KeystoreType, "PEM")
	switch {
	case t.KeystoreKey != "" && !isPEM:
		return nil, refuse("ssl.keystore.type", t.KeystoreType, key+" is given, which is PEM",
			"set it to PEM")
	case t.KeystoreKey != "" && t.KeystoreCertificateChain == "":
		return nil, refuse(key, t.KeystoreKey, "a key without its certificates",
			"set ssl.keystore.certificate.chain")
	case t.KeystoreKey == "" && t.KeystoreCertificateChain != "":
		return nil, refuse("ssl.keystore.certificate.chain", t.KeystoreCertificateChain,
			"certificates without their key", "set "+key)
	case t.KeystoreKey != "" && t.KeystoreLocation != "":
		return nil, refuse("ssl.keystore.location", t.KeystoreLocation,
			key+" is given as well", "remove one of the two")
	case isPEM && t.KeystorePassword != "":
		return nil, refuse("ssl.keystore.password", t.KeystorePassword,
			"PEM has no store password", "remove it; the key's password is ssl.key.password")
	case t.KeystoreKey != "":
		var s store
		if err := s.addPEM(t.KeystoreKey, t.KeystoreCertificateChain, t.KeyPassword); err != nil {
			return nil, refuse(key, t.KeystoreKey, err.Error(), "correct it, "+
				"ssl.keystore.certificate.chain or ssl.key.password")
		}
		return s.keys, nil
	case t.KeystoreLocation == "" && t.KeystorePassword != "":
		return nil, refuse("ssl.keystore.password", t.KeystorePassword, "there is no keystore",
			"set ssl.keystore.location")
	case t.KeystoreLocation == "":
		return nil, nil
	case !isPEM && t.KeystorePassword == "":
		return nil, refuse("ssl.keystore.location", t.KeystoreLocation,
			"the keystore needs a password", "set ssl.keystore.password")
	}
	return t.readKeystore()
}

func (t *TLSSettings) readKeystore() ([]tls.Certificate, error) {
	keyPassword := t.KeyPassword
	if keyPassword == "" {
		keyPassword = t.KeystorePassword
	}
	s, err := storeFile{
		path: t.KeystoreLocation, format: t.KeystoreType, wantKeys: true,
		password: t.KeystorePassword, keyPassword: keyPassword,
	}.read()
	if err == nil && len(s.keys) == 0 {
		err = errors.New("there is no private key in it")
	}
	if err != nil {
		return nil, refuse("ssl.keystore.location", t.KeystoreLocation, err.Error(),
			"check the file, ssl.keystore.type, ssl.keystore.password and ssl.key.password")
	}
	return s.keys, nil
}

// truststore reads the certificates to trust; nil means those of the system.
// Source: DefaultSslEngineFactory.createTruststore.
func (t *TLSSettings) truststore() (*x509.CertPool, error) {
	const inline = "ssl.truststore.certificates"
	isPEM := strings.EqualFold(t.TruststoreType, "PEM")
	switch {
	case t.TruststoreCertificates != "" && !isPEM:
		return nil, refuse("ssl.truststore.type", t.TruststoreType, inline+" is given, which is PEM",
			"set it to PEM")
	case t.TruststoreCertificates != "" && t.TruststoreLocation != "":
		return nil, refuse("ssl.truststore.location", t.TruststoreLocation, inline+" is given as well",
			"remove one of the two")
	case isPEM && t.TruststorePassword != "":
		return nil, refuse("ssl.truststore.password", t.TruststorePassword, "PEM has no password",
			"remove it")
	case t.TruststoreCertificates != "":
		certificates, err := parsePEMCertificates(t.TruststoreCertificates)
		if err != nil {
			return nil, refuse(inline, t.TruststoreCertificates, err.Error(), "correct the PEM text")
		}
		return pool(certificates), nil
	case t.TruststoreLocation == "" && t.TruststorePassword != "":
		return nil, refuse("ssl.truststore.password", t.TruststorePassword, "there is no truststore",
			"set ssl.truststore.location")
	case t.TruststoreLocation == "":
		return nil, nil
	}
	s, err := storeFile{
		path: t.TruststoreLocation, format: t.TruststoreType, password: t.TruststorePassword,
	}.read()
	if err == nil && len(s.trusted) == 0 {
		err = errors.New("there is no trusted certificate in it")
	}
	if err != nil {
		return nil, refuse("ssl.truststore.location", t.TruststoreLocation, err.Error(),
			"check the file, ssl.truststore.type and ssl.truststore.password")
	}
	return pool(s.trusted), nil
}

func pool(certificates []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certificates {
		p.AddCert(c)
	}
	return p
}

// storeFile is a file with keys or with trusted certificates.
type storeFile struct {
	path        string
	format      string // JKS, PKCS12 or PEM; empty means JKS, Kafka's default
	wantKeys    bool
	password    string
	keyPassword string
}

// read takes JKS for PKCS12 and the other way round, by what the file holds: so
// does Java since 9, where the default is called JKS and keytool writes PKCS12.
func (f storeFile) read() (store, error) {
	b, err := os.ReadFile(f.path)
	if err != nil {
		return store{}, err
	}
	switch strings.ToUpper(f.format) {
	case "PEM":
		return f.readPEM(string(b))
	case "", "JKS", "PKCS12":
	default:
		return store{}, fmt.Errorf("the type %s is not known, only JKS, PKCS12 and PEM;"+
			" convert the file with keytool -importkeystore -deststoretype PKCS12", f.format)
	}
	switch {
	case isJKS(b):
		return parseJKS(b, f.password, f.keyPassword)
	case strings.HasPrefix(string(b), "-----BEGIN") || strings.Contains(string(b), "\n-----BEGIN"):
		return store{}, errors.New("the file is PEM; set the type to PEM")
	case len(b) > 0 && b[0] == 0x30: // an ASN.1 sequence
		return f.readPKCS12(b)
	}
	return store{}, errors.New("the file is neither JKS nor PKCS12")
}

func (f storeFile) readPEM(text string) (s store, err error) {
	if f.wantKeys {
		return s, s.addPEM(text, text, f.keyPassword)
	}
	s.trusted, err = parsePEMCertificates(text)
	return s, err
}

// readPKCS12 reads a PKCS#12 file. As in Java, certificates without a key are
// trusted only if the file says so, as keytool makes it.
func (f storeFile) readPKCS12(b []byte) (s store, err error) {
	if !f.wantKeys {
		if s.trusted, err = pkcs12.DecodeTrustStore(b, f.password); err == nil {
			return s, nil
		}
	}
	key, leaf, rest, keyErr := pkcs12.DecodeChain(b, f.password)
	switch {
	case keyErr != nil && err != nil:
		return s, explainPKCS12(err) // no truststore, and no keystore either
	case keyErr != nil:
		return s, explainPKCS12(keyErr)
	case !f.wantKeys:
		return s, s.trustFirst([][]byte{leaf.Raw})
	}
	chain := [][]byte{leaf.Raw}
	for _, c := range rest {
		chain = append(chain, c.Raw)
	}
	return s, s.addKey(key, chain)
}

func explainPKCS12(err error) error {
	if errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption) {
		return errJKSPassword
	}
	return err
}
