// Package broker is an embedded Kafka broker: one node, in this process, that
// any Kafka client can talk to.
//
//	b, err := broker.Start(broker.Config{DataDir: "data", Topics: map[string]int{"orders": 6}})
//	defer b.Close()
//	// bootstrap.servers = b.Addr()
//
// Records are kept in real log segments, in Kafka's own format, on disk or in
// memory. What was acknowledged survives a kill of the process, and transactions
// survive it whole: of either version, as the client speaks it. There is no
// replication: past one machine, use an Apache Kafka cluster, to which clients
// talk in the same way.
//
// In tests, Run starts a broker that ends with the test, Inject makes it
// misbehave on purpose, and End, Records and Dump look into its logs.
//
// Settings go by the names of Kafka's server.properties: see Config.Properties
// and LoadConfig. Three of its own help tests of transactions:
// posthaste.transaction.version=1 has clients speak the older version,
// posthaste.transaction.marker.delay.ms keeps transactions that have ended
// waiting, and posthaste.nodes, as Config.Nodes, lets coordinators move.
package broker
