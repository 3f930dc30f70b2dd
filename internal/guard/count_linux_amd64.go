package guard

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"
)

// unable says why instructions cannot be counted here, or nothing.
func unable() string {
	if raceDetector {
		return "the race detector adds instructions of its own"
	}
	if testing.CoverMode() != "" {
		return "coverage adds instructions of its own"
	}
	return ""
}

// mostSteps bounds a count: a work that never ends must not hang the tests.
const mostSteps = 3_000_000

// perform does the work between two breakpoints. It runs in the watched process.
func perform(w Work) {
	runtime.LockOSThread()
	do := w.Prepare()
	do() // what is done once only, and caches
	debug.SetGCPercent(-1)
	runtime.Breakpoint()
	for range w.Times {
		do()
	}
	runtime.Breakpoint()
}

// attempts and patience bound a count. It hangs now and then, when a thread was
// stopped that held a lock of the runtime which the work wants.
const (
	attempts = 5
	patience = 15 * time.Second
)

// count returns the instructions of the named work of test.
func count(test, name string) (n int, err error) {
	for range attempts {
		if n, err = attempt(test, name); err == nil {
			return n, nil
		}
	}
	return 0, err
}

// attempt runs test in a process of its own that performs the named work, and
// returns its instructions between the breakpoints.
//
//	every thread runs ─ breakpoint ─▶ others stopped, one stepped ─ breakpoint ─▶ killed
func attempt(test, name string) (n int, err error) {
	runtime.LockOSThread() // ptrace is between threads, not processes
	defer runtime.UnlockOSThread()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+test+"$")
	cmd.Env = append(os.Environ(), variable+"="+name, "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=2")
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start it under ptrace: %w", err)
	}
	alarm := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // all waits then end
	defer alarm.Stop()
	w := watch{pid: cmd.Process.Pid, threads: map[int]bool{cmd.Process.Pid: true}}
	n, err = w.run()
	// Its end comes as a signal that it cannot refuse.
	if kill := cmd.Process.Kill(); kill != nil && !errors.Is(kill, os.ErrProcessDone) {
		err = errors.Join(err, kill)
	}
	w.reap()
	_ = cmd.Wait() // nothing is left to wait for
	if err != nil && output.Len() > 0 {
		err = fmt.Errorf("%w; it said: %s", err, &output)
	}
	return n, err
}

// watch is a process whose threads stop for us.
type watch struct {
	pid     int
	threads map[int]bool // true while it runs
}

func (w *watch) run() (int, error) {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(w.pid, &status, 0, nil); err != nil {
		return 0, err
	}
	const options = syscall.PTRACE_O_TRACECLONE | 0x100000 // PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(w.pid, options); err != nil {
		return 0, err
	}
	if err := syscall.PtraceCont(w.pid, 0); err != nil {
		return 0, err
	}
	at, err := w.breakpoint()
	if err != nil {
		return 0, err
	}
	if err := w.freeze(at); err != nil {
		return 0, err
	}
	return step(at)
}

// breakpoint lets all threads run until one meets a breakpoint, and returns that
// one.
func (w *watch) breakpoint() (int, error) {
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		if err != nil {
			return 0, err
		}
		if status.Exited() || status.Signaled() {
			if delete(w.threads, tid); tid == w.pid {
				return 0, fmt.Errorf("it ended before the work began: %v", status)
			}
			continue
		}
		w.threads[tid] = true
		signal := status.StopSignal()
		if signal == syscall.SIGTRAP && status.TrapCause() <= 0 {
			return tid, nil
		}
		if signal == syscall.SIGTRAP || signal == syscall.SIGSTOP {
			signal = 0 // about a new thread
		}
		if err := syscall.PtraceCont(tid, int(signal)); err != nil && err != syscall.ESRCH {
			return 0, err
		}
	}
}

// freeze stops all threads but one, so that the runtime does not ask that one to
// make room for others: step by step it is a thousand times as slow.
func (w *watch) freeze(but int) error {
	for tid := range w.threads {
		if tid == but {
			continue
		}
		if err := syscall.Tgkill(w.pid, tid, syscall.SIGSTOP); err != nil {
			delete(w.threads, tid)
			continue
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(tid, &status, syscall.WALL, nil); err != nil {
			return err
		}
	}
	return nil
}

// step counts the instructions of a thread up to the next breakpoint, without
// what belongs to the breakpoints themselves.
func step(tid int) (int, error) {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return 0, err
	}
	behind := regs.Rip // of the breakpoint instruction
	for n := range mostSteps {
		if err := syscall.PtraceSingleStep(tid); err != nil {
			return 0, err
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(tid, &status, syscall.WALL, nil); err != nil {
			return 0, err
		}
		if !status.Stopped() {
			return 0, fmt.Errorf("it ended at work: %v", status)
		}
		if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
			return 0, err
		}
		if regs.Rip == behind {
			return n, nil
		}
	}
	return 0, fmt.Errorf("the work takes more than %d instructions: do it fewer times", mostSteps)
}

// reap waits for the ends of all threads.
func (w *watch) reap() {
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || tid == w.pid && (status.Exited() || status.Signaled()) {
			return
		}
	}
}
