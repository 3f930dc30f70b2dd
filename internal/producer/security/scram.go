package security

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

const (
	// scramMinIterations is the least that Kafka accepts on either side.
	// Source: ScramMechanism.
	scramMinIterations = 4096
	// scramMaxIterations keeps a broker, or who poses as one, from making us
	// compute for minutes. Kafka itself allows 16384 to be set.
	scramMaxIterations = 1_000_000
)

// scram is the client's side of SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC
// 7677). As in Kafka, names and passwords are taken as their UTF-8 bytes, without
// SASLprep. Source: ScramSaslClient, ScramFormatter.
type scram struct {
	name     string
	newHash  func() hash.Hash
	username string
	password string
	token    bool   // the user name is a delegation token's id (KIP-48)
	nonce    string // ours

	state       scramState
	firstBare   string // client-first-message-bare
	serverProof []byte // the signature that shows that the server knows the password
}

type scramState uint8

const (
	scramStart scramState = iota
	scramFirstSent
	scramFinalSent
	scramDone
)

func newSCRAM(s *SASLSettings) *scram {
	c := &scram{
		name: s.Mechanism, newHash: sha256.New,
		username: s.Username, password: s.Password,
		token: strings.EqualFold(s.Options["tokenauth"], "true"),
		nonce: rand.Text(),
	}
	if s.Mechanism == "SCRAM-SHA-512" {
		c.newHash = sha512.New
	}
	return c
}

func (c *scram) Name() string { return c.name }

const scramNoChannelBinding = "n,,"

func (c *scram) Start() ([]byte, error) {
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(c.username)
	c.firstBare = "n=" + name + ",r=" + c.nonce
	if c.token {
		c.firstBare += ",tokenauth=true"
	}
	c.state = scramFirstSent
	return []byte(scramNoChannelBinding + c.firstBare), nil
}

func (c *scram) Next(challenge []byte) (response []byte, done bool, err error) {
	switch c.state {
	case scramFirstSent:
		response, err = c.final(string(challenge))
		c.state = scramFinalSent
		return response, false, err
	case scramFinalSent:
		c.state = scramDone
		return nil, true, c.verify(string(challenge))
	default:
		return nil, false, errors.New("a message after the end of the exchange")
	}
}

// final answers the server's first message: r=nonce,s=salt,i=iterations.
func (c *scram) final(serverFirst string) ([]byte, error) {
	nonce, salt, iterations, err := c.parseFirst(serverFirst)
	if err != nil {
		return nil, fmt.Errorf("%s: the broker's first message: %w", c.name, err)
	}
	size := c.newHash().Size()
	salted, err := pbkdf2.Key(c.newHash, c.password, salt, iterations, size)
	if err != nil {
		return nil, fmt.Errorf("%s: derive the key: %w", c.name, err)
	}
	binding := base64.StdEncoding.EncodeToString([]byte(scramNoChannelBinding))
	withoutProof := "c=" + binding + ",r=" + nonce
	message := c.firstBare + "," + serverFirst + "," + withoutProof

	clientKey := c.mac(salted, "Client Key")
	h := c.newHash()
	h.Write(clientKey)
	proof := c.mac(h.Sum(nil), message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	c.serverProof = c.mac(c.mac(salted, "Server Key"), message)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

func (c *scram) mac(key []byte, message string) []byte {
	h := hmac.New(c.newHash, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

func (c *scram) parseFirst(message string) (
	nonce string, salt []byte, iterations int, err error,
) {
	fields := strings.Split(message, ",")
	if len(fields) < 3 {
		return "", nil, 0, fmt.Errorf("%q has not three fields", printable([]byte(message)))
	}
	nonce, ok := strings.CutPrefix(fields[0], "r=")
	if !ok || !strings.HasPrefix(nonce, c.nonce) || nonce == c.nonce {
		return "", nil, 0, errors.New("its nonce does not continue ours")
	}
	text, ok := strings.CutPrefix(fields[1], "s=")
	if salt, err = base64.StdEncoding.DecodeString(text); !ok || err != nil || len(salt) == 0 {
		return "", nil, 0, errors.New("its salt cannot be read")
	}
	text, ok = strings.CutPrefix(fields[2], "i=")
	if iterations, err = strconv.Atoi(text); !ok || err != nil {
		return "", nil, 0, errors.New("its number of iterations cannot be read")
	}
	if iterations < scramMinIterations || iterations > scramMaxIterations {
		return "", nil, 0, fmt.Errorf("it asks for %d iterations, allowed are %d to %d",
			iterations, scramMinIterations, scramMaxIterations)
	}
	return nonce, salt, iterations, nil
}

// verify checks the server's final message: v=signature, or e=error.
func (c *scram) verify(serverFinal string) error {
	first, _, _ := strings.Cut(serverFinal, ",")
	if reason, ok := strings.CutPrefix(first, "e="); ok {
		return fmt.Errorf("the broker refuses the user name or password: %s",
			printable([]byte(reason)))
	}
	text, ok := strings.CutPrefix(first, "v=")
	signature, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || !hmac.Equal(signature, c.serverProof) {
		return fmt.Errorf("%s: the broker does not prove that it knows the password;"+
			" it may be an impostor", c.name)
	}
	return nil
}
