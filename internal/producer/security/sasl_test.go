package security

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func mustLogin(t *testing.T, s SASLSettings) *Login {
	t.Helper()
	l, err := (&Settings{Protocol: "SASL_SSL", SASL: s}).Login()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustStart(t *testing.T, l *Login) (Authenticator, string) {
	t.Helper()
	a, err := l.Authenticator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := a.Start()
	if err != nil {
		t.Fatal(err)
	}
	return a, string(first)
}

func TestPlainSendsUserAndPassword(t *testing.T) {
	l := mustLogin(t, SASLSettings{Mechanism: "PLAIN", Username: "zoë", Password: "p=,w"})
	a, first := mustStart(t, l)
	if a.Name() != "PLAIN" || first != "\x00zoë\x00p=,w" {
		t.Errorf("%s sends %q", a.Name(), first)
	}
	if response, done, err := a.Next(nil); len(response) != 0 || !done || err != nil {
		t.Errorf("Next = %q, %t, %v; want the end", response, done, err)
	}
}

func TestLoginRefuses(t *testing.T) {
	tests := map[string]struct {
		s         SASLSettings
		key, part string
	}{
		"Kerberos":             {SASLSettings{Mechanism: "GSSAPI"}, "sasl.mechanism", "SCRAM-SHA-512"},
		"an unknown mechanism": {SASLSettings{Mechanism: "scram"}, "sasl.mechanism", "PLAIN"},
		"no user": {
			SASLSettings{Mechanism: "PLAIN", Password: "s3cret"}, "sasl.jaas.config", "user name"},
		"no password": {
			SASLSettings{Mechanism: "SCRAM-SHA-256", Username: "u"}, "sasl.jaas.config", "a password"},
		"a zero byte": {
			SASLSettings{Mechanism: "PLAIN", Username: "u", Password: "s3cret\x00"},
			"sasl.jaas.config", "zero byte"},
		"bytes that are not UTF-8": {
			SASLSettings{Mechanism: "PLAIN", Username: "\xff", Password: "s3cret"},
			"sasl.jaas.config", "UTF-8"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := (&Settings{Protocol: "SASL_PLAINTEXT", SASL: tt.s}).Login()
			wantSetting(t, err, tt.key, tt.part)
		})
	}
	s := Settings{Protocol: "SSL", SASL: SASLSettings{Mechanism: "GSSAPI"}}
	if l, err := s.Login(); l != nil || err != nil {
		t.Errorf("security.protocol=SSL logs in: %v, %v", l, err)
	}
}

// The example exchange of RFC 7677.
func TestSCRAMFollowsTheRFC(t *testing.T) {
	const (
		nonce       = "rOprNGfwEbeRWgbNEkqO"
		serverNonce = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
		serverFirst = serverNonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	)
	l := mustLogin(t, SASLSettings{Mechanism: "SCRAM-SHA-256", Username: "user", Password: "pencil"})
	a, err := l.Authenticator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.(*scram).nonce = nonce
	exchange := []struct{ challenge, response string }{
		{"", "n,,n=user,r=" + nonce},
		{serverFirst, "c=biws," + serverNonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
		{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
	}
	for i, step := range exchange {
		var response []byte
		done := false
		if i == 0 {
			response, err = a.Start()
		} else {
			response, done, err = a.Next([]byte(step.challenge))
		}
		if err != nil || string(response) != step.response || done != (i == 2) {
			t.Fatalf("step %d: %q, %t, %v; want %q", i, response, done, err, step.response)
		}
	}
	if _, _, err := a.Next(nil); err == nil {
		t.Error("a message after the end is accepted")
	}
}

// scramServer is the other side, written from RFC 5802 apart from the client.
type scramServer struct {
	c                    *scram // for its hash only
	password             string
	salt, nonce, message string
}

func (s *scramServer) first(clientFirst string) string {
	bare := strings.TrimPrefix(clientFirst, "n,,")
	_, nonce, _ := strings.Cut(bare, "r=")
	nonce, _, _ = strings.Cut(nonce, ",")
	s.nonce = nonce + "-server"
	first := fmt.Sprintf("r=%s,s=%s,i=5000", s.nonce,
		base64.StdEncoding.EncodeToString([]byte(s.salt)))
	s.message = bare + "," + first
	return first
}

// final checks the client's proof with the stored key and signs.
func (s *scramServer) final(t *testing.T, clientFinal string) string {
	t.Helper()
	withoutProof, proof, _ := strings.Cut(clientFinal, ",p=")
	if want := "c=biws,r=" + s.nonce; withoutProof != want {
		t.Fatalf("final message %q, want %q before the proof", clientFinal, want)
	}
	sum := func(key []byte, text string) []byte {
		h := hmac.New(s.c.newHash, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	s.message += "," + withoutProof
	salted, err := pbkdf2.Key(s.c.newHash, s.password, []byte(s.salt), 5000, s.c.newHash().Size())
	if err != nil {
		t.Fatal(err)
	}
	h := s.c.newHash()
	h.Write(sum(salted, "Client Key"))
	stored := h.Sum(nil)
	got, err := base64.StdEncoding.DecodeString(proof)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range sum(stored, s.message) {
		got[i] ^= b // the client's key, if it knows the password
	}
	h.Reset()
	h.Write(got)
	if !hmac.Equal(h.Sum(nil), stored) {
		return "e=invalid-proof"
	}
	return "v=" + base64.StdEncoding.EncodeToString(sum(sum(salted, "Server Key"), s.message))
}

func TestSCRAMWithAServer(t *testing.T) {
	tests := map[string]struct {
		mechanism, username, password, serverPassword string
		options                                       map[string]string
		first                                         string // part of the client's first message
		want                                          string // part of the error
	}{
		"SHA-256": {"SCRAM-SHA-256", "alice", "pw", "pw", nil, "n,,n=alice,r=", ""},
		"SHA-512": {"SCRAM-SHA-512", "alice", "pw", "pw", nil, "n,,n=alice,r=", ""},
		"a name with a comma and an equals sign": {
			"SCRAM-SHA-512", "a,b=c", "pä=,w", "pä=,w", nil, "n,,n=a=2Cb=3Dc,r=", ""},
		"a delegation token": {"SCRAM-SHA-256", "tokenid", "hmac", "hmac",
			map[string]string{"tokenauth": "true"}, ",tokenauth=true", ""},
		"the wrong password": {
			"SCRAM-SHA-256", "alice", "pw", "other", nil, "n,,", "invalid-proof"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := mustLogin(t, SASLSettings{Mechanism: tt.mechanism, Username: tt.username,
				Password: tt.password, Options: tt.options})
			a, first := mustStart(t, l)
			if !strings.Contains(first, tt.first) {
				t.Errorf("first message %q, want %q in it", first, tt.first)
			}
			server := &scramServer{c: a.(*scram), password: tt.serverPassword, salt: "na\x00cl"}
			final, done, err := a.Next([]byte(server.first(first)))
			if err != nil || done {
				t.Fatalf("Next = %t, %v", done, err)
			}
			_, done, err = a.Next([]byte(server.final(t, string(final))))
			if tt.want == "" && (err != nil || !done) ||
				tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Next = %t, %v; want an error with %q", done, err, tt.want)
			}
		})
	}
}

func TestSCRAMRefusesABadServer(t *testing.T) {
	tests := map[string]struct{ first, final, want string }{
		"nothing":                  {"", "", "three fields"},
		"an error":                 {"e=other-error", "", "three fields"},
		"a nonce of its own":       {"r=other,s=c2FsdA==,i=4096", "", "nonce"},
		"our nonce and no more":    {"r=NONCE,s=c2FsdA==,i=4096", "", "nonce"},
		"a salt that is not":       {"r=NONCEx,s=*,i=4096", "", "salt"},
		"no salt":                  {"r=NONCEx,s=,i=4096", "", "salt"},
		"a count that is not":      {"r=NONCEx,s=c2FsdA==,i=many", "", "iterations"},
		"too few iterations":       {"r=NONCEx,s=c2FsdA==,i=4095", "", "4096"},
		"iterations for an hour":   {"r=NONCEx,s=c2FsdA==,i=2000000000", "", "1000000"},
		"another signature":        {"r=NONCEx,s=c2FsdA==,i=4096", "v=c2FsdA==", "impostor"},
		"an empty final message":   {"r=NONCEx,s=c2FsdA==,i=4096", "", "impostor"},
		"an error for a signature": {"r=NONCEx,s=c2FsdA==,i=4096", "e=unknown-user", "unknown-user"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := mustLogin(t, SASLSettings{Mechanism: "SCRAM-SHA-256", Username: "u", Password: "p"})
			a, _ := mustStart(t, l)
			first := strings.Replace(tt.first, "NONCE", a.(*scram).nonce, 1)
			_, _, err := a.Next([]byte(first))
			if err == nil {
				_, _, err = a.Next([]byte(tt.final))
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestNoncesDiffer(t *testing.T) {
	l := mustLogin(t, SASLSettings{Mechanism: "SCRAM-SHA-256", Username: "u", Password: "p"})
	_, a := mustStart(t, l)
	_, b := mustStart(t, l)
	if a == b {
		t.Errorf("two exchanges begin with %q", a)
	}
}

// Whatever a broker answers must end in a response or an error.
func FuzzSCRAM(f *testing.F) {
	f.Add("r=NONCEx,s=c2FsdA==,i=4096", "v=c2FsdA==")
	f.Add("r=NONCE,s=,i=", "e=")
	f.Fuzz(func(t *testing.T, first, final string) {
		c := newSCRAM(&SASLSettings{Mechanism: "SCRAM-SHA-256", Username: "u", Password: "p"})
		c.nonce = "NONCE"
		if _, err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(first, "i=") && len(first) > 60 {
			return // large counts are legal and slow
		}
		if _, _, err := c.Next([]byte(first)); err != nil {
			return
		}
		if _, done, err := c.Next([]byte(final)); done && err == nil {
			t.Fatal("a server that does not know the password is believed")
		}
	})
}
