package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/schemaregistry"
	embeddedregistry "github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// registryFlags say which schema registry a command talks to.
type registryFlags struct {
	SchemaRegistry string `name:"schema-registry" placeholder:"URL,…" group:"Schema registry:" help:"URLs of the schema registry (schema.registry.url). Without any, and without brokers, the embedded registry on --data is used."`
	LockFile       string `name:"schema-lock" placeholder:"FILE" group:"Schema registry:" help:"Schemas pinned by posthaste schema lock (schema.registry.lock.file); what is in it is not asked for."`
}

// registryClient is the schema registry that a command talks to.
type registryClient struct {
	*schemaregistry.Client
	where    string                   // in words, for reports
	embedded *embeddedregistry.Server // nil unless this command runs it
	cluster  *cluster                 // nil unless this was opened for the registry alone
}

// registryConfig reads the settings of the registry: the properties, then the
// flags.
func (f *registryFlags) registryConfig(e *env, cfg *posthaste.Config) (schemaregistry.Config,
	error) {
	settings := cfg.Map()
	if f.SchemaRegistry != "" {
		settings["schema.registry.url"] = f.SchemaRegistry
	}
	if f.LockFile != "" {
		settings["schema.registry.lock.file"] = f.LockFile
	}
	rc, err := schemaregistry.ConfigFromProperties(settings)
	if err != nil {
		return rc, err
	}
	if settings["max.retries"] == "" {
		// Somebody waits at a terminal; a service would have more patience.
		rc.Retries, rc.RetryBackoff = 1, 200*time.Millisecond
	}
	for _, text := range rc.Warnings {
		e.warn("%s", text)
	}
	return rc, nil
}

// openRegistry connects to the registry that flags and settings name, or runs
// the embedded one on the embedded broker of cl. Without cl it opens the cluster
// itself if it needs one. The caller closes what it gets.
func (f *registryFlags) openRegistry(e *env, c *connection, cl *cluster) (r *registryClient,
	err error) {
	var cfg posthaste.Config
	if cl != nil {
		cfg = cl.cfg
	} else if cfg, err = c.config(); err != nil {
		return nil, err
	}
	rc, err := f.registryConfig(e, &cfg)
	if err != nil {
		return nil, err
	}
	r = &registryClient{where: strings.Join(rc.URLs, ",")}
	if len(rc.URLs) == 0 && rc.LockFile == "" {
		if err := r.runEmbedded(e, c, cl); err != nil {
			return nil, errors.Join(err, r.close(e))
		}
		rc.URLs = []string{r.embedded.URL()}
	}
	if r.Client, err = schemaregistry.NewClient(rc); err != nil {
		return nil, errors.Join(err, r.close(e))
	}
	return r, nil
}

// runEmbedded starts a registry on the broker of --data.
func (r *registryClient) runEmbedded(e *env, c *connection, cl *cluster) (err error) {
	if cl == nil {
		cfg, err := c.config()
		if err != nil {
			return err
		}
		if len(cfg.BootstrapServers) > 0 {
			return usagef("which schema registry? Give --schema-registry URL, or schema.registry.url in " +
				"the configuration")
		}
		if cl, err = c.connect(e, cfg); err != nil {
			return err
		}
		r.cluster = cl
	} else if !cl.local {
		return usagef("which schema registry? Give --schema-registry URL, or schema.registry.url in the " +
			"configuration")
	}
	r.where = "the embedded registry in " + c.Data
	r.embedded, err = embeddedregistry.Start(embeddedregistry.Config{
		BootstrapServers: cl.cfg.BootstrapServers, ReplicationFactor: 1, Logger: quietLogger(e)})
	if err != nil {
		return fmt.Errorf("the embedded schema registry does not start: %w", err)
	}
	return nil
}

// close ends the client, and what this command runs, the registry before its
// broker.
func (r *registryClient) close(e *env) error {
	var errs []error
	if r.Client != nil {
		r.Client.Close()
	}
	if r.embedded != nil {
		if err := r.embedded.Close(); err != nil {
			errs = append(errs, fmt.Errorf("the embedded schema registry did not end in order: %w", err))
		}
	}
	if r.cluster != nil {
		errs = append(errs, r.cluster.close(e))
	}
	return errors.Join(errs...)
}

// schemaCommand is the flags of a command that asks the registry.
type schemaCommand struct {
	registryFlags
	connection `group:"Cluster:"`
}

// with opens the registry for as long as do runs.
func (s *schemaCommand) with(e *env, do func(*registryClient) error) (err error) {
	r, err := s.openRegistry(e, &s.connection, nil)
	if err != nil {
		return err
	}
	defer func() {
		if closing := r.close(e); closing != nil {
			err = errors.Join(err, closing)
		}
	}()
	return do(r)
}
