package drive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ReadRaw reads the lines that bench-run --raw wrote and makes rows of them, in
// the order of the table. Later lines of the same turn do not replace earlier
// ones: all count.
func ReadRaw(r io.Reader) ([]Row, error) {
	all := Scenarios()
	found := map[string]*Row{}
	for d := json.NewDecoder(r); ; {
		var m Measurement
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("raw results: %w", err)
		}
		at := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == m.Scenario })
		if at < 0 {
			return nil, fmt.Errorf("raw results: no scenario is called %q", m.Scenario)
		}
		if m.Broker == "" {
			m.Broker = OnSink
		}
		key := m.Broker + " " + m.Scenario
		if found[key] == nil {
			found[key] = &Row{Scenario: &all[at], Broker: m.Broker,
				Measurements: map[string][]Measurement{}}
		}
		found[key].Measurements[m.Client] = append(found[key].Measurements[m.Client], m)
	}
	var rows []Row
	for _, broker := range []string{OnSink, OnKafka} {
		for i := range all {
			if row := found[broker+" "+all[i].Name]; row != nil {
				rows = append(rows, *row)
			}
		}
	}
	return rows, nil
}
