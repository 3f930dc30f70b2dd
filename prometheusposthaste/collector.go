// Package prometheusposthaste exports a producer's metrics to Prometheus.
//
//	prometheus.MustRegister(prometheusposthaste.NewCollector(producer, "orders-service"))
//
// Names and meanings are in docs/metrics.md. It is a package of its own so that
// programs that do not use Prometheus do not link it.
package prometheusposthaste

import (
	"reflect"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/metrics"
)

// Source is what a Collector reads; a posthaste.Producer is one.
type Source interface {
	Metrics() posthaste.Metrics
}

// Collector implements prometheus.Collector for one producer. A scrape costs two
// short locks. It is safe for concurrent use, also after the producer's Close,
// when the figures stay as they are.
type Collector struct {
	source Source
	all    []exported
}

type exported struct {
	*prometheus.Desc
	kind  prometheus.ValueType
	field int // of posthaste.Metrics
	scale float64
}

// NewCollector makes a Collector whose metrics have the label client_id. Several
// producers of a process need different ids, or registering the second fails.
func NewCollector(source Source, clientID string) *Collector {
	c := &Collector{source: source}
	fields := reflect.TypeFor[posthaste.Metrics]()
	for _, m := range metrics.List {
		field, ok := fields.FieldByName(m.Field)
		if !ok {
			panic("prometheusposthaste: posthaste.Metrics has no field " + m.Field)
		}
		kind := prometheus.CounterValue
		if m.Kind == metrics.Gauge {
			kind = prometheus.GaugeValue
		}
		c.all = append(c.all, exported{kind: kind, field: field.Index[0], scale: m.Scale,
			Desc: prometheus.NewDesc(m.Name, m.Help, nil, prometheus.Labels{"client_id": clientID})})
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for i := range c.all {
		out <- c.all[i].Desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	now := reflect.ValueOf(c.source.Metrics())
	for i := range c.all {
		e := &c.all[i]
		out <- prometheus.MustNewConstMetric(e.Desc, e.kind, e.scale*number(now.Field(e.field)))
	}
}

func number(v reflect.Value) float64 {
	if v.CanUint() {
		return float64(v.Uint())
	}
	return float64(v.Int())
}
