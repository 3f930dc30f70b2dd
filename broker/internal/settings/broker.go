package settings

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// brokerOnly is the broker's table without the defaults of topics, which come
// from the topics' table: see brokerTable.
var brokerOnly = []Key{
	{Name: "advertised.listeners", Type: List, Fixed: true,
		Doc: "Addresses that clients are told; empty means those that are listened on."},
	{Name: "auto.create.topics.enable", Type: Boolean, Default: "true", Fixed: true,
		Doc: "Whether a client's wish for metadata makes a topic."},
	{Name: "cluster.id", Type: String, Fixed: true,
		Doc: "Id of the cluster; empty means the data directory's, or a random one."},
	{Name: "connections.max.idle.ms", Type: Long, Default: "600000", Min: -1, Fixed: true,
		Doc: "Idle connections are closed after this long; 0 or less means never."},
	{Name: "default.replication.factor", Type: Int, Default: "1", Min: 1, Fixed: true,
		Doc: "Replication factor of topics made without one."},
	{Name: "delete.topic.enable", Type: Boolean, Default: "true", Fixed: true,
		Doc: "Whether topics can be deleted."},
	{Name: "fetch.max.bytes", Type: Int, Default: "57671680", Min: 1024, Fixed: true,
		Doc: "Largest fetch response."},
	{Name: "group.initial.rebalance.delay.ms", Type: Int, Default: "0", Fixed: true,
		Doc: "How long an empty group waits for more members. Kafka's default is 3000."},
	{Name: "group.max.session.timeout.ms", Type: Int, Default: "1800000", Fixed: true,
		Doc: "Longest session timeout of a group's member."},
	{Name: "group.max.size", Type: Int, Default: "2147483647", Min: 1, Fixed: true,
		Doc: "Most members of a group."},
	{Name: "group.min.session.timeout.ms", Type: Int, Default: "6000", Fixed: true,
		Doc: "Shortest session timeout of a group's member."},
	{Name: "listeners", Type: List, Fixed: true, Doc: "Addresses to listen on."},
	{Name: "log.retention.check.interval.ms", Type: Long, Default: "300000", Min: 1, Fixed: true,
		Doc: "How often segments that are too old or too many are looked for."},
	{Name: "max.connections", Type: Int, Default: "2147483647", Fixed: true,
		Doc: "Most connections at a time."},
	{Name: "node.id", Type: Int, Default: "1", Fixed: true, Doc: "Id of this node."},
	{Name: "num.partitions", Type: Int, Default: "1", Min: 1, Fixed: true,
		Doc: "Partitions of topics made without a number."},
	{Name: "offset.metadata.max.bytes", Type: Int, Default: "4096", Fixed: true,
		Doc: "Largest metadata of a committed offset."},
	{Name: "offsets.retention.minutes", Type: Int, Default: "10080", Min: 1, Fixed: true,
		Doc: "How long offsets of a group without members are kept."},
	{Name: "offsets.topic.num.partitions", Type: Int, Default: "50", Min: 1, Fixed: true,
		Doc: "Partitions of __consumer_offsets."},
	{Name: "offsets.topic.segment.bytes", Type: Int, Default: "104857600", Min: 1, Fixed: true,
		Doc: "Segment size of __consumer_offsets."},
	{Name: "posthaste.nodes", Type: Int, Default: "1", Min: 1, Max: 64, Fixed: true,
		Doc: "How many nodes this process poses as, to let leaders move in tests."},
	{Name: "posthaste.transaction.marker.delay.ms", Type: Int, Default: "0", Fixed: true,
		Doc: "How long a transaction that has ended waits for its markers, to let tests see it."},
	{Name: "posthaste.transaction.version", Type: Int, Default: "2", Max: 2, Fixed: true,
		Doc: "Finalized level of the feature transaction.version, as kafka-features sets it."},
	{Name: "posthaste.strict.first.sequence", Type: Boolean, Default: "false", Fixed: true,
		Doc: "Refuse a first sequence other than 0 in an untouched partition (KAFKA-15591)."},
	{Name: "producer.id.expiration.ms", Type: Int, Default: "86400000", Min: 1, Fixed: true,
		Doc: "How long the sequences of a silent producer are remembered."},
	{Name: "socket.request.max.bytes", Type: Int, Default: "104857600", Min: 1, Fixed: true,
		Doc: "Largest request."},
	{Name: "transaction.abort.timed.out.transaction.cleanup.interval.ms", Type: Int,
		Default: "10000", Min: 1, Fixed: true,
		Doc: "How often transactions are looked for that are open for too long."},
	{Name: "transaction.max.timeout.ms", Type: Int, Default: "900000", Min: 1, Fixed: true,
		Doc: "Longest transaction.timeout.ms that a producer may ask for."},
	{Name: "transaction.partition.verification.enable", Type: Boolean, Default: "true", Fixed: true,
		Doc: "Whether the first batch of a transaction in a partition is verified (KIP-890)."},
	{Name: "transaction.remove.expired.transaction.cleanup.interval.ms", Type: Int,
		Default: "3600000", Min: 1, Fixed: true,
		Doc: "How often transactional ids are looked for that nobody has used for long."},
	{Name: "transaction.state.log.num.partitions", Type: Int, Default: "50", Min: 1, Fixed: true,
		Doc: "Partitions of __transaction_state."},
	{Name: "transaction.state.log.segment.bytes", Type: Int, Default: "104857600", Min: 1,
		Fixed: true, Doc: "Segment size of __transaction_state."},
	{Name: "transaction.two.phase.commit.enable", Type: Boolean, Default: "false", Fixed: true,
		Doc: "Whether a producer may have transactions without a timeout (KIP-939)."},
	{Name: "transactional.id.expiration.ms", Type: Int, Default: "604800000", Min: 1, Fixed: true,
		Doc: "How long an idle transactional id is remembered."},
}

// coarser are older spellings of a setting, finest first, and how many
// milliseconds one of them has.
var coarser = map[string][]struct {
	name   string
	millis int64
}{
	"log.retention.ms":      {{"log.retention.minutes", 60_000}, {"log.retention.hours", 3_600_000}},
	"log.roll.ms":           {{"log.roll.hours", 3_600_000}},
	"log.roll.jitter.ms":    {{"log.roll.jitter.hours", 3_600_000}},
	"log.flush.interval.ms": {{"log.flush.scheduler.interval.ms", 1}},
}

// ignored are settings of Kafka that a configuration file may well have and
// that mean nothing to one node without replicas, threads or a controller.
var ignored = map[string]bool{
	"process.roles": true, "controller.quorum.voters": true, "broker.id": true,
	"controller.quorum.bootstrap.servers": true, "controller.listener.names": true,
	"listener.security.protocol.map": true, "inter.broker.listener.name": true,
	"num.network.threads": true, "num.io.threads": true, "log.dirs": true, "log.dir": true,
	"socket.send.buffer.bytes": true, "socket.receive.buffer.bytes": true,
	"num.recovery.threads.per.data.dir": true, "offsets.topic.replication.factor": true,
	"transaction.state.log.replication.factor": true, "transaction.state.log.min.isr": true,
	"share.coordinator.state.topic.replication.factor": true,
	"share.coordinator.state.topic.min.isr":            true,
}

// BrokerTable is the table of the broker's settings, by name.
var BrokerTable = func() []Key {
	table := slices.Clone(brokerOnly)
	for _, t := range Topic {
		k := t
		k.Name, k.Broker = t.Broker, ""
		table = append(table, k)
	}
	for of, older := range coarser {
		for _, o := range older {
			table = append(table, Key{Name: o.name, Type: Int, Min: -1, Fixed: true,
				Doc: "Coarser spelling of " + of + ", which wins."})
		}
	}
	slices.SortFunc(table, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
	return table
}()

var brokerByName = byName(BrokerTable)

// BrokerKey is the row of a broker's setting, nil if there is none.
func BrokerKey(name string) *Key { return brokerByName[name] }

// Broker is the broker's settings in force. Its methods may be called
// concurrently.
type Broker struct {
	static  map[string]string // from the configuration; never changes
	dynamic atomic.Pointer[map[string]string]
}

// NewBroker checks values. Names that mean nothing here are left out and
// returned; an illegal value is an *Error.
func NewBroker(values map[string]string) (b *Broker, unknown []string, err error) {
	b = &Broker{static: make(map[string]string, len(values))}
	b.dynamic.Store(&map[string]string{})
	for _, name := range slices.Sorted(maps.Keys(values)) {
		k := BrokerKey(name)
		if k == nil {
			if !ignored[name] {
				unknown = append(unknown, name)
			}
			continue
		}
		if err := k.Check(values[name]); err != nil {
			return nil, nil, err
		}
		b.static[name] = values[name]
	}
	return b, unknown, nil
}

// Given is a setting as somebody gave it.
type Given struct {
	Name    string // the setting's, or its coarser spelling
	Value   string // in the setting's own unit
	Dynamic bool   // set at run time
}

// Given lists where a setting, or its coarser spellings, were given: what is in
// force first.
func (b *Broker) Given(name string) []Given {
	var list []Given
	for i, values := range []map[string]string{*b.dynamic.Load(), b.static} {
		if v, ok := values[name]; ok {
			list = append(list, Given{Name: name, Value: v, Dynamic: i == 0})
		}
		for _, o := range coarser[name] {
			v, ok := values[o.name]
			if !ok {
				continue
			}
			if n := integer(v); n > 0 {
				v = strconv.FormatInt(n*o.millis, 10)
			}
			list = append(list, Given{Name: o.name, Value: v, Dynamic: i == 0})
		}
	}
	return list
}

// Value is a setting's value and whether it was given.
func (b *Broker) Value(name string) (value string, given bool) {
	if given := b.Given(name); len(given) > 0 {
		return given[0].Value, true
	}
	return brokerByName[name].Default, false
}

// Int is a number.
func (b *Broker) Int(name string) int64 {
	v, _ := b.Value(name)
	return integer(v)
}

// Bool is a truth value.
func (b *Broker) Bool(name string) bool {
	v, _ := b.Value(name)
	return strings.EqualFold(v, "true")
}

// Dynamic is what was set at run time. The map must not be changed.
func (b *Broker) Dynamic() map[string]string { return *b.dynamic.Load() }

// CheckDynamic checks what is to be set at run time; its error is an *Error.
func CheckDynamic(values map[string]string) error {
	for name, value := range values {
		k := BrokerKey(name)
		switch {
		case k == nil:
			return &Error{Name: name, Value: value, Reason: "there is no broker setting of this name"}
		case k.Fixed:
			return &Error{Name: name, Value: value,
				Reason: "this broker setting cannot change at run time; set it in the configuration file"}
		}
		if err := k.Check(value); err != nil {
			return err
		}
	}
	return nil
}

// SetDynamic replaces what was set at run time with values that CheckDynamic
// has passed.
func (b *Broker) SetDynamic(values map[string]string) {
	own := maps.Clone(values)
	b.dynamic.Store(&own)
}
