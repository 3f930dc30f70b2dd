package main

import (
	"testing"

	"github.com/posthaste-go/posthaste/bench/internal/run"
	"github.com/posthaste-go/posthaste/bench/internal/runtest"
)

func TestPosthasteSendsEveryRecordOnceInEveryMode(t *testing.T) {
	runtest.EveryMode(t, run.Identity{Client: "posthaste"}, newPosthaste)
}
