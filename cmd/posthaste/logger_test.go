package main

import (
	"bytes"
	"errors"
	"testing"
)

func TestQuietLoggerSaysEachErrorOnce(t *testing.T) {
	var out bytes.Buffer
	log := quietLogger(&env{streams: streams{err: &out}}).With("partition", "t-0")
	log.Warn("connection lost")
	for range 3 {
		log.Error("append failed", "error", errors.New("no space left on device"))
	}
	log.WithGroup("g").Error("append failed")
	want := "posthaste: append failed, partition t-0, error no space left on device\n"
	if out.String() != want {
		t.Errorf("standard error = %q, want %q", out.String(), want)
	}
}
