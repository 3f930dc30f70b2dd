package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/posthaste-go/posthaste/broker"
	registry "github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

type brokerCmd struct {
	Listen         string   `default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Address to serve (default: ${default}); port 0 picks a free one."`
	Data           string   `default:".posthaste" placeholder:"DIR" help:"Data directory (default: ${default})."`
	NumPartitions  int      `name:"num-partitions" placeholder:"N" help:"Partitions of topics that clients just mention (default: num.partitions, which is 1)."`
	Config         string   `placeholder:"FILE" help:"Broker settings by Kafka's names: a server.properties."`
	Advertise      string   `placeholder:"HOST:PORT" help:"Address that clients are told, if it is another than --listen."`
	SchemaRegistry string   `name:"schema-registry" placeholder:"HOST:PORT" help:"Also serve a schema registry, which keeps schemas in the broker's topic _schemas."`
	RegistryCert   string   `name:"schema-registry-cert" placeholder:"FILE" help:"The registry serves HTTPS with this certificate (PEM)."`
	RegistryKey    string   `name:"schema-registry-key" placeholder:"FILE" help:"The certificate's key (PEM)."`
	RegistryUsers  string   `name:"schema-registry-users" placeholder:"FILE" help:"Who may ask the registry: lines of NAME:PASSWORD, for basic authentication."`
	Inject         []string `sep:"none" placeholder:"FAULT" help:"Something that is to go wrong, for tests of clients, for example \"produce nth=3: error=NOT_LEADER_OR_FOLLOWER\". Repeatable."`
	Verbose        bool     `help:"Log what happens, not only what goes wrong."`
}

// Help is what --help adds.
func (*brokerCmd) Help() string {
	return withExample(`Serves any Kafka client from one process and one directory until it is interrupted.
Prints "ready HOST:PORT" on standard output once it serves, and "registry HOST:PORT" once the
schema registry does, if there is to be one.`,
		"posthaste broker --listen 127.0.0.1:9092 --data /var/lib/posthaste")
}

// Run serves until a signal.
func (c *brokerCmd) Run(e *env) error {
	if c.SchemaRegistry == "" && c.RegistryCert+c.RegistryKey+c.RegistryUsers != "" {
		return usagef("--schema-registry-cert, -key and -users go with --schema-registry HOST:PORT")
	}
	if (c.RegistryCert == "") != (c.RegistryKey == "") {
		return usagef("--schema-registry-cert and --schema-registry-key go together")
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelInfo
	}
	cfg.Logger = slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: level}))
	var faults []broker.Fault
	for _, text := range c.Inject {
		f, err := broker.ParseFault(text)
		if err != nil {
			return usagef("--inject %q: %v", text, err)
		}
		faults = append(faults, f)
	}
	b, err := broker.Start(cfg)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		b.Inject(faults...)
	}
	if _, err := fmt.Fprintf(e.out, "ready %s\n", b.Addr()); err != nil {
		return errors.Join(fmt.Errorf("cannot write to standard output: %w", err), b.Close())
	}
	return errors.Join(c.serve(e, b, cfg.Logger), ended("broker", b.Close()))
}

// serve runs the schema registry, if there is one, until a signal.
func (c *brokerCmd) serve(e *env, b *broker.Broker, log *slog.Logger) error {
	if c.SchemaRegistry == "" {
		<-e.ctx.Done()
		return nil
	}
	r, err := registry.Start(registry.Config{Listen: c.SchemaRegistry,
		BootstrapServers: []string{b.Addr()}, ReplicationFactor: 1, Logger: log,
		CertFile: c.RegistryCert, KeyFile: c.RegistryKey, UsersFile: c.RegistryUsers,
		InstanceID: "posthaste-broker"})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.out, "registry %s\n", r.Addr()); err != nil {
		return errors.Join(fmt.Errorf("cannot write to standard output: %w", err), r.Close())
	}
	<-e.ctx.Done()
	return ended("schema registry", r.Close())
}

// ended says what did not close in order.
func ended(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the %s did not end in order: %w", what, err)
}

func (c *brokerCmd) config() (broker.Config, error) {
	cfg := broker.Config{}
	if c.Config != "" {
		var err error
		if cfg, err = broker.LoadConfig(c.Config); err != nil {
			return cfg, usagef("%v", err)
		}
	}
	if c.NumPartitions < 0 {
		return cfg, usagef("--num-partitions %d: a topic has at least 1", c.NumPartitions)
	}
	cfg.NumPartitions = c.NumPartitions
	cfg.Advertise = c.Advertise
	// The flags' defaults give way to what the file says.
	if c.Config == "" || c.Listen != defaultListen {
		cfg.Listen = c.Listen
	} else if cfg.Properties["listeners"] == "" {
		cfg.Listen = defaultListen
	}
	if given := cfg.Properties["log.dirs"] + cfg.Properties["log.dir"]; given == "" ||
		c.Data != defaultData {
		cfg.DataDir = c.Data
	}
	return cfg, nil
}

// Defaults of flags, repeated where code must know whether they were given.
const (
	defaultListen = "127.0.0.1:9092"
	defaultData   = ".posthaste"
)
