package posthaste

import (
	"context"
	"net"

	"github.com/posthaste-go/posthaste/internal/config"
	"github.com/posthaste-go/posthaste/internal/producer/conn"
	"github.com/posthaste-go/posthaste/internal/producer/security"
)

// secure adds TLS and SASL to the connections.
func (p *Producer) secure(out *conn.Settings) error {
	s := &p.settings
	cfg := s.tlsConfig
	if config.UsesTLS(s.security.Protocol) {
		if cfg == nil {
			var err error
			if cfg, err = s.security.TLSConfig(); err != nil {
				return err
			}
		}
		out.Secure = func(ctx context.Context, plain net.Conn, addr string) (net.Conn, error) {
			return security.Handshake(ctx, plain, addr, cfg)
		}
	}
	login, err := s.security.Login()
	if err != nil {
		return err
	}
	if login != nil {
		out.Mechanism = func(ctx context.Context) (conn.Mechanism, error) {
			return login.Authenticator(ctx)
		}
	}
	return nil
}
