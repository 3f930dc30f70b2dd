package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/posthaste-go/posthaste/partitioner"
)

type partitionOfCmd struct {
	Keys       []string `arg:"" name:"key" help:"Keys, as text."`
	Partitions int      `placeholder:"N" help:"Number of partitions. Or name a --topic to count."`
	Topic      string   `placeholder:"TOPIC" help:"Count the partitions of this topic."`
	Dialect    []string `placeholder:"NAME" help:"Only these clients, for example java or consistent_random (default: all)."`
	JSON       bool     `name:"json" help:"Print one JSON object a line."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*partitionOfCmd) Help() string {
	return withExample(`Shows where each client library puts a key, so that producers of different makes can be
brought to agree. "any" means that the client is free to choose.`,
		"posthaste partition-of --partitions 12 customer-17")
}

// Run prints a table, or lines of JSON.
func (c *partitionOfCmd) Run(e *env) error {
	dialects, err := c.dialects()
	if err != nil {
		return err
	}
	n, err := c.count(e)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	out := json.NewEncoder(e.out)
	for i, key := range c.Keys {
		if c.JSON {
			if err := out.Encode(placements(key, n, dialects)); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "key %q over %d partitions\n", key, n)
		for _, d := range dialects {
			where := "any"
			if p, ok := d.ForKey([]byte(key), n); ok {
				where = fmt.Sprint(p)
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", d, where, d.Clients())
		}
	}
	return w.Flush()
}

// placements is one key's line of JSON; null stands for any partition.
func placements(key string, n int, dialects []partitioner.Dialect) any {
	at := map[string]*int32{}
	for _, d := range dialects {
		at[d.String()] = nil
		if p, ok := d.ForKey([]byte(key), n); ok {
			at[d.String()] = &p
		}
	}
	return struct {
		Key        string            `json:"key"`
		Partitions int               `json:"partitions"`
		Placements map[string]*int32 `json:"placements"`
	}{key, n, at}
}

func (c *partitionOfCmd) dialects() ([]partitioner.Dialect, error) {
	var all, chosen []partitioner.Dialect
	var names []string
	for _, p := range partitioner.Explain(nil, 1) {
		all = append(all, p.Dialect)
		names = append(names, p.Dialect.String())
	}
	if len(c.Dialect) == 0 {
		return all, nil
	}
	for _, want := range c.Dialect {
		found := false
		for _, d := range all {
			if strings.EqualFold(d.String(), want) {
				chosen, found = append(chosen, d), true
			}
		}
		if !found {
			return nil, usagef("--dialect %s is not known; there are %s", want,
				strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

// count is the number of partitions: given, or the topic's.
func (c *partitionOfCmd) count(e *env) (n int, err error) {
	switch {
	case c.Partitions < 0:
		return 0, usagef("--partitions %d: a topic has at least 1", c.Partitions)
	case c.Partitions > 0:
		return c.Partitions, nil
	case c.Topic == "":
		return 0, usagef("how many partitions? Give --partitions N, or --topic NAME to count them")
	}
	if err := checkTopic(c.Topic); err != nil {
		return 0, err
	}
	admin, err := c.admin(e)
	if err != nil {
		return 0, err
	}
	defer func() { err = admin.close(e, err) }()
	t, err := admin.topic(e.ctx, c.Topic)
	if err != nil {
		return 0, err
	}
	return len(t.Partitions), nil
}
