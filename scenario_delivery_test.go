package posthaste_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// 167: one retry survives one broken connection, not two.
func TestBrokenConnections(t *testing.T) {
	play(t, one, func(c *posthaste.Config) { c.Retries = 1 }, func(s *scenario) {
		s.delivered(s.send("t", "warm"))
		s.cluster.Next(protocol.Produce, scriptedbroker.Drop)
		s.delivered(s.send("t", "a"))
		s.cluster.Next(protocol.Produce, scriptedbroker.Lose, scriptedbroker.Drop)
		failure := s.failed(s.send("t", "b"), posthaste.KafkaError(errcode.NetworkException))
		if failure.Attempts != 2 || failure.Certainty != posthaste.MaybeWritten {
			s.Errorf("failure %+v, want two attempts and maybe written", failure)
		}
		s.delivered(s.send("t", "c"))
		// b was written after all, and once: the epoch was raised behind it.
		if got := s.cluster.Values("t", 0); !slices.Equal(got, []string{"warm", "a", "b", "c"}) {
			s.Errorf("the log has %q", got)
		}
	})
}

// 168: retries=n: n+1 requests, then the last error; 197: the counters say so.
func TestRetriesRunOut(t *testing.T) {
	play(t, one, func(c *posthaste.Config) {
		c.Retries, c.EnableIdempotence = 3, posthaste.IdempotenceOff
	}, func(s *scenario) {
		s.cluster.Next(protocol.Produce,
			scriptedbroker.Fail(errcode.CorruptMessage), scriptedbroker.Fail(errcode.CorruptMessage),
			scriptedbroker.Fail(errcode.CorruptMessage), scriptedbroker.Fail(errcode.NotEnoughReplicas))
		failure := s.failed(s.send("t", "a"), posthaste.NotEnoughReplicas)
		if failure.Attempts != 4 || failure.Certainty != posthaste.NotWritten {
			s.Errorf("failure %+v, want four attempts and not written", failure)
		}
		m := s.p.Metrics()
		if n := len(s.cluster.RequestsOf(protocol.Produce)); n != 4 || m.Requests != 4 ||
			m.Retries != 3 || m.RecordsFailed != 1 || m.BatchesFailed != 1 || m.RecordsSent != 0 {
			s.Errorf("%d requests, metrics %+v", n, m)
		}
	})
}

// 166: one record, one request; nothing is left in flight.
func TestOneRecord(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		if md := s.delivered(s.send("t", "a")); md.Offset != 0 {
			s.Errorf("offset %d", md.Offset)
		}
		m := s.p.Metrics()
		if m.Requests != 1 || m.RecordsSent != 1 || m.Batches != 1 || m.Retries != 0 {
			s.Errorf("metrics %+v", m)
		}
	})
}

// 174, 175, 180: delivery.timeout.ms bounds the way of a record, sent or not; what
// comes later changes nothing.
func TestDeliveryTimeout(t *testing.T) {
	short := func(c *posthaste.Config) {
		c.DeliveryTimeout, c.RequestTimeout = 3*time.Second, 2*time.Second
		c.MaxInFlight = 1
	}
	play(t, one, short, func(s *scenario) {
		s.delivered(s.send("t", "warm"))
		s.cluster.Next(protocol.Produce, scriptedbroker.Delay(1500*time.Millisecond),
			scriptedbroker.Mute, scriptedbroker.Mute)
		s.delivered(s.send("t", "late, but in time"))
		a, b := s.send("t", "a"), s.send("t", "b")
		took := elapsed(func() {
			failure := s.failed(a, posthaste.ErrTimeout)
			if failure.Certainty != posthaste.MaybeWritten || failure.Attempts != 2 ||
				failure.Timeline.Waited != 3*time.Second ||
				!errors.Is(failure.Timeline.LastError, posthaste.KafkaError(errcode.NetworkException)) {
				s.Errorf("a: %+v", failure)
			}
			failure = s.failed(b, posthaste.ErrTimeout)
			if failure.Certainty != posthaste.NotWritten && failure.Attempts == 0 {
				s.Errorf("b: %+v", failure)
			}
		})
		if took != 3*time.Second {
			s.Errorf("they failed after %v, want 3s", took)
		}
	})
	play(t, one, short, func(s *scenario) {
		s.delivered(s.send("t", "warm"))
		s.cluster.Down(1)
		synctest.Wait()
		for range 3 { // also those that come while others expire
			d := s.send("t", "unreachable")
			took := elapsed(func() {
				failure := s.failed(d, posthaste.ErrTimeout)
				if failure.Attempts != 0 || failure.Certainty != posthaste.NotWritten {
					s.Errorf("failure %+v", failure)
				}
			})
			if took != 3*time.Second {
				s.Errorf("it failed after %v, want 3s", took)
			}
		}
		s.cluster.Up(1)
		s.delivered(s.send("t", "reachable"))
	})
}

// 181: no answer within request.timeout.ms: a new connection, and again.
func TestRequestTimeout(t *testing.T) {
	play(t, one, func(c *posthaste.Config) { c.RequestTimeout = 2 * time.Second },
		func(s *scenario) {
			s.delivered(s.send("t", "warm"))
			dials := s.cluster.Dials(1)
			s.cluster.Next(protocol.Produce, scriptedbroker.Silence)
			took := elapsed(func() { s.delivered(s.send("t", "a")) })
			if took < 2*time.Second || took > 3*time.Second {
				s.Errorf("it took %v", took)
			}
			if n := s.cluster.Dials(1) - dials; n != 2 {
				s.Errorf("%d more connections, want one for records and one for metadata", n)
			}
		})
}

// 182, 183: the broker's own words come with the error; of a batch with bad
// records those are named, and the others are not called bad.
func TestErrorsInTheBrokersWords(t *testing.T) {
	play(t, one, linger, func(s *scenario) {
		text := "no key in a compacted topic"
		s.cluster.Next(protocol.Produce, scriptedbroker.FailWith(errcode.InvalidRecord,
			func(_ *kmsg.ProduceResponse, p *kmsg.ProduceResponseTopicPartition) {
				p.ErrorMessage = kmsg.StringPtr("some records are bad")
				bad := kmsg.NewProduceResponseTopicPartitionErrorRecord()
				bad.RelativeOffset, bad.ErrorMessage = 1, &text
				p.ErrorRecords = append(p.ErrorRecords, bad)
			}), scriptedbroker.FailWith(errcode.PolicyViolation,
			func(_ *kmsg.ProduceResponse, p *kmsg.ProduceResponseTopicPartition) {
				p.ErrorMessage = kmsg.StringPtr("not on Sundays")
			}))
		good, bad := s.send("t", "good"), s.send("t", "bad")
		s.flush()
		_, err := bad.Wait(s.Context())
		if !errors.Is(err, posthaste.ErrInvalidRecord) || !strings.Contains(err.Error(), text) {
			s.Errorf("bad record: %v", err)
		}
		_, err = good.Wait(s.Context())
		if err == nil || errors.Is(err, posthaste.ErrInvalidRecord) ||
			!strings.Contains(err.Error(), "other records") {
			s.Errorf("good record: %v", err)
		}
		d := s.send("t", "c")
		s.flush()
		_, err = d.Wait(s.Context())
		if err == nil || !strings.Contains(err.Error(), "POLICY_VIOLATION: not on Sundays") {
			s.Errorf("with a text: %v", err)
		}
	})
}

// 129, 184, 185, 384: a batch that the broker finds too large is split until it is
// not, compressed or not; offsets and callbacks are right; one record that is too
// large fails alone.
func TestTooLargeForTheTopic(t *testing.T) {
	for codec, code := range map[posthaste.Compression]errcode.Code{
		posthaste.CompressionNone: errcode.MessageTooLarge, // max.message.bytes
		posthaste.CompressionLz4:  errcode.MessageTooLarge,
		posthaste.CompressionZstd: errcode.RecordListTooLarge, // segment.bytes
	} {
		t.Run(string(codec), func(t *testing.T) {
			play(t, one, func(c *posthaste.Config) {
				linger(c)
				c.CompressionType, c.BatchSize, c.Retries = codec, 100_000, 1
			}, func(s *scenario) {
				s.cluster.Always(protocol.Produce, tooLarge(10, code))
				var want []string
				var deliveries []posthaste.Delivery
				for i := range 100 {
					want = append(want, fmt.Sprintf("%03d%s", i, strings.Repeat("x", 200)))
					deliveries = append(deliveries, s.send("t", want[i]))
				}
				s.flush()
				for i, d := range deliveries {
					if md := s.delivered(d); md.Offset != int64(i) {
						s.Errorf("record %d is at %d", i, md.Offset)
					}
				}
				if d := cmp.Diff(want, s.cluster.Values("t", 0)); d != "" {
					s.Errorf("log (-want +got):\n%s", d)
				}
				if m := s.p.Metrics(); m.Splits == 0 || m.RecordsSent != 100 {
					s.Errorf("metrics %+v", m)
				}
				s.cluster.Always(protocol.Produce, tooLarge(0, code))
				a, b := s.send("t", "a"), s.send("t", "b")
				s.flush()
				s.failed(a, posthaste.ErrRecordTooLarge)
				s.failed(b, posthaste.ErrRecordTooLarge)
				s.cluster.Always(protocol.Produce, nil)
				c := s.send("t", "c")
				s.flush()
				s.delivered(c)
			})
		})
	}
}

// tooLarge refuses batches of more than n records.
func tooLarge(n int, code errcode.Code) scriptedbroker.Step {
	fail := scriptedbroker.Fail(code)
	return func(x *scriptedbroker.Exchange) {
		for _, count := range scriptedbroker.Counts(x) {
			if count > n {
				fail(x)
				return
			}
		}
		x.Serve()
	}
}

// 187: a quota is kept: nothing goes to the broker until its time is over.
func TestThrottle(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		s.cluster.Next(protocol.Produce, scriptedbroker.Throttle(5*time.Second))
		s.delivered(s.send("t", "a"))
		d := s.send("t", "b")
		if took := elapsed(func() { s.delivered(d) }); took != 5*time.Second {
			s.Errorf("the next record took %v, want 5s", took)
		}
		if m := s.p.Metrics(); m.ThrottleMillis != 5000 {
			s.Errorf("metrics %+v", m)
		}
	})
}

// 190, 89: a partition without leader waits for one; unkeyed records go elsewhere.
func TestPartitionsWithoutLeader(t *testing.T) {
	play(t, scriptedbroker.Options{Topics: map[string]int{"t": 3}}, nil, func(s *scenario) {
		s.cluster.Lead("t", 1, -1)
		waits, err := s.p.Send(s.Context(),
			posthaste.Record{Topic: "t", Partition: posthaste.ToPartition(1)})
		if err != nil {
			s.Fatal(err)
		}
		for range 50 {
			if md := s.delivered(s.send("t", "free")); md.Partition == 1 {
				s.Error("an unkeyed record went to a partition without leader")
			}
		}
		time.AfterFunc(10*time.Second, func() { s.cluster.Lead("t", 1, 1) })
		took := elapsed(func() { s.delivered(waits) })
		if took < 10*time.Second || took > 11*time.Second {
			s.Errorf("it took %v", took)
		}
	})
}

// 194: a topic that is deleted and made again has another id: records that were
// waiting go to the new one, from number 0.
func TestTopicMadeAgain(t *testing.T) {
	o := scriptedbroker.Options{Topics: map[string]int{"t": 1}, TopicIDs: true}
	play(t, o, nil, func(s *scenario) {
		s.delivered(s.send("t", "a"))
		s.cluster.DeleteTopic("t")
		d := s.send("t", "b")
		time.Sleep(time.Second)
		s.cluster.AddTopic("t", 1)
		if md := s.delivered(d); md.Offset != 0 {
			s.Errorf("offset %d in the new topic, want 0", md.Offset)
		}
		s.delivered(s.send("t", "c"))
		if got := s.cluster.Values("t", 0); !slices.Equal(got, []string{"b", "c"}) {
			s.Errorf("the new topic has %q", got)
		}
	})
}

// 241, 242: a moved leader: with its address in the answer the record is there at
// once, else after metadata.
func TestLeaderMoves(t *testing.T) {
	o := scriptedbroker.Options{Nodes: 2, Topics: map[string]int{"t": 2}}
	for _, hint := range []bool{true, false} {
		play(t, o, func(c *posthaste.Config) {
			c.RetryBackoff, c.RetryBackoffMax = 2*time.Second, 2*time.Second
		}, func(s *scenario) {
			r := posthaste.Record{Topic: "t", Partition: posthaste.ToPartition(0)}
			if _, err := s.p.SendSync(s.Context(), r); err != nil {
				s.Fatal(err)
			}
			epoch := s.cluster.Lead("t", 0, 2)
			if hint {
				s.cluster.Next(protocol.Produce, scriptedbroker.NewLeader(s.cluster, 2, epoch))
			}
			took := elapsed(func() {
				if _, err := s.p.SendSync(s.Context(), r); err != nil {
					s.Error(err)
				}
			})
			if hint && took > 100*time.Millisecond || !hint && took < time.Second {
				s.Errorf("with address %v: %v", hint, took)
			}
		})
	}
}

// 23, 34: no broker is there when the producer starts: Send says which addresses
// were tried; later ones work without a restart.
func TestNoBrokerAtFirst(t *testing.T) {
	play(t, one, func(c *posthaste.Config) { c.MaxBlock = 3 * time.Second }, func(s *scenario) {
		s.cluster.Down(1)
		_, err := s.p.Send(s.Context(), posthaste.Record{Topic: "t"})
		if !errors.Is(err, posthaste.ErrTimeout) ||
			!strings.Contains(err.Error(), "broker1:9092: connection refused") {
			s.Errorf("Send: %v", err)
		}
		time.AfterFunc(time.Second, func() { s.cluster.Up(1) })
		s.delivered(s.send("t", "a"))
	})
}

// 24: several bootstrap addresses, of which one works.
func TestBootstrapThroughAnyAddress(t *testing.T) {
	o := scriptedbroker.Options{Nodes: 3, Topics: map[string]int{"t": 3}}
	for alive := range int32(3) {
		play(t, o, func(c *posthaste.Config) {
			c.BootstrapServers = []string{"broker1:9092", "broker2:9092", "broker3:9092"}
		}, func(s *scenario) {
			for id := range int32(3) {
				if id != alive {
					s.cluster.Down(id + 1)
				}
			}
			r := posthaste.Record{Topic: "t", Partition: posthaste.ToPartition(alive)}
			took := elapsed(func() {
				if _, err := s.p.SendSync(s.Context(), r); err != nil {
					s.Error(err)
				}
			})
			if took > time.Second {
				s.Errorf("through broker %d alone it took %v", alive+1, took)
			}
		})
	}
}

// 170, 208: a broker that breaks connections at random moments, with five requests
// in flight: order and count stay right.
func TestOrderSurvivesAnUnreliableBroker(t *testing.T) {
	play(t, one, func(c *posthaste.Config) { c.BatchSize = 300 }, func(s *scenario) {
		steps := []scriptedbroker.Step{
			scriptedbroker.OK, scriptedbroker.Lose, scriptedbroker.OK, scriptedbroker.Drop,
			scriptedbroker.Fail(errcode.NotEnoughReplicas), scriptedbroker.OK, scriptedbroker.OK,
			scriptedbroker.Fail(errcode.NotLeaderOrFollower), scriptedbroker.Lose,
		}
		for range 20 {
			s.cluster.Next(protocol.Produce, steps...)
		}
		var want []string
		for i := range 1000 {
			want = append(want, fmt.Sprint(i))
			s.send("t", want[i])
		}
		s.flush()
		if d := cmp.Diff(want, s.cluster.Values("t", 0)); d != "" {
			s.Errorf("log (-want +got):\n%s", d)
		}
	})
}

// 191, 354: partitions that are added are used once metadata shows them.
func TestAddedPartitions(t *testing.T) {
	play(t, one, func(c *posthaste.Config) {
		c.MetadataMaxAge, c.BatchSize = time.Minute, 100
	}, func(s *scenario) {
		s.delivered(s.send("t", "a"))
		s.cluster.AddTopic("t", 8)
		time.Sleep(61 * time.Second)
		seen := map[int32]bool{}
		for range 200 {
			seen[s.delivered(s.send("t", strings.Repeat("x", 80))).Partition] = true
		}
		if len(seen) != 8 {
			s.Errorf("%d of 8 partitions got records", len(seen))
		}
	})
}

// A connection that nobody uses is closed, and made again when it is needed.
func TestIdleConnection(t *testing.T) {
	play(t, one, func(c *posthaste.Config) {
		c.ConnectionsMaxIdle, c.MetadataMaxAge = 10*time.Second, time.Hour
	}, func(s *scenario) {
		s.delivered(s.send("t", "a"))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := s.cluster.Conns(); n != 0 {
			s.Errorf("%d connections after the idle time", n)
		}
		if took := elapsed(func() { s.delivered(s.send("t", "b")) }); took > time.Millisecond {
			s.Errorf("the next record took %v", took)
		}
	})
}
