//go:build unix

package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/posthaste-go/posthaste/interop/java"
)

// A Node is one Kafka process: broker and controller.
//
//	Start ─▶ running ─Stop, Kill─▶ stopped ─Start─▶ running
//	            └─Pause─▶ paused ─Resume─▶ running
//
// Its ports and its data survive a Stop or a Kill.
type Node struct {
	ID int // node.id, from 1

	in             java.Installation
	clusterID      string
	features       []string
	standalone     bool   // the only node of its cluster
	dir            string // server.properties, data/, node.log
	port           int    // clients, past all proxies
	controllerPort int
	clientPort     int               // clients through a proxy; see Options.Via
	brokerPort     int               // other nodes through a proxy
	advertised     map[string]string // by listener

	mu    sync.Mutex
	cmd   *exec.Cmd     // nil while stopped
	ended chan struct{} // closed once cmd has ended
	stdin io.Closer     // the node ends when it closes
}

// Addr is where clients reach the node.
func (n *Node) Addr() string { return loopback(n.port) }

// proxied is the ports before which Options.Via puts something, by listener.
func (n *Node) proxied() map[string]int {
	return map[string]int{
		"CLIENT": n.clientPort, "BROKER": n.brokerPort, "CONTROLLER": n.controllerPort,
	}
}

// LogFile is what the node has written to standard output and error, across
// restarts.
func (n *Node) LogFile() string { return filepath.Join(n.dir, "node.log") }

// DataDir is the node's log.dirs.
func (n *Node) DataDir() string { return filepath.Join(n.dir, "data") }

// PID is the process id of a running node, 0 of a stopped one.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return 0
	}
	return n.cmd.Process.Pid
}

// Start starts a stopped node; it does not wait until it serves: see
// Cluster.WaitReady.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		return fmt.Errorf("node %d runs already", n.ID)
	}
	file := filepath.Join(n.dir, "server.properties")
	args := []string{file, "format", "-t", n.clusterID, "-c", file, "--ignore-formatted"}
	if n.standalone {
		args = append(args, "--standalone")
	}
	for _, f := range n.features {
		args = append(args, "--feature", f)
	}
	log, err := os.OpenFile(n.LogFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	cmd := n.in.Command(context.Background(), "Node", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if n.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n.cmd, n.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		_ = cmd.Wait() // how it ended is in the log
		close(ended)
	}(n.ended)
	return nil
}

// Stop asks the node to shut down in order (SIGTERM) and waits for it.
func (n *Node) Stop() error { return n.end(syscall.SIGTERM, 30*time.Second) }

// Kill ends the node at once (SIGKILL), as a power cut of its process.
func (n *Node) Kill() error { return n.end(syscall.SIGKILL, 10*time.Second) }

// Pause freezes the node (SIGSTOP): its connections stay open and silent. Where the
// system tells, it returns when all threads have stopped; until then the node may
// still answer.
func (n *Node) Pause() error {
	if err := n.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); !n.stopped(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("node %d does not stop", n.ID)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// stopped reports whether no thread of the node runs, as far as the system tells.
func (n *Node) stopped() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return true
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", n.cmd.Process.Pid))
	if err != nil {
		return true
	}
	for _, name := range threads {
		// PID (NAME) STATE …; a thread that is gone does not run.
		stat, err := os.ReadFile(name)
		_, state, _ := strings.Cut(string(stat), ") ")
		if err == nil && !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// Resume lets a paused node go on (SIGCONT).
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return fmt.Errorf("node %d does not run", n.ID)
	}
	return n.cmd.Process.Signal(s)
}

func (n *Node) end(s syscall.Signal, patience time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return nil
	}
	err := n.cmd.Process.Signal(s)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-n.ended:
		err = nil
	case <-time.After(patience):
		err = fmt.Errorf("node %d ignored %v for %v; killed", n.ID, s, patience)
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
	n.stdin.Close()
	n.cmd = nil
	return err
}

// exited reports whether a node that was started has ended by itself.
func (n *Node) exited() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}
