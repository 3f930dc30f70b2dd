package main

import (
	"context"
	"fmt"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/probe"
	"github.com/posthaste-go/posthaste/internal/franz"
)

// trusted reports whether TLS comes about with a bootstrap server under cfg's
// own certificates, which clients would try for a minute. Without TLS it does
// nothing.
func trusted(ctx context.Context, cfg *posthaste.Config) error {
	t, err := franz.TLS(cfg)
	if err != nil || t == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probe.Timeout)
	defer cancel()
	var first error
	for _, addr := range cfg.BootstrapServers {
		conn, err := franz.Dial(ctx, addr, t)
		if err == nil {
			return conn.Close()
		}
		if first == nil {
			first = fmt.Errorf("%s: %w", addr, err)
		}
	}
	return first
}
