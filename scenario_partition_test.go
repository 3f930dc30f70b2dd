package posthaste_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
	"github.com/posthaste-go/posthaste/partitioner"
	"github.com/posthaste-go/posthaste/serializer"
)

// chooser is a partitioner that does as its test says.
type chooser struct {
	choose func(partitioner.Record, partitioner.Topic) (int32, error)
	closed int
}

func (c *chooser) Partition(r partitioner.Record, t partitioner.Topic) (int32, error) {
	return c.choose(r, t)
}

func (c *chooser) Close() error {
	c.closed++
	return nil
}

var ten = scriptedbroker.Options{Topics: map[string]int{"t": 10}}

// 80 to 83: a key decides by its hash, an empty one as well, a null one does not; a
// partition that the record names goes before that; keys can be ignored.
func TestWhoChoosesThePartition(t *testing.T) {
	play(t, ten, nil, func(s *scenario) {
		s.cluster.Lead("t", partitioner.ForKey([]byte("k"), 10), 1)
		for _, key := range []string{"", "k", "a longer key"} {
			want := partitioner.ForKey([]byte(key), 10)
			for range 3 {
				md, err := s.p.SendSync(s.Context(), posthaste.Record{Topic: "t", Key: []byte(key)})
				if err != nil || md.Partition != want {
					s.Errorf("key %q is in partition %d, %v; want %d", key, md.Partition, err, want)
				}
			}
		}
		for want := range int32(10) {
			md, err := s.p.SendSync(s.Context(), posthaste.Record{
				Topic: "t", Key: []byte("k"), Partition: posthaste.ToPartition(want),
			})
			if err != nil || md.Partition != want {
				s.Errorf("the record named %d and is in %d, %v", want, md.Partition, err)
			}
		}
	})
	for _, ignore := range []bool{false, true} {
		play(t, ten, func(c *posthaste.Config) {
			c.PartitionerIgnoreKeys, c.BatchSize = ignore, 100
		}, func(s *scenario) {
			seen := map[int32]bool{}
			for range 100 {
				md, err := s.p.SendSync(s.Context(),
					posthaste.Record{Topic: "t", Key: []byte("k"), Value: make([]byte, 50)})
				if err != nil {
					s.Fatal(err)
				}
				seen[md.Partition] = true
			}
			if ignore != (len(seen) > 1) {
				s.Errorf("ignore keys %v: records of one key are in %d partitions", ignore, len(seen))
			}
		})
	}
}

// 63, 82, 83, 99: a custom partitioner sees the record and the topic, its answer is
// final, what it does wrong comes out of Send, and it is closed once.
func TestCustomPartitioner(t *testing.T) {
	c := &chooser{}
	play(t, ten, func(cfg *posthaste.Config) {
		cfg.Partitioner, cfg.PartitionerIgnoreKeys = c, true
	}, func(s *scenario) {
		c.choose = func(r partitioner.Record, topic partitioner.Topic) (int32, error) {
			node, led := topic.Leader(3)
			if r.Topic != "t" || string(r.KeyBytes) != "k" || string(r.ValueBytes) != "v" ||
				topic.Name() != "t" || topic.NumPartitions() != 10 || node != 1 || !led ||
				len(topic.Available()) != 10 {
				s.Errorf("asked about %+v in %v", r, topic)
			}
			return 7, nil
		}
		r := posthaste.Record{Topic: "t", Key: []byte("k"), Value: []byte("v")}
		if md, err := s.p.SendSync(s.Context(), r); err != nil || md.Partition != 7 {
			s.Errorf("%+v, %v", md, err)
		}
		r.Partition = posthaste.ToPartition(2)
		c.choose = nil // is not asked
		if md, err := s.p.SendSync(s.Context(), r); err != nil || md.Partition != 2 {
			s.Errorf("%+v, %v", md, err)
		}
	})
	if c.closed != 1 {
		t.Errorf("the partitioner was closed %d times", c.closed)
	}
	why := errors.New("cannot decide")
	tests := []struct {
		name   string
		choose func(partitioner.Record, partitioner.Topic) (int32, error)
		is     error
		want   string
	}{
		{"an error", func(partitioner.Record, partitioner.Topic) (int32, error) { return 0, why },
			why, "for a record of topic t: cannot decide"},
		{"a panic", func(partitioner.Record, partitioner.Topic) (int32, error) { panic("a bug") },
			nil, "panic: a bug"},
		{"a negative number", func(partitioner.Record, partitioner.Topic) (int32, error) {
			return -1, nil
		}, posthaste.ErrInvalidRecord, "chose partition -1 of topic t, which has 10"},
		{"a partition that is not there", func(partitioner.Record, partitioner.Topic) (int32, error) {
			return 10, nil
		}, posthaste.ErrInvalidRecord, "chose partition 10 of topic t, which has 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, ten, func(cfg *posthaste.Config) {
				cfg.Partitioner = &chooser{choose: tt.choose}
			}, func(s *scenario) {
				_, err := s.p.Send(s.Context(), posthaste.Record{Topic: "t"})
				if err == nil || tt.is != nil && !errors.Is(err, tt.is) ||
					!strings.Contains(err.Error(), tt.want) {
					s.Errorf("Send: %v, want %q", err, tt.want)
				}
			})
		})
	}
}

// 101: Kafka's own class by its name: partitions in turn, whatever the key, and none
// without leader.
func TestRoundRobinByItsKafkaName(t *testing.T) {
	play(t, ten, func(c *posthaste.Config) {
		c.PartitionerClass = "org.apache.kafka.clients.producer.RoundRobinPartitioner"
	}, func(s *scenario) {
		s.cluster.Lead("t", 4, -1)
		count := map[int32]int{}
		for range 180 {
			md, err := s.p.SendSync(s.Context(), posthaste.Record{Topic: "t", Key: []byte("k")})
			if err != nil {
				s.Fatal(err)
			}
			count[md.Partition]++
		}
		for p := range int32(10) {
			if got := count[p]; p == 4 && got != 0 || p != 4 && (got < 15 || got > 40) {
				s.Errorf("partition %d has %d of 180 records", p, got)
			}
		}
	})
}

// failing is a serializer that takes nothing, in one way or another.
type failing struct{ panics bool }

func (f failing) Serialize([]byte, string, *[]serializer.Header, int) ([]byte, error) {
	if f.panics {
		panic("a bug in the serializer")
	}
	return nil, errors.New("not a number that can be sent")
}

// 45, 46, 74: what a serializer refuses is not sent, Send and the callback say so and
// interceptors hear of it; null needs no serializer, and a serializer may add headers.
func TestSerializers(t *testing.T) {
	notes := &notebook{}
	for _, f := range []failing{{}, {panics: true}} {
		for _, chain := range [][]posthaste.Interceptor{nil, {&witness{name: "a", notes: notes}}} {
			play(t, one, func(c *posthaste.Config) { c.Interceptors = chain }, func(s *scenario) {
				typed := posthaste.NewTyped(s.p, serializer.String{}, f)
				r := posthaste.TypedRecord[string, int]{Topic: "t", Value: posthaste.Some(1)}
				var told error
				called := 0
				typed.SendAsync(s.Context(), r, func(_ posthaste.RecordMetadata, err error) {
					told = err
					called++
				})
				_, err := typed.Send(s.Context(), r)
				for _, err := range []error{err, told} {
					var bad *posthaste.SerializationError
					if chain == nil && (!errors.As(err, &bad) || bad.IsKey || bad.Topic != "t") || err == nil {
						s.Errorf("error %v, want a SerializationError", err)
					}
				}
				if called != 1 || len(s.cluster.Requests()) > 0 {
					s.Errorf("called back %d times; requests %v", called, s.cluster.Requests())
				}
				r.Value = posthaste.Maybe[int]{}
				if chain == nil {
					if _, err := typed.SendSync(s.Context(), r); err != nil {
						s.Errorf("null: %v", err)
					}
				}
			})
		}
	}
}

// 25: a producer that cannot be made leaves nothing behind.
func TestConstructionThatFails(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	broken := map[string]func(*posthaste.Config){
		"no bootstrap server":    func(c *posthaste.Config) { c.BootstrapServers = nil },
		"an unknown codec":       func(c *posthaste.Config) { c.CompressionType = "rar" },
		"a level out of range":   func(c *posthaste.Config) { c.CompressionGzipLevel = 17 },
		"an unknown partitioner": func(c *posthaste.Config) { c.PartitionerClass = "com.example.Mine" },
	}
	for name, change := range broken {
		cfg := posthaste.DefaultConfig()
		cfg.BootstrapServers = []string{"127.0.0.1:1"}
		change(&cfg)
		p, err := posthaste.NewProducer(cfg)
		var bad *posthaste.ConfigError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v, want a ConfigError", name, err)
		}
		if p != nil {
			p.Close(context.Background())
		}
	}
}
