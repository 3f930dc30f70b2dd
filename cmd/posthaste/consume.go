package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

type consumeCmd struct {
	Topic          string   `placeholder:"TOPIC" help:"The topic." required:""`
	FromBeginning  bool     `name:"from-beginning" help:"Start at the first record, not behind the last one. A group goes on where it was."`
	MaxMessages    int64    `name:"max-messages" placeholder:"N" help:"Stop after so many records."`
	TimeoutMs      int64    `name:"timeout-ms" placeholder:"MS" help:"Stop after so long without a record."`
	Partition      *int32   `placeholder:"N" help:"Only this partition."`
	Offset         string   `placeholder:"OFFSET" help:"Where to start in --partition: a number, earliest or latest."`
	Group          string   `placeholder:"GROUP" help:"Consume as a member of this group, and commit what was printed."`
	IsolationLevel string   `name:"isolation-level" enum:"read_uncommitted,read_committed" default:"read_uncommitted" placeholder:"LEVEL" help:"read_committed leaves out what transactions have not committed (default: ${default})."`
	JSON           bool     `name:"json" help:"Print one JSON object a line."`
	Base64         bool     `name:"base64" help:"With --json: keys, values and header values in base64."`
	Properties     []string `name:"property" aliases:"formatter-property" sep:"none" placeholder:"KEY=VALUE" help:"As for Kafka's console consumer: print.key, print.value, print.timestamp, print.partition, print.offset, print.headers = true|false; key.separator, line.separator, headers.separator, null.literal = TEXT. Repeatable."`

	decodeFlags `group:"Schemas:"`
	connection  `group:"Cluster:"`
}

// Help is what --help adds.
func (*consumeCmd) Help() string {
	return withExample(`Prints each record's value on a line, or what --property and --json ask for, until it is
interrupted or --max-messages or --timeout-ms say so. Keys and values that carry the id of a
schema (Avro, Protobuf, JSON Schema) are printed as JSON.`,
		"posthaste consume --topic orders --from-beginning --max-messages 10 --json")
}

// Run prints records.
func (c *consumeCmd) Run(e *env) (err error) {
	format, err := c.check()
	if err != nil {
		return err
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if c.Group == "" {
		c.Group, _ = cfg.Lookup("group.id")
	}
	if c.Group != "" && c.Partition != nil {
		return usagef("--group and --partition exclude each other: a group's members share out the " +
			"partitions themselves")
	}
	cl, err := c.connect(e, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closing := cl.close(e); closing != nil {
			err = errors.Join(err, closing)
		}
	}()
	start, err := c.awaitTopic(e, cl)
	if err != nil || start == nil {
		return err
	}
	format.decoder = c.newDecoder(e, cl)
	defer func() {
		if closing := format.decoder.close(); closing != nil {
			err = errors.Join(err, closing)
		}
	}()
	client, err := c.client(e, &cl.cfg, *start)
	if err != nil {
		return err
	}
	defer client.Close()
	return c.print(e, client, format)
}

// check looks at the flags before anything is connected.
func (c *consumeCmd) check() (*recordFormat, error) {
	if err := checkTopic(c.Topic); err != nil {
		return nil, err
	}
	if c.MaxMessages < 0 || c.TimeoutMs < 0 {
		return nil, usagef("--max-messages and --timeout-ms take numbers above 0")
	}
	if c.Partition != nil && *c.Partition < 0 {
		return nil, usagef("--partition %d: partitions count from 0", *c.Partition)
	}
	if c.Offset != "" && c.Partition == nil {
		return nil, usagef("--offset needs --partition: offsets count in each partition")
	}
	if c.Offset != "" && c.FromBeginning {
		return nil, usagef("--offset and --from-beginning exclude each other")
	}
	if c.Base64 && !c.JSON {
		return nil, usagef("--base64 goes with --json")
	}
	if c.JSON && len(c.Properties) > 0 {
		return nil, usagef("--property and --json exclude each other: JSON has every part of a record")
	}
	if _, err := c.offset(kgo.NewOffset()); err != nil {
		return nil, err
	}
	if err := c.decodeFlags.check(); err != nil {
		return nil, err
	}
	return newRecordFormat(c)
}

// offset is where to start; other is for when no flag says.
func (c *consumeCmd) offset(other kgo.Offset) (kgo.Offset, error) {
	switch strings.ToLower(c.Offset) {
	case "":
		if c.FromBeginning {
			return kgo.NewOffset().AtStart(), nil
		}
		return other, nil
	case "earliest":
		return kgo.NewOffset().AtStart(), nil
	case "latest":
		return kgo.NewOffset().AtEnd(), nil
	}
	n, err := strconv.ParseInt(c.Offset, 10, 64)
	if err != nil || n < 0 {
		return other, usagef("--offset %s: give a number from 0, earliest or latest", c.Offset)
	}
	return kgo.NewOffset().At(n), nil
}

// awaitTopic returns where to start once the topic is there. Of a topic that
// comes only now every record is new, so it is read from its start. Nil without
// an error means that --timeout-ms passed or a signal came.
func (c *consumeCmd) awaitTopic(e *env, cl *cluster) (*kgo.Offset, error) {
	a, err := cl.admin()
	if err != nil {
		return nil, err
	}
	defer a.Client.Close()
	start, err := c.offset(kgo.NewOffset().AtEnd())
	if err != nil {
		return nil, err
	}
	var timeout <-chan time.Time
	if c.TimeoutMs > 0 {
		timeout = time.After(time.Duration(c.TimeoutMs) * time.Millisecond)
	}
	for waited := false; ; waited = true {
		t, err := a.topic(e.ctx, c.Topic)
		switch {
		case err == nil:
			if waited && c.Offset == "" {
				start = kgo.NewOffset().AtStart()
			}
			return &start, c.hasPartition(t)
		case errors.Is(err, errInterrupted):
			return nil, nil
		case !errors.Is(err, errNoTopic):
			return nil, err
		case !waited:
			e.note("topic %s does not exist yet; waiting for it", c.Topic)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-timeout:
			return nil, fmt.Errorf("topic %s did not appear within --timeout-ms %d", c.Topic, c.TimeoutMs)
		case <-e.ctx.Done():
			return nil, nil
		}
	}
}

func (c *consumeCmd) hasPartition(t kadm.TopicDetail) error {
	if c.Partition != nil && int(*c.Partition) >= len(t.Partitions) {
		return usagef("--partition %d: topic %s has partitions 0 to %d", *c.Partition, c.Topic,
			len(t.Partitions)-1)
	}
	return nil
}

func (c *consumeCmd) client(e *env, cfg *posthaste.Config, start kgo.Offset) (*kgo.Client,
	error) {
	opts, err := clientOptions(cfg)
	if err != nil {
		return nil, err
	}
	level := kgo.ReadUncommitted()
	if c.IsolationLevel == "read_committed" {
		level = kgo.ReadCommitted()
	}
	opts = append(opts, kgo.FetchIsolationLevel(level), kgo.ConsumeResetOffset(start),
		kgo.WithHooks(&reachability{e: e}))
	switch {
	case c.Partition != nil:
		opts = append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			c.Topic: {*c.Partition: start}}))
	case c.Group != "":
		opts = append(opts, kgo.ConsumeTopics(c.Topic), kgo.ConsumerGroup(c.Group),
			kgo.AutoCommitMarks())
	default:
		opts = append(opts, kgo.ConsumeTopics(c.Topic))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot consume with these settings: %w", err)
	}
	return client, nil
}

// print polls and prints until a limit or a signal.
func (c *consumeCmd) print(e *env, client *kgo.Client, format *recordFormat) (err error) {
	out := bufio.NewWriterSize(e.out, 64<<10)
	printed := int64(0)
	defer func() {
		err = errors.Join(err, out.Flush(), c.commit(client))
		if errors.Is(err, syscall.EPIPE) {
			err = errReported // whoever read us has had enough
		}
		if !c.JSON {
			e.note("%s", report.Plural(printed, "record"))
		}
	}()
	for {
		fetches, err := c.poll(e.ctx, client)
		if err != nil || fetches == nil {
			return err
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			if err := format.write(out, r); err != nil {
				return err
			}
			printed++
			if c.Group != "" {
				client.MarkCommitRecords(r)
			}
			if c.MaxMessages > 0 && printed == c.MaxMessages {
				return nil
			}
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("cannot write to standard output: %w", err)
		}
	}
}

// poll returns the next records; nil means that time is up or a signal came.
func (c *consumeCmd) poll(ctx context.Context, client *kgo.Client) (kgo.Fetches, error) {
	bounded := ctx
	if c.TimeoutMs > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	fetches := client.PollRecords(bounded, 10_000)
	var failed error
	fetches.EachError(func(_ string, partition int32, err error) {
		if bounded.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			failed = fmt.Errorf("cannot read partition %d of topic %s: %w", partition, c.Topic, err)
			if partition < 0 {
				failed = fmt.Errorf("cannot read topic %s: %w", c.Topic, err)
			}
		}
	})
	if failed != nil {
		return nil, failed
	}
	if fetches.NumRecords() == 0 && bounded.Err() != nil {
		return nil, nil
	}
	return fetches, nil
}

// commit stores the position of a group behind what was printed.
func (c *consumeCmd) commit(client *kgo.Client) error {
	if c.Group == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		return fmt.Errorf("cannot commit the offsets of group %s: %w", c.Group, err)
	}
	return nil
}

// reachability says when brokers cannot be reached, which consuming survives by
// trying again, and so would not be seen.
type reachability struct {
	e    *env
	lost atomic.Bool
}

// OnBrokerConnect hears of every attempt to connect.
func (r *reachability) OnBrokerConnect(b kgo.BrokerMetadata, _ time.Duration, _ net.Conn,
	err error) {
	if err == nil {
		r.lost.Store(false)
		return
	}
	if r.e.ctx.Err() == nil && !r.lost.Swap(true) {
		r.e.warn("cannot reach broker %s:%d: %v; trying again", b.Host, b.Port, err)
	}
}
