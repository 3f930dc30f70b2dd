package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type transactionsCmd struct {
	List              transactionsListCmd      `cmd:"" help:"List transactional ids and their states."`
	Describe          transactionsDescribeCmd  `cmd:"" help:"Show a transactional id's transaction."`
	DescribeProducers describeProducersCmd     `cmd:"" name:"describe-producers" help:"Show who produces to a partition."`
	FindHanging       findHangingCmd           `cmd:"" name:"find-hanging" help:"Find transactions that nobody will end."`
	Abort             transactionsAbortCmd     `cmd:"" help:"Abort a hanging transaction on a partition."`
	ForceTerminate    transactionsTerminateCmd `cmd:"" name:"force-terminate" help:"Abort the open transaction of a transactional id and fence its producer."`
}

// Help is what --help adds.
func (*transactionsCmd) Help() string {
	return withExample("Works on any cluster of Kafka 3.0 or newer. An open transaction holds back "+
		"readers of committed records; one that hangs does so for good.",
		"posthaste transactions find-hanging --topic orders")
}

// outputJSON is the flag of commands that print lists.
type outputJSON struct {
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

// print writes rows as JSON, or as a table under the columns.
func print[T any](e *env, o outputJSON, columns []string, rows []T, cells func(T) []any) error {
	if o.JSON {
		enc := json.NewEncoder(e.out)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	table := [][]string{columns}
	for _, r := range rows {
		var line []string
		for _, c := range cells(r) {
			line = append(line, fmt.Sprint(c))
		}
		table = append(table, line)
	}
	widths := make([]int, len(columns))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var text strings.Builder
	for _, line := range table {
		for i, cell := range line {
			if i == len(line)-1 {
				text.WriteString(cell + "\n")
				break
			}
			fmt.Fprintf(&text, "%-*s  ", widths[i], cell)
		}
	}
	_, err := fmt.Fprint(e.out, text.String())
	return err
}

type transactionsListCmd struct {
	DurationFilter int64  `name:"duration-filter" default:"-1" placeholder:"MS" help:"Only those that have been open for longer than this (Kafka 3.8 or newer)."`
	Pattern        string `name:"transactional-id-pattern" placeholder:"REGEX" help:"Only ids that match, in RE2 syntax (Kafka 4.1 or newer)."`
	outputJSON

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*transactionsListCmd) Help() string {
	return withExample("", "posthaste transactions list --duration-filter 60000")
}

// listedTransaction is what --json prints.
type listedTransaction struct {
	ID          string `json:"transactional_id"`
	Coordinator int32  `json:"coordinator"`
	ProducerID  int64  `json:"producer_id"`
	State       string `json:"state"`
}

// Run lists the transactional ids that any broker knows.
func (c *transactionsListCmd) Run(e *env) (err error) {
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	req := kmsg.NewPtrListTransactionsRequest()
	req.DurationFilterMillis = c.DurationFilter
	if c.Pattern != "" {
		req.TransactionalIDPattern = &c.Pattern
	}
	rows, listing := a.listTransactions(e.ctx, req)
	err = print(e, c.outputJSON,
		[]string{"TransactionalId", "Coordinator", "ProducerId", "TransactionState"}, rows,
		func(r listedTransaction) []any { return []any{r.ID, r.Coordinator, r.ProducerID, r.State} })
	return errors.Join(err, listing)
}

// listTransactions asks every broker. Rows of those that answered come with an
// error, too.
func (a *admin) listTransactions(ctx context.Context, req *kmsg.ListTransactionsRequest,
) (rows []listedTransaction, err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	var errs []error
	for _, s := range a.raw.RequestSharded(ctx, req) {
		if s.Err == nil {
			s.Err = listingRefused(req, s.Resp.(*kmsg.ListTransactionsResponse))
		}
		if s.Err != nil {
			errs = append(errs, a.failed(ctx, fmt.Sprintf("cannot list the transactions of broker %d",
				s.Meta.NodeID), s.Err))
			continue
		}
		for _, t := range s.Resp.(*kmsg.ListTransactionsResponse).TransactionStates {
			rows = append(rows, listedTransaction{t.TransactionalID, s.Meta.NodeID, t.ProducerID,
				t.TransactionState})
		}
	}
	slices.SortFunc(rows, func(x, y listedTransaction) int { return strings.Compare(x.ID, y.ID) })
	return rows, errors.Join(errs...)
}

// listingRefused is what is wrong with an answer. A filter that the broker does
// not know would list what was not asked for.
func listingRefused(req *kmsg.ListTransactionsRequest, resp *kmsg.ListTransactionsResponse) error {
	switch {
	case resp.ErrorCode != 0:
		return kerr.ErrorForCode(resp.ErrorCode)
	case req.DurationFilterMillis >= 0 && resp.Version < 1:
		return errors.New("it is older than Kafka 3.8 and cannot filter by duration; " +
			"leave out --duration-filter")
	case req.TransactionalIDPattern != nil && resp.Version < 2:
		return errors.New("it is older than Kafka 4.1 and cannot filter by a pattern; " +
			"leave out --transactional-id-pattern")
	}
	return nil
}

type transactionsDescribeCmd struct {
	ID string `name:"transactional-id" required:"" placeholder:"ID" help:"The transactional id."`
	outputJSON

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*transactionsDescribeCmd) Help() string {
	return withExample("", "posthaste transactions describe --transactional-id billing-1")
}

// describedTransaction is what --json prints.
type describedTransaction struct {
	ID          string   `json:"transactional_id"`
	Coordinator int32    `json:"coordinator"`
	ProducerID  int64    `json:"producer_id"`
	Epoch       int16    `json:"producer_epoch"`
	State       string   `json:"state"`
	TimeoutMs   int32    `json:"timeout_ms"`
	StartMs     *int64   `json:"start_ms"`    // null if no transaction is open
	DurationMs  *int64   `json:"duration_ms"` // null if no transaction is open
	Partitions  []string `json:"topic_partitions"`
}

// Run describes one transactional id.
func (c *transactionsDescribeCmd) Run(e *env) (err error) {
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	ctx, cancel := context.WithTimeout(e.ctx, adminTimeout)
	defer cancel()
	all, err := a.DescribeTransactions(ctx, c.ID)
	if err == nil {
		err = all[c.ID].Err
	}
	switch {
	case errors.Is(err, kerr.TransactionalIDNotFound):
		return fmt.Errorf("the cluster does not know the transactional id %s; "+
			"posthaste transactions list shows those it does", c.ID)
	case err != nil:
		return a.failed(ctx, "cannot describe transactional id "+c.ID, err)
	}
	t := all[c.ID]
	row := describedTransaction{ID: c.ID, Coordinator: t.Coordinator, ProducerID: t.ProducerID,
		Epoch: t.ProducerEpoch, State: t.State, TimeoutMs: t.TimeoutMillis, Partitions: []string{}}
	t.Topics.Sorted().Each(func(topic string, p int32) {
		row.Partitions = append(row.Partitions, fmt.Sprintf("%s-%d", topic, p))
	})
	if t.StartTimestamp >= 0 {
		duration := time.Since(time.UnixMilli(t.StartTimestamp)).Milliseconds()
		row.StartMs, row.DurationMs = &t.StartTimestamp, &duration
	}
	return print(e, c.outputJSON, []string{"CoordinatorId", "TransactionalId", "ProducerId",
		"ProducerEpoch", "TransactionState", "TransactionTimeoutMs", "CurrentTransactionStartTimeMs",
		"TransactionDurationMs", "TopicPartitions"}, []describedTransaction{row},
		func(r describedTransaction) []any {
			return []any{r.Coordinator, r.ID, r.ProducerID, r.Epoch, r.State, r.TimeoutMs,
				orNone(r.StartMs), orNone(r.DurationMs), strings.Join(r.Partitions, ",")}
		})
}

// orNone is a number, or None as Kafka's tool says it.
func orNone(n *int64) any {
	if n == nil {
		return "None"
	}
	return *n
}

// place is the flags of commands about one partition.
type place struct {
	Topic     string `required:"" placeholder:"TOPIC" help:"The topic."`
	Partition int32  `required:"" placeholder:"N" help:"The partition."`
}

type describeProducersCmd struct {
	place
	BrokerID int32 `name:"broker-id" default:"-1" placeholder:"ID" help:"Ask this replica (default: the leader)."`
	outputJSON

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*describeProducersCmd) Help() string {
	return withExample("Idempotent and transactional producers, as the partition's broker remembers "+
		"them.", "posthaste transactions describe-producers --topic orders --partition 0")
}

// partitionProducer is what --json prints.
type partitionProducer struct {
	ProducerID       int64  `json:"producer_id"`
	Epoch            int32  `json:"producer_epoch"`
	CoordinatorEpoch int32  `json:"latest_coordinator_epoch"`
	LastSequence     int32  `json:"last_sequence"`
	LastTimestamp    int64  `json:"last_timestamp"`
	Start            *int64 `json:"current_transaction_start_offset"` // null if none is open
}

// Run describes the producers of a partition.
func (c *describeProducersCmd) Run(e *env) (err error) {
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	rows, err := a.producersOf(e.ctx, c.place, c.BrokerID)
	if err != nil {
		return err
	}
	return print(e, c.outputJSON, []string{"ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch",
		"LastSequence", "LastTimestamp", "CurrentTransactionStartOffset"}, rows,
		func(r partitionProducer) []any {
			return []any{r.ProducerID, r.Epoch, r.CoordinatorEpoch, r.LastSequence, r.LastTimestamp,
				orNone(r.Start)}
		})
}

// producersOf asks a partition's leader, or one of its replicas, who produces to
// it.
func (a *admin) producersOf(ctx context.Context, at place, broker int32,
) ([]partitionProducer, error) {
	if err := checkTopic(at.Topic); err != nil {
		return nil, err
	}
	t, err := a.topic(ctx, at.Topic)
	if err != nil {
		return nil, err
	}
	p, there := t.Partitions[at.Partition]
	if !there {
		return nil, fmt.Errorf("topic %s has no partition %d; it has %d, from 0", at.Topic,
			at.Partition, len(t.Partitions))
	}
	if broker >= 0 && !slices.Contains(p.Replicas, broker) {
		return nil, fmt.Errorf("broker %d has no replica of %s-%d; %s have one", broker, at.Topic,
			at.Partition, numbers(p.Replicas))
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	doing := fmt.Sprintf("cannot ask for the producers of %s-%d", at.Topic, at.Partition)
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: at.Topic,
		Partitions: []int32{at.Partition}}}
	to := kmsg.Requestor(a.raw)
	if broker >= 0 {
		to = a.raw.Broker(int(broker))
	}
	resp, err := req.RequestWith(ctx, to)
	if err != nil {
		return nil, a.failed(ctx, doing, err)
	}
	var rows []partitionProducer
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, a.failed(ctx, doing, err)
			}
			for _, r := range p.ActiveProducers {
				row := partitionProducer{r.ProducerID, r.ProducerEpoch, r.CoordinatorEpoch,
					r.LastSequence, r.LastTimestamp, nil}
				if r.CurrentTxnStartOffset >= 0 {
					row.Start = &r.CurrentTxnStartOffset
				}
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

type transactionsTerminateCmd struct {
	ID string `name:"transactional-id" required:"" placeholder:"ID" help:"The transactional id."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*transactionsTerminateCmd) Help() string {
	return withExample("What the next producer with the id would do when it starts. The present one "+
		"fails with PRODUCER_FENCED.",
		"posthaste transactions force-terminate --transactional-id billing-1")
}

// Run takes the transactional id over for a moment (InitProducerId), which has
// its coordinator abort what is open.
func (c *transactionsTerminateCmd) Run(e *env) (err error) {
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	ctx, cancel := context.WithTimeout(e.ctx, adminTimeout)
	defer cancel()
	all, err := a.DescribeTransactions(ctx, c.ID)
	if err == nil {
		err = all[c.ID].Err
	}
	if errors.Is(err, kerr.TransactionalIDNotFound) {
		return fmt.Errorf("the cluster does not know the transactional id %s; "+
			"posthaste transactions list shows those it does", c.ID)
	}
	if err == nil {
		err = a.fence(ctx, all[c.ID])
	}
	if err != nil {
		return a.failed(ctx, "cannot terminate the transaction of "+c.ID, err)
	}
	_, err = fmt.Fprintf(e.out, "The transactional id %s has no open transaction any more.\n", c.ID)
	return err
}

// fence asks for a new epoch until the coordinator has ended what was open.
func (a *admin) fence(ctx context.Context, t kadm.DescribedTransaction) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID = kmsg.StringPtr(t.TxnID)
		req.TransactionTimeoutMillis = t.TimeoutMillis
		resp, err := req.RequestWith(ctx, a.raw)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		again := errors.Is(err, kerr.ConcurrentTransactions) || kerr.IsRetriable(err) ||
			kgo.IsRetryableBrokerErr(err)
		if !again {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
