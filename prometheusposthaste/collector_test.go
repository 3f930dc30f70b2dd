package prometheusposthaste_test

import (
	"context"
	"fmt"
	"log"
	"reflect"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/metrics"
	"github.com/posthaste-go/posthaste/prometheusposthaste"
)

// numbered has another value in each field.
type numbered struct{}

func (numbered) Metrics() (m posthaste.Metrics) {
	v := reflect.ValueOf(&m).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.CanUint() {
			f.SetUint(uint64(1000 * (i + 1)))
		} else {
			f.SetInt(int64(1000 * (i + 1)))
		}
	}
	return m
}

func gather(t testing.TB, c prometheus.Collector) map[string]float64 {
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		if l := m.GetLabel(); len(l) != 1 || l[0].GetName() != "client_id" || l[0].GetValue() != "me" {
			t.Errorf("%s has the labels %v, want client_id", f.GetName(), l)
		}
		values[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return values
}

// Every field of posthaste.Metrics is exported once, under its name and in its
// unit.
func TestEveryMetricIsExported(t *testing.T) {
	got := gather(t, prometheusposthaste.NewCollector(numbered{}, "me"))
	fields := reflect.TypeFor[posthaste.Metrics]()
	if len(got) != fields.NumField() || len(got) != len(metrics.List) {
		t.Errorf("%d metrics, want one for each of %d fields", len(got), fields.NumField())
	}
	for _, m := range metrics.List {
		field, _ := fields.FieldByName(m.Field)
		if want := m.Scale * float64(1000*(field.Index[0]+1)); got[m.Name] != want {
			t.Errorf("%s = %v, want %v", m.Name, got[m.Name], want)
		}
	}
}

func ExampleNewCollector() {
	b, err := broker.Start(broker.Config{Topics: map[string]int{"orders": 1}})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{b.Addr()}
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(context.Background())

	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheusposthaste.NewCollector(p, "orders-service"))

	ctx := context.Background()
	if _, err := p.SendSync(ctx, posthaste.Record{Topic: "orders", Value: []byte("tea")}); err != nil {
		log.Fatal(err)
	}
	families, err := registry.Gather() // promhttp does that at each scrape
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "posthaste_producer_records_sent_total" {
			fmt.Println(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	// Output: 1
}
