//go:build unix

package conn

import (
	"errors"
	"net"
	"syscall"
)

// direct writes to a socket without ever waiting for it.
type direct struct {
	raw   syscall.RawConn
	buf   []byte
	n     int
	err   error
	write func(fd uintptr) bool // made once: a closure a call would be an allocation a call
}

// newDirect is nil if nc is not a plain socket.
func newDirect(nc net.Conn) *direct {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	d := &direct{raw: raw}
	d.write = func(fd uintptr) bool {
		for {
			d.n, d.err = syscall.Write(int(fd), d.buf)
			if !errors.Is(d.err, syscall.EINTR) {
				return true // done, whatever it came to: never wait
			}
		}
	}
	return d
}

// try writes what the socket takes of b at once, which may be nothing.
func (d *direct) try(b []byte) (n int, err error) {
	d.buf = b
	err = d.raw.Write(d.write)
	d.buf = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(d.err, syscall.EAGAIN):
		return 0, nil
	case d.err != nil:
		return 0, d.err
	}
	return d.n, nil
}
