package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type findHangingCmd struct {
	BrokerID   int32  `name:"broker-id" default:"-1" placeholder:"ID" help:"Only partitions with a replica there, as that broker sees them."`
	MaxTimeout int64  `name:"max-transaction-timeout" default:"15" placeholder:"MINUTES" help:"Transactions younger than this cannot hang: transaction.max.timeout.ms of the brokers, in minutes (default: ${default})."`
	Topic      string `placeholder:"TOPIC" help:"Only this topic (default: all)."`
	Partition  int32  `default:"-1" placeholder:"N" help:"Only this partition of --topic."`
	outputJSON

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*findHangingCmd) Help() string {
	return withExample("A transaction hangs on a partition when that still waits for its end and the "+
		"coordinator knows nothing of it. End it with posthaste transactions abort.",
		"posthaste transactions find-hanging --topic orders")
}

// openTransaction is a producer's transaction on one partition, as --json prints
// it.
type openTransaction struct {
	Topic            string `json:"topic"`
	Partition        int32  `json:"partition"`
	ProducerID       int64  `json:"producer_id"`
	Epoch            int16  `json:"producer_epoch"`
	CoordinatorEpoch int32  `json:"coordinator_epoch"`
	Start            int64  `json:"start_offset"`
	LastTimestamp    int64  `json:"last_timestamp"`
	Minutes          int64  `json:"duration_minutes"`
}

// Run prints the transactions that are open on a partition and unknown to any
// coordinator.
func (c *findHangingCmd) Run(e *env) (err error) {
	if c.Partition >= 0 && c.Topic == "" {
		return usagef("--partition %d: of which topic? Give --topic", c.Partition)
	}
	if c.Topic != "" {
		if err := checkTopic(c.Topic); err != nil {
			return err
		}
	}
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	set, err := c.partitions(e.ctx, a)
	if err != nil {
		return err
	}
	open, err := a.openTransactions(e.ctx, set, c.BrokerID)
	if err != nil {
		return err
	}
	limit := time.Now().Add(-time.Duration(c.MaxTimeout) * time.Minute).UnixMilli()
	open = slices.DeleteFunc(open, func(o openTransaction) bool { return o.LastTimestamp > limit })
	hanging, err := a.unknownToCoordinators(e.ctx, open)
	if err != nil {
		return err
	}
	if len(hanging) > 0 && !c.JSON {
		e.note("end one with posthaste transactions abort --topic %s --partition %d --start-offset %d",
			hanging[0].Topic, hanging[0].Partition, hanging[0].Start)
	}
	return print(e, c.outputJSON, []string{"Topic", "Partition", "ProducerId", "ProducerEpoch",
		"CoordinatorEpoch", "StartOffset", "LastTimestamp", "Duration(min)"}, hanging,
		func(o openTransaction) []any {
			return []any{o.Topic, o.Partition, o.ProducerID, o.Epoch, o.CoordinatorEpoch, o.Start,
				o.LastTimestamp, o.Minutes}
		})
}

// partitions is where to look.
func (c *findHangingCmd) partitions(ctx context.Context, a *admin) (kadm.TopicsSet, error) {
	topics := kadm.TopicDetails{}
	if c.Topic != "" {
		t, err := a.topic(ctx, c.Topic)
		if err != nil {
			return nil, err
		}
		if _, there := t.Partitions[c.Partition]; c.Partition >= 0 && !there {
			return nil, fmt.Errorf("topic %s has no partition %d; it has %d, from 0", c.Topic,
				c.Partition, len(t.Partitions))
		}
		topics[c.Topic] = t
	} else {
		ctx, cancel := context.WithTimeout(ctx, adminTimeout)
		defer cancel()
		var err error
		if topics, err = a.ListTopicsWithInternal(ctx); err != nil {
			return nil, a.failed(ctx, "cannot list topics", err)
		}
	}
	set := kadm.TopicsSet{}
	for name, t := range topics {
		for _, p := range t.Partitions {
			if (c.Partition < 0 || p.Partition == c.Partition) &&
				(c.BrokerID < 0 || slices.Contains(p.Replicas, c.BrokerID)) {
				set.Add(name, p.Partition)
			}
		}
	}
	if len(set) == 0 && c.BrokerID >= 0 {
		return nil, fmt.Errorf("broker %d has no replica of what was asked for; see posthaste "+
			"topics describe", c.BrokerID)
	}
	return set, nil
}

// openTransactions asks the leaders of partitions, or one broker, for
// transactions that wait for their end there.
func (a *admin) openTransactions(ctx context.Context, set kadm.TopicsSet, broker int32,
) ([]openTransaction, error) {
	if len(set) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	const doing = "cannot ask for open transactions"
	req := kmsg.NewPtrDescribeProducersRequest()
	for _, t := range set.Sorted() {
		req.Topics = append(req.Topics, kmsg.DescribeProducersRequestTopic{Topic: t.Topic,
			Partitions: t.Partitions})
	}
	var answers []*kmsg.DescribeProducersResponse
	if broker >= 0 {
		resp, err := req.RequestWith(ctx, a.raw.Broker(int(broker)))
		if err != nil {
			return nil, a.failed(ctx, doing, err)
		}
		answers = append(answers, resp)
	} else {
		for _, s := range a.raw.RequestSharded(ctx, req) {
			if s.Err != nil {
				return nil, a.failed(ctx, doing, s.Err)
			}
			answers = append(answers, s.Resp.(*kmsg.DescribeProducersResponse))
		}
	}
	var all []openTransaction
	for _, resp := range answers {
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, a.failed(ctx, fmt.Sprintf("%s on %s-%d", doing, t.Topic, p.Partition), err)
				}
				all = append(all, opened(t.Topic, &p)...)
			}
		}
	}
	slices.SortFunc(all, func(x, y openTransaction) int {
		return cmp.Or(strings.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition),
			cmp.Compare(x.Start, y.Start))
	})
	return all, nil
}

// opened is the open transactions of one partition.
func opened(topic string, p *kmsg.DescribeProducersResponseTopicPartition) []openTransaction {
	var all []openTransaction
	for _, r := range p.ActiveProducers {
		if r.CurrentTxnStartOffset >= 0 {
			all = append(all, openTransaction{Topic: topic, Partition: p.Partition,
				ProducerID: r.ProducerID, Epoch: int16(r.ProducerEpoch),
				CoordinatorEpoch: r.CoordinatorEpoch, Start: r.CurrentTxnStartOffset,
				LastTimestamp: r.LastTimestamp,
				Minutes:       int64(time.Since(time.UnixMilli(r.LastTimestamp)).Minutes())})
		}
	}
	return all
}

// unknownToCoordinators leaves those that no transactional id's transaction
// includes. Source: TransactionsCommand.FindHangingTransactionsCommand.
func (a *admin) unknownToCoordinators(ctx context.Context, open []openTransaction,
) ([]openTransaction, error) {
	if len(open) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrListTransactionsRequest()
	for _, o := range open {
		if !slices.Contains(req.ProducerIDFilters, o.ProducerID) {
			req.ProducerIDFilters = append(req.ProducerIDFilters, o.ProducerID)
		}
	}
	// A coordinator that does not answer may know of the transaction.
	listed, err := a.listTransactions(ctx, req)
	if err != nil {
		return nil, err
	}
	known := map[int64]kadm.TopicsSet{}
	for _, l := range listed {
		asked, cancel := context.WithTimeout(ctx, adminTimeout)
		all, err := a.DescribeTransactions(asked, l.ID)
		if err == nil {
			err = all[l.ID].Err
		}
		if err != nil && !errors.Is(err, kerr.TransactionalIDNotFound) {
			err = a.failed(asked, "cannot describe transactional id "+l.ID, err)
			cancel()
			return nil, err
		}
		cancel()
		known[all[l.ID].ProducerID] = all[l.ID].Topics
	}
	return slices.DeleteFunc(open, func(o openTransaction) bool {
		return known[o.ProducerID].Lookup(o.Topic, o.Partition)
	}), nil
}

type transactionsAbortCmd struct {
	place
	Start            int64 `name:"start-offset" default:"-1" placeholder:"OFFSET" help:"Where the transaction begins, as find-hanging says."`
	ProducerID       int64 `name:"producer-id" default:"-1" placeholder:"ID" help:"Or whose it is."`
	ProducerEpoch    int16 `name:"producer-epoch" default:"-1" placeholder:"N" help:"With --producer-id, for brokers older than Kafka 3.0, which cannot be asked."`
	CoordinatorEpoch int32 `name:"coordinator-epoch" default:"-1" placeholder:"N" help:"With --producer-epoch."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*transactionsAbortCmd) Help() string {
	return withExample("Writes an abort marker into the partition. Use it on hanging transactions "+
		"only: the coordinator does not know, and a producer that still lives goes on writing. To "+
		"end a living producer's transaction, see force-terminate.",
		"posthaste transactions abort --topic orders --partition 0 --start-offset 4711")
}

// Run aborts one producer's transaction on one partition.
func (c *transactionsAbortCmd) Run(e *env) (err error) {
	switch {
	case c.Start < 0 && c.ProducerID < 0:
		return usagef("which transaction? Give --start-offset or --producer-id; " +
			"posthaste transactions find-hanging shows them")
	case (c.ProducerEpoch >= 0) != (c.CoordinatorEpoch >= 0), c.ProducerEpoch >= 0 && c.ProducerID < 0:
		return usagef("--producer-id, --producer-epoch and --coordinator-epoch go together")
	}
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	o := openTransaction{Topic: c.Topic, Partition: c.Partition, ProducerID: c.ProducerID,
		Epoch: c.ProducerEpoch, CoordinatorEpoch: c.CoordinatorEpoch}
	if c.ProducerEpoch < 0 {
		if o, err = c.find(e.ctx, a); err != nil {
			return err
		}
	}
	if err := a.writeAbort(e.ctx, o); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "Aborted the transaction of producer id %d on %s-%d.\n",
		o.ProducerID, o.Topic, o.Partition)
	return err
}

// find asks the partition's leader for the rest of what a marker says.
func (c *transactionsAbortCmd) find(ctx context.Context, a *admin) (openTransaction, error) {
	producers, err := a.producersOf(ctx, c.place, -1)
	if err != nil {
		return openTransaction{}, err
	}
	var open []string
	for _, p := range producers {
		if p.Start == nil {
			continue
		}
		if (c.Start < 0 || c.Start == *p.Start) && (c.ProducerID < 0 || c.ProducerID == p.ProducerID) {
			return openTransaction{Topic: c.Topic, Partition: c.Partition, ProducerID: p.ProducerID,
				Epoch: int16(p.Epoch), CoordinatorEpoch: max(p.CoordinatorEpoch, 0), Start: *p.Start}, nil
		}
		open = append(open, fmt.Sprintf("producer id %d from offset %d", p.ProducerID, *p.Start))
	}
	if len(open) == 0 {
		open = []string{"none"}
	}
	return openTransaction{}, fmt.Errorf("no such transaction is open on %s-%d; open are: %s",
		c.Topic, c.Partition, strings.Join(open, ", "))
}

// writeAbort writes the marker, as the coordinator would.
func (a *admin) writeAbort(ctx context.Context, o openTransaction) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	doing := fmt.Sprintf("cannot abort on %s-%d", o.Topic, o.Partition)
	set := kadm.TopicsSet{}
	set.Add(o.Topic, o.Partition)
	answers, err := a.WriteTxnMarkers(ctx, kadm.TxnMarkers{ProducerID: o.ProducerID,
		ProducerEpoch: o.Epoch, CoordinatorEpoch: o.CoordinatorEpoch, Topics: set})
	if err != nil {
		return a.failed(ctx, doing, err)
	}
	answer, there := answers[o.ProducerID].Topics[o.Topic].Partitions[o.Partition]
	switch {
	case !there:
		return fmt.Errorf("%s: the broker's answer leaves the partition out", doing)
	case errors.Is(answer.Err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("%s: %w; it takes the right ClusterAction on the cluster", doing, answer.Err)
	case errors.Is(answer.Err, kerr.InvalidProducerEpoch), errors.Is(answer.Err,
		kerr.TransactionCoordinatorFenced):
		return fmt.Errorf("%s: %w; its producer goes on under a newer epoch: look again with "+
			"posthaste transactions describe-producers", doing, answer.Err)
	case answer.Err != nil:
		return a.failed(ctx, doing, answer.Err)
	}
	return nil
}
