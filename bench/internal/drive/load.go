package drive

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of /proc's CPU times; Linux fixes it at 100 a second for
// what user space sees.
const clockTick = 10 * time.Millisecond

// cpuTimes is what all processors together have done since boot.
type cpuTimes struct {
	busy   time.Duration
	stolen time.Duration // by other guests of the host
}

// readCPUTimes reports false where there is no /proc.
func readCPUTimes() (cpuTimes, bool) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpuTimes{}, false
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return parseCPUTimes(line)
}

// parseCPUTimes reads the line of /proc/stat about all processors: user, nice,
// system, idle, iowait, irq, softirq, steal, in ticks.
func parseCPUTimes(line string) (cpuTimes, bool) {
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return cpuTimes{}, false
	}
	var ticks [8]time.Duration
	for i := range ticks {
		n, err := strconv.ParseInt(f[i+1], 10, 64)
		if err != nil {
			return cpuTimes{}, false
		}
		ticks[i] = time.Duration(n) * clockTick
	}
	return cpuTimes{
		busy:   ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6],
		stolen: ticks[7],
	}, true
}

// processCPU is the CPU time a live process has used, 0 if it cannot be told.
func processCPU(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the program's name in parentheses and may hold blanks.
	_, rest, ok := strings.Cut(string(data), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 13 {
		return 0
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+system) * clockTick
}

// Load is what kept the machine busy beside a run, in processors.
type Load struct {
	Foreign float64 `json:"foreign"` // other processes
	Stolen  float64 `json:"stolen"`  // other guests of the host
	Known   bool    `json:"known"`   // false where it cannot be measured
}

// Disturbed reports whether a run's figures are not to be trusted to better than
// a factor of two.
func (l Load) Disturbed() bool { return !l.Known || l.Foreign > 0.15 || l.Stolen > 0.05 }

// loadSince works out the load of the time from before to now, of which own was
// spent by the processes under test.
func loadSince(before cpuTimes, wall, own time.Duration) Load {
	now, ok := readCPUTimes()
	if !ok || wall <= 0 {
		return Load{}
	}
	foreign := max(now.busy-before.busy-own, 0)
	return Load{
		Foreign: foreign.Seconds() / wall.Seconds(),
		Stolen:  (now.stolen - before.stolen).Seconds() / wall.Seconds(),
		Known:   true,
	}
}

// awaitQuiet returns when other processes have used less than a tenth of a
// processor for half a second, or after limit.
func awaitQuiet(limit time.Duration) {
	const window = 500 * time.Millisecond
	for end := time.Now().Add(limit); time.Now().Before(end); {
		before, ok := readCPUTimes()
		if !ok {
			return
		}
		time.Sleep(window)
		if l := loadSince(before, window, 0); l.Foreign < 0.1 && l.Stolen < 0.05 {
			return
		}
	}
}

// Machine describes where figures were taken, one line.
func Machine() string {
	model := runtime.GOARCH
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok &&
				strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := runtime.GOOS
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel += " " + strings.TrimSpace(string(data))
	}
	return fmt.Sprintf("%d × %s, %s, %s", runtime.NumCPU(), model, kernel, runtime.Version())
}
