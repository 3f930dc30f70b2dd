package posthaste

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/posthaste-go/posthaste/partitioner"
)

// Config holds everything a producer can be told. Start from DefaultConfig,
// LoadProperties or ConfigFromMap; the zero Config is refused, because 0 is a
// legal Linger and a legal Retries and must not silently mean "the default".
//
// A field that has a name in Java's producer.properties gives it in its comment;
// docs/configuration.md says what each does, and is made from the same table as
// the checks. Durations are whole milliseconds (seconds where the name says so).
//
// Some rules ask whether a setting was given or left at its default: a timeout
// that was given is never changed silently. A field counts as given if it was in
// the file, was Set, or differs from the default; to insist on a value that is the
// default, use Set.
//
// A copy of a Config may be changed without changing the original, but for what
// its slices hold. A Config is not safe for concurrent use while it is changed.
type Config struct {
	BootstrapServers        []string      // bootstrap.servers, host:port
	BootstrapResolveTimeout time.Duration // bootstrap.resolve.timeout.ms
	ClientDNSLookup         DNSLookup     // client.dns.lookup
	ClientID                string        // client.id
	ClientRack              string        // client.rack

	Acks              Acks          // acks
	EnableIdempotence Idempotence   // enable.idempotence
	DeliveryTimeout   time.Duration // delivery.timeout.ms
	RequestTimeout    time.Duration // request.timeout.ms
	Retries           int           // retries
	RetryBackoff      time.Duration // retry.backoff.ms
	RetryBackoffMax   time.Duration // retry.backoff.max.ms
	MaxInFlight       int           // max.in.flight.requests.per.connection

	Linger         time.Duration // linger.ms
	BatchSize      int           // batch.size, bytes
	BufferMemory   int64         // buffer.memory, bytes
	MaxBlock       time.Duration // max.block.ms
	MaxRequestSize int           // max.request.size, bytes

	CompressionType      Compression // compression.type
	CompressionGzipLevel int         // compression.gzip.level
	CompressionLz4Level  int         // compression.lz4.level
	CompressionZstdLevel int         // compression.zstd.level

	PartitionerClass               string        // partitioner.class
	PartitionerIgnoreKeys          bool          // partitioner.ignore.keys
	PartitionerAdaptive            bool          // partitioner.adaptive.partitioning.enable
	PartitionerAvailabilityTimeout time.Duration // partitioner.availability.timeout.ms
	PartitionerRackAware           bool          // partitioner.rack.aware

	TransactionalID    string        // transactional.id; empty means none
	TransactionTimeout time.Duration // transaction.timeout.ms
	Transaction2PC     bool          // transaction.two.phase.commit.enable

	KeySerializer      string   // key.serializer
	ValueSerializer    string   // value.serializer
	InterceptorClasses []string // interceptor.classes

	MetadataMaxAge                     time.Duration    // metadata.max.age.ms
	MetadataMaxIdle                    time.Duration    // metadata.max.idle.ms
	MetadataRecoveryStrategy           RecoveryStrategy // metadata.recovery.strategy
	MetadataRecoveryRebootstrapTrigger time.Duration    // metadata.recovery.rebootstrap.trigger.ms
	MetadataClusterCheck               bool             // metadata.cluster.check.enable

	ConnectionsMaxIdle              time.Duration // connections.max.idle.ms; negative means never
	ReconnectBackoff                time.Duration // reconnect.backoff.ms
	ReconnectBackoffMax             time.Duration // reconnect.backoff.max.ms
	SocketConnectionSetupTimeout    time.Duration // socket.connection.setup.timeout.ms
	SocketConnectionSetupTimeoutMax time.Duration // socket.connection.setup.timeout.max.ms
	SendBuffer                      int           // send.buffer.bytes; -1: the system's
	ReceiveBuffer                   int           // receive.buffer.bytes; -1: the system's

	SecurityProtocol SecurityProtocol // security.protocol

	SSLProtocol                        string   // ssl.protocol
	SSLEnabledProtocols                []string // ssl.enabled.protocols
	SSLCipherSuites                    []string // ssl.cipher.suites
	SSLEndpointIdentificationAlgorithm string   // ssl.endpoint.identification.algorithm
	SSLTruststoreLocation              string   // ssl.truststore.location
	SSLTruststoreType                  string   // ssl.truststore.type
	SSLTruststorePassword              Password // ssl.truststore.password
	SSLTruststoreCertificates          Password // ssl.truststore.certificates
	SSLKeystoreLocation                string   // ssl.keystore.location
	SSLKeystoreType                    string   // ssl.keystore.type
	SSLKeystorePassword                Password // ssl.keystore.password
	SSLKeystoreKey                     Password // ssl.keystore.key
	SSLKeystoreCertificateChain        Password // ssl.keystore.certificate.chain
	SSLKeyPassword                     Password // ssl.key.password

	SASLMechanism                string        // sasl.mechanism
	SASLJAASConfig               Password      // sasl.jaas.config
	SASLLoginConnectTimeout      time.Duration // sasl.login.connect.timeout.ms; 0 means none
	SASLLoginReadTimeout         time.Duration // sasl.login.read.timeout.ms; 0 means none
	SASLLoginRefreshBuffer       time.Duration // sasl.login.refresh.buffer.seconds
	SASLLoginRefreshMinPeriod    time.Duration // sasl.login.refresh.min.period.seconds
	SASLLoginRefreshWindowFactor float64       // sasl.login.refresh.window.factor
	SASLLoginRefreshWindowJitter float64       // sasl.login.refresh.window.jitter
	SASLLoginRetryBackoff        time.Duration // sasl.login.retry.backoff.ms
	SASLLoginRetryBackoffMax     time.Duration // sasl.login.retry.backoff.max.ms

	SASLOAuthTokenEndpointURL  string   // sasl.oauthbearer.token.endpoint.url
	SASLOAuthScope             string   // sasl.oauthbearer.scope
	SASLOAuthClientID          string   // sasl.oauthbearer.client.credentials.client.id
	SASLOAuthClientSecret      Password // sasl.oauthbearer.client.credentials.client.secret
	SASLOAuthHeaderURLEncode   bool     // sasl.oauthbearer.header.urlencode
	SASLOAuthJWTRetriever      string   // sasl.oauthbearer.jwt.retriever.class
	SASLOAuthAssertionFile     string   // sasl.oauthbearer.assertion.file
	SASLOAuthAssertionTemplate string   // sasl.oauthbearer.assertion.template.file
	SASLOAuthAssertionKeyFile  string   // sasl.oauthbearer.assertion.private.key.file

	SASLOAuthAssertionPassphrase Password // sasl.oauthbearer.assertion.private.key.passphrase

	SASLOAuthAssertionAlgorithm string        // sasl.oauthbearer.assertion.algorithm
	SASLOAuthAssertionAud       string        // sasl.oauthbearer.assertion.claim.aud
	SASLOAuthAssertionIss       string        // sasl.oauthbearer.assertion.claim.iss
	SASLOAuthAssertionSub       string        // sasl.oauthbearer.assertion.claim.sub
	SASLOAuthAssertionJTI       bool          // sasl.oauthbearer.assertion.claim.jti.include
	SASLOAuthAssertionExp       time.Duration // sasl.oauthbearer.assertion.claim.exp.seconds
	SASLOAuthAssertionNbf       time.Duration // sasl.oauthbearer.assertion.claim.nbf.seconds

	// What properties cannot say. Nil means the default that is named.

	Partitioner  partitioner.Partitioner // nil: PartitionerClass, or Kafka's own
	Interceptors []Interceptor           // called after those of InterceptorClasses
	Dial         DialFunc                // nil: a net.Dialer
	Logger       *slog.Logger            // nil: slog.Default
	TLS          *tls.Config             // nil: made from the SSL fields; else they do not count

	// Rand returns uniformly distributed bits for what is left to chance: sticky
	// partitions and the jitter of waits. It must be safe for concurrent use; nil
	// means math/rand/v2. A test that wants to see the same again sets it.
	Rand func() uint32

	SASLUsername string   // for PLAIN and SCRAM, in place of SASLJAASConfig
	SASLPassword Password // goes with SASLUsername

	origin *origin // set by DefaultConfig and what builds on it
}

// DialFunc opens a connection to a broker, as net.Dialer.DialContext does. TLS
// and SASL follow on the connection that it returns. Names reach it unresolved.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)
