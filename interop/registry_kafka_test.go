package interop

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/interop/kafka"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// Two registries keep their schemas in a topic of Apache Kafka and elect by its
// group coordinator who writes. They agree, go on when the one that writes ends,
// and one that is started anew knows all that was answered.
func TestRegistriesOnApacheKafka(t *testing.T) {
	cluster := kafka.StartNode(t, kafka.Options{})
	cfg := embedded.Config{BootstrapServers: []string{cluster.Bootstrap()}}
	leader, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	other := embedded.Run(t, cfg)
	clients := []*schemaregistry.Client{registryClient(t, leader), registryClient(t, other)}

	// Both are asked for the same schemas at once: a schema gets one id.
	const schemas = 50
	acked := make([]int, 2*schemas)
	register := func(clients []*schemaregistry.Client, from int) {
		ids := make([][]int, len(clients))
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() {
				for n := from; n < from+schemas; n++ {
					r, err := c.Register(t.Context(), fmt.Sprintf("s%d", n), numbered(n),
						schemaregistry.RegisterOptions{})
					if err != nil {
						t.Errorf("schema %d through registry %d: %v", n, i, err)
						return
					}
					ids[i] = append(ids[i], r.ID)
				}
			})
		}
		wg.Wait()
		for _, list := range ids {
			if d := cmp.Diff(ids[0], list); d != "" {
				t.Fatalf("the registries give different ids: %s", d)
			}
		}
		copy(acked[from:], ids[0])
	}
	register(clients, 0)
	if err := leader.Close(); err != nil {
		t.Fatal(err)
	}
	register(clients[1:], schemas)

	third := registryClient(t, embedded.Run(t, cfg))
	both := map[string]*schemaregistry.Client{
		"the one left": registryClient(t, other), "a new one": third}
	seen := map[int]bool{}
	for n, id := range acked {
		for name, c := range both {
			s, err := c.SchemaByID(t.Context(), id)
			if err != nil || s.Text != numbered(n).Text {
				t.Errorf("%s: id %d is %s, %v; want %s", name, id, s.Text, err, numbered(n).Text)
			}
			versions, err := c.Versions(t.Context(), fmt.Sprintf("s%d", n), schemaregistry.ListOptions{})
			if d := cmp.Diff([]int{1}, versions); err != nil || d != "" {
				t.Errorf("%s: versions of s%d: %v %s", name, n, err, d)
			}
		}
		if seen[id] {
			t.Errorf("two schemas have id %d", id)
		}
		seen[id] = true
	}
}

func numbered(n int) schemaregistry.Schema {
	return schemaregistry.Schema{Type: schemaregistry.Avro,
		Text: fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, n+1)}
}

func registryClient(t *testing.T, r *embedded.Server) *schemaregistry.Client {
	t.Helper()
	c, err := schemaregistry.NewClient(schemaregistry.Config{URLs: []string{r.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
