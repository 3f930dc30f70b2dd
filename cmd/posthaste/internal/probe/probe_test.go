package probe

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve runs handle for each connection until the test ends.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// kafka answers ApiVersions as a broker with one API would.
func kafka(conn net.Conn) {
	req := make([]byte, 23)
	if _, err := io.ReadFull(conn, req); err != nil {
		return
	}
	answer := append([]byte{0, 0, 0, 16}, req[8:12]...)
	answer = append(answer, 0, 0, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4)
	conn.Write(answer)
}

func tlsServer(t *testing.T) func(net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert},
		PrivateKey: key}}}
	return func(conn net.Conn) {
		c := tls.Server(conn, config)
		if c.Handshake() == nil {
			io.Copy(io.Discard, c)
		}
	}
}

func TestBrokerTellsServersApart(t *testing.T) {
	text := func(s string) func(net.Conn) {
		return func(conn net.Conn) {
			bufio.NewReader(conn).ReadByte()
			io.WriteString(conn, s)
		}
	}
	encrypted := tlsServer(t)
	silentTLS := func(conn net.Conn) { // reads a byte and hangs up unless it is a ClientHello
		r := bufio.NewReader(conn)
		if b, err := r.Peek(1); err == nil && b[0] == 0x16 {
			encrypted(&peeked{conn, r})
		}
	}
	tests := []struct {
		name   string
		server func(net.Conn)
		tls    bool
		want   string
	}{
		{"a broker", kafka, false, ""},
		{"a broker with TLS", encrypted, true, ""},
		{"TLS where none is expected", encrypted, false,
			"the server speaks TLS; set security.protocol=SSL, or SASL_SSL to log in as well"},
		{"TLS that hangs up without an alert", silentTLS, false,
			"the server speaks TLS; set security.protocol=SSL, or SASL_SSL to log in as well"},
		{"no TLS where it is expected", kafka, true, "the server does not speak TLS; " +
			"set security.protocol=PLAINTEXT, or SASL_PLAINTEXT to log in, or use its TLS port"},
		{"a web server", text("HTTP/1.1 400 Bad Request\r\n\r\n"), false,
			"this is a web server, not Kafka; check the port in bootstrap.servers"},
		{"another protocol", text("SSH-2.0-OpenSSH_9.6\r\n"), false,
			`answers, but not as Kafka does (first bytes "SSH-2.0-OpenSS"); ` +
				"check the port in bootstrap.servers"},
		{"a server that hangs up", func(c net.Conn) { bufio.NewReader(c).ReadByte() }, false,
			"closes the connection without an answer: not Kafka; check the port in bootstrap.servers"},
		{"an echo", func(c net.Conn) { io.CopyN(c, c, 23) }, false, "answers, but not as Kafka does"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := serve(t, tt.server)
			err := Broker(t.Context(), addr, tt.tls)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("Broker = %v, want nil", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), addr+": "+tt.want)):
				t.Errorf("Broker = %v\nwant %s: %s", err, addr, tt.want)
			}
		})
	}
}

// peeked is a connection of which some bytes are in r already.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAnyIsContentWithOneBroker(t *testing.T) {
	dead, good := closedPort(t), serve(t, kafka)
	if err := Any(t.Context(), []string{dead, good}, false); err != nil {
		t.Errorf("Any = %v, want nil: one of the two is a broker", err)
	}
	err := Any(t.Context(), []string{dead, closedPort(t)}, false)
	want := dead + ": connection refused: no broker listens there; start one, or check " +
		"bootstrap.servers (the other bootstrap server is no better)"
	if err == nil || err.Error() != want {
		t.Errorf("Any = %v\nwant %s", err, want)
	}
}

func TestAnyEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	addr := serve(t, func(c net.Conn) {
		bufio.NewReader(c).ReadByte()
		cancel(stop)
		io.Copy(io.Discard, c)
	})
	if err := Any(ctx, []string{addr}, false); !errors.Is(err, stop) {
		t.Errorf("Any = %v, want %v", err, stop)
	}
}
