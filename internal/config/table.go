package config

import (
	"slices"
	"strings"
)

// Group is a chapter of the table, as docs/configuration.md has it.
type Group struct {
	Title    string
	Settings []Setting
}

// Groups holds every setting of Kafka 4.4's producer, by subject.
var Groups = []Group{
	{"Connecting", connecting},
	{"Delivery", delivery},
	{"Batching and memory", batching},
	{"Compression", compression},
	{"Partitioning", partitioning},
	{"Transactions", transactions},
	{"Serializers, interceptors and configuration", plugins},
	{"Metadata", metadata},
	{"Metrics", metrics},
	{"TLS", tlsSettings},
	{"SASL", sasl},
	{"SASL/OAUTHBEARER", oauth},
}

// Table is all settings of all groups in the order of their names. It must not
// be changed.
var Table = sorted(Groups)

func sorted(groups []Group) []Setting {
	var all []Setting
	for _, g := range groups {
		all = append(all, g.Settings...)
	}
	slices.SortFunc(all, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return all
}

var delivery = []Setting{
	{Name: "acks", Kind: String, Default: "all", Check: oneOf{"all", "-1", "0", "1"},
		KIP: 679, Field: "Acks",
		Doc: "How many replicas must have a record before it counts as delivered: all (or -1) " +
			"in-sync ones, 1 (the leader alone), or 0, which does not wait for any answer."},
	{Name: "delivery.timeout.ms", Kind: Int, Unit: Millis, Default: "120000", Check: atLeast(0),
		Importance: Medium, KIP: 91, Field: "DeliveryTimeout",
		Doc: "Upper bound between Send and the record's outcome, retries included. It must " +
			"not be less than linger.ms plus request.timeout.ms; left at its default, it is " +
			"raised to that."},
	{Name: "enable.idempotence", Kind: Bool, Default: "true", KIP: 679, Field: "EnableIdempotence",
		Doc: "Whether a retry can never write a record twice or out of order. Unless it is " +
			"asked for, acks other than all or retries=0 switch it off."},
	{Name: "max.in.flight.requests.per.connection", Kind: Int, Default: "5", Check: atLeast(1),
		Field: "MaxInFlight",
		Doc: "How many requests may wait for an answer on one connection. At most 5 with " +
			"idempotence; without it, more than 1 can reorder records when a request is retried."},
	{Name: "request.timeout.ms", Kind: Int, Unit: Millis, Default: "30000", Check: atLeast(0),
		Importance: Medium, KIP: 19, Field: "RequestTimeout",
		Doc: "How long one request waits for its answer before it counts as lost and is retried."},
	{Name: "retries", Kind: Int, Default: "2147483647", Check: between{0, 2147483647},
		Importance: High, KIP: 91, Field: "Retries",
		Doc: "How often a batch is sent again after an error that may pass. Usually left " +
			"alone: delivery.timeout.ms bounds the effort in time, which is easier to reason " +
			"about."},
	{Name: "retry.backoff.max.ms", Kind: Long, Unit: Millis, Default: "1000", Check: atLeast(0),
		KIP: 580, Field: "RetryBackoffMax",
		Doc: "Upper bound of the pause before a retry; the pause doubles with every failure, " +
			"and is varied by 20 % so that clients do not retry in step."},
	{Name: "retry.backoff.ms", Kind: Long, Unit: Millis, Default: "100", Check: atLeast(0),
		KIP: 580, Field: "RetryBackoff",
		Doc: "Pause before the first retry. Above retry.backoff.max.ms, that bound is in force."},
}

var batching = []Setting{
	{Name: "batch.size", Kind: Int, Unit: Bytes, Default: "16384", Check: atLeast(0),
		Importance: Medium, Field: "BatchSize",
		Doc: "Size at which a partition's batch is full and leaves. A larger record travels " +
			"in a batch of its own; 0 gives every record one. Not given, batches that have to " +
			"wait behind others grow up to 1 MiB (see below)."},
	{Name: "buffer.memory", Kind: Long, Unit: Bytes, Default: "33554432", Check: atLeast(0),
		Importance: High, Field: "BufferMemory",
		Doc: "Memory for records that are not acknowledged yet. While it is used up, Send " +
			"waits, first come first served, up to max.block.ms."},
	{Name: "buffer.memory.allocation.strategy", Kind: String, Default: "full",
		Check: oneOfFold{"FULL", "INCREMENTAL"}, Importance: Medium, Internal: true,
		NoEffect: "it is a switch inside Java's buffer pool; there is one strategy here",
		Doc:      "How Java's producer takes batch memory from its pool."},
	{Name: "linger.ms", Kind: Long, Unit: Millis, Default: "0", JavaDefault: "5",
		Check: atLeast(0), Importance: Medium, KIP: 1030, Field: "Linger",
		Differs: "A record does not wait unless it is asked to: batches fill while earlier " +
			"requests are under way. Kafka had 0 too, until 4.0.",
		Doc: "How long an open batch waits for more records. A batch that is full, or that " +
			"Flush asks for, does not wait, but full ones for a broker that was just sent a request " +
			"share the next, a fifth of linger.ms later, 1 ms at most."},
	{Name: "max.block.ms", Kind: Long, Unit: Millis, Default: "60000", Check: atLeast(0),
		Importance: Medium, KIP: 19, Field: "MaxBlock",
		Doc: "How long Send may wait for the topic's metadata and for buffer memory together. " +
			"Transaction calls are bounded by it too."},
	{Name: "max.request.size", Kind: Int, Unit: Bytes, Default: "1048576", Check: atLeast(0),
		Importance: Medium, Field: "MaxRequestSize",
		Doc: "Largest request, and so the largest record before compression. Brokers and " +
			"topics have limits of their own (message.max.bytes, max.message.bytes)."},
}

var compression = []Setting{
	{Name: "compression.gzip.level", Kind: Int, Default: "-1", Check: gzipLevel{},
		Importance: Medium, KIP: 390, Field: "CompressionGzipLevel",
		Doc: "Effort of gzip: 1 is fast, 9 is small, -1 is the codec's own choice."},
	{Name: "compression.lz4.level", Kind: Int, Default: "9", Check: between{1, 17},
		Importance: Medium, KIP: 390, Field: "CompressionLz4Level",
		Doc: "Effort of lz4: 1 is fast, 17 is small."},
	{Name: "compression.type", Kind: String, Default: "none",
		Check: oneOf{"none", "gzip", "snappy", "lz4", "zstd"}, Importance: High, KIP: 110,
		Field: "CompressionType",
		Doc: "Codec of whole batches: none, gzip, snappy, lz4 or zstd. The fuller the " +
			"batches, the better it works."},
	{Name: "compression.zstd.level", Kind: Int, Default: "3", Check: between{-131072, 22},
		Importance: Medium, KIP: 390, Field: "CompressionZstdLevel",
		Doc: "Effort of zstd: negative levels are fastest, 22 is smallest."},
}

var partitioning = []Setting{
	{Name: "client.rack", Kind: String, KIP: 1123, Field: "ClientRack",
		Doc: "Where this client runs, in the words of the brokers' broker.rack. " +
			"partitioner.rack.aware needs it."},
	{Name: "partitioner.adaptive.partitioning.enable", Kind: Bool, Default: "true", KIP: 794,
		Field: "PartitionerAdaptive",
		Doc: "Whether records without a key go less often to partitions whose queue is long " +
			"because their broker is slow. No effect with a custom partitioner."},
	{Name: "partitioner.availability.timeout.ms", Kind: Long, Unit: Millis, Default: "0",
		Check: atLeast(0), KIP: 794, Field: "PartitionerAvailabilityTimeout",
		Doc: "A partition whose broker has accepted nothing for this long while batches wait " +
			"gets no more records without a key; 0 switches that off. Needs adaptive " +
			"partitioning."},
	{Name: "partitioner.class", Kind: Class, Null: true, Importance: Medium,
		Field: "PartitionerClass",
		Doc: "Partitioner by the name of its Java class; docs of package partitioner list the " +
			"known ones. None means Kafka's own: by key, or sticky without one. Code of your " +
			"own goes into Config.Partitioner."},
	{Name: "partitioner.ignore.keys", Kind: Bool, Default: "false", Importance: Medium, KIP: 794,
		Field: "PartitionerIgnoreKeys",
		Doc: "Whether records with a key are spread like those without one. No effect with a " +
			"custom partitioner."},
	{Name: "partitioner.rack.aware", Kind: Bool, Default: "false", KIP: 1123,
		Field: "PartitionerRackAware",
		Doc: "Whether records without a key prefer partitions whose leader is in client.rack. " +
			"No effect with a custom partitioner."},
}

var transactions = []Setting{
	{Name: "transaction.timeout.ms", Kind: Int, Unit: Millis, Default: "60000", KIP: 98,
		Field: "TransactionTimeout",
		Doc: "How long a transaction may stay open before its coordinator aborts it. The " +
			"broker's transaction.max.timeout.ms is its upper bound."},
	{Name: "transaction.two.phase.commit.enable", Kind: Bool, Default: "false", KIP: 939,
		Field: "Transaction2PC",
		Doc: "Whether an outside coordinator decides transactions, so that they never time " +
			"out. Excludes transaction.timeout.ms."},
	{Name: "transactional.id", Kind: String, Null: true, Check: notBlank{}, KIP: 98,
		Field: "TransactionalID",
		Doc: "Name under which this producer's transactions survive a restart; a second " +
			"producer with the same name fences the first. Needs idempotence."},
}

var plugins = []Setting{
	{Name: "config.providers", Kind: List, KIP: 421, Loading: true,
		Doc: "Names of the config providers that ${name:path:key} in other values may use; " +
			"config.providers.NAME.class says what each is. Known are Kafka's " +
			"EnvVarConfigProvider, FileConfigProvider and DirectoryConfigProvider."},
	{Name: "interceptor.classes", Kind: List, KIP: 42, Field: "InterceptorClasses",
		Doc: "Interceptors by name, called in this order. Code of your own goes into " +
			"Config.Interceptors."},
	{Name: "key.serializer", Kind: Class, Required: true, Importance: High, Field: "KeySerializer",
		Doc: "Serializer of keys, by the name of Kafka's class. May be left out: keys are " +
			"then bytes, or what a typed producer makes of them."},
	{Name: "value.serializer", Kind: Class, Required: true, Importance: High,
		Field: "ValueSerializer",
		Doc: "Serializer of values, by the name of Kafka's class. May be left out: values are " +
			"then bytes, or what a typed producer makes of them."},
}
