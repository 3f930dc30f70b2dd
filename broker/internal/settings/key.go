package settings

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Type is a setting's type, numbered as in DescribeConfigs (KIP-569).
type Type int8

// The types of settings.
const (
	Boolean Type = 1
	String  Type = 2
	Int     Type = 3
	Long    Type = 5
	Double  Type = 6
	List    Type = 7
)

// Key is one row of a table.
type Key struct {
	Name    string
	Type    Type
	Default string   // as Kafka writes it
	Min     int64    // least value of a number
	Max     int64    // greatest value of a number; 0 means that of its type
	OneOf   []string // legal values, or elements of a list; nil means any
	Broker  string   // of a topic's setting: the broker's setting that is its default
	Fixed   bool     // of a broker's setting: only the configuration file sets it
	Doc     string
}

// Error is a value that a setting cannot have, or a setting that is not there.
type Error struct {
	Name, Value string
	Reason      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s=%s: %s", e.Name, e.Value, e.Reason)
}

// Check reports why value is not legal, or nil.
func (k *Key) Check(value string) error {
	var reason string
	switch k.Type {
	case Boolean:
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			reason = "want true or false"
		}
	case Int:
		reason = k.checkInteger(value, 32)
	case Long:
		reason = k.checkInteger(value, 64)
	case Double:
		f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || math.IsNaN(f) || f < 0 || f > 1 {
			reason = "want a number between 0 and 1"
		}
	case String:
		if k.OneOf != nil && !slices.Contains(k.OneOf, value) {
			reason = "want one of " + strings.Join(k.OneOf, ", ")
		}
	case List:
		for _, e := range SplitList(value) {
			if k.OneOf != nil && !slices.Contains(k.OneOf, e) {
				reason = "want some of " + strings.Join(k.OneOf, ", ")
			}
		}
	}
	if reason != "" {
		return &Error{Name: k.Name, Value: value, Reason: reason}
	}
	return nil
}

func (k *Key) checkInteger(value string, bits int) string {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, bits)
	most := k.Max
	if most == 0 {
		most = 1<<(bits-1) - 1
	}
	if err != nil || n < k.Min || n > most {
		return fmt.Sprintf("want a whole number from %d to %d", k.Min, most)
	}
	return ""
}

// SplitList takes a list setting apart: commas, blanks around elements.
func SplitList(value string) []string {
	var list []string
	for e := range strings.SplitSeq(value, ",") {
		if e = strings.TrimSpace(e); e != "" {
			list = append(list, e)
		}
	}
	return list
}

func integer(value string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("settings: %q was not checked: %v", value, err))
	}
	return n
}

func byName(table []Key) map[string]*Key {
	m := make(map[string]*Key, len(table))
	for i := range table {
		m[table[i].Name] = &table[i]
	}
	return m
}
