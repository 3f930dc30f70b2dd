package run

import (
	"bytes"
	"os"
	"strconv"
)

// peakRSS is the peak of resident memory in bytes. What getrusage says would
// count the memory of the process that started this one, which Linux carries
// over at exec; /proc knows this program's alone.
func peakRSS(rusage int64) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return rusage * 1024
	}
	_, rest, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte(" kB\n"))
	kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return rusage * 1024
	}
	return kilobytes * 1024
}
