package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/franz"
)

// adminTimeout bounds each question to a cluster.
const adminTimeout = 30 * time.Second

// clientOptions says to franz-go, which reads and administers topics here, what
// cfg says to the producer about reaching the brokers.
func clientOptions(cfg *posthaste.Config) ([]kgo.Opt, error) {
	reach, err := franz.Options(cfg)
	opts := []kgo.Opt{kgo.ClientID("posthaste"), kgo.RetryTimeout(adminTimeout)}
	return append(opts, reach...), err
}

// admin is a client for questions about topics, and the cluster it asks.
type admin struct {
	*kadm.Client
	raw     *kgo.Client // for what kadm has no call for
	cluster *cluster
}

// admin connects for questions about topics. The caller closes it.
func (c *connection) admin(e *env) (*admin, error) {
	cfg, err := c.config()
	if err != nil {
		return nil, err
	}
	cl, err := c.connect(e, cfg)
	if err != nil {
		return nil, err
	}
	a, err := cl.admin()
	if err != nil {
		return nil, errors.Join(err, cl.close(e))
	}
	return a, nil
}

// admin connects for questions about topics of a cluster at hand.
func (c *cluster) admin() (*admin, error) {
	opts, err := clientOptions(&c.cfg)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot use the settings to ask about topics: %w", err)
	}
	return &admin{kadm.NewClient(client), client, c}, nil
}

// close ends the client and the cluster if it is this command's own, and adds
// what fails to err.
func (a *admin) close(e *env, err error) error {
	a.Client.Close()
	if closing := a.cluster.close(e); closing != nil {
		return errors.Join(err, closing)
	}
	return err
}

// errNoTopic is matched by the error for a topic that does not exist.
var errNoTopic = errors.New("does not exist")

// topic describes one topic.
func (a *admin) topic(ctx context.Context, name string) (kadm.TopicDetail, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	// Asking for authorized operations too gives the answer of now: others come
	// from a cache that is seconds old.
	all, err := a.ListTopicsWithInternal(kadm.WithAuthorizedOps(ctx), name)
	if err != nil {
		return kadm.TopicDetail{}, a.failed(ctx, "cannot ask about topic "+name, err)
	}
	t := all[name]
	if errors.Is(t.Err, kerr.UnknownTopicOrPartition) || len(t.Partitions) == 0 && t.Err == nil {
		return t, fmt.Errorf("topic %s %w on %s; create it with posthaste topics create --topic %s",
			name, errNoTopic, a.cluster.where, name)
	}
	if t.Err != nil {
		return t, fmt.Errorf("topic %s: %w", name, t.Err)
	}
	return t, nil
}

// failed words an error of a request, which may be the command's interruption.
func (a *admin) failed(ctx context.Context, doing string, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errInterrupted) {
		return cause
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %s gave no answer within %v; is the cluster well?", doing,
			a.cluster.where, adminTimeout)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// autoCreates reports whether brokers create topics that clients mention; true
// if they do not say.
func (a *admin) autoCreates(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	brokers, err := a.ListBrokers(ctx)
	if err != nil || len(brokers) == 0 {
		return true
	}
	answers, err := a.DescribeBrokerConfigs(ctx, brokers[0].NodeID)
	if err != nil {
		return true
	}
	for _, r := range answers {
		for _, c := range r.Configs {
			if c.Key == "auto.create.topics.enable" {
				return c.MaybeValue() != "false"
			}
		}
	}
	return true
}
