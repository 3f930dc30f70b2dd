package broker

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/posthaste-go/posthaste/broker/internal/api"
)

// listen opens the listeners of all nodes: the first at cfg.Listen, the others
// on free ports of the same host.
func listen(cfg Config, nodes int) ([]net.Listener, error) {
	if len(cfg.Listeners) > 0 {
		if len(cfg.Listeners) != nodes {
			return nil, fmt.Errorf("broker config: %d nodes need as many listeners, not %d",
				nodes, len(cfg.Listeners))
		}
		return cfg.Listeners, nil
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: want HOST:PORT: %w", cfg.Listen, err)
	}
	var list []net.Listener
	for i := range nodes {
		addr := cfg.Listen
		if i > 0 {
			addr = net.JoinHostPort(host, "0")
		}
		l, err := net.Listen("tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = &AddrInUseError{Addr: addr, Err: err}
		}
		if err != nil {
			return nil, errors.Join(err, closeAll(list))
		}
		list = append(list, l)
	}
	return list, nil
}

func closeAll(list []net.Listener) error {
	var errs []error
	for _, l := range list {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// nodes is what clients are told of the listeners. A listener on all interfaces
// has no host of its own: each client is told the one that it has reached.
func (b *Broker) nodes() ([]api.Node, error) {
	first := int32(b.settings.Int("node.id"))
	list := make([]api.Node, len(b.listeners))
	for i, l := range b.listeners {
		addr := l.Addr().String()
		if i == 0 && b.cfg.Advertise != "" {
			addr = b.cfg.Advertise
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("advertised address %q: want HOST:PORT: %w", addr, err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("advertised address %q: port %q is not a number", addr, port)
		}
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			host = ""
		}
		list[i] = api.Node{ID: first + int32(i), Host: host, Port: int32(n)}
	}
	return list, nil
}
