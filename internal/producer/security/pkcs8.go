package security

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// errKeyPassword is what a wrong password looks like, and damage too.
var errKeyPassword = errors.New("the private key cannot be decrypted: its password is wrong," +
	" or it is damaged")

// pkcs8MaxIterations bounds what a key file can make us compute.
const pkcs8MaxIterations = 10_000_000

type encryptedPrivateKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2Params struct{ KDF, Scheme pkix.AlgorithmIdentifier }

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

var oidPBES2, oidPBKDF2 = oid(1, 2, 840, 113549, 1, 5, 13), oid(1, 2, 840, 113549, 1, 5, 12)

func oid(x ...int) asn1.ObjectIdentifier { return x }

// Hashes of PBKDF2 by object identifier; the absence of one means SHA-1.
var pbkdf2Hashes = []struct {
	id  asn1.ObjectIdentifier
	new func() hash.Hash
}{
	{oid(1, 2, 840, 113549, 2, 7), sha1.New},
	{oid(1, 2, 840, 113549, 2, 8), sha256.New224},
	{oid(1, 2, 840, 113549, 2, 9), sha256.New},
	{oid(1, 2, 840, 113549, 2, 10), sha512.New384},
	{oid(1, 2, 840, 113549, 2, 11), sha512.New},
}

// Ciphers of PBES2, all in CBC mode, by object identifier.
var pbes2Ciphers = []struct {
	id      asn1.ObjectIdentifier
	keySize int // bytes
	new     func(key []byte) (cipher.Block, error)
}{
	{oid(2, 16, 840, 1, 101, 3, 4, 1, 2), 16, aes.NewCipher},
	{oid(2, 16, 840, 1, 101, 3, 4, 1, 22), 24, aes.NewCipher},
	{oid(2, 16, 840, 1, 101, 3, 4, 1, 42), 32, aes.NewCipher},
	{oid(1, 2, 840, 113549, 3, 7), 24, des.NewTripleDESCipher},
}

// decryptPKCS8 decrypts an encrypted PKCS#8 key to the plain one, both DER. It
// knows PBES2 with PBKDF2 (RFC 8018), which is what OpenSSL and Java write; the
// older PBES1 is refused.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var info encryptedPrivateKeyInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) != 0 {
		return nil, errors.New("not an encrypted PKCS#8 private key")
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, fmt.Errorf("the private key is encrypted with %v, not with PBES2;"+
			" convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc", info.Algorithm.Algorithm)
	}
	var params pbes2Params
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, fmt.Errorf("parameters of an encrypted private key: %w", err)
	}
	for _, c := range pbes2Ciphers {
		if !c.id.Equal(params.Scheme.Algorithm) {
			continue
		}
		key, err := deriveKey(params.KDF, password, c.keySize)
		if err != nil {
			return nil, err
		}
		var iv []byte
		if _, err := asn1.Unmarshal(params.Scheme.Parameters.FullBytes, &iv); err != nil {
			return nil, fmt.Errorf("parameters of an encrypted private key: %w", err)
		}
		block, err := c.new(key)
		if err != nil {
			return nil, err
		}
		return decryptCBC(block, iv, info.Data)
	}
	return nil, fmt.Errorf("the private key is encrypted with the cipher %v;"+
		" convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc", params.Scheme.Algorithm)
}

func deriveKey(kdf pkix.AlgorithmIdentifier, password string, size int) ([]byte, error) {
	if !kdf.Algorithm.Equal(oidPBKDF2) {
		return nil, fmt.Errorf("the key derivation %v of an encrypted private key is not PBKDF2;"+
			" convert it with openssl pkcs8 -topk8", kdf.Algorithm)
	}
	var p pbkdf2Params
	if _, err := asn1.Unmarshal(kdf.Parameters.FullBytes, &p); err != nil {
		return nil, fmt.Errorf("parameters of an encrypted private key: %w", err)
	}
	if p.Iterations < 1 || p.Iterations > pkcs8MaxIterations {
		return nil, fmt.Errorf("an encrypted private key asks for %d iterations", p.Iterations)
	}
	if len(p.PRF.Algorithm) == 0 {
		p.PRF.Algorithm = pbkdf2Hashes[0].id
	}
	for _, h := range pbkdf2Hashes {
		if h.id.Equal(p.PRF.Algorithm) {
			return pbkdf2.Key(h.new, password, p.Salt, p.Iterations, size)
		}
	}
	return nil, fmt.Errorf("the hash %v of an encrypted private key is not known", p.PRF.Algorithm)
}

// decryptCBC decrypts data and takes its padding off (PKCS#7).
func decryptCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errKeyPassword
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size {
		return nil, errKeyPassword
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, errKeyPassword
		}
	}
	return plain[:len(plain)-pad], nil
}
