package config

var connecting = []Setting{
	{Name: "bootstrap.resolve.timeout.ms", Kind: Long, Unit: Millis, Default: "0",
		Check: atLeast(0), Importance: High, KIP: 909, Field: "BootstrapResolveTimeout",
		Doc: "With 0, at least one bootstrap name must resolve when the producer is made. " +
			"Above 0, the producer starts at once and keeps trying for this long."},
	{Name: "bootstrap.servers", Kind: List, Required: true, Importance: High,
		Field: "BootstrapServers",
		Doc: "Addresses (host:port) of some brokers, separated by commas. The others are " +
			"learned from them; two or three are enough."},
	{Name: "client.dns.lookup", Kind: String, Default: "use_all_dns_ips",
		Check:      oneOf{"use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"},
		Importance: Medium, KIP: 602, Field: "ClientDNSLookup",
		Doc: "What to do with a name that has several addresses: use_all_dns_ips tries one " +
			"after the other, resolve_canonical_bootstrap_servers_only makes each a bootstrap " +
			"server of its own, under its canonical name."},
	{Name: "client.id", Kind: String, Importance: Medium, Field: "ClientID",
		Doc: "Name of this client in the brokers' logs, quotas and metrics. Left out, it is " +
			"producer-<transactional.id>, or producer-<n> counted in the process."},
	{Name: "connections.max.idle.ms", Kind: Long, Unit: Millis, Default: "540000",
		Importance: Medium, Field: "ConnectionsMaxIdle",
		Doc: "After how long without a request a connection is closed; negative never closes " +
			"it. The default stays below the brokers' ten minutes."},
	{Name: "receive.buffer.bytes", Kind: Int, Unit: Bytes, Default: "32768", Check: atLeast(-1),
		Importance: Medium, Field: "ReceiveBuffer",
		Doc: "Receive buffer of a socket (SO_RCVBUF); -1 leaves it to the operating system."},
	{Name: "reconnect.backoff.max.ms", Kind: Long, Unit: Millis, Default: "1000",
		Check: atLeast(0), KIP: 144, Field: "ReconnectBackoffMax",
		Doc: "Upper bound of the pause between attempts to connect to one broker; the pause " +
			"doubles with every failure. If only reconnect.backoff.ms is given, both are " +
			"that."},
	{Name: "reconnect.backoff.ms", Kind: Long, Unit: Millis, Default: "50", Check: atLeast(0),
		Field: "ReconnectBackoff",
		Doc:   "Pause before the second attempt to connect to one broker."},
	{Name: "security.protocol", Kind: String, Default: "PLAINTEXT",
		Check:      oneOfFold{"SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"},
		Importance: Medium, Field: "SecurityProtocol",
		Doc: "How to talk to brokers: PLAINTEXT, SSL (which means TLS), SASL_PLAINTEXT or " +
			"SASL_SSL."},
	{Name: "send.buffer.bytes", Kind: Int, Unit: Bytes, Default: "131072", Check: atLeast(-1),
		Importance: Medium, Field: "SendBuffer",
		Doc: "Send buffer of a socket (SO_SNDBUF); -1 leaves it to the operating system."},
	{Name: "socket.connection.setup.timeout.max.ms", Kind: Long, Unit: Millis, Default: "30000",
		Importance: Medium, KIP: 601, Field: "SocketConnectionSetupTimeoutMax",
		Doc: "Upper bound of the time for one attempt to connect; the time doubles with every " +
			"failure in a row."},
	{Name: "socket.connection.setup.timeout.ms", Kind: Long, Unit: Millis, Default: "10000",
		Importance: Medium, KIP: 601, Field: "SocketConnectionSetupTimeout",
		Doc: "How long the first attempt to connect to a broker may take."},
}

var metadata = []Setting{
	{Name: "metadata.cluster.check.enable", Kind: Bool, Default: "true", KIP: 1242,
		Field: "MetadataClusterCheck",
		Doc: "Whether a new connection tells its broker (Kafka 4.4 or later) which cluster " +
			"and node it means, so that a connection that went astray is noticed. Without " +
			"effect if metadata.recovery.strategy is none."},
	{Name: "metadata.max.age.ms", Kind: Long, Unit: Millis, Default: "300000", Check: atLeast(0),
		Field: "MetadataMaxAge",
		Doc: "After how long metadata is asked for again although nothing failed; new " +
			"partitions are found this way."},
	{Name: "metadata.max.idle.ms", Kind: Long, Unit: Millis, Default: "300000",
		Check: atLeast(5000), KIP: 526, Field: "MetadataMaxIdle",
		Doc: "After how long without a record a topic's metadata is forgotten."},
	{Name: "metadata.recovery.rebootstrap.trigger.ms", Kind: Long, Unit: Millis,
		Default: "300000", Check: atLeast(0), KIP: 1102,
		Field: "MetadataRecoveryRebootstrapTrigger",
		Doc: "After how long without an answer from any known broker the producer begins " +
			"again from bootstrap.servers."},
	{Name: "metadata.recovery.strategy", Kind: String, Default: "rebootstrap",
		Check: oneOfFold{"REBOOTSTRAP", "NONE"}, KIP: 899, Field: "MetadataRecoveryStrategy",
		Doc: "What to do when no known broker can be reached: rebootstrap begins again from " +
			"bootstrap.servers, none keeps to the known brokers."},
}

const (
	noWindows = "metrics are counters and histograms since the start; " +
		"whoever reads them computes rates"
	noJMX = "there is no JMX; read Producer.Metrics"
)

var metrics = []Setting{
	{Name: "enable.metrics.push", Kind: Bool, Default: "true", KIP: 714,
		NoEffect: "metrics are not pushed to brokers; read Producer.Metrics",
		Doc:      "Whether Java's client sends its metrics to brokers that ask for them."},
	{Name: "metric.reporters", Kind: List,
		Default:  "org.apache.kafka.common.metrics.JmxReporter",
		NoEffect: noJMX,
		Doc:      "Java classes that are told of every metric."},
	{Name: "metrics.num.samples", Kind: Int, Default: "2", Check: atLeast(1),
		NoEffect: noWindows,
		Doc:      "How many time windows Java's rates and averages are taken over."},
	{Name: "metrics.recording.level", Kind: String, Default: "INFO",
		Check: oneOf{"INFO", "DEBUG", "TRACE"}, KIP: 105,
		NoEffect: "all metrics are always recorded",
		Doc:      "From which level on Java's client records metrics."},
	{Name: "metrics.sample.window.ms", Kind: Long, Unit: Millis, Default: "30000",
		Check:    atLeast(0),
		NoEffect: noWindows,
		Doc:      "Length of the time windows that Java's rates and averages are taken over."},
}

const jvmOnly = "it chooses a part of the Java virtual machine; Go's crypto/tls is used here"

var tlsSettings = []Setting{
	{Name: "security.providers", Kind: String, Null: true, KIP: 492, NoEffect: jvmOnly,
		Doc: "Java classes that add security algorithms to the virtual machine."},
	{Name: "ssl.cipher.suites", Kind: List, Field: "SSLCipherSuites",
		Doc: "Cipher suites allowed for TLS 1.2, by their standard names; none means Go's " +
			"choice. Those of TLS 1.3 are not configurable."},
	{Name: "ssl.enabled.protocols", Kind: List, Default: "TLSv1.2,TLSv1.3", Importance: Medium,
		KIP: 573, Field: "SSLEnabledProtocols",
		Doc: "TLS versions that may be spoken; the highest that both sides know is."},
	{Name: "ssl.endpoint.identification.algorithm", Kind: String, Default: "https", KIP: 294,
		Field: "SSLEndpointIdentificationAlgorithm",
		Doc: "https checks that a broker's certificate is for the name it was reached by. " +
			"Empty switches that off, and with it the protection against an impostor."},
	{Name: "ssl.engine.factory.class", Kind: Class, Null: true, KIP: 519,
		NoEffect: "it is a Java class; set Config.TLS instead",
		Doc:      "Java class that makes TLS engines."},
	{Name: "ssl.key.password", Kind: Password, Null: true, Importance: High,
		Field: "SSLKeyPassword",
		Doc:   "Password of the private key, if it is encrypted."},
	{Name: "ssl.keymanager.algorithm", Kind: String, Default: "SunX509", NoEffect: jvmOnly,
		Doc: "Algorithm of Java's key manager factory."},
	{Name: "ssl.keystore.certificate.chain", Kind: Password, Null: true, Importance: High,
		KIP: 651, Field: "SSLKeystoreCertificateChain",
		Doc: "This client's certificate and those that lead to its root, as PEM text."},
	{Name: "ssl.keystore.key", Kind: Password, Null: true, Importance: High, KIP: 651,
		Field: "SSLKeystoreKey",
		Doc:   "This client's private key, as PKCS#8 PEM text."},
	{Name: "ssl.keystore.location", Kind: String, Null: true, Importance: High,
		Field: "SSLKeystoreLocation",
		Doc: "File with this client's private key and certificates, for TLS in both " +
			"directions."},
	{Name: "ssl.keystore.password", Kind: Password, Null: true, Importance: High,
		Field: "SSLKeystorePassword",
		Doc:   "Password of the file ssl.keystore.location. PEM files have none."},
	{Name: "ssl.keystore.type", Kind: String, Default: "JKS", Importance: Medium,
		Field: "SSLKeystoreType",
		Doc:   "Format of the keystore: JKS, PKCS12 or PEM."},
	{Name: "ssl.protocol", Kind: String, Default: "TLSv1.3", Importance: Medium, KIP: 573,
		Field: "SSLProtocol",
		Doc:   "Highest TLS version to offer."},
	{Name: "ssl.provider", Kind: String, Null: true, Importance: Medium, NoEffect: jvmOnly,
		Doc: "Name of Java's security provider for TLS."},
	{Name: "ssl.secure.random.implementation", Kind: String, Null: true, NoEffect: jvmOnly,
		Doc: "Java's source of random numbers for TLS."},
	{Name: "ssl.trustmanager.algorithm", Kind: String, Default: "PKIX", NoEffect: jvmOnly,
		Doc: "Algorithm of Java's trust manager factory."},
	{Name: "ssl.truststore.certificates", Kind: Password, Null: true, Importance: High, KIP: 651,
		Field: "SSLTruststoreCertificates",
		Doc:   "Certificates to trust, as PEM text."},
	{Name: "ssl.truststore.location", Kind: String, Null: true, Importance: High,
		Field: "SSLTruststoreLocation",
		Doc:   "File with the certificates to trust; without one, those of the operating system."},
	{Name: "ssl.truststore.password", Kind: Password, Null: true, Importance: High,
		Field: "SSLTruststorePassword",
		Doc:   "Password of the file ssl.truststore.location. PEM files have none."},
	{Name: "ssl.truststore.type", Kind: String, Default: "JKS", Importance: Medium,
		Field: "SSLTruststoreType",
		Doc:   "Format of the truststore: JKS, PKCS12 or PEM."},
}
