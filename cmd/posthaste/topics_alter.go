package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
	"github.com/posthaste-go/posthaste/partitioner"
)

type topicsAlterCmd struct {
	Topic        string   `placeholder:"TOPIC" help:"The topic." required:""`
	Partitions   int      `placeholder:"N" help:"New number of partitions, more than now."`
	Config       []string `aliases:"add-config" sep:"none" placeholder:"KEY=VALUE" help:"Set a setting of the topic. Repeatable."`
	DeleteConfig []string `name:"delete-config" placeholder:"KEY" help:"Put a setting back to its default. Repeatable."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*topicsAlterCmd) Help() string {
	return withExample(`Partitions can only be added, and a key's partition depends on their number. If the topic has
records with keys, a warning says how many of the keys seen in its last records would move.`,
		"posthaste topics alter --topic orders --partitions 12")
}

// Run changes the topic: settings first, because they can be undone.
func (c *topicsAlterCmd) Run(e *env) (err error) {
	if err := checkTopic(c.Topic); err != nil {
		return err
	}
	if c.Partitions == 0 && len(c.Config)+len(c.DeleteConfig) == 0 {
		return usagef("what is to change? Give --partitions N, --config KEY=VALUE or " +
			"--delete-config KEY")
	}
	if c.Partitions < 0 {
		return usagef("--partitions %d: a topic has at least 1", c.Partitions)
	}
	var changes []kadm.AlterConfig
	for _, p := range c.Config {
		key, value, err := keyValue("--config", p)
		if err != nil {
			return err
		}
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: &value})
	}
	for _, key := range c.DeleteConfig {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: key})
	}
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	t, err := a.topic(e.ctx, c.Topic)
	if err != nil {
		return err
	}
	if c.Partitions > 0 && c.Partitions <= len(t.Partitions) {
		return fmt.Errorf("topic %s has %s already; --partitions takes a larger number, and none "+
			"can be taken away", c.Topic, report.Plural(int64(len(t.Partitions)), "partition"))
	}
	if len(changes) > 0 {
		if err := a.alterConfigs(e.ctx, c.Topic, changes); err != nil {
			return err
		}
	}
	if c.Partitions > 0 {
		err = c.grow(e, a, len(t.Partitions))
	}
	if err == nil {
		_, err = fmt.Fprintf(e.out, "Altered topic %s.\n", c.Topic)
	}
	return err
}

func (a *admin) alterConfigs(ctx context.Context, topic string, changes []kadm.AlterConfig) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	answers, err := a.AlterTopicConfigs(ctx, changes, topic)
	if err != nil {
		return a.failed(ctx, "cannot change settings of topic "+topic, err)
	}
	for _, r := range answers {
		if r.Err != nil {
			return fmt.Errorf("cannot change settings of topic %s: %w", topic,
				withMessage(r.Err, r.ErrMessage))
		}
	}
	return nil
}

// grow adds partitions, after saying what that does to keys.
func (c *topicsAlterCmd) grow(e *env, a *admin, now int) error {
	sample, err := a.sampleKeys(e.ctx, c.Topic)
	if err != nil {
		e.warn("cannot look at the keys of topic %s, so how many would move is not known: %v",
			c.Topic, err)
	} else if text := sample.moves(c.Topic, now, c.Partitions); text != "" {
		e.warn("%s", text)
	}
	ctx, cancel := context.WithTimeout(e.ctx, adminTimeout)
	defer cancel()
	answers, err := a.UpdatePartitions(ctx, c.Partitions, c.Topic)
	if err != nil {
		return a.failed(ctx, "cannot add partitions to topic "+c.Topic, err)
	}
	for _, r := range answers {
		if r.Err != nil {
			return fmt.Errorf("cannot add partitions to topic %s: %w", c.Topic,
				withMessage(r.Err, r.ErrMessage))
		}
	}
	return nil
}

const (
	sampleRecords = 10_000           // records looked at, the newest of each partition
	sampleTime    = 15 * time.Second // for all of them
)

// keySample is the keys of a topic's newest records.
type keySample struct {
	records int
	at      map[string]int32 // partition in which each key was seen last
}

// sampleKeys reads the newest records of every partition.
func (a *admin) sampleKeys(ctx context.Context, topic string) (keySample, error) {
	s := keySample{at: map[string]int32{}}
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	starts, err := a.ListStartOffsets(ctx, topic)
	if err != nil {
		return s, err
	}
	ends, err := a.ListEndOffsets(ctx, topic)
	if err != nil {
		return s, err
	}
	from, until := map[int32]kgo.Offset{}, map[int32]int64{}
	each := int64(max(sampleRecords/max(len(ends[topic]), 1), 1))
	for p, end := range ends[topic] {
		start, ok := starts.Lookup(topic, p)
		if err := errors.Join(end.Err, start.Err); err != nil {
			return s, err
		}
		if ok && start.Offset < end.Offset {
			until[p] = end.Offset
			from[p] = kgo.NewOffset().At(max(start.Offset, end.Offset-each))
		}
	}
	if len(until) == 0 {
		return s, nil
	}
	opts, err := clientOptions(&a.cluster.cfg)
	if err != nil {
		return s, err
	}
	// Control records count, so that a partition that ends in one ends here.
	client, err := kgo.NewClient(append(opts, kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))...)
	if err != nil {
		return s, err
	}
	defer client.Close()
	for len(until) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return s, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= until[r.Partition] {
				delete(until, r.Partition)
			}
			if r.Attrs.IsControl() {
				return
			}
			s.records++
			if r.Key != nil {
				s.at[string(r.Key)] = r.Partition
			}
		})
	}
	return s, nil
}

// moves says how many keys another number of partitions would move; "" if there
// are no keys.
func (s *keySample) moves(topic string, now, then int) string {
	if len(s.at) == 0 {
		return ""
	}
	seen := fmt.Sprintf("topic %s has records with keys: %s in its last %s", topic,
		report.Plural(int64(len(s.at)), "different key"), report.Plural(int64(s.records), "record"))
	dialect, ok := s.dialect(now)
	if !ok {
		return seen + "; no partitioner that is known here placed them, so how many would move " +
			"cannot be told; records of a key that moves are no longer in order with its older ones"
	}
	moved := 0
	for key, p := range s.at {
		if to, _ := dialect.ForKey([]byte(key), then); to != p {
			moved++
		}
	}
	return fmt.Sprintf("%s, of which %s (%.0f %%) move to another partition when %d become %d; "+
		"records of such a key are then no longer in order with its older ones, which stay where "+
		"they are", seen, report.Count(int64(moved)), 100*float64(moved)/float64(len(s.at)), now, then)
}

// dialect finds the partitioner that put the keys where they are. One key in
// twenty may be elsewhere: some records choose their partition themselves.
func (s *keySample) dialect(partitions int) (partitioner.Dialect, bool) {
	best, bestHits := partitioner.Java, -1
	for _, placement := range partitioner.Explain(nil, 1) {
		hits := 0
		for key, at := range s.at {
			if p, ok := placement.Dialect.ForKey([]byte(key), partitions); ok && p == at {
				hits++
			}
		}
		if hits > bestHits {
			best, bestHits = placement.Dialect, hits
		}
	}
	return best, 20*bestHits >= 19*len(s.at)
}
