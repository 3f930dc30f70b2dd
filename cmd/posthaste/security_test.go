package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/broker"
)

// certificate makes a self-signed one for 127.0.0.1, and its PEM.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(text)
}

func TestEveryClientCommandSpeaksTLS(t *testing.T) {
	cert, trusted := certificate(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	b := broker.Run(t, broker.Config{Listeners: []net.Listener{l}})
	ca := file(t, "ca.pem", trusted)
	flags := []string{"--command-config", file(t, "ssl.properties", "bootstrap.servers="+b.Addr()+
		"\nsecurity.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location="+ca+"\n")}
	must(t, "a\n", with(flags, "produce", "--topic", "t", "--partitions", "2")...)
	if m := consumeAll(t, flags, "t", 1)[0]; str(m.Value) != "a" {
		t.Errorf("record = %+v", m)
	}
	if out := must(t, "", with(flags, "topics", "list")...).out; out != "t\n" {
		t.Errorf("topics = %q", out)
	}

	_, other := certificate(t)
	if err := os.WriteFile(ca, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"produce", "--topic", "t"}, {"consume", "--topic", "t"},
		{"topics", "list"}} {
		begun := time.Now()
		r := runCommand(t, "a\n", with(flags, command...)...)
		if r.code != exitFailed || !strings.Contains(r.err, "certificate") ||
			time.Since(begun) > 20*time.Second {
			t.Errorf("%v with another CA ended with %d after %v: %s", command, r.code,
				time.Since(begun), r.err)
		}
	}
}

// The process itself: exit codes and signals. TestMain runs main for it.
func TestTheProcessEndsInOrderOnSIGTERM(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "broker", "--listen", "127.0.0.1:0", "--data", t.TempDir())
	cmd.Env = append(os.Environ(), runMain+"=1")
	out := newLines()
	var errs strings.Builder
	cmd.Stdout, cmd.Stderr = out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimPrefix(strings.TrimSpace(out.wait(t, 1)), "ready ")
	must(t, "a\n", "produce", "--topic", "t", "--bootstrap-server", addr)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || errs.String() != "" {
		t.Errorf("the broker ended with %v: %s", err, errs.String())
	}
}
