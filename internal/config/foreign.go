package config

import (
	"maps"
	"slices"
)

// foreign maps the setting names of other clients to what to do here: to the name
// of Kafka's producer, or to a word on the difference. An empty text means that
// there is nothing like it. Only names that Kafka's producer does not have are here.
var foreign = []struct {
	client string
	names  map[string]string
}{
	{"librdkafka", librdkafkaNames},
	{"sarama", saramaNames},
	{"franz-go", franzNames},
	{"kafka-go", kafkaGoNames},
	{"the old Scala producer", scalaNames},
}

// Foreign is a setting of another client.
type Foreign struct {
	Client  string
	Name    string
	Instead string // what to do here; empty if there is nothing like it
}

// ForeignNames lists the settings of other clients that Unknown knows, by client and
// name.
func ForeignNames() []Foreign {
	var all []Foreign
	for _, f := range foreign {
		for _, name := range slices.Sorted(maps.Keys(f.names)) {
			all = append(all, Foreign{f.client, name, f.names[name]})
		}
	}
	return all
}

func use(name string) string { return "use " + name }

const (
	useJAAS    = "use sasl.jaas.config, or Config.SASLUsername and SASLPassword"
	useTrust   = "use ssl.truststore.location with ssl.truststore.type=PEM"
	useKeyFile = "use ssl.keystore.location with ssl.keystore.type=PEM: one file with the " +
		"private key and the certificates"
	useLevel = "use compression.gzip.level, compression.lz4.level or compression.zstd.level"
	useBytes = "batches are bounded in bytes: use batch.size"
	useMem   = "memory is bounded in bytes: use buffer.memory"
)

var librdkafkaNames = map[string]string{
	"metadata.broker.list":                    use("bootstrap.servers"),
	"queue.buffering.max.ms":                  use("linger.ms"),
	"queue.buffering.max.messages":            useMem,
	"queue.buffering.max.kbytes":              use("buffer.memory, in bytes"),
	"batch.num.messages":                      useBytes,
	"message.max.bytes":                       use("max.request.size"),
	"message.copy.max.bytes":                  "",
	"message.timeout.ms":                      use("delivery.timeout.ms"),
	"message.send.max.retries":                use("retries"),
	"request.required.acks":                   use("acks"),
	"compression.codec":                       use("compression.type"),
	"compression.level":                       useLevel,
	"max.in.flight":                           use("max.in.flight.requests.per.connection"),
	"partitioner":                             use("partitioner.class"),
	"sticky.partitioning.linger.ms":           "records without a key stick by batch.size",
	"socket.timeout.ms":                       use("request.timeout.ms"),
	"socket.send.buffer.bytes":                use("send.buffer.bytes"),
	"socket.receive.buffer.bytes":             use("receive.buffer.bytes"),
	"topic.metadata.refresh.interval.ms":      use("metadata.max.age.ms"),
	"topic.metadata.refresh.fast.interval.ms": use("retry.backoff.ms"),
	"topic.metadata.propagation.max.ms":       use("max.block.ms"),
	"topic.metadata.refresh.sparse":           "",
	"sasl.mechanisms":                         use("sasl.mechanism"),
	"sasl.username":                           useJAAS,
	"sasl.password":                           useJAAS,
	"sasl.oauthbearer.config":                 use("sasl.oauthbearer.* and sasl.jaas.config"),
	"sasl.oauthbearer.method":                 use("sasl.oauthbearer.jwt.retriever.class"),
	"sasl.oauthbearer.client.id": use(
		"sasl.oauthbearer.client.credentials.client.id"),
	"sasl.oauthbearer.client.secret": use(
		"sasl.oauthbearer.client.credentials.client.secret"),
	"ssl.ca.location":                        useTrust,
	"ssl.ca.pem":                             use("ssl.truststore.certificates"),
	"ssl.certificate.location":               useKeyFile,
	"ssl.certificate.pem":                    use("ssl.keystore.certificate.chain"),
	"ssl.key.location":                       useKeyFile,
	"ssl.key.pem":                            use("ssl.keystore.key"),
	"enable.ssl.certificate.verification":    "set Config.TLS to switch verification off",
	"queue.buffering.backpressure.threshold": "",
	"enable.gapless.guarantee":               "",
	"dr_cb":                                  "give Send a callback",
	"dr_msg_cb":                              "give Send a callback",
	"delivery.report.only.error":             "",
	"statistics.interval.ms":                 "read Producer.Metrics",
	"log_level":                              "set Config.Logger",
	"debug":                                  "set Config.Logger",
	"broker.address.family":                  "set Config.Dial",
	"broker.address.ttl":                     "",
	"api.version.request":                    "",
	"broker.version.fallback":                "",
	"socket.keepalive.enable":                "set Config.Dial",
	"socket.nagle.disable":                   "set Config.Dial",
	"go.delivery.reports":                    "",
	"go.batch.producer":                      "",
	"go.produce.channel.size":                "",
	"go.events.channel.size":                 "",
	"go.logs.channel.enable":                 "set Config.Logger",
}

var saramaNames = map[string]string{
	"Producer.RequiredAcks":          use("acks"),
	"Producer.Timeout":               use("request.timeout.ms"),
	"Producer.Compression":           use("compression.type"),
	"Producer.CompressionLevel":      useLevel,
	"Producer.Partitioner":           use("partitioner.class"),
	"Producer.Idempotent":            use("enable.idempotence"),
	"Producer.MaxMessageBytes":       use("max.request.size"),
	"Producer.Flush.Bytes":           use("batch.size"),
	"Producer.Flush.Messages":        useBytes,
	"Producer.Flush.MaxMessages":     useBytes,
	"Producer.Flush.Frequency":       use("linger.ms"),
	"Producer.Retry.Max":             use("retries, or rather delivery.timeout.ms"),
	"Producer.Retry.Backoff":         use("retry.backoff.ms"),
	"Producer.Retry.MaxBufferLength": useMem,
	"Producer.Retry.MaxBufferBytes":  use("buffer.memory"),
	"Producer.Return.Successes":      "every Send returns a Delivery",
	"Producer.Return.Errors":         "every Send returns a Delivery",
	"Producer.Transaction.ID":        use("transactional.id"),
	"Producer.Transaction.Timeout":   use("transaction.timeout.ms"),
	"Producer.Interceptors":          "set Config.Interceptors",
	"Net.MaxOpenRequests":            use("max.in.flight.requests.per.connection"),
	"Net.DialTimeout":                use("socket.connection.setup.timeout.ms"),
	"Net.ReadTimeout":                use("request.timeout.ms"),
	"Net.WriteTimeout":               use("request.timeout.ms"),
	"Net.SASL.Mechanism":             use("sasl.mechanism"),
	"Net.SASL.User":                  useJAAS,
	"Net.SASL.Password":              useJAAS,
	"Net.TLS.Enable":                 use("security.protocol"),
	"Net.TLS.Config":                 "set Config.TLS",
	"Metadata.RefreshFrequency":      use("metadata.max.age.ms"),
	"Metadata.Retry.Backoff":         use("retry.backoff.ms"),
	"Metadata.Timeout":               use("max.block.ms"),
	"ChannelBufferSize":              use("buffer.memory"),
	"ClientID":                       use("client.id"),
	"RackID":                         use("client.rack"),
}

var franzNames = map[string]string{
	"SeedBrokers":                         use("bootstrap.servers"),
	"RequiredAcks":                        use("acks"),
	"DisableIdempotentWrite":              use("enable.idempotence=false"),
	"ProducerLinger":                      use("linger.ms"),
	"ProducerBatchMaxBytes":               use("batch.size"),
	"ProducerBatchCompression":            use("compression.type"),
	"MaxBufferedRecords":                  useMem,
	"MaxBufferedBytes":                    use("buffer.memory"),
	"MaxProduceRequestsInflightPerBroker": use("max.in.flight.requests.per.connection"),
	"ProduceRequestTimeout":               use("request.timeout.ms"),
	"RecordRetries":                       use("retries"),
	"RecordDeliveryTimeout":               use("delivery.timeout.ms"),
	"RecordPartitioner":                   use("partitioner.class"),
	"RetryBackoffFn":                      use("retry.backoff.ms and retry.backoff.max.ms"),
	"RetryTimeout":                        use("max.block.ms"),
	"RequestTimeoutOverhead":              use("request.timeout.ms"),
	"TransactionalID":                     use("transactional.id"),
	"TransactionTimeout":                  use("transaction.timeout.ms"),
	"MetadataMaxAge":                      use("metadata.max.age.ms"),
	"ConnIdleTimeout":                     use("connections.max.idle.ms"),
	"DialTimeout":                         use("socket.connection.setup.timeout.ms"),
	"DialTLSConfig":                       "set Config.TLS",
	"BrokerMaxWriteBytes":                 use("max.request.size"),
	"Dialer":                              "set Config.Dial",
	"SASL":                                use("sasl.mechanism and sasl.jaas.config"),
	"Rack":                                use("client.rack"),
}

var kafkaGoNames = map[string]string{
	"Addr":            use("bootstrap.servers"),
	"Brokers":         use("bootstrap.servers"),
	"Balancer":        use("partitioner.class"),
	"MaxAttempts":     use("retries"),
	"WriteBackoffMin": use("retry.backoff.ms"),
	"WriteBackoffMax": use("retry.backoff.max.ms"),
	"BatchSize":       useBytes,
	"BatchBytes":      use("batch.size"),
	"BatchTimeout":    use("linger.ms"),
	"ReadTimeout":     use("request.timeout.ms"),
	"WriteTimeout":    use("request.timeout.ms"),
	"Compression":     use("compression.type"),
}

var scalaNames = map[string]string{
	"serializer.class":          use("value.serializer"),
	"key.serializer.class":      use("key.serializer"),
	"producer.type":             "sends are asynchronous; wait for their Delivery",
	"block.on.buffer.full":      use("max.block.ms"),
	"metadata.fetch.timeout.ms": use("max.block.ms"),
	"metadata.fetch.backoff.ms": use("retry.backoff.ms"),
	"timeout.ms":                use("request.timeout.ms"),
	"compressed.topics":         use("compression.type"),
	"queue.enqueue.timeout.ms":  use("max.block.ms"),
}

// otherSides are settings of other parts of Kafka that often share a file with a
// producer's.
var otherSides = []struct{ name, names string }{
	{"consumer", `
		group.id group.instance.id group.protocol group.remote.assignor auto.offset.reset
		enable.auto.commit auto.commit.interval.ms max.poll.records max.poll.interval.ms
		session.timeout.ms heartbeat.interval.ms fetch.min.bytes fetch.max.bytes
		fetch.max.wait.ms max.partition.fetch.bytes partition.assignment.strategy
		isolation.level check.crcs exclude.internal.topics allow.auto.create.topics
		key.deserializer value.deserializer default.api.timeout.ms share.acknowledgement.mode`},
	{"broker", `
		node.id broker.id broker.rack process.roles controller.quorum.voters
		controller.quorum.bootstrap.servers controller.listener.names listeners
		advertised.listeners listener.security.protocol.map inter.broker.listener.name
		inter.broker.protocol.version zookeeper.connect log.dir log.dirs num.partitions
		default.replication.factor min.insync.replicas offsets.topic.replication.factor
		transaction.state.log.replication.factor transaction.state.log.min.isr
		transaction.max.timeout.ms log.retention.hours log.retention.ms log.retention.bytes
		log.segment.bytes num.network.threads num.io.threads socket.send.buffer.bytes
		socket.request.max.bytes replica.fetch.max.bytes delete.topic.enable
		group.initial.rebalance.delay.ms sasl.enabled.mechanisms
		sasl.mechanism.inter.broker.protocol ssl.client.auth super.users
		auto.create.topics.enable authorizer.class.name unclean.leader.election.enable`},
	{"topic", `
		cleanup.policy retention.ms retention.bytes segment.bytes segment.ms max.message.bytes
		message.timestamp.type delete.retention.ms min.cleanable.dirty.ratio
		flush.messages flush.ms`},
	{"Kafka Connect worker", `
		key.converter value.converter offset.storage.topic offset.storage.file.filename
		config.storage.topic status.storage.topic plugin.path tasks.max connector.class`},
	{"Kafka Streams application", `
		application.id num.stream.threads processing.guarantee state.dir
		default.key.serde default.value.serde commit.interval.ms`},
}
