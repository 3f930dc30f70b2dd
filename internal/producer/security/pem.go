package security

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// pemBlock is one block of PEM text.
type pemBlock struct {
	label string // CERTIFICATE, PRIVATE KEY …
	der   []byte
}

// parsePEM reads every block of text. Unlike encoding/pem it takes blocks whose
// line ends have become blanks, as they do in properties files; Java takes them
// too (KIP-651).
func parsePEM(text string) (all []pemBlock, err error) {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	for {
		_, rest, found := strings.Cut(text, begin)
		if !found {
			return all, nil
		}
		label, rest, ok := strings.Cut(rest, dashes)
		body, rest, closed := strings.Cut(rest, end+label+dashes)
		if !ok || !closed {
			return nil, fmt.Errorf("a PEM block that begins with %s has no end", printable([]byte(label)))
		}
		text = rest
		if strings.Contains(body, "Proc-Type:") {
			return nil, fmt.Errorf("%s is encrypted in the old way of OpenSSL;"+
				" convert it with openssl pkcs8 -topk8", label)
		}
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(body), ""))
		if err != nil {
			return nil, fmt.Errorf("PEM block %s: %w", label, err)
		}
		all = append(all, pemBlock{label, der})
	}
}

// parsePEMCertificates reads the certificates in text, at least one.
func parsePEMCertificates(text string) (all []*x509.Certificate, err error) {
	blocks, err := parsePEM(text)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if b.label != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no PEM block CERTIFICATE in it")
	}
	return all, nil
}

// parsePEMKey reads the first private key in text, in whichever form it is.
func parsePEMKey(text, password string) (crypto.PrivateKey, error) {
	blocks, err := parsePEM(text)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if strings.HasSuffix(b.label, "PRIVATE KEY") {
			key, err := b.privateKey(password)
			if err != nil {
				return nil, err
			}
			return key, nil
		}
	}
	return nil, errors.New("no PEM block PRIVATE KEY in it")
}

// privateKey is the key in b. The result is to be used only if err is nil.
func (b pemBlock) privateKey(password string) (key crypto.PrivateKey, err error) {
	switch b.label {
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(b.der)
	case "ENCRYPTED PRIVATE KEY":
		if password == "" {
			return nil, errors.New("the private key is encrypted and no password is given")
		}
		der, err := decryptPKCS8(b.der, password)
		if err != nil {
			return nil, err
		}
		return x509.ParsePKCS8PrivateKey(der)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(b.der)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(b.der)
	}
	return nil, fmt.Errorf("a private key of the kind %s is not known;"+
		" convert it with openssl pkcs8 -topk8", printable([]byte(b.label)))
}

// samePublicKey reports whether key is the private half of the certificate's key.
func samePublicKey(key crypto.PrivateKey, c *x509.Certificate) bool {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return false
	}
	a, errA := x509.MarshalPKIXPublicKey(signer.Public())
	b, errB := x509.MarshalPKIXPublicKey(c.PublicKey)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}
