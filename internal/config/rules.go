package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Values holds parsed settings by name, each of the type that its Kind has; a
// setting without a value is absent or nil.
type Values map[string]any

// Defaults are the values of a producer that was told nothing.
func Defaults() Values {
	v := Values{}
	for i := range Table {
		if d := Table[i].DefaultValue(); d != nil {
			v[Table[i].Name] = d
		}
	}
	return v
}

func (v Values) int(name string) int64   { n, _ := v[name].(int64); return n }
func (v Values) bool(name string) bool   { b, _ := v[name].(bool); return b }
func (v Values) text(name string) string { s, _ := v[name].(string); return s }

// Change is a value that a rule replaced because it was not given.
type Change struct {
	Key    string
	Value  string // in force now
	Reason string
}

// String is one line, as warnings show it.
func (c Change) String() string { return fmt.Sprintf("%s is %s: %s", c.Key, c.Value, c.Reason) }

// Settle applies the rules between settings: it replaces values in v by those in
// force, or says which setting has to change. A value that was given is never
// replaced by a rule that could refuse it; given reports which those are.
//
// Afterwards v holds acks as a number, times that fit each other and the batch
// size in force. Errors are an *Error.
//
// Source: ProducerConfig.postProcessParsedConfig, KafkaProducer and
// CommonClientConfigs of Kafka 4.4; KIP-91, KIP-580, KIP-601, KIP-679, KIP-939.
func Settle(v Values, given func(name string) bool) ([]Change, error) {
	s := settling{v: v, given: given}
	for _, rule := range []func() error{
		s.saslMechanism, s.reconnectBackoff, s.idempotence, s.transaction,
		s.deliveryTimeout, s.rackAware, s.backoffs, s.sizes,
	} {
		if err := rule(); err != nil {
			return nil, err
		}
	}
	return s.changes, nil
}

// Unused lists the given settings that a settled v gives no part to play, each with
// the reason: those of TLS, SASL and the built-in partitioner where another choice
// rules them out.
func Unused(v Values, given func(name string) bool) []Change {
	var all []Change
	protocol := strings.ToUpper(v.text("security.protocol"))
	for i := range Table {
		row := &Table[i]
		if row.Field == "" || !given(row.Name) {
			continue
		}
		reason := ""
		switch {
		case strings.HasPrefix(row.Name, "ssl.") && !UsesTLS(protocol):
			reason = "security.protocol=" + protocol + " does not encrypt"
		case strings.HasPrefix(row.Name, "sasl.") && !UsesSASL(protocol):
			reason = "security.protocol=" + protocol + " does not authenticate"
		case v.text("partitioner.class") != "" && builtinPartitioner[row.Name]:
			reason = "partitioner.class chooses another partitioner"
		default:
			continue
		}
		all = append(all, Change{Key: row.Name, Value: "not used", Reason: reason})
	}
	return all
}

// builtinPartitioner are settings that only the partitioner without a class reads.
var builtinPartitioner = map[string]bool{
	"partitioner.ignore.keys":                  true,
	"partitioner.adaptive.partitioning.enable": true,
	"partitioner.availability.timeout.ms":      true,
	"partitioner.rack.aware":                   true,
}

type settling struct {
	v       Values
	given   func(string) bool
	changes []Change
}

func (s *settling) change(name string, to any, reason string) {
	s.v[name] = to
	s.changes = append(s.changes, Change{name, Format(to), reason})
}

func (s *settling) refuse(name, reason, remedy string) error {
	row, ok := Lookup(name)
	if !ok {
		panic("config: a rule is about an unknown setting " + name)
	}
	return &Error{Key: name, Value: row.Show(Format(s.v[name])), Reason: reason, Remedy: remedy}
}

// maxInFlightIdempotent is how many batches a broker remembers per producer and
// partition, and so how many may be under way without losing their order.
const maxInFlightIdempotent = 5

func (s *settling) idempotence() error {
	v := s.v
	if v.text("acks") == "all" {
		v["acks"] = "-1"
	}
	if v.bool("enable.idempotence") {
		asked := s.given("enable.idempotence")
		switch {
		case v.int("retries") == 0 && asked:
			return s.refuse("retries", "enable.idempotence=true needs retries",
				"raise retries, or set enable.idempotence=false")
		case v.text("acks") != "-1" && asked:
			return s.refuse("acks", "enable.idempotence=true needs acks=all",
				"set acks=all, or enable.idempotence=false")
		case v.int("max.in.flight.requests.per.connection") > maxInFlightIdempotent:
			return s.refuse("max.in.flight.requests.per.connection",
				"at most 5 with idempotence, which is on unless it is switched off",
				"set it to 5 or less, or enable.idempotence=false")
		case v.int("retries") == 0:
			s.change("enable.idempotence", false, "retries=0 rules it out")
		case v.text("acks") != "-1":
			s.change("enable.idempotence", false, "acks="+v.text("acks")+" rules it out")
		}
	}
	return nil
}

func (s *settling) transaction() error {
	v := s.v
	if v["transactional.id"] != nil && !v.bool("enable.idempotence") {
		remedy := "set enable.idempotence=true, or remove transactional.id"
		if !s.given("enable.idempotence") {
			remedy = "set acks=all and retries above 0, or remove transactional.id"
		}
		return s.refuse("transactional.id", "transactions need idempotence, which is off", remedy)
	}
	if v.bool("transaction.two.phase.commit.enable") && s.given("transaction.timeout.ms") {
		return s.refuse("transaction.timeout.ms",
			"transaction.two.phase.commit.enable=true leaves transactions without a timeout",
			"remove one of the two")
	}
	return nil
}

func (s *settling) deliveryTimeout() error {
	v := s.v
	linger := min(v.int("linger.ms"), math.MaxInt32)
	v["linger.ms"] = linger
	least := min(linger+v.int("request.timeout.ms"), math.MaxInt32)
	if v.int("delivery.timeout.ms") >= least {
		return nil
	}
	if s.given("delivery.timeout.ms") {
		return s.refuse("delivery.timeout.ms",
			fmt.Sprintf("less than linger.ms + request.timeout.ms = %d", least),
			"raise it to "+strconv.FormatInt(least, 10)+
				", or lower linger.ms or request.timeout.ms")
	}
	s.change("delivery.timeout.ms", least, "raised to linger.ms + request.timeout.ms")
	return nil
}

// reconnectBackoff keeps the pause constant if only its start is given.
func (s *settling) reconnectBackoff() error {
	v := s.v
	const start, limit = "reconnect.backoff.ms", "reconnect.backoff.max.ms"
	if s.given(start) && !s.given(limit) && v.int(start) != v.int(limit) {
		s.change(limit, v.int(start), start+" is given and "+limit+" is not")
	}
	return nil
}

// backoffs caps what starts above its own upper bound, without a word in Kafka;
// here it is a warning, because the value given is not in force.
func (s *settling) backoffs() error {
	for _, pair := range [][2]string{
		{"retry.backoff.ms", "retry.backoff.max.ms"},
		{"reconnect.backoff.ms", "reconnect.backoff.max.ms"},
		{"socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms"},
	} {
		if limit := s.v.int(pair[1]); s.v.int(pair[0]) > limit {
			s.change(pair[0], limit, pair[1]+" bounds it")
		}
	}
	return nil
}

func (s *settling) rackAware() error {
	if s.v.bool("partitioner.rack.aware") && s.v.text("client.rack") == "" {
		return s.refuse("partitioner.rack.aware", "client.rack is not set",
			"set client.rack to the rack of this client, or partitioner.rack.aware=false")
	}
	return nil
}

// sizes makes every record a batch of its own if batch.size is 0.
func (s *settling) sizes() error {
	s.v["batch.size"] = max(s.v.int("batch.size"), 1)
	return nil
}

func (s *settling) saslMechanism() error {
	if !UsesSASL(s.v.text("security.protocol")) || s.v.text("sasl.mechanism") != "" {
		return nil
	}
	return s.refuse("sasl.mechanism",
		"empty, although security.protocol="+s.v.text("security.protocol")+" needs one",
		"set it to "+Alternatives(Mechanisms))
}
