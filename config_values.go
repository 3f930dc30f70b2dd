package posthaste

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/internal/config"
)

// Acks is how many replicas must have a record before it counts as delivered.
type Acks int16

// The legal acks.
const (
	AcksAll    Acks = -1 // all in-sync replicas; idempotence needs it
	AcksNone   Acks = 0  // no answer is waited for, and no offset is known
	AcksLeader Acks = 1  // the partition's leader alone
)

// String is the value as in producer.properties: all, 0 or 1.
func (a Acks) String() string {
	if a == AcksAll {
		return "all"
	}
	return strconv.Itoa(int(a))
}

// ParseAcks reads all, -1, 0 or 1.
func ParseAcks(text string) (Acks, error) {
	row, _ := config.Lookup("acks")
	v, err := row.Parse(text)
	if err != nil {
		return 0, configError(err)
	}
	if v == "all" {
		return AcksAll, nil
	}
	n, err := strconv.Atoi(v.(string))
	return Acks(n), err
}

// Idempotence is whether a retry can never write a record twice or out of order.
// Three values, because a producer that asked for it must not lose it silently.
type Idempotence uint8

const (
	// IdempotenceDefault is on, unless Acks or Retries rule it out. It is an
	// error for a transactional producer if they do.
	IdempotenceDefault Idempotence = iota
	// IdempotenceOn is an error if Acks or Retries rule it out.
	IdempotenceOn
	// IdempotenceOff allows every value of Acks, Retries and MaxInFlight.
	IdempotenceOff
)

// String is true or false, as in producer.properties, or default.
func (i Idempotence) String() string {
	switch i {
	case IdempotenceDefault:
		return "default"
	case IdempotenceOn:
		return "true"
	case IdempotenceOff:
		return "false"
	}
	return fmt.Sprintf("Idempotence(%d)", uint8(i))
}

// Compression is a codec of record batches.
type Compression string

// The codecs of Kafka.
const (
	CompressionNone   Compression = "none"
	CompressionGzip   Compression = "gzip"
	CompressionSnappy Compression = "snappy"
	CompressionLz4    Compression = "lz4"
	CompressionZstd   Compression = "zstd"
)

// SecurityProtocol is how to talk to brokers. Letter case does not count.
type SecurityProtocol string

// The security protocols of Kafka; SSL means TLS.
const (
	SecurityPlaintext     SecurityProtocol = "PLAINTEXT"
	SecuritySSL           SecurityProtocol = "SSL"
	SecuritySASLPlaintext SecurityProtocol = "SASL_PLAINTEXT"
	SecuritySASLSSL       SecurityProtocol = "SASL_SSL"
)

// DNSLookup is what to do with a name that has several addresses.
type DNSLookup string

// The two ways.
const (
	DNSLookupAllIPs    DNSLookup = "use_all_dns_ips"
	DNSLookupCanonical DNSLookup = "resolve_canonical_bootstrap_servers_only"
)

// RecoveryStrategy is what to do when no known broker can be reached. Letter case
// does not count.
type RecoveryStrategy string

// The two strategies (KIP-899).
const (
	RecoveryRebootstrap RecoveryStrategy = "rebootstrap"
	RecoveryNone        RecoveryStrategy = "none"
)

// Password is a secret: fmt, slog and encoding/json show [hidden] in its place.
// Convert it to string to use it.
type Password string

// String hides the secret.
func (p Password) String() string {
	if p == "" {
		return ""
	}
	return config.Hidden
}

// GoString hides the secret from %#v.
func (p Password) GoString() string { return strconv.Quote(p.String()) }

// MarshalText hides the secret.
func (p Password) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// ConfigError is a setting that cannot be used as it is. It is one line: where it
// stands, what is wrong and what to do.
type ConfigError struct {
	File   string // empty unless the value was read from a file
	Line   int    // from 1; 0 if the value was not read from text
	Key    string // as in producer.properties; empty if no setting is at fault
	Value  string // as given; hidden if it is a password
	Reason string
	Remedy string
	Err    error // the cause, if something outside failed; may be nil
}

func (e *ConfigError) Error() string {
	text := e.Reason
	if e.Key != "" {
		text = e.Key + "=" + e.Value + ": " + text
	}
	if at := position(e.File, e.Line); at != "" {
		text = at + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return oneLine.Replace(text)
}

// oneLine keeps a message on its line whatever a value holds.
var oneLine = strings.NewReplacer("\n", `\n`, "\r", `\r`)

// Unwrap gives the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

func position(file string, line int) string {
	switch {
	case line == 0:
		return file
	case file == "":
		return "line " + strconv.Itoa(line)
	}
	return file + ":" + strconv.Itoa(line)
}

// configError makes the public error of one that the table made.
func configError(err error) *ConfigError {
	if e, ok := err.(*ConfigError); ok {
		return e
	}
	if e, ok := err.(*config.Error); ok {
		return &ConfigError{Key: e.Key, Value: e.Value, Reason: e.Reason, Remedy: e.Remedy}
	}
	return &ConfigError{Reason: "cannot use the configuration", Err: err}
}
