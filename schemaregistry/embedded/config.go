package embedded

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/schemaregistry/internal/compat"
)

// Config says how a registry is to run. The zero Config is a registry on a free
// port of 127.0.0.1 with a broker in memory of its own.
type Config struct {
	// Listen is HOST:PORT; empty means 127.0.0.1:0, port 0 a free one.
	// Setting: listeners.
	Listen string
	// Listener is served in place of Listen if it is given. Close closes it.
	Listener net.Listener
	// Advertise is HOST:PORT as other registries are told; empty means the
	// listener's own. Settings: host.name, host.port.
	Advertise string

	// CertFile and KeyFile are a certificate, with those in between, and its key, in
	// PEM; with them the registry serves HTTPS. The certificate has to name the host of
	// Advertise, at which other registries reach this one. Setting:
	// ssl.keystore.location.
	CertFile, KeyFile string
	// TrustFile has the certificates, in PEM, of whoever signed those of the other
	// registries of the cluster; empty means the system's and CertFile. Setting:
	// ssl.truststore.location.
	TrustFile string
	// UsersFile has lines of NAME:PASSWORD, which may have roles behind a comma that
	// do nothing here; with it, requests need one of them as
	// HTTP's basic authentication. Registries of a cluster need the same users, as
	// they pass requests on, though never from one with HTTPS to one without.
	// Setting: authentication.method=BASIC.
	UsersFile string

	// BootstrapServers are brokers of the cluster that keeps the schemas. If there
	// are none, the registry starts a broker in memory.
	// Setting: kafkastore.bootstrap.servers.
	BootstrapServers []string
	// Topic keeps the schemas; empty means _schemas. It is made if it is missing.
	// Setting: kafkastore.topic.
	Topic string
	// ReplicationFactor is for a topic that has to be made; 0 means 3, and it is
	// never more than there are brokers.
	// Setting: kafkastore.topic.replication.factor.
	ReplicationFactor int
	// Group is the group in which registries of one topic elect a leader; empty
	// means schema-registry. Setting: schema.registry.group.id.
	Group string

	// InstanceID is a name of this registry that stays when it is started again: it
	// then leads again at once instead of when the group has given its former self
	// up. No other registry of the group may have it. Setting: group.instance.id.
	InstanceID string

	// Compatibility is the level where none is set; empty means BACKWARD.
	// Setting: schema.compatibility.level.
	Compatibility string

	// StartTimeout bounds Start: to reach the cluster and to read all schemas.
	// 0 means a minute. Setting: kafkastore.init.timeout.ms.
	StartTimeout time.Duration
	// WriteTimeout bounds one write to the topic. 0 means 5 seconds. A leader that
	// is silent for twice as long, at least 10 seconds, is replaced.
	// Setting: kafkastore.timeout.ms.
	WriteTimeout time.Duration

	Logger *slog.Logger // nil means silence
}

func (c Config) resolve() (Config, error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Topic == "" {
		c.Topic = "_schemas"
	}
	if c.Group == "" {
		c.Group = "schema-registry"
	}
	if c.ReplicationFactor == 0 {
		c.ReplicationFactor = 3
	}
	if c.ReplicationFactor < 0 {
		return c, fmt.Errorf("registry config: ReplicationFactor %d: want 1 or more",
			c.ReplicationFactor)
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = time.Minute
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 5 * time.Second
	}
	c.Compatibility = strings.ToUpper(c.Compatibility)
	if c.Compatibility != "" && !slices.Contains(compat.Levels, c.Compatibility) {
		return c, fmt.Errorf("registry config: Compatibility %q: want one of %s", c.Compatibility,
			strings.Join(compat.Levels, ", "))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
