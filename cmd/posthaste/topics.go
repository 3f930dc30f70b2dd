package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type topicsCmd struct {
	Create   topicsCreateCmd   `cmd:"" help:"Create a topic."`
	Describe topicsDescribeCmd `cmd:"" help:"Show partitions, leaders, offsets and settings."`
	List     topicsListCmd     `cmd:"" help:"List topics."`
	Alter    topicsAlterCmd    `cmd:"" help:"Add partitions, change settings."`
	Delete   topicsDeleteCmd   `cmd:"" help:"Delete topics."`
}

// Help is what --help adds.
func (*topicsCmd) Help() string {
	return withExample(`Works on any cluster. Kafka's spelling (topics --create --topic orders) is understood too.`,
		"posthaste topics create --topic orders --partitions 6")
}

type topicsCreateCmd struct {
	Topic             string   `placeholder:"TOPIC" help:"The topic." required:""`
	Partitions        int32    `placeholder:"N" help:"Number of partitions (default: the broker's num.partitions)."`
	ReplicationFactor int16    `name:"replication-factor" placeholder:"N" help:"Copies of each partition (default: the broker's default.replication.factor)."`
	Config            []string `sep:"none" placeholder:"KEY=VALUE" help:"A setting of the topic. Repeatable."`
	IfNotExists       bool     `name:"if-not-exists" help:"Do nothing if the topic exists."`
	JSON              bool     `name:"json" help:"Print one JSON object."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*topicsCreateCmd) Help() string {
	return withExample("",
		"posthaste topics create --topic orders --partitions 6 --config retention.ms=86400000")
}

// Run creates the topic.
func (c *topicsCreateCmd) Run(e *env) (err error) {
	if err := checkTopic(c.Topic); err != nil {
		return err
	}
	if c.Partitions < 0 {
		return usagef("--partitions %d: a topic has at least 1", c.Partitions)
	}
	if c.ReplicationFactor < 0 {
		return usagef("--replication-factor %d: a partition has at least 1 copy", c.ReplicationFactor)
	}
	configs := map[string]*string{}
	for _, p := range c.Config {
		key, value, err := keyValue("--config", p)
		if err != nil {
			return err
		}
		configs[key] = &value
	}
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	created, err := a.create(e.ctx, c.Topic, c.Partitions, c.ReplicationFactor, configs)
	exists := errors.Is(err, kerr.TopicAlreadyExists)
	if exists && !c.IfNotExists {
		return fmt.Errorf("topic %s already exists; add --if-not-exists to accept that", c.Topic)
	}
	if err != nil && !exists {
		return err
	}
	if c.JSON {
		return json.NewEncoder(e.out).Encode(map[string]any{"topic": c.Topic, "created": !exists,
			"partitions": created.NumPartitions, "replication_factor": created.ReplicationFactor})
	}
	if exists {
		_, err = fmt.Fprintf(e.out, "Topic %s exists.\n", c.Topic)
		return err
	}
	_, err = fmt.Fprintf(e.out, "Created topic %s.\n", c.Topic)
	return err
}

// keyValue divides KEY=VALUE.
func keyValue(flag, pair string) (key, value string, err error) {
	key, value, ok := strings.Cut(pair, "=")
	if !ok || key == "" {
		return "", "", usagef("%s %s: write KEY=VALUE", flag, pair)
	}
	return key, value, nil
}

// create makes a topic; 0 partitions or copies leave the number to the broker.
// The error matches kerr.TopicAlreadyExists if it is there.
func (a *admin) create(ctx context.Context, name string, partitions int32, copies int16,
	configs map[string]*string) (kadm.CreateTopicResponse, error) {
	if partitions == 0 {
		partitions = -1
	}
	if copies == 0 {
		copies = -1
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	r, err := a.CreateTopic(ctx, partitions, copies, configs, name)
	if err != nil {
		return r, a.failed(ctx, "cannot create topic "+name, withMessage(err, r.ErrMessage))
	}
	return r, nil
}

// withMessage adds to a Kafka error what the broker says about it.
func withMessage(err error, message string) error {
	if message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, strings.TrimSuffix(message, "."))
}

type topicsListCmd struct {
	ExcludeInternal bool `name:"exclude-internal" help:"Leave out topics that Kafka keeps for itself."`
	JSON            bool `name:"json" help:"Print one JSON object a line."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*topicsListCmd) Help() string {
	return withExample("",
		"posthaste topics list")
}

// Run lists the topics by name.
func (c *topicsListCmd) Run(e *env) (err error) {
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	ctx, cancel := context.WithTimeout(e.ctx, adminTimeout)
	defer cancel()
	all, err := a.ListTopicsWithInternal(ctx)
	if err != nil {
		return a.failed(ctx, "cannot list topics", err)
	}
	for _, t := range all.Sorted() {
		if t.IsInternal && c.ExcludeInternal {
			continue
		}
		if !c.JSON {
			if _, err := fmt.Fprintln(e.out, t.Topic); err != nil {
				return err
			}
			continue
		}
		err := json.NewEncoder(e.out).Encode(map[string]any{"topic": t.Topic,
			"partitions": len(t.Partitions), "internal": t.IsInternal})
		if err != nil {
			return err
		}
	}
	return nil
}

type topicsDeleteCmd struct {
	Topic    []string `placeholder:"TOPIC" help:"The topic; several with commas between, or repeat the flag." required:""`
	IfExists bool     `name:"if-exists" help:"Do nothing for a topic that is not there."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*topicsDeleteCmd) Help() string {
	return withExample("",
		"posthaste topics delete --topic orders")
}

// Run deletes the topics, all that can be.
func (c *topicsDeleteCmd) Run(e *env) (err error) {
	for _, t := range c.Topic {
		if err := checkTopic(t); err != nil {
			return err
		}
	}
	a, err := c.admin(e)
	if err != nil {
		return err
	}
	defer func() { err = a.close(e, err) }()
	ctx, cancel := context.WithTimeout(e.ctx, adminTimeout)
	defer cancel()
	answers, err := a.DeleteTopics(ctx, c.Topic...)
	if err != nil {
		return a.failed(ctx, "cannot delete topics", err)
	}
	var errs []error
	for _, r := range answers.Sorted() {
		switch {
		case errors.Is(r.Err, kerr.UnknownTopicOrPartition):
			if !c.IfExists {
				errs = append(errs, fmt.Errorf("topic %s does not exist; add --if-exists to accept that",
					r.Topic))
			}
		case r.Err != nil:
			errs = append(errs, fmt.Errorf("cannot delete topic %s: %w", r.Topic,
				withMessage(r.Err, r.ErrMessage)))
		default:
			if _, err := fmt.Fprintf(e.out, "Deleted topic %s.\n", r.Topic); err != nil {
				return err
			}
		}
	}
	return errors.Join(errs...)
}

type topicsDescribeCmd struct {
	Topic    string `placeholder:"TOPIC" help:"The topic (default: all)."`
	IfExists bool   `name:"if-exists" help:"Print nothing for a topic that is not there."`
	JSON     bool   `name:"json" help:"Print one JSON object a line."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*topicsDescribeCmd) Help() string {
	return withExample("",
		"posthaste topics describe --topic orders --json")
}

// description is what --json prints for a topic.
type description struct {
	Topic             string            `json:"topic"`
	ID                string            `json:"topic_id"`
	ReplicationFactor int               `json:"replication_factor"`
	Internal          bool              `json:"internal"`
	Partitions        []partitionInfo   `json:"partitions"`
	Configs           map[string]string `json:"configs"` // those that are not at their default
}

type partitionInfo struct {
	Partition int32   `json:"partition"`
	Leader    int32   `json:"leader"` // -1 if there is none
	Replicas  []int32 `json:"replicas"`
	ISR       []int32 `json:"isr"`
	Start     int64   `json:"start"` // first offset, -1 if not known
	End       int64   `json:"end"`   // offset behind the last record, -1 if not known
}

// Run describes one topic or all.
func (c *topicsDescribeCmd) Run(e *env) (err error) {
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
	topics, err := c.topics(e.ctx, a)
	if err != nil {
		return err
	}
	for _, t := range topics {
		d, err := a.describe(e.ctx, t)
		if err != nil {
			return err
		}
		if c.JSON {
			err = json.NewEncoder(e.out).Encode(d)
		} else {
			_, err = fmt.Fprint(e.out, d.text())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *topicsDescribeCmd) topics(ctx context.Context, a *admin) ([]kadm.TopicDetail, error) {
	if c.Topic == "" {
		ctx, cancel := context.WithTimeout(ctx, adminTimeout)
		defer cancel()
		all, err := a.ListTopicsWithInternal(ctx)
		if err != nil {
			return nil, a.failed(ctx, "cannot list topics", err)
		}
		return all.Sorted(), nil
	}
	t, err := a.topic(ctx, c.Topic)
	if errors.Is(err, errNoTopic) && c.IfExists {
		return nil, nil
	}
	return []kadm.TopicDetail{t}, err
}

// describe asks for the offsets and settings of t.
func (a *admin) describe(ctx context.Context, t kadm.TopicDetail) (description, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	d := description{Topic: t.Topic, ID: base64.RawURLEncoding.EncodeToString(t.ID[:]),
		Internal: t.IsInternal, Configs: map[string]string{}}
	starts, err := a.ListStartOffsets(ctx, t.Topic)
	if err != nil {
		return d, a.failed(ctx, "cannot ask for offsets of "+t.Topic, err)
	}
	ends, err := a.ListEndOffsets(ctx, t.Topic)
	if err != nil {
		return d, a.failed(ctx, "cannot ask for offsets of "+t.Topic, err)
	}
	offset := func(l kadm.ListedOffsets, p int32) int64 {
		if o, ok := l.Lookup(t.Topic, p); ok && o.Err == nil {
			return o.Offset
		}
		return -1
	}
	for _, p := range t.Partitions.Sorted() {
		d.ReplicationFactor = max(d.ReplicationFactor, len(p.Replicas))
		d.Partitions = append(d.Partitions, partitionInfo{p.Partition, p.Leader, p.Replicas, p.ISR,
			offset(starts, p.Partition), offset(ends, p.Partition)})
	}
	settings, err := a.DescribeTopicConfigs(ctx, t.Topic)
	if err != nil {
		return d, a.failed(ctx, "cannot ask for the settings of "+t.Topic, err)
	}
	for _, r := range settings {
		for _, s := range r.Configs {
			if s.Source == kmsg.ConfigSourceDynamicTopicConfig {
				d.Configs[s.Key] = s.MaybeValue()
			}
		}
	}
	return d, nil
}

// text is the description in the manner of Kafka's topics tool, with the offsets
// beside.
func (d *description) text() string {
	var configs []string
	for _, key := range slices.Sorted(maps.Keys(d.Configs)) {
		configs = append(configs, key+"="+d.Configs[key])
	}
	text := fmt.Sprintf("Topic: %s\tTopicId: %s\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: %s\n",
		d.Topic, d.ID, len(d.Partitions), d.ReplicationFactor, strings.Join(configs, ","))
	for _, p := range d.Partitions {
		leader := fmt.Sprint(p.Leader)
		if p.Leader < 0 {
			leader = "none"
		}
		text += fmt.Sprintf("\tTopic: %s\tPartition: %d\tLeader: %s\tReplicas: %s\tIsr: %s\t"+
			"Offsets: %d-%d\n", d.Topic, p.Partition, leader, numbers(p.Replicas), numbers(p.ISR),
			p.Start, p.End)
	}
	return text
}

// numbers is 1,2,3.
func numbers(list []int32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}
