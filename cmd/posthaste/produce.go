package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/term"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/input"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

type produceCmd struct {
	Files []string `arg:"" optional:"" name:"file" help:"Files to read, also gzipped (.gz); none, or -, is standard input."`

	Topic      string `placeholder:"TOPIC" help:"The topic." required:""`
	Partitions int32  `placeholder:"N" help:"Create the topic with so many partitions if it is not there."`

	Format         string   `placeholder:"FORMAT" group:"Input:" help:"${formats} (default: by the file's extension; standard input is lines)."`
	KeyField       string   `name:"key-field" placeholder:"NAME" group:"Input:" help:"Column or JSON field that is the record's key; a.b is b inside a."`
	PartitionField string   `name:"partition-field" placeholder:"NAME" group:"Input:" help:"Field with the record's partition; empty leaves the choice to the partitioner."`
	TimestampField string   `name:"timestamp-field" placeholder:"NAME" group:"Input:" help:"Field with the record's time: milliseconds since 1970, or as 2026-01-31T08:00:00Z."`
	HeaderField    []string `name:"header-field" placeholder:"NAME" group:"Input:" help:"Field that becomes a header of its name. Repeatable."`
	Strings        bool     `name:"strings" group:"Input:" help:"CSV and TSV: every field is a JSON string, also a number."`
	OnError        string   `name:"on-error" enum:"fail,skip" default:"fail" placeholder:"fail|skip" group:"Input:" help:"At a row that is no record: stop (default), or report, count and go on."`
	Properties     []string `name:"property" aliases:"reader-property" sep:"none" placeholder:"KEY=VALUE" group:"Input:" help:"As for Kafka's console producer, for lines: parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, headers.key.separator, null.marker (also csv and tsv), ignore.error. Repeatable."`
	ReaderConfig   string   `name:"reader-config" placeholder:"FILE" group:"Input:" help:"Such properties in a .properties file."`

	schemaFlags `group:"Schemas:"`

	TransactionalID    string `name:"transactional-id" placeholder:"ID" group:"Delivery:" help:"Produce in transactions under this id."`
	TransactionRecords int64  `name:"transaction-records" placeholder:"N" group:"Delivery:" help:"Records in a transaction (default: the whole input)."`
	Resume             bool   `name:"resume" group:"Delivery:" help:"Go on where the last run with this --transactional-id and these files ended, however it ended."`
	Sync               bool   `group:"Delivery:" help:"Wait for each record's acknowledgement before the next."`
	consoleFlags       `group:"Delivery:"`

	DeliveryReport reportMode `name:"delivery-report" placeholder:"text|json" group:"Output:" help:"Print what became of each record, in the order of completion."`
	JSON           bool       `name:"json" group:"Output:" help:"Print the summary as one JSON object, the last line of standard output."`
	Progress       bool       `group:"Output:" help:"Show progress although standard error is no terminal."`

	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*produceCmd) Help() string {
	return withExample(`Reads records and produces them; lines are sent as they are read. The value of a CSV, TSV or
Parquet row is a JSON object of its columns; fields of CSV and TSV that are plain numbers and stand
without quotes are numbers, all others strings. A summary ends the run, on standard error.`,
		"posthaste produce --topic airports --partitions 6 --key-field iata airports.csv")
}

// consoleFlags are flags of Kafka's console producer for single settings.
type consoleFlags struct {
	CompressionCodec *codec  `name:"compression-codec" setting:"compression.type" placeholder:"CODEC" help:"none, gzip, snappy, lz4 or zstd."`
	Acks             *string `name:"request-required-acks" setting:"acks" hidden:""`
	RequestTimeout   *string `name:"request-timeout-ms" setting:"request.timeout.ms" hidden:""`
	Linger           *string `name:"timeout" setting:"linger.ms" hidden:""`
	MaxBlock         *string `name:"max-block-ms" setting:"max.block.ms" hidden:""`
	BatchSize        *string `name:"batch-size" setting:"batch.size" hidden:""`
	PartitionMemory  *string `name:"max-partition-memory-bytes" setting:"batch.size" hidden:""`
	Memory           *string `name:"max-memory-bytes" setting:"buffer.memory" hidden:""`
	Retries          *string `name:"message-send-max-retries" setting:"retries" hidden:""`
	RetryBackoff     *string `name:"retry-backoff-ms" setting:"retry.backoff.ms" hidden:""`
	MetadataExpiry   *string `name:"metadata-expiry-ms" setting:"metadata.max.age.ms" hidden:""`
	SocketBuffer     *string `name:"socket-buffer-size" setting:"send.buffer.bytes" hidden:""`
}

// apply sets what was given, in the order of the fields.
func (f *consoleFlags) apply(cfg *posthaste.Config) error {
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			continue
		}
		value := v.Field(i).Elem().String()
		if err := cfg.Set(v.Type().Field(i).Tag.Get("setting"), value); err != nil {
			return err
		}
	}
	return nil
}

// codec is a flag that means gzip when it stands alone, as in Kafka's tool.
type codec string

// IsBool lets the flag stand alone.
func (*codec) IsBool() bool { return true }

// Decode reads the part behind =.
func (c *codec) Decode(ctx *kong.DecodeContext) error {
	return optionalValue(ctx, (*string)(c), "gzip")
}

// reportMode is how --delivery-report prints: "", text or json.
type reportMode string

// IsBool lets the flag stand alone.
func (*reportMode) IsBool() bool { return true }

// Decode reads the part behind =.
func (m *reportMode) Decode(ctx *kong.DecodeContext) error {
	if err := optionalValue(ctx, (*string)(m), "text"); err != nil {
		return err
	}
	if *m != "text" && *m != "json" {
		return fmt.Errorf("%q is neither text nor json", *m)
	}
	return nil
}

// optionalValue reads a flag's value if it has one.
func optionalValue(ctx *kong.DecodeContext, to *string, alone string) error {
	*to = alone
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		return ctx.Scan.PopValueInto("value", to)
	}
	return nil
}

// Run produces.
func (c *produceCmd) Run(e *env) (err error) {
	options, err := c.inputOptions()
	if err != nil {
		return err
	}
	if err := mustExist(c.Files); err != nil {
		return err
	}
	if err := c.schemaFlags.check(c); err != nil {
		return err
	}
	cfg, err := c.settings(e)
	if err != nil {
		return err
	}
	cl, err := c.connect(e, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closing := cl.close(e); closing != nil {
			err = errors.Join(err, closing)
		}
	}()
	a, err := cl.admin()
	if err != nil {
		return err
	}
	defer a.Client.Close()
	if err := c.ensureTopic(e, a); err != nil {
		return err
	}
	enc, err := c.openEncoding(e, cl)
	if err != nil {
		return err
	}
	if enc != nil {
		defer func() {
			if closing := enc.close(e); closing != nil {
				err = errors.Join(err, closing)
			}
		}()
	}
	p, err := posthaste.NewProducer(cl.cfg)
	if err != nil {
		return err
	}
	options.MaxLine = cl.cfg.MaxRequestSize + 64<<10 // for separators that do not reach the record
	run := newProduction(e, c, p, options)
	run.encoding = enc
	if err := run.resumeWith(a); err != nil {
		return err
	}
	run.compresses = cl.cfg.CompressionType != posthaste.CompressionNone
	failure := run.all()
	summary := run.finish()
	summary.Where, summary.Compression = cl.where, string(cl.cfg.CompressionType)
	summary.Counts = c.partitionCounts(e, a, run)
	summary.Warnings = run.warnings(&cl.cfg, summary.Counts)
	return c.conclude(e, summary, failure)
}

// settings reads the configuration and warns about what has no effect in it.
func (c *produceCmd) settings(e *env) (posthaste.Config, error) {
	cfg, err := c.config()
	if err != nil {
		return cfg, err
	}
	if err := c.apply(&cfg); err != nil {
		return cfg, err
	}
	if c.TransactionalID != "" {
		if err := cfg.Set("transactional.id", c.TransactionalID); err != nil {
			return cfg, err
		}
	}
	cfg.Logger = quietLogger(e)
	c.TransactionalID = cfg.TransactionalID
	if c.TransactionRecords != 0 && c.TransactionalID == "" {
		return cfg, usagef("--transaction-records goes with --transactional-id")
	}
	for _, text := range cfg.Warnings() {
		e.warn("%s", text)
	}
	return cfg, c.checkResume()
}

// inputOptions checks the flags about the input.
func (c *produceCmd) inputOptions() (input.Options, error) {
	o := input.Options{Format: input.Format(c.Format), KeyField: c.KeyField, Strings: c.Strings,
		PartitionField: c.PartitionField, TimestampField: c.TimestampField,
		HeaderFields: c.HeaderField}
	if err := checkTopic(c.Topic); err != nil {
		return o, err
	}
	if err := checkFormat(c.Format); err != nil {
		return o, err
	}
	if c.Partitions < 0 || c.TransactionRecords < 0 {
		return o, usagef("--partitions and --transaction-records take numbers above 0")
	}
	props, err := c.readerProperties()
	if err != nil {
		return o, err
	}
	if o.Line, err = input.ParseLineProperties(props); err != nil {
		return o, usagef("--property: %v", err)
	}
	o.NullMarker = o.Line.NullMarker
	for _, path := range c.inputs() {
		if err := c.checkInput(path, o, props); err != nil {
			return o, err
		}
	}
	return o, nil
}

// checkFormat refuses a --format that there is none of.
func checkFormat(format string) error {
	if format == "" || slices.Contains(input.Formats, input.Format(format)) {
		return nil
	}
	return usagef("--format %s: there are lines, ndjson, json, csv, tsv and parquet", format)
}

// checkInput refuses flags that mean nothing for an input's format.
func (c *produceCmd) checkInput(path string, o input.Options, props map[string]string) error {
	format := o.Format
	if format == "" {
		format = input.FormatOf(path)
	}
	if format == input.Lines {
		if c.KeyField+c.PartitionField+c.TimestampField+strings.Join(c.HeaderField, "") != "" {
			return usagef("lines have no fields for --key-field and its like; give --format csv, tsv, " +
				"ndjson or parquet, or for keys in lines --property parse.key=true")
		}
		return nil
	}
	for name := range props {
		if name != "null.marker" || format != input.CSV && format != input.TSV {
			return usagef("--property %s is for lines, and %s is %s; keys and headers come from "+
				"--key-field and --header-field there", name, nameOf(path), format)
		}
	}
	return nil
}

// inputs lists the files, "-" being standard input.
func (c *produceCmd) inputs() []string {
	if len(c.Files) == 0 {
		return []string{"-"}
	}
	return c.Files
}

func nameOf(path string) string {
	if path == "-" {
		return input.StandardInput
	}
	return path
}

// readerProperties joins --reader-config and --property, which wins.
func (c *produceCmd) readerProperties() (map[string]string, error) {
	props := map[string]string{}
	if c.ReaderConfig != "" {
		entries, err := readProperties(c.ReaderConfig)
		if err != nil {
			return nil, usagef("--reader-config: %v", err)
		}
		props = entries
	}
	for _, p := range c.Properties {
		key, value, err := keyValue("--property", p)
		if err != nil {
			return nil, err
		}
		props[key] = value
	}
	return props, nil
}

// ensureTopic creates the topic where that is asked for, and fails at once where
// it is missing and the brokers would not make it. A cluster that allows this
// user to produce but not to ask is left to the producer.
func (c *produceCmd) ensureTopic(e *env, a *admin) error {
	_, err := a.topic(e.ctx, c.Topic)
	if _, refused := errors.AsType[*kerr.Error](err); refused || err == nil {
		return nil
	}
	if !errors.Is(err, errNoTopic) {
		return err
	}
	if c.Partitions > 0 {
		_, err := a.create(e.ctx, c.Topic, c.Partitions, 0, nil)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return nil
		}
		return err
	}
	if a.autoCreates(e.ctx) {
		return nil
	}
	return fmt.Errorf("%w; its brokers do not create topics by themselves", err)
}

// partitionCounts is the acknowledged records of every partition of the topic.
func (c *produceCmd) partitionCounts(e *env, a *admin, run *production) []int64 {
	counts := run.outcomes.counts
	if e.interrupted() {
		return counts
	}
	if t, err := a.topic(e.ctx, c.Topic); err == nil {
		for len(counts) < len(t.Partitions) {
			counts = append(counts, 0)
		}
	}
	return counts
}

// conclude prints the summary and decides how the command ends.
func (c *produceCmd) conclude(e *env, s *report.Summary, failure error) error {
	var err error
	if c.JSON {
		err = s.WriteJSON(e.out)
		for _, text := range s.Warnings {
			e.warn("%s", text)
		}
	} else {
		err = s.WriteText(e.err)
	}
	if err != nil {
		err = fmt.Errorf("cannot write the summary: %w", err)
	}
	switch {
	case failure != nil && !errors.Is(failure, errInterrupted):
		return errors.Join(failure, err)
	case err != nil:
		return err
	case s.Failed > 0:
		return fmt.Errorf("%s of %s not acknowledged", report.Plural(s.Failed, "record"),
			report.Count(s.Records))
	case s.Interrupted && s.Transaction:
		return failure
	case s.Interrupted:
		return fmt.Errorf("interrupted: the input was not read to its end; all %s that were read "+
			"are acknowledged", report.Plural(s.Acked, "record"))
	}
	return nil
}

// openInput opens a file, or standard input for "-".
func openInput(e *env, path string, o input.Options) (input.Reader, error) {
	if path != "-" {
		return input.Open(path, o)
	}
	if f, ok := e.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		e.note("reading standard input: one record a line, Ctrl-D ends it")
	}
	o.Name = input.StandardInput
	return input.New(input.Interruptible(e.ctx, e.in), o)
}

// endOfInput reports whether err is one of the ways in which an input just ends.
func endOfInput(err error) bool { return err == io.EOF || errors.Is(err, errInterrupted) }
