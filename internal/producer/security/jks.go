package security

import (
	"crypto/sha1"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// The keystore format of Java's SUN provider, read only. All numbers are
// big-endian.
//
//	magic, version (1 or 2), count
//	count × tag 1: alias, date, encrypted key, certificates
//	        tag 2: alias, date, certificate
//	SHA-1 of password, a phrase and everything before
//
// Source: sun.security.provider.JavaKeyStore, KeyProtector.
const (
	jksMagic   = 0xFEEDFEED
	jksKey     = 1
	jksTrusted = 2
	jksPhrase  = "Mighty Aphrodite"

	sha1Size = sha1.Size
)

var (
	errJKSPassword = errors.New("the password is wrong, or the file is damaged")
	errJKSCut      = errors.New("the file is cut short")
)

// isJKS reports whether b begins as such a keystore.
func isJKS(b []byte) bool { return len(b) >= 4 && binary.BigEndian.Uint32(b) == jksMagic }

// parseJKS reads a keystore. storePassword is checked against the whole file, and
// not if it is empty, as in Java; keyPassword decrypts the keys.
func parseJKS(b []byte, storePassword, keyPassword string) (store, error) {
	if len(b) < 12+sha1Size {
		return store{}, errJKSCut
	}
	body, digest := b[:len(b)-sha1Size], b[len(b)-sha1Size:]
	if storePassword != "" {
		h := sha1.New()
		h.Write(utf16Bytes(storePassword))
		h.Write([]byte(jksPhrase))
		h.Write(body)
		if subtle.ConstantTimeCompare(h.Sum(nil), digest) != 1 {
			return store{}, errJKSPassword
		}
	}
	r := jksReader{b: body[4:]}
	r.version = r.uint32()
	if r.version != 1 && r.version != 2 {
		return store{}, fmt.Errorf("version %d of the format is not known", r.version)
	}
	var s store
	for range r.uint32() {
		switch tag := r.uint32(); {
		case r.short:
			return store{}, errJKSCut
		case tag == jksKey:
			r.skipName()
			key := r.bytes(r.uint32())
			var chain [][]byte
			for n := r.uint32(); n > 0 && !r.short; n-- {
				chain = append(chain, r.certificate())
			}
			if r.short {
				return store{}, errJKSCut
			}
			if err := s.addJKSKey(key, keyPassword, chain); err != nil {
				return store{}, err
			}
		case tag == jksTrusted:
			r.skipName()
			c, err := x509.ParseCertificate(r.certificate())
			if err != nil {
				return store{}, err
			}
			s.trusted = append(s.trusted, c)
		default:
			return store{}, fmt.Errorf("an entry of kind %d is not known", tag)
		}
	}
	return s, nil
}

func (s *store) addJKSKey(protected []byte, password string, chain [][]byte) error {
	if password == "" { // a truststore: Java trusts the owner of a key that is in it
		return s.trustFirst(chain)
	}
	der, err := unprotectJKS(protected, password)
	if err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return err
	}
	return s.addKey(key, chain)
}

// unprotectJKS decrypts a key: salt, key XOR a stream of SHA-1 hashes, and the
// SHA-1 of password and key.
func unprotectJKS(der []byte, password string) ([]byte, error) {
	var info encryptedPrivateKeyInfo
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("a protected key: %w", err)
	}
	if !info.Algorithm.Algorithm.Equal(oid(1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1)) {
		return nil, fmt.Errorf("a key is protected with %v", info.Algorithm.Algorithm)
	}
	if len(info.Data) < 2*sha1Size {
		return nil, errJKSCut
	}
	secret := utf16Bytes(password)
	salted := func(tail []byte) []byte {
		h := sha1.New()
		h.Write(secret)
		h.Write(tail)
		return h.Sum(nil)
	}
	stream := info.Data[:sha1Size]
	plain := append([]byte(nil), info.Data[sha1Size:len(info.Data)-sha1Size]...)
	for rest := plain; len(rest) > 0; {
		stream = salted(stream)
		n := subtle.XORBytes(rest, rest, stream)
		rest = rest[n:]
	}
	check := info.Data[len(info.Data)-sha1Size:]
	if subtle.ConstantTimeCompare(salted(plain), check) != 1 {
		return nil, errKeyPassword
	}
	return plain, nil
}

func utf16Bytes(text string) (b []byte) {
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return b
}

// jksReader reads fields in turn; short is set when there is nothing left.
type jksReader struct {
	b       []byte
	version uint32
	short   bool
}

func (r *jksReader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)) {
		r.b, r.short = nil, true
		return nil
	}
	f := r.b[:n]
	r.b = r.b[n:]
	return f
}

func (r *jksReader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *jksReader) text() {
	if b := r.bytes(2); b != nil {
		r.bytes(uint32(binary.BigEndian.Uint16(b)))
	}
}

// skipName passes over an entry's alias and date.
func (r *jksReader) skipName() {
	r.text()
	r.bytes(8)
}

func (r *jksReader) certificate() []byte {
	if r.version == 2 {
		r.text() // X.509
	}
	return r.bytes(r.uint32())
}
