package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/probe"
	"github.com/posthaste-go/posthaste/internal/properties"
)

// connection is the flags of every command that is a client.
type connection struct {
	BootstrapServer string   `name:"bootstrap-server" aliases:"broker-list" placeholder:"HOST:PORT,…" help:"Brokers to start from. Without any, here or in the configuration, the embedded broker on --data is used."`
	ConfigFile      string   `name:"producer.config" aliases:"command-config,consumer.config" placeholder:"FILE" help:"Settings: a Java .properties file, used as it is (also --command-config)."`
	Property        []string `name:"producer-property" aliases:"command-property,consumer-property" sep:"none" placeholder:"KEY=VALUE" help:"One setting; beats the file. Repeatable."`
	Data            string   `name:"data" default:".posthaste" placeholder:"DIR" help:"Data directory of the embedded broker (default: ${default})."`
}

// config reads the settings: file, then properties, then flags.
func (c *connection) config() (posthaste.Config, error) {
	cfg := posthaste.DefaultConfig()
	if c.ConfigFile != "" {
		var err error
		if cfg, err = posthaste.LoadPropertiesFile(c.ConfigFile); err != nil {
			return cfg, err
		}
	}
	for _, p := range c.Property {
		key, value, ok := strings.Cut(p, "=")
		if !ok || key == "" {
			return cfg, usagef("--producer-property %s: write KEY=VALUE, for example "+
				"--producer-property linger.ms=5", p)
		}
		if err := cfg.Set(key, value); err != nil {
			return cfg, err
		}
	}
	if c.BootstrapServer != "" {
		if err := cfg.Set("bootstrap.servers", c.BootstrapServer); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// cluster is the brokers that a command talks to.
type cluster struct {
	cfg      posthaste.Config // bootstrap.servers is set, and everything checked
	where    string           // in words, for reports
	local    bool             // the broker is that of a data directory
	embedded *embedded        // nil unless this command runs the broker
}

// connect finds the cluster: the brokers that cfg names, or the embedded one.
// The caller closes what it gets.
func (c *connection) connect(e *env, cfg posthaste.Config) (*cluster, error) {
	if len(cfg.BootstrapServers) == 0 {
		return c.openEmbedded(e, cfg)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cl := &cluster{cfg: cfg, where: strings.Join(cfg.BootstrapServers, ",")}
	if err := probe.Any(e.ctx, cfg.BootstrapServers, cl.encrypted()); err != nil {
		return nil, err
	}
	if err := trusted(e.ctx, &cl.cfg); err != nil {
		return nil, err
	}
	return cl, nil
}

// encrypted reports whether security.protocol asks for TLS.
func (c *cluster) encrypted() bool {
	protocol := strings.ToUpper(string(c.cfg.SecurityProtocol))
	return protocol == "SSL" || protocol == "SASL_SSL"
}

// close ends the embedded broker if this command runs it.
func (c *cluster) close(e *env) error {
	if c.embedded == nil {
		return nil
	}
	return c.embedded.close(e)
}

// openEmbedded opens the embedded broker on the data directory, or finds the
// posthaste that has it open.
func (c *connection) openEmbedded(e *env, cfg posthaste.Config) (*cluster, error) {
	b, addr, err := startEmbedded(e, c.Data)
	if err != nil {
		return nil, err
	}
	cl := &cluster{cfg: cfg, local: true, embedded: b, where: "the embedded broker in " + c.Data}
	if b == nil {
		cl.where = "the broker of " + c.Data + " at " + addr
	}
	if err = cl.cfg.Set("bootstrap.servers", addr); err == nil {
		err = cl.cfg.Validate()
	}
	if err != nil {
		return nil, errors.Join(err, cl.close(e))
	}
	return cl, nil
}

// dialProbe reports whether something listens at addr.
func dialProbe(ctx context.Context, addr string) bool {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// checkTopic refuses a name that no broker would take.
func checkTopic(name string) error {
	const legal = "letters, digits, '.', '_' and '-', at most 249 of them"
	switch {
	case name == "":
		return usagef("--topic is missing: name the topic")
	case name == ".", name == "..", len(name) > 249:
		return usagef("topic name %q is not legal: it takes %s, and is not '.' or '..'", name, legal)
	}
	for _, r := range name {
		if !strings.ContainsRune("._-", r) && (r > 'z' || !isAlphanumeric(byte(r))) {
			return usagef("topic name %q is not legal because of %q: it takes %s", name, r, legal)
		}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return c-'0' < 10 || c|0x20-'a' < 26
}

// mustExist checks files before anything is sent.
func mustExist(paths []string) error {
	for _, p := range paths {
		if p == "-" {
			continue
		}
		if _, err := os.Stat(p); err != nil {
			return openFailure(p, err)
		}
	}
	return nil
}

// openFailure says once which file cannot be read.
func openFailure(path string, err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err
	}
	return fmt.Errorf("cannot read %s: %w", path, err)
}

// readProperties reads a .properties file that is not a client's configuration.
func readProperties(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parsed, err := properties.Parse(path, f)
	if err != nil {
		return nil, err
	}
	all := make(map[string]string, len(parsed.Entries))
	for _, entry := range parsed.Entries {
		all[entry.Key] = entry.Value
	}
	return all, nil
}
