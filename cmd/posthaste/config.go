package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
)

type configCmd struct {
	Given bool `help:"Only settings that are not at their default."`
	JSON  bool `name:"json" help:"Print one JSON object."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*configCmd) Help() string {
	return withExample(`Shows each producer setting, its value and where the value comes from: a line of the file,
"given" by a flag, a "rule" between settings, or the "default". Settings without effect, and
names that are probably slips, are warned about on standard error. Passwords are hidden.`,
		"posthaste config --producer.config producer.properties --given")
}

// Run prints the settings; it connects to nothing.
func (c *configCmd) Run(e *env) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	embedded := len(cfg.BootstrapServers) == 0
	if embedded { // as producing would fill in, so that the rules apply
		if err := cfg.Set("bootstrap.servers", "127.0.0.1:9092"); err != nil {
			return err
		}
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	warnings := cfg.Warnings()
	type setting struct {
		Value  string `json:"value"`
		Source string `json:"source"`
	}
	settings := map[string]setting{}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	for _, p := range cfg.Properties() {
		if embedded && p.Key == "bootstrap.servers" {
			p.Value, p.Source = "", "embedded broker on "+c.Data
		} else if c.Given && p.Source == "default" {
			continue
		}
		settings[p.Key] = setting{p.Value, p.Source}
		if !c.JSON {
			fmt.Fprintf(w, "%s\t= %s\t(%s)\n", p.Key, p.Value, p.Source)
		}
	}
	if c.JSON {
		if warnings == nil {
			warnings = []string{}
		}
		return json.NewEncoder(e.out).Encode(struct {
			Settings map[string]setting `json:"settings"`
			Warnings []string           `json:"warnings"`
		}{settings, warnings})
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, text := range warnings {
		e.warn("%s", text)
	}
	return nil
}
