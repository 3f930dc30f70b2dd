package report

import (
	"fmt"
	"strconv"
	"strings"
)

// Count writes n with a comma between every three digits.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(s, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return s[:len(s)-len(strings.TrimPrefix(s, "-"))] + digits
}

// Plural is "1 record", "2,000 records".
func Plural(n int64, noun string) string { return plural(n, noun, noun+"s") }

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Bytes writes a number of bytes with a decimal unit: 1 MB is 10^6 bytes.
func Bytes(n float64) string {
	unit := 0
	units := []string{"B", "kB", "MB", "GB", "TB"}
	for n >= 999.5 && unit < len(units)-1 {
		n /= 1000
		unit++
	}
	if unit == 0 || n >= 99.95 {
		return fmt.Sprintf("%.0f %s", n, units[unit])
	}
	return fmt.Sprintf("%.1f %s", n, units[unit])
}

// Duration writes seconds as a person says them: 0.08 s, 12.3 s, 2 min 5 s.
func Duration(seconds float64) string {
	switch {
	case seconds < 10:
		return fmt.Sprintf("%.2f s", seconds)
	case seconds < 120:
		return fmt.Sprintf("%.1f s", seconds)
	}
	whole := int64(seconds + 0.5)
	return fmt.Sprintf("%d min %d s", whole/60, whole%60)
}

// Wrap breaks text at spaces so that no line is wider than width; the first
// begins with lead and the others are indented as far.
func Wrap(lead, text string, width int) string {
	var b strings.Builder
	indent := strings.Repeat(" ", len(lead))
	line := lead
	for i, word := range strings.Fields(text) {
		if i > 0 && len(line)+1+len(word) > width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		} else if i > 0 {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}
