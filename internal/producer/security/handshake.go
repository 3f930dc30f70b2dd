package security

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// Handshake makes plain an encrypted connection to the broker at addr, host:port,
// whose name its certificate must be for. cfg is not changed. Errors say what to
// do about it; plain is left open.
func Handshake(
	ctx context.Context, plain net.Conn, addr string, cfg *tls.Config,
) (*tls.Conn, error) {
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("TLS with %s: %w", addr, err)
		}
		cfg = cfg.Clone()
		cfg.ServerName = strings.TrimSuffix(host, ".")
	}
	c := tls.Client(plain, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if remedy := Remedy(err); remedy != "" {
			return nil, fmt.Errorf("%w: %s", err, remedy)
		}
		return nil, err
	}
	return c, nil
}

// Remedy is what to do about an error of TLS, or empty if nothing particular is
// known. With TLS 1.3 a broker's refusal of our certificate comes only with the
// first read after the handshake.
func Remedy(err error) string {
	var (
		notTLS    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &notTLS):
		return "the broker's listener does not speak TLS; set security.protocol to PLAINTEXT or" +
			" SASL_PLAINTEXT, or use the port of its TLS listener"
	case errors.As(err, &authority):
		return "add the authority that signed the broker's certificate to ssl.truststore.location"
	case errors.As(err, &hostname):
		return "reach the broker by a name in its certificate (bootstrap.servers, and the broker's" +
			" advertised.listeners), or have it reissued;" +
			" an empty ssl.endpoint.identification.algorithm gives up the check"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the broker's certificate, or correct this machine's clock"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET):
		return "the broker closed the connection during the TLS handshake; its listener may not" +
			" speak TLS (security.protocol), or ask for a certificate of ours (ssl.keystore.*)"
	}
	return alertRemedy(err)
}

// alertRemedies are what to do about alerts that a broker sends because of our
// settings (RFC 8446, 6.2).
var alertRemedies = []struct {
	alerts []tls.AlertError
	remedy string
}{
	{[]tls.AlertError{116}, // certificate required
		"the broker asks for a certificate of ours; set ssl.keystore.location"},
	{[]tls.AlertError{42, 46, 48}, // bad certificate, certificate unknown, unknown CA
		"the broker does not accept our certificate; check that it trusts the authority that" +
			" signed the one in ssl.keystore.location, if that is set"},
	{[]tls.AlertError{44, 45}, // certificate revoked, certificate expired
		"renew the certificate in ssl.keystore.location"},
	{[]tls.AlertError{70}, // protocol version
		"the broker has none of our TLS versions; see ssl.enabled.protocols"},
	{[]tls.AlertError{40}, // handshake failure
		"the broker has none of our cipher suites or asks for a certificate of ours;" +
			" see ssl.cipher.suites and ssl.keystore.location"},
}

// alertRemedy finds a broker's alert. crypto/tls has it as a type of its own that
// says the same as AlertError does, but is not exported.
func alertRemedy(err error) string {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return ""
	}
	text := remote.Err.Error()
	for _, r := range alertRemedies {
		for _, alert := range r.alerts {
			if alert.Error() == text {
				return r.remedy
			}
		}
	}
	return ""
}
