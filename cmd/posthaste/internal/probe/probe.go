// Package probe looks at a bootstrap server before a command uses it, so that a
// wrong address, another protocol or missing TLS is told in a sentence at once
// and not as a timeout after a minute.
//
// It connects, asks for the broker's ApiVersions as every Kafka client does
// first, and judges what comes back. Only if that is no Kafka does it open a
// second connection to see whether the server wants TLS.
package probe

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Timeout bounds each step: to connect, and to get an answer.
const Timeout = 5 * time.Second

// Any reports whether at least one of addrs, each host:port, is a Kafka broker
// that can be talked to with TLS or without, as encrypted says. Otherwise it
// returns what is wrong with the first, and how many more there are.
func Any(ctx context.Context, addrs []string, encrypted bool) error {
	results := make(chan error, len(addrs))
	failures := make([]error, len(addrs))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i, addr := range addrs {
		go func() {
			failures[i] = Broker(ctx, addr, encrypted)
			results <- failures[i]
		}()
	}
	for range addrs {
		if err := <-results; err == nil {
			return nil
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	switch others := len(addrs) - 1; others {
	case 0:
		return failures[0]
	case 1:
		return fmt.Errorf("%w (the other bootstrap server is no better)", failures[0])
	default:
		return fmt.Errorf("%w (the other %d bootstrap servers are no better)", failures[0], others)
	}
}

// Broker judges one address.
func Broker(ctx context.Context, addr string, encrypted bool) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if encrypted {
		return handshake(ctx, conn, addr)
	}
	answer, err := askVersions(conn)
	if err != nil && len(answer) == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
		// Closed without a word: a TLS server that does not bother with an alert.
		if wantsTLS(ctx, addr) {
			return needsTLS(addr)
		}
	}
	return judge(addr, answer, err)
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		return conn, nil
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil, fmt.Errorf("%s: no such host; check bootstrap.servers", addr)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s: connection refused: no broker listens there; start one, or "+
			"check bootstrap.servers", addr)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("%s: no connection within %v; check bootstrap.servers and the "+
			"firewalls on the way", addr, Timeout)
	}
	return nil, fmt.Errorf("%s: cannot connect: %w; check bootstrap.servers", addr, cause(err))
}

// cause strips what net says about where, which the caller has said.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return err
}

// correlation marks our request, so that an echo server is not taken for Kafka.
const correlation = 0x706f7374

// askVersions sends ApiVersions version 0, which every Kafka since 0.10 answers,
// and returns the first bytes of the answer.
func askVersions(conn net.Conn) ([]byte, error) {
	conn.SetDeadline(time.Now().Add(Timeout))
	const client = "posthaste"
	req := binary.BigEndian.AppendUint32(nil, uint32(10+len(client)))
	req = binary.BigEndian.AppendUint16(req, 18) // ApiVersions
	req = binary.BigEndian.AppendUint16(req, 0)
	req = binary.BigEndian.AppendUint32(req, correlation)
	req = binary.BigEndian.AppendUint16(req, uint16(len(client)))
	if _, err := conn.Write(append(req, client...)); err != nil {
		return nil, err
	}
	answer := make([]byte, 14)
	n, err := io.ReadFull(conn, answer)
	return answer[:n], err
}

// judge says what kind of server gives such an answer.
func judge(addr string, b []byte, err error) error {
	text := strings.ToUpper(string(b))
	switch {
	case len(b) >= 10 && binary.BigEndian.Uint32(b[4:]) == correlation &&
		binary.BigEndian.Uint32(b) < 1<<20:
		return nil
	case len(b) >= 3 && b[0] == 0x15 && b[1] == 3: // a TLS alert
		return needsTLS(addr)
	case strings.HasPrefix(text, "HTTP/"), strings.HasPrefix(text, "<"):
		return fmt.Errorf("%s: this is a web server, not Kafka; check the port in "+
			"bootstrap.servers", addr)
	case len(b) > 0:
		return fmt.Errorf("%s: answers, but not as Kafka does (first bytes %q); check the port in "+
			"bootstrap.servers", addr, b)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s: takes connections but gives no answer within %v: not Kafka, or it "+
			"hangs; check the port in bootstrap.servers", addr, Timeout)
	}
	return fmt.Errorf("%s: closes the connection without an answer: not Kafka; check the port in "+
		"bootstrap.servers", addr)
}

func needsTLS(addr string) error {
	return fmt.Errorf("%s: the server speaks TLS; set security.protocol=SSL, or SASL_SSL to log "+
		"in as well", addr)
}

// anyServer takes any certificate: what is asked for is the protocol, and
// nothing is sent over such a connection.
var anyServer = &tls.Config{InsecureSkipVerify: true}

// wantsTLS reports whether addr greets a TLS client as a TLS server does.
func wantsTLS(ctx context.Context, addr string) bool {
	conn, err := dial(ctx, addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(Timeout))
	err = tls.Client(conn, anyServer).HandshakeContext(ctx)
	var alert tls.AlertError
	return err == nil || errors.As(err, &alert)
}

// handshake sees whether the server speaks TLS at all. Whether it is the right
// server is for the client to verify, with its own certificates.
func handshake(ctx context.Context, conn net.Conn, addr string) error {
	conn.SetDeadline(time.Now().Add(Timeout))
	err := tls.Client(conn, anyServer).HandshakeContext(ctx)
	var alert tls.AlertError
	var record tls.RecordHeaderError
	switch {
	case err == nil, errors.As(err, &alert): // an alert may be about a missing client certificate
		return nil
	case errors.As(err, &record), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%s: the server does not speak TLS; set security.protocol=PLAINTEXT, or "+
			"SASL_PLAINTEXT to log in, or use its TLS port", addr)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s: no answer to TLS within %v; check the port and security.protocol",
			addr, Timeout)
	}
	return fmt.Errorf("%s: TLS does not come about: %w; check the port and security.protocol",
		addr, cause(err))
}
