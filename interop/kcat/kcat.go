// Package kcat reads topics with kcat, the command line client over
// librdkafka, where it is installed.
package kcat

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/record"
)

// Client is kcat, started anew for each topic.
type Client struct{}

// format puts a line of numbers before the bytes of key and value, which may
// hold anything; a length of -1 is a null. Headers have no unambiguous form.
const format = `%p %o %T %K %S\n%k%s`

// Consume reads a topic to its end, without the records' headers.
func (Client) Consume(ctx context.Context, c driver.Consume) ([]record.Record, error) {
	isolation := "read_uncommitted"
	if c.ReadCommitted {
		isolation = "read_committed"
	}
	args := []string{"-C", "-e", "-q", "-b", c.Bootstrap, "-t", c.Topic, "-f", format,
		"-X", "check.crcs=true", "-X", "fetch.wait.max.ms=50", "-X", "isolation.level=" + isolation}
	for _, name := range slices.Sorted(maps.Keys(c.Config)) {
		args = append(args, "-X", name+"="+c.Config[name])
	}
	cmd := exec.CommandContext(ctx, "kcat", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("kcat: %w: %s", err, stderr.String())
	}
	return parse(c.Topic, &stdout)
}

func parse(topic string, output io.Reader) ([]record.Record, error) {
	in := bufio.NewReader(output)
	var records []record.Record
	for {
		r := record.Record{Topic: topic}
		var key, value int
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return records, nil
		}
		_, err = fmt.Sscanf(line, "%d %d %d %d %d\n", &r.Partition, &r.Offset, &r.Timestamp,
			&key, &value)
		if err != nil {
			return records, fmt.Errorf("kcat printed %q: %w", line, err)
		}
		if r.Key, err = readBytes(in, key); err != nil {
			return records, fmt.Errorf("key after %q: %w", line, err)
		}
		if r.Value, err = readBytes(in, value); err != nil {
			return records, fmt.Errorf("value after %q: %w", line, err)
		}
		records = append(records, r)
	}
}

func readBytes(in io.Reader, n int) ([]byte, error) {
	if n < 0 {
		return nil, nil
	}
	b := make([]byte, n)
	_, err := io.ReadFull(in, b)
	return b, err
}
