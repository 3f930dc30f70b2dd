package config

import (
	"errors"
	"net"
	"regexp"
	"slices"
	"strconv"
)

// hostPort is what Kafka takes for an address: a scheme is ignored, an IPv6
// address stands in brackets. Source: Utils.getHost.
var hostPort = regexp.MustCompile(
	`^(?:[0-9a-zA-Z\-%._]*://)?\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]+)$`)

// Addresses checks bootstrap.servers and returns each as host:port, once, as
// net.Dial takes it. Errors are an *Error.
func Addresses(servers []string) ([]string, error) {
	row, _ := Lookup("bootstrap.servers")
	refuse := func(value, reason, remedy string) error {
		return &Error{Key: row.Name, Value: value, Reason: reason, Remedy: remedy}
	}
	if len(servers) == 0 {
		return nil, refuse("", "no broker is named", "give at least one host:port")
	}
	addrs := make([]string, 0, len(servers))
	for _, server := range servers {
		m := hostPort.FindStringSubmatch(server)
		if m == nil { // an empty host is this machine
			return nil, refuse(server, "not an address",
				"write host:port, as in localhost:9092 or [::1]:9092")
		}
		port, err := strconv.ParseUint(m[2], 10, 16)
		if errors.Is(err, strconv.ErrRange) {
			return nil, refuse(server, "no such port", "give one up to 65535")
		}
		addr := net.JoinHostPort(m[1], strconv.FormatUint(port, 10))
		if !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}
