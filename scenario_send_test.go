package posthaste_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/scriptedbroker"
)

// 31, 32: a topic that is not known is asked for until it appears, and then no
// more.
func TestSendWaitsForATopicToAppear(t *testing.T) {
	play(t, scriptedbroker.Options{}, nil, func(s *scenario) {
		time.AfterFunc(time.Second, func() { s.cluster.AddTopic("t", 1) })
		took := elapsed(func() { s.delivered(s.send("t", "a")) })
		if took < time.Second || took > 3*time.Second {
			s.Errorf("the first record took %v, want little more than a second", took)
		}
		asked := len(s.cluster.RequestsOf(protocol.Metadata))
		if asked > 20 {
			s.Errorf("metadata was asked for %d times in %v", asked, took)
		}
		for range 10 {
			s.delivered(s.send("t", "b"))
		}
		if again := len(s.cluster.RequestsOf(protocol.Metadata)) - asked; again != 0 {
			s.Errorf("metadata of a known topic was asked for %d times", again)
		}
	})
}

// Many senders that wait for one new topic ask for it once.
func TestManySendersAskForANewTopicOnce(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		s.cluster.Next(protocol.Metadata, scriptedbroker.Delay(time.Second))
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { s.delivered(s.send("t", fmt.Sprint(i))) })
		}
		wg.Wait()
		asked := strings.Count(strings.Join(s.cluster.RequestsOf(protocol.Metadata), " "), "[t]")
		if asked != 1 {
			s.Errorf("the topic was asked for %d times, want once: %v", asked, s.all())
		}
	})
}

// 33, 191: a topic that was not used for metadata.max.idle.ms is dropped, and the
// next record, however its partition is chosen, finds it again.
func TestSendAfterATopicWasDropped(t *testing.T) {
	records := map[string]posthaste.Record{
		"a record without key":         {Topic: "t"},
		"a record with a key":          {Topic: "t", Key: []byte("k")},
		"a record with its partition":  {Topic: "t", Partition: posthaste.ToPartition(1)},
		"a record of another producer": {Topic: "u"},
	}
	for name, r := range records {
		t.Run(name, func(t *testing.T) {
			o := scriptedbroker.Options{Topics: map[string]int{"t": 2, "u": 1}}
			play(t, o, func(c *posthaste.Config) {
				c.MetadataMaxAge, c.MetadataMaxIdle = 10*time.Second, 15*time.Second
			}, func(s *scenario) {
				s.delivered(s.send("t", "a"))
				time.Sleep(40 * time.Second)
				asked := s.cluster.RequestsOf(protocol.Metadata)
				if last := asked[len(asked)-1]; !strings.HasSuffix(last, "[]") {
					s.Errorf("the last request is %s, which still asks for the topic", last)
				}
				if _, err := s.p.SendSync(s.Context(), r); err != nil {
					s.Errorf("SendSync: %v", err)
				}
			})
		})
	}
}

// 34, 35: a topic or partition that never appears is an error after max.block.ms,
// which says what is missing; a callback hears of it with the metadata there is.
func TestSendToWhatNeverAppears(t *testing.T) {
	tests := []struct {
		name      string
		record    posthaste.Record
		partition int32
		want      string
	}{
		{"a topic", posthaste.Record{Topic: "nowhere", Value: []byte("abc")}, -1,
			"topic nowhere did not appear within max.block.ms=5000"},
		{"a partition", posthaste.Record{
			Topic: "t", Partition: posthaste.ToPartition(7), Value: []byte("abc"),
		}, 7, "topic t has 1 partitions, and partition 7 did not appear within max.block.ms=5000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, one, func(c *posthaste.Config) { c.MaxBlock = 5 * time.Second },
				func(s *scenario) {
					var md posthaste.RecordMetadata
					var err error
					called := 0
					took := elapsed(func() {
						s.p.SendAsync(s.Context(), tt.record, func(m posthaste.RecordMetadata, e error) {
							md, err = m, e
							called++
						})
					})
					if took != 5*time.Second || called != 1 {
						s.Errorf("SendAsync took %v and called back %d times, want 5s and once", took, called)
					}
					if !errors.Is(err, posthaste.ErrTimeout) ||
						!errors.Is(err, posthaste.UnknownTopicOrPartition) ||
						!strings.Contains(err.Error(), tt.want) {
						s.Errorf("error %v, want %q, a timeout caused by an unknown topic", err, tt.want)
					}
					if md.Topic != tt.record.Topic || md.Partition != tt.partition || md.Offset != -1 ||
						md.KeySize != -1 || md.ValueSize != 3 {
						s.Errorf("metadata %+v", md)
					}
				})
		})
	}
}

// 35: a partition that is added while a record waits for it.
func TestSendWaitsForAPartitionToAppear(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		s.delivered(s.send("t", "a"))
		time.AfterFunc(2*time.Second, func() { s.cluster.AddTopic("t", 4) })
		md, err := s.p.SendSync(s.Context(),
			posthaste.Record{Topic: "t", Partition: posthaste.ToPartition(3)})
		if err != nil || md.Partition != 3 {
			s.Errorf("SendSync: %v, %v", md, err)
		}
	})
}

// 38, 39: what cannot become right fails at once.
func TestSendToATopicThatIsRefused(t *testing.T) {
	for _, code := range []errcode.Code{
		errcode.InvalidTopicException, errcode.TopicAuthorizationFailed,
	} {
		t.Run(code.Name(), func(t *testing.T) {
			play(t, one, nil, func(s *scenario) {
				s.cluster.RefuseTopic("no", code)
				took := elapsed(func() {
					_, err := s.p.Send(s.Context(), posthaste.Record{Topic: "no"})
					if !errors.Is(err, posthaste.KafkaError(code)) {
						s.Errorf("Send: %v, want %v", err, code)
					}
				})
				if took > time.Second {
					s.Errorf("it took %v", took)
				}
				s.cluster.RefuseTopic("no", errcode.None)
				s.cluster.AddTopic("no", 1)
				s.delivered(s.send("no", "now it may"))
			})
		})
	}
}

// 39: a right that is taken away: records fail at once, not at delivery.timeout.ms.
func TestSendToATopicThatIsRefusedLater(t *testing.T) {
	play(t, one, func(c *posthaste.Config) { c.MetadataMaxAge = 10 * time.Second },
		func(s *scenario) {
			s.delivered(s.send("t", "a"))
			s.cluster.RefuseTopic("t", errcode.TopicAuthorizationFailed)
			time.Sleep(11 * time.Second)
			took := elapsed(func() {
				_, err := s.p.SendSync(s.Context(), posthaste.Record{Topic: "t"})
				if !errors.Is(err, posthaste.TopicAuthorizationFailed) {
					s.Errorf("SendSync: %v, want TOPIC_AUTHORIZATION_FAILED", err)
				}
			})
			if took > time.Second {
				s.Errorf("it took %v", took)
			}
		})
}

// 40, 41, 43: records that cannot be sent as they are: nothing leaves, nobody
// waits, the error says which limit.
func TestSendRefusesAtOnce(t *testing.T) {
	big := make([]byte, 200_000)
	tests := []struct {
		name   string
		record posthaste.Record
		is     error
		want   string
	}{
		{"too large for max.request.size", posthaste.Record{Topic: "t", Value: big},
			posthaste.ErrRecordTooLarge, "more than max.request.size=100000"},
		{"headers count", posthaste.Record{
			Topic: "t", Headers: []posthaste.Header{{Key: "h", Value: big}},
		}, posthaste.ErrRecordTooLarge, "headers 1)"},
		{"larger than buffer.memory", posthaste.Record{Topic: "t", Value: big[:60_000]},
			posthaste.ErrRecordTooLarge, "more than buffer.memory=50000"},
		{"no topic", posthaste.Record{Value: []byte("x")},
			posthaste.ErrInvalidRecord, "has no topic"},
		{"a negative partition", posthaste.Record{Topic: "t", Partition: posthaste.ToPartition(-2)},
			posthaste.ErrInvalidRecord, "partitions count from 0"},
		{"a time before 1970", posthaste.Record{Topic: "t", Timestamp: time.Unix(-1, 0)},
			posthaste.ErrInvalidRecord, "before 1970"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, one, func(c *posthaste.Config) {
				c.MaxRequestSize = 100_000
				if strings.Contains(tt.want, "buffer.memory") {
					c.BufferMemory = 50_000
				}
			}, func(s *scenario) {
				called := 0
				took := elapsed(func() {
					s.p.SendAsync(s.Context(), tt.record, func(_ posthaste.RecordMetadata, err error) {
						called++
						if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
							s.Errorf("error %v, want %q", err, tt.want)
						}
					})
				})
				if called != 1 || took != 0 {
					s.Errorf("called back %d times after %v, want once and at once", called, took)
				}
				if got := s.cluster.Requests(); len(got) > 0 {
					s.Errorf("requests: %v", got)
				}
			})
		})
	}
}

// 41: a record that just fits buffer.memory is sent, whatever batch.size is.
func TestSendARecordAsLargeAsTheMemory(t *testing.T) {
	for _, batchSize := range []int{100, 16384, 1 << 20} {
		play(t, one, func(c *posthaste.Config) {
			c.BufferMemory, c.BatchSize, c.MaxBlock = 50_000, batchSize, time.Second
		}, func(s *scenario) {
			for _, size := range []int{1, 600, 1000, 33_000, 49_000, 49_850} {
				_, err := s.p.SendSync(s.Context(),
					posthaste.Record{Topic: "t", Value: make([]byte, size)})
				if err != nil {
					s.Errorf("a value of %d bytes with batch.size=%d: %v", size, batchSize, err)
				}
			}
		})
	}
}

// 42: key, value and headers belong to the caller again when Send returns.
func TestSendCopiesTheRecord(t *testing.T) {
	play(t, one, linger, func(s *scenario) {
		buf := []byte("keyvalueheader")
		headers := []posthaste.Header{{Key: "h", Value: buf[8:]}}
		r := posthaste.Record{Topic: "t", Key: buf[:3], Value: buf[3:8], Headers: headers}
		if _, err := s.p.Send(s.Context(), r); err != nil {
			s.Fatal(err)
		}
		clear(buf)
		headers[0] = posthaste.Header{}
		s.flush()
		got := s.cluster.Records("t", 0)
		if len(got) != 1 || string(got[0].Key) != "key" || string(got[0].Value) != "value" ||
			len(got[0].Headers) != 1 || string(got[0].Headers[0].Key) != "h" ||
			string(got[0].Headers[0].Value) != "header" {
			s.Errorf("the log has %v", got)
		}
	})
}

// 46: null and empty are two things, for key and value.
func TestSendTellsNullFromEmpty(t *testing.T) {
	play(t, one, nil, func(s *scenario) {
		for _, r := range []posthaste.Record{
			{Topic: "t"}, {Topic: "t", Key: []byte{}, Value: []byte{}},
		} {
			md, err := s.p.SendSync(s.Context(), r)
			if err != nil || md.KeySize != len(r.Key)-btoi(r.Key == nil) ||
				md.ValueSize != len(r.Value)-btoi(r.Value == nil) {
				s.Errorf("SendSync: %+v, %v", md, err)
			}
		}
		got := s.cluster.Records("t", 0)
		if got[0].Key != nil || got[0].Value != nil || got[1].Key == nil || got[1].Value == nil {
			s.Errorf("the log has %#v", got)
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// 44, 50: offsets count through a batch; the time is the record's own, or that of
// Send, or the broker's if the topic says so; sizes are those of the bytes.
func TestRecordMetadata(t *testing.T) {
	play(t, one, linger, func(s *scenario) {
		own := time.UnixMilli(1_600_000_000_123)
		now := time.Now()
		a, _ := s.p.Send(s.Context(), posthaste.Record{Topic: "t", Key: []byte("ab"), Timestamp: own})
		b := s.send("t", "xyz")
		s.flush()
		ma, mb := s.delivered(a), s.delivered(b)
		if ma.Offset != 0 || !ma.Timestamp.Equal(own) || ma.KeySize != 2 || ma.ValueSize != -1 {
			s.Errorf("first: %+v", ma)
		}
		if mb.Offset != 1 || mb.Timestamp.UnixMilli() != now.UnixMilli() || mb.KeySize != -1 ||
			mb.ValueSize != 3 || mb.Topic != "t" || mb.Partition != 0 {
			s.Errorf("second: %+v", mb)
		}
		log := s.cluster.Records("t", 0)
		if log[0].Timestamp != own.UnixMilli() || log[1].Timestamp != now.UnixMilli() {
			s.Errorf("times in the log: %d, %d", log[0].Timestamp, log[1].Timestamp)
		}
		s.cluster.Next(protocol.Produce, func(x *scriptedbroker.Exchange) {
			x.Serve()
			x.Response.(*kmsg.ProduceResponse).Topics[0].Partitions[0].LogAppendTime = 1234
		})
		c := s.send("t", "c")
		s.flush()
		if mc := s.delivered(c); mc.Timestamp.UnixMilli() != 1234 || mc.Offset != 2 {
			s.Errorf("with the broker's time: %+v", mc)
		}
	})
}

// 49: what waiting for metadata took is not left for memory.
func TestMaxBlockCoversMetadataAndMemory(t *testing.T) {
	two := scriptedbroker.Options{Nodes: 2, Topics: map[string]int{"t": 2}}
	play(t, two, func(c *posthaste.Config) {
		c.MaxBlock, c.BufferMemory = 10*time.Second, 20_000
	}, func(s *scenario) {
		other := posthaste.Record{Topic: "t", Partition: posthaste.ToPartition(1)}
		if _, err := s.p.SendSync(s.Context(), other); err != nil { // node 2 is there for metadata
			s.Fatal(err)
		}
		held := make(chan struct{})
		s.cluster.Always(protocol.Produce, scriptedbroker.Hold(held))
		value := make([]byte, 19_000)
		if _, err := s.p.Send(s.Context(), posthaste.Record{
			Topic: "t", Partition: posthaste.ToPartition(0), Value: value,
		}); err != nil {
			s.Fatal(err)
		}
		time.AfterFunc(4*time.Second, func() { s.cluster.AddTopic("u", 1) })
		var err error
		took := elapsed(func() {
			_, err = s.p.Send(s.Context(), posthaste.Record{Topic: "u", Value: value})
		})
		if !errors.Is(err, posthaste.ErrBufferExhausted) || !errors.Is(err, posthaste.ErrTimeout) {
			s.Errorf("Send: %v, want ErrBufferExhausted, a timeout", err)
		}
		if took != 10*time.Second {
			s.Errorf("Send took %v, want 10s", took)
		}
		close(held)
	})
}

// A context that ends frees its caller at once, wherever that waits; a record
// that was accepted goes on.
func TestACancelledContextFreesItsCaller(t *testing.T) {
	play(t, one, func(c *posthaste.Config) { c.BufferMemory = 20_000 }, func(s *scenario) {
		held := make(chan struct{})
		s.cluster.Always(protocol.Produce, scriptedbroker.Hold(held))
		accepted, err := s.p.Send(s.Context(),
			posthaste.Record{Topic: "t", Value: make([]byte, 19_000)})
		if err != nil {
			s.Fatal(err)
		}
		why := errors.New("the application changed its mind")
		calls := map[string]func(context.Context) error{
			"Send that waits for metadata": func(ctx context.Context) error {
				_, err := s.p.Send(ctx, posthaste.Record{Topic: "nowhere"})
				return err
			},
			"Send that waits for memory": func(ctx context.Context) error {
				_, err := s.p.Send(ctx, posthaste.Record{Topic: "t", Value: make([]byte, 5_000)})
				return err
			},
			"Wait": func(ctx context.Context) error {
				_, err := accepted.Wait(ctx)
				return err
			},
			"SendSync": func(ctx context.Context) error {
				_, err := s.p.SendSync(ctx, posthaste.Record{Topic: "t"})
				return err
			},
			"Flush": s.p.Flush,
			"Send with a context that is over": func(context.Context) error {
				over, cancel := context.WithCancelCause(s.Context())
				cancel(why)
				_, err := s.p.Send(over, posthaste.Record{Topic: "t"})
				return err
			},
		}
		for name, call := range calls {
			ctx, cancel := context.WithCancelCause(s.Context())
			time.AfterFunc(time.Second, func() { cancel(why) })
			took := elapsed(func() {
				if err := call(ctx); !errors.Is(err, why) {
					s.Errorf("%s: %v, want the context's cause", name, err)
				}
			})
			if took > time.Second {
				s.Errorf("%s was freed after %v", name, took)
			}
			cancel(nil)
		}
		close(held)
		s.delivered(accepted)
	})
}

// 51: with acks=0 a record is done when it is written; its offset is not known.
func TestAcks0(t *testing.T) {
	play(t, one, func(c *posthaste.Config) { c.Acks = posthaste.AcksNone }, func(s *scenario) {
		for i := range 20 {
			if md := s.delivered(s.send("t", fmt.Sprint(i))); md.Offset != posthaste.UnknownOffset {
				s.Errorf("offset %d, want unknown", md.Offset)
			}
		}
		synctest.Wait()
		if n := len(s.cluster.Values("t", 0)); n != 20 {
			s.Errorf("%d records are in the log, want 20", n)
		}
		if got := s.cluster.Requests(); !strings.Contains(got[0], "acks=0 [t-0 pid=-1") {
			s.Errorf("requests: %v", got)
		}
	})
}

// The zero Delivery belongs to no record and does not wait.
func TestTheZeroDelivery(t *testing.T) {
	var d posthaste.Delivery
	<-d.Done()
	if _, err := d.Wait(t.Context()); !errors.Is(err, posthaste.ErrInvalidRecord) {
		t.Errorf("Wait: %v, want ErrInvalidRecord", err)
	}
}
