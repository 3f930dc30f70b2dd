package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// describeTransactions tells what is known of transactional ids (KIP-664).
// Version 0.
func (a *API) describeTransactions(
	c *call, req *kmsg.DescribeTransactionsRequest, resp *kmsg.DescribeTransactionsResponse,
) error {
	for _, id := range req.TransactionalIDs {
		out := kmsg.NewDescribeTransactionsResponseTransactionState()
		out.TransactionalID = id
		code := errcode.InvalidRequest
		if id != "" {
			code = a.coordinatesTxn(c, id)
		}
		if code == errcode.None {
			var d txncoordinator.Description
			if d, code = a.txns.Describe(id); code == errcode.None {
				describeTransaction(&out, d)
			}
		}
		out.ErrorCode = int16(code)
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	return nil
}

func describeTransaction(
	out *kmsg.DescribeTransactionsResponseTransactionState, d txncoordinator.Description,
) {
	out.State, out.TimeoutMillis, out.StartTimestamp = d.State.String(), d.Timeout, d.Start
	out.ProducerID, out.ProducerEpoch = d.Producer.ID, d.Producer.Epoch
	for i, tp := range d.Partitions {
		if i == 0 || tp.Topic != d.Partitions[i-1].Topic {
			t := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
			t.Topic = tp.Topic
			out.Topics = append(out.Topics, t)
		}
		t := &out.Topics[len(out.Topics)-1]
		t.Partitions = append(t.Partitions, tp.Partition)
	}
}
