//go:build unix

package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/interop/chaos/load"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/python"
)

// Clients is the names of all clients that there are.
var Clients = []string{"posthaste", "java", "franz-go", "librdkafka", "sarama", "sarama-defaults"}

// stopPatience bounds how long a client may take for what it has accepted: by
// default it may give up after two minutes.
const stopPatience = 6 * time.Minute

// A process is a client that sends.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	log    *os.File // its standard error
}

// command prepares a client's process.
func command(t testing.TB, client, dir string) *exec.Cmd {
	t.Helper()
	switch client {
	case "java":
		return java.Install(t).Command(t.Context(), "Load")
	case "librdkafka":
		return python.LoadCommand(t)
	}
	binary := filepath.Join(dir, "load")
	out, err := exec.Command("go", "build", "-o", binary,
		"github.com/posthaste-go/posthaste/interop/chaos/cmd/load").CombinedOutput()
	if err != nil {
		t.Fatalf("build the clients: %v\n%s", err, out)
	}
	return exec.Command(binary)
}

// startClient starts a client and returns once it sends. It ends with t.
func startClient(t testing.TB, s load.Spec, dir string) *process {
	t.Helper()
	p := &process{cmd: command(t, s.Client, dir)}
	var err error
	if p.log, err = os.Create(filepath.Join(dir, "client.log")); err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended, unless t has failed
		_ = p.cmd.Wait()
		p.log.Close()
	})
	line, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("%s: %v", s.Client, err)
	}
	if err := p.expect("sending", time.Minute, nil); err != nil {
		t.Fatalf("%s: %v", s.Client, err)
	}
	return p
}

// finish stops the client and returns how many outcomes it has written.
func (p *process) finish() (uint64, error) {
	if _, err := io.WriteString(p.stdin, "stop\n"); err != nil {
		return 0, fmt.Errorf("the client has ended early: %w; see %s", err, p.log.Name())
	}
	var sent uint64
	err := p.expect("sent", stopPatience, &sent)
	return sent, err
}

// expect reads the line "word [n]".
func (p *process) expect(word string, patience time.Duration, n *uint64) error {
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the client did not say %q within %v: %w; see %s", word, patience, err,
			p.log.Name())
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), word)
	if ok && n != nil {
		_, err = fmt.Sscan(rest, n)
	}
	if !ok || err != nil {
		return fmt.Errorf("the client said %q, want %q", line, word)
	}
	return nil
}
