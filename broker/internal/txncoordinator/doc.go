// Package txncoordinator coordinates transactions: which producer owns a
// transactional id, which partitions its transaction has, and how it ends.
//
//	Empty ──add──▶ Ongoing ──commit──▶ PrepareCommit ──markers──▶ CompleteCommit
//	                  │                                              │
//	                  └──abort, timeout, fence──▶ PrepareAbort ──▶ CompleteAbort
//	                                                                 │
//	  (any that is not Ongoing or Prepare…) ◀──init, add, expire─────┘
//
// A transition is in __transaction_state before anybody hears of it, in the
// format of Kafka's own, so that Kafka's tools can read it. From a Prepare state
// on the end is decided: markers are written until every partition has one, also
// after a restart. The clients of version 1 (librdkafka, KafkaJS) keep their
// epoch over transactions; those of version 2 (KIP-890) get the next one with
// every end.
//
// Source: TransactionCoordinator, TransactionMetadata, TransactionStateManager,
// TransactionMarkerChannelManager; KIP-98, KIP-360, KIP-588, KIP-664, KIP-890.
package txncoordinator
