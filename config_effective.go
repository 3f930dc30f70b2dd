package posthaste

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/config"
	"github.com/posthaste-go/posthaste/internal/producer/security"
	"github.com/posthaste-go/posthaste/partitioner"
)

// settings are the values in force: a Config after all rules. It is plain data,
// made once by NewProducer and not changed afterwards.
type settings struct {
	// Connecting.
	bootstrapServers          []string      // host:port, checked, at least one
	bootstrapResolveTimeout   time.Duration // 0: names must resolve at once
	canonicalBootstrap        bool          // client.dns.lookup is resolve_canonical_…
	clientID                  string        // producer-<n> or producer-<txid> if not given
	clientRack                string
	connectionsMaxIdle        time.Duration // negative: connections stay open
	connectionSetupTimeout    time.Duration // of the first attempt; at most the next
	connectionSetupTimeoutMax time.Duration
	reconnectBackoff          time.Duration // at most the next
	reconnectBackoffMax       time.Duration
	sendBuffer                int      // bytes; -1: the system's choice
	receiveBuffer             int      // bytes; -1: the system's choice
	dial                      DialFunc // nil: a net.Dialer
	rand                      func() uint32
	security                  security.Settings
	tlsConfig                 *tls.Config  // Config.TLS: used as it is, if there is TLS
	logger                    *slog.Logger // never nil

	// Delivery.
	acks              int16 // -1 is all
	idempotence       bool
	maxInFlight       int  // at most 5 with idempotence
	muteWhileInFlight bool // one request at a time keeps the order without idempotence
	retries           int
	deliveryTimeout   time.Duration // at least linger + requestTimeout
	requestTimeout    time.Duration
	retryBackoff      time.Duration // at most the next
	retryBackoffMax   time.Duration

	// Batching and memory.
	linger           time.Duration
	batchSize        int   // bytes, at least 1
	batchGrows       bool  // batches behind others are bigger
	bufferMemory     int64 // bytes
	maxBlock         time.Duration
	maxRequestSize   int // bytes
	compression      Compression
	compressionLevel int // of that codec; 0 if it has none

	// Partitioning. A custom partitioner switches adaptive off.
	partitioner         partitioner.Partitioner // nil: Kafka's own
	ignoreKeys          bool
	adaptive            bool
	availabilityTimeout time.Duration // 0: off
	rackAware           bool          // clientRack is then not empty

	// Transactions.
	transactionalID    string // empty: none
	transactionTimeout time.Duration
	twoPhaseCommit     bool

	// Metadata.
	metadataMaxAge     time.Duration
	metadataMaxIdle    time.Duration
	rebootstrap        bool
	rebootstrapTrigger time.Duration
	clusterCheck       bool // false as well if rebootstrap is

	// Records.
	keySerializer   string // name of a known class; empty: bytes
	valueSerializer string // name of a known class; empty: bytes
	interceptors    []Interceptor
}

// producers counts the client ids that were made up in this process.
var producers atomic.Int64

// Validate checks every setting and the rules between them. The error is a
// *ConfigError: the first problem, with its file and line if it came from there,
// and what to do. NewProducer validates by itself.
func (c *Config) Validate() error {
	_, err := c.settle()
	return err
}

// effective is Validate and the values in force. Each call without a client.id
// takes the next producer-<n>.
func (c *Config) effective() (settings, error) {
	s, err := c.settle()
	if err != nil {
		return settings{}, err
	}
	// A client.id that was given empty stays empty, as in Java.
	if s.clientID == "" && !c.isGiven("client.id") {
		s.clientID = "producer-" + s.transactionalID
		if s.transactionalID == "" {
			s.clientID += strconv.FormatInt(producers.Add(1), 10)
		}
	}
	return s, nil
}

// ruled is c's values in force, and what the rules between settings changed.
func (c *Config) ruled() (config.Values, []config.Change, error) {
	if c.origin == nil {
		return nil, nil, errZeroConfig()
	}
	v, err := c.values()
	if err != nil {
		return nil, nil, err
	}
	changes, err := config.Settle(v, c.isGiven)
	if err != nil {
		return nil, nil, c.locate(configError(err))
	}
	return v, changes, nil
}

// settle is the values in force as plain data, everything checked.
func (c *Config) settle() (settings, error) {
	v, _, err := c.ruled()
	if err != nil {
		return settings{}, err
	}
	inForce := *c
	for i := range config.Table {
		if row := &config.Table[i]; row.Field != "" {
			store(&inForce, row, v[row.Name])
		}
	}
	s, err := inForce.settings()
	if err != nil {
		return settings{}, c.locate(configError(err))
	}
	return s, nil
}

// settings copies a Config whose values are in force.
func (c *Config) settings() (settings, error) {
	s := settings{
		bootstrapResolveTimeout:   c.BootstrapResolveTimeout,
		canonicalBootstrap:        c.ClientDNSLookup == DNSLookupCanonical,
		clientID:                  c.ClientID,
		clientRack:                c.ClientRack,
		connectionsMaxIdle:        c.ConnectionsMaxIdle,
		connectionSetupTimeout:    c.SocketConnectionSetupTimeout,
		connectionSetupTimeoutMax: c.SocketConnectionSetupTimeoutMax,
		reconnectBackoff:          c.ReconnectBackoff,
		reconnectBackoffMax:       c.ReconnectBackoffMax,
		sendBuffer:                c.SendBuffer,
		receiveBuffer:             c.ReceiveBuffer,
		dial:                      c.Dial,
		rand:                      c.Rand,
		logger:                    c.Logger,
		acks:                      int16(c.Acks),
		idempotence:               c.EnableIdempotence == IdempotenceOn,
		maxInFlight:               c.MaxInFlight,
		muteWhileInFlight:         c.MaxInFlight == 1,
		retries:                   c.Retries,
		deliveryTimeout:           c.DeliveryTimeout,
		requestTimeout:            c.RequestTimeout,
		retryBackoff:              c.RetryBackoff,
		retryBackoffMax:           c.RetryBackoffMax,
		linger:                    c.Linger,
		batchSize:                 c.BatchSize,
		batchGrows:                c.Acks != AcksNone && !c.isGiven("batch.size"),
		bufferMemory:              c.BufferMemory,
		maxBlock:                  c.MaxBlock,
		maxRequestSize:            c.MaxRequestSize,
		compression:               c.CompressionType,
		ignoreKeys:                c.PartitionerIgnoreKeys,
		availabilityTimeout:       c.PartitionerAvailabilityTimeout,
		rackAware:                 c.PartitionerRackAware,
		transactionalID:           c.TransactionalID,
		transactionTimeout:        c.TransactionTimeout,
		twoPhaseCommit:            c.Transaction2PC,
		metadataMaxAge:            c.MetadataMaxAge,
		metadataMaxIdle:           c.MetadataMaxIdle,
		rebootstrap:               equalFold(c.MetadataRecoveryStrategy, RecoveryRebootstrap),
		rebootstrapTrigger:        c.MetadataRecoveryRebootstrapTrigger,
	}
	s.clusterCheck = c.MetadataClusterCheck && s.rebootstrap
	switch c.CompressionType {
	case CompressionGzip:
		s.compressionLevel = c.CompressionGzipLevel
	case CompressionLz4:
		s.compressionLevel = c.CompressionLz4Level
	case CompressionZstd:
		s.compressionLevel = c.CompressionZstdLevel
	case CompressionNone, CompressionSnappy:
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	for _, step := range []func(*settings) error{c.addresses, c.classes, c.security} {
		if err := step(&s); err != nil {
			return settings{}, err
		}
	}
	return s, nil
}

func (c *Config) addresses(s *settings) (err error) {
	s.bootstrapServers, err = config.Addresses(c.BootstrapServers)
	return err
}

// checkBootstrap is what bootstrap.resolve.timeout.ms=0 asks for: at least one
// bootstrap name resolves. A custom dialer resolves names in its own way. lookup is
// net.Resolver's LookupHost.
func (s *settings) checkBootstrap(
	ctx context.Context, lookup func(ctx context.Context, host string) ([]string, error),
) error {
	if s.bootstrapResolveTimeout > 0 || s.dial != nil {
		return nil
	}
	var last error
	for _, addr := range s.bootstrapServers {
		host, _, err := net.SplitHostPort(addr)
		if err == nil && host == "" || net.ParseIP(host) != nil {
			return nil
		}
		if _, err = lookup(ctx, host); err == nil {
			return nil
		}
		last = err
	}
	return &ConfigError{Key: "bootstrap.servers", Value: config.Format(s.bootstrapServers),
		Reason: "no name resolves", Err: last,
		Remedy: "check the names, or set bootstrap.resolve.timeout.ms to keep trying"}
}
