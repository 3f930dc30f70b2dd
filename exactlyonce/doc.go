// Package exactlyonce reads topics, does something with each record, and writes
// what comes of it so that every record counts exactly once, whatever crashes,
// and however often the consumer group is rebalanced.
//
//	err := exactlyonce.Run(ctx, exactlyonce.Config{
//		Producer: producer, // with a TransactionalID
//		Group:    "billing",
//		Topics:   []string{"orders"},
//	}, func(ctx context.Context, in *kgo.Record, out *exactlyonce.Output) error {
//		return out.Send(posthaste.Record{Topic: "invoices", Key: in.Key, Value: price(in.Value)})
//	})
//
// Output records and the offsets of what was read are one transaction: readers
// with isolation.level=read_committed see either both or none. There is nothing
// to begin, to commit or to seek, so nothing can be forgotten:
//
//   - only records of committed transactions are read;
//   - a transaction is committed every Config.CommitInterval, and before a
//     rebalance gives partitions to another member;
//   - the group's coordinator refuses offsets of a member that was replaced
//     (KIP-447), so that two members never count the same record;
//   - what fails is aborted and read again from where the last commit ended;
//   - a process that died is fenced by the next with its TransactionalID, which
//     aborts what it left open (KIP-98); a producer that is fenced stops.
//
// What a Handler does outside of Kafka is not part of the transaction, and is done
// again when records are read again.
package exactlyonce
