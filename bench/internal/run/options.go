package run

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Options are the flags every bench client takes, so that one driver can run
// all of them. Names follow the Java producer's settings.
type Options struct {
	Scenario  string // name of the row; copied into the result
	Bootstrap string // HOST:PORT of one broker
	Topic     string // exists already, with Partitions partitions
	JSON      bool   // accepted for the driver's sake: the result always is JSON

	Partitions  int
	Key         string // "none" or "distinct:N"
	Partitioner string // "default", "sticky" or "roundrobin"

	Compression string // none, gzip, snappy, lz4 or zstd
	Acks        string // "0", "1" or "all"
	Idempotent  bool
	Linger      time.Duration
	BatchBytes  int
	BufferBytes int64
	Inflight    int // produce requests without an answer, per connection

	Threads int     // goroutines (threads in Java) that share the producer
	Sync    bool    // each thread waits for an acknowledgement before its next record
	Rate    float64 // records per second over all threads; 0 sends as fast as possible

	ValueSize  int    // bytes; ignored if Data is given
	Data       string // file whose lines are the values in turn
	Records    int64
	Warmup     int64
	MaxSeconds float64 // sending stops after this long (warmup: half of it); 0 is no cap

	CPUProfile string // file for a pprof CPU profile of the measured part
	MemProfile string // file for a pprof allocation profile taken at the end
	Client     string // which peer to run, in programs that hold several
}

// Distinct reports the N of --key=distinct:N, or 0 for records without keys.
func (o *Options) Distinct() int {
	_, n, ok := strings.Cut(o.Key, ":")
	if !ok {
		return 0
	}
	count, err := strconv.Atoi(n)
	if err != nil {
		return 0 // Validate refuses such a key
	}
	return count
}

// ParseOptions reads args (without the program's name). Usage and errors go to
// output. The error is flag.ErrHelp if help was asked for.
func ParseOptions(args []string, output io.Writer) (Options, error) {
	var o Options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(output)
	fs.StringVar(&o.Client, "client", "", "which client, in a program that holds several")
	fs.StringVar(&o.Scenario, "scenario", "adhoc", "name of the row, copied into the result")
	fs.StringVar(&o.Bootstrap, "bootstrap", "127.0.0.1:9092", "one broker, HOST:PORT")
	fs.StringVar(&o.Topic, "topic", "bench", "topic; must exist")
	fs.BoolVar(&o.JSON, "json", true, "accepted; the result always is one JSON line")
	fs.IntVar(&o.Partitions, "partitions", 6, "partitions of the topic")
	fs.StringVar(&o.Key, "key", "none", "none, or distinct:N")
	fs.StringVar(&o.Partitioner, "partitioner", "default", "default, sticky or roundrobin")
	fs.StringVar(&o.Compression, "compression", "none", "none, gzip, snappy, lz4 or zstd")
	fs.StringVar(&o.Acks, "acks", "all", "0, 1 or all")
	fs.BoolVar(&o.Idempotent, "idempotent", true, "idempotent producer, where the client has one")
	lingerMillis := fs.Float64("linger-ms", 5, "linger.ms")
	fs.IntVar(&o.BatchBytes, "batch-bytes", 16<<10, "batch.size")
	fs.Int64Var(&o.BufferBytes, "buffer-bytes", 32<<20, "buffer.memory")
	fs.IntVar(&o.Inflight, "inflight", 5, "max.in.flight.requests.per.connection")
	fs.IntVar(&o.Threads, "threads", 1, "goroutines that share the producer")
	fs.BoolVar(&o.Sync, "sync", false, "wait for each record's acknowledgement")
	fs.Float64Var(&o.Rate, "rate", 0, "records per second in all; 0 is unpaced")
	fs.IntVar(&o.ValueSize, "value-size", 100, "bytes of a value")
	fs.StringVar(&o.Data, "data", "", "file whose lines are the values")
	fs.Int64Var(&o.Records, "records", 1_000_000, "records of the measured part")
	fs.Int64Var(&o.Warmup, "warmup", 100_000, "records sent before")
	fs.Float64Var(&o.MaxSeconds, "max-seconds", 0, "stop sending after this long; 0 is no cap")
	fs.StringVar(&o.CPUProfile, "cpuprofile", "", "write a CPU profile of the measured part")
	fs.StringVar(&o.MemProfile, "memprofile", "", "write an allocation profile")
	if err := fs.Parse(args); err != nil {
		return Options{}, err
	}
	if fs.NArg() > 0 {
		return Options{}, fmt.Errorf("unexpected argument %q: every setting is a flag", fs.Arg(0))
	}
	o.Linger = time.Duration(*lingerMillis * float64(time.Millisecond))
	return o, o.Validate()
}

// Validate reports every setting that no client could follow, joined.
func (o *Options) Validate() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	known := func(name, value string, values ...string) {
		for _, v := range values {
			if v == value {
				return
			}
		}
		refuse(true, "--%s=%s: want one of %s", name, value, strings.Join(values, ", "))
	}
	known("partitioner", o.Partitioner, "default", "sticky", "roundrobin")
	known("compression", o.Compression, "none", "gzip", "snappy", "lz4", "zstd")
	known("acks", o.Acks, "0", "1", "all")
	refuse(o.Key != "none" && (!strings.HasPrefix(o.Key, "distinct:") || o.Distinct() < 1),
		"--key=%s: want none, or distinct:N with N of at least 1", o.Key)
	refuse(o.Partitions < 1, "--partitions=%d: want at least 1", o.Partitions)
	refuse(o.Threads < 1, "--threads=%d: want at least 1", o.Threads)
	refuse(o.Inflight < 1, "--inflight=%d: want at least 1", o.Inflight)
	refuse(o.Records < 1, "--records=%d: want at least 1", o.Records)
	refuse(o.Warmup < 0, "--warmup=%d: want 0 or more", o.Warmup)
	refuse(o.ValueSize < 0, "--value-size=%d: want 0 or more", o.ValueSize)
	refuse(o.BatchBytes < 1, "--batch-bytes=%d: want at least 1", o.BatchBytes)
	refuse(o.BufferBytes < 1, "--buffer-bytes=%d: want at least 1", o.BufferBytes)
	refuse(o.Linger < 0, "--linger-ms: want 0 or more")
	refuse(o.Rate < 0, "--rate=%v: want 0 or more", o.Rate)
	refuse(o.MaxSeconds < 0, "--max-seconds=%v: want 0 or more", o.MaxSeconds)
	return errors.Join(errs...)
}
