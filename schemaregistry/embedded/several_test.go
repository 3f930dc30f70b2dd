package embedded_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// Registries of one cluster give one schema one id and two schemas two,
// whichever of them is asked, and each reads what was written through it.
func TestSeveralRegistriesAgree(t *testing.T) {
	b := broker.Run(t, broker.Config{})
	var urls []string
	var first *embedded.Server
	for i := range 3 {
		r, err := embedded.Start(embedded.Config{BootstrapServers: []string{b.Addr()}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = r // ends in the middle
		} else {
			t.Cleanup(func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		urls = append(urls, r.URL())
	}
	const schemas = 20
	register := func(urls []string, from int) {
		var wg sync.WaitGroup
		for i, url := range urls {
			wg.Go(func() {
				for n := range schemas {
					text := fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, from+n)
					path := fmt.Sprintf("/subjects/s%d", from+n)
					body := quoted(t, "AVRO", text)
					if status, answer := call(t, url, "POST", path+"/versions", body); status != 200 {
						t.Errorf("register through %d: %d %s", i, status, answer)
					}
					if status, answer := call(t, url, "POST", path, body); status != 200 {
						t.Errorf("look up through %d what was just written: %d %s", i, status, answer)
					}
				}
			})
		}
		wg.Wait()
	}
	register(urls, 0)
	// The leader leaves: another one takes over, and ids go on.
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	register(urls[1:], schemas)

	ids := map[string]bool{}
	for n := range 2 * schemas {
		_, want := call(t, urls[1], "GET", fmt.Sprintf("/subjects/s%d/versions/latest", n), "")
		_, got := call(t, urls[2], "GET", fmt.Sprintf("/subjects/s%d/versions/latest", n), "")
		if got != want {
			t.Errorf("s%d: one says %s, another one %s", n, want, got)
		}
		_, versions := call(t, urls[1], "GET", fmt.Sprintf("/subjects/s%d/versions", n), "")
		if versions != "[1]" {
			t.Errorf("s%d has versions %s: a schema was registered twice", n, versions)
		}
		_, id := call(t, urls[1], "GET", fmt.Sprintf("/schemas/ids/%d/schema", n+1), "")
		if ids[id] {
			t.Errorf("%s has two ids", id)
		}
		ids[id] = true
	}
	status, answer := call(t, urls[1], "GET", fmt.Sprintf("/schemas/ids/%d", 2*schemas+1), "")
	if status != http.StatusNotFound {
		t.Errorf("there are more ids than schemas: %s", answer)
	}
}

// Without its broker a registry still answers what it knows, and says in an
// error that it cannot write.
func TestWithoutItsBrokerARegistryReads(t *testing.T) {
	b, err := broker.Start(broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := embedded.Start(embedded.Config{BootstrapServers: []string{b.Addr()},
		WriteTimeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	status, body := call(t, r.URL(), "POST", "/subjects/s/versions", `{"schema":"\"int\""}`)
	must(t, status, body)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	status, body = call(t, r.URL(), "GET", "/schemas/ids/1/schema", "")
	if got := must(t, status, body); got != `"int"` {
		t.Errorf("schema 1 = %s", got)
	}
	status, body = call(t, r.URL(), "POST", "/subjects/s/versions", `{"schema":"\"long\""}`)
	if status/100 != 5 {
		t.Errorf("a write is answered with %d %s", status, body)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestATopicThatWouldLoseSchemasIsRefused(t *testing.T) {
	b := broker.Run(t, broker.Config{Topics: map[string]int{"two": 2, "deleted": 1}})
	for _, topic := range []string{"two", "deleted"} {
		r, err := embedded.Start(embedded.Config{BootstrapServers: []string{b.Addr()}, Topic: topic})
		if err == nil {
			err = errors.Join(errors.New("it is taken"), r.Close())
			t.Errorf("topic %s: %v", topic, err)
		}
	}
}
