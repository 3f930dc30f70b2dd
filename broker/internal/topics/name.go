package topics

import "github.com/posthaste-go/posthaste/internal/errcode"

// MaxNameLength is the longest name of a topic, so that its directories' names
// stay legal. Source: org.apache.kafka.common.internals.Topic.
const MaxNameLength = 249

// The topics that the coordinators keep.
const (
	ConsumerOffsets  = "__consumer_offsets"
	TransactionState = "__transaction_state"
)

// IsInternal reports whether the topic is a coordinator's.
func IsInternal(name string) bool { return name == ConsumerOffsets || name == TransactionState }

// CheckName reports why a name is not legal, as INVALID_TOPIC_EXCEPTION.
func CheckName(name string) error {
	const code = errcode.InvalidTopicException
	switch {
	case name == "":
		return refuse(code, "a topic needs a name")
	case name == "." || name == "..":
		return refuse(code, "a topic cannot be named %q", name)
	case len(name) > MaxNameLength:
		return refuse(code, "topic name of %d characters, at most %d are legal: %.20s…",
			len(name), MaxNameLength, name)
	}
	for i := range len(name) {
		if !legalInName(name[i]) {
			return refuse(code,
				"topic name %q is illegal at %q: only letters and digits of ASCII, '.', '_' and '-' are legal",
				name, name[i:min(len(name), i+1)])
		}
	}
	return nil
}

func legalInName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == '_' || c == '-'
}

// sameMetric reports whether two names differ only in '.' and '_': their
// metrics would be one in Kafka, so that at most one of them may exist.
func sameMetric(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && (a[i] != '.' && a[i] != '_' || b[i] != '.' && b[i] != '_') {
			return false
		}
	}
	return true
}
