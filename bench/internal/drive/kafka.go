package drive

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// What a turn is measured against.
const (
	OnSink  = "sink"  // a null broker
	OnKafka = "kafka" // one node of Apache Kafka, or --bootstrap
)

// Kafka is a running node of Apache Kafka.
type Kafka struct {
	Addr string
	PID  int

	cmd   *exec.Cmd
	stdin io.Closer
}

// StartKafka runs a node as the module interop does, which fetches Kafka's jars
// once. It needs java, javac and mvn.
func (p *Programs) StartKafka(ctx context.Context) (*Kafka, error) {
	binary := filepath.Join(p.bin, "kafka-node")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./kafka")
	build.Dir = filepath.Join(p.dir, "..", "interop")
	if err := runQuietly(build); err != nil {
		return nil, err
	}
	// Without ctx: it ends by its standard input, so that it can clean up.
	k := &Kafka{cmd: exec.Command(binary, "-test.run", "^TestServe$", "-serve", "-test.timeout", "0")}
	k.cmd.Stderr = os.Stderr
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if k.stdin, err = k.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := k.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "ready %s %d", &k.Addr, &k.PID); err == nil {
			go func() { // what else it says is of no interest, but must be read
				for lines.Scan() {
				}
			}()
			return k, nil
		}
	}
	err = k.Close()
	return nil, fmt.Errorf("Apache Kafka did not start (%s): %v", strings.Join(k.cmd.Args, " "), err)
}

// Close ends the node and removes its data.
func (k *Kafka) Close() error {
	if err := k.stdin.Close(); err != nil {
		return err
	}
	return k.cmd.Wait()
}
