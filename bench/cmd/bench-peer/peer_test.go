package main

import (
	"testing"

	"github.com/posthaste-go/posthaste/bench/internal/run"
	"github.com/posthaste-go/posthaste/bench/internal/runtest"
)

func TestEveryPeerSendsEveryRecordOnceInEveryMode(t *testing.T) {
	peers := map[string]func(*run.Options) (run.Identity, run.Factory){
		"franz": franzClient, "sarama": saramaClient, "segmentio": segmentioClient,
	}
	for name, peer := range peers {
		t.Run(name, func(t *testing.T) {
			id, factory := peer(&run.Options{})
			if id.Client != name || id.Version == "" {
				t.Errorf("identity is %+v", id)
			}
			runtest.EveryMode(t, id, factory)
		})
	}
}
