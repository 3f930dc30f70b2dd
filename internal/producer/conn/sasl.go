package conn

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Mechanism is one SASL exchange.
type Mechanism interface {
	// Name is the mechanism's registered name, as sasl.mechanism.
	Name() string
	// Start is the client's first message.
	Start() ([]byte, error)
	// Next is the answer to a challenge; done means that no answer is due.
	Next(challenge []byte) (response []byte, done bool, err error)
}

// AuthenticationError is a broker's refusal of our credentials. Trying again
// with the same ones is of no use.
type AuthenticationError struct {
	Addr      string
	Mechanism string
	Reason    string
}

func (e *AuthenticationError) Error() string {
	return fmt.Sprintf("authenticate to %s with %s: %s", e.Addr, e.Mechanism, e.Reason)
}

// authenticate makes a SASL exchange (KIP-152).
func (c *Conn) authenticate(ctx context.Context, nc net.Conn) error {
	m, err := c.settings.Mechanism(ctx)
	if err != nil {
		return fmt.Errorf("authenticate to %s: %w", c.addr, err)
	}
	if err := c.agree(nc, m); err != nil {
		return err
	}
	out, err := m.Start()
	for step := int32(0); err == nil; step++ {
		req := kmsg.NewPtrSASLAuthenticateRequest()
		if _, err := c.versions.of(req); err != nil {
			return fmt.Errorf("authenticate to %s: %w", c.addr, err)
		}
		req.SASLAuthBytes = out
		body, err := c.roundTrip(nc, req, 20+step)
		if err != nil {
			return fmt.Errorf("authenticate to %s with %s: %w", c.addr, m.Name(), err)
		}
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.SetVersion(req.GetVersion())
		if err := resp.ReadFrom(body); err != nil {
			return fmt.Errorf("authenticate to %s: %w", c.addr, err)
		}
		if resp.ErrorCode != 0 {
			return c.refused(m, errcode.Code(resp.ErrorCode), resp.ErrorMessage)
		}
		var done bool
		if out, done, err = m.Next(resp.SASLAuthBytes); err != nil {
			return &AuthenticationError{c.addr, m.Name(), err.Error()}
		}
		c.session = time.Duration(resp.SessionLifetimeMillis) * time.Millisecond
		if done {
			return nil
		}
	}
	return fmt.Errorf("authenticate to %s with %s: %w", c.addr, m.Name(), err)
}

// agree asks the broker for the mechanism.
func (c *Conn) agree(nc net.Conn, m Mechanism) error {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Mechanism = m.Name()
	if _, err := c.versions.of(req); err != nil {
		return &AuthenticationError{c.addr, m.Name(), "the broker's listener has no SASL:" +
			" set security.protocol to PLAINTEXT or SSL"}
	}
	body, err := c.roundTrip(nc, req, 10)
	if err != nil {
		return fmt.Errorf("authenticate to %s: %w", c.addr, err)
	}
	resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(body); err != nil {
		return fmt.Errorf("authenticate to %s: %w", c.addr, err)
	}
	if resp.ErrorCode != 0 {
		return &AuthenticationError{c.addr, m.Name(), fmt.Sprintf(
			"%s; the broker offers %v: set sasl.mechanism",
			errcode.Code(resp.ErrorCode).Name(), resp.SupportedMechanisms)}
	}
	return nil
}

func (c *Conn) refused(m Mechanism, code errcode.Code, text *string) error {
	reason := code.Name()
	if text != nil && *text != "" {
		reason += ": " + *text
	}
	return &AuthenticationError{c.addr, m.Name(), reason}
}
