package main

import (
	"errors"
	"testing"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/chaos/load"
)

func TestOutcomeSaysWhatPosthasteSaid(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"acknowledged", nil, load.Acked},
		{"refused by Send", posthaste.ErrBufferExhausted, load.Refused},
		{"failed before it was sent", &posthaste.DeliveryError{Err: errors.New("late")},
			load.NotWritten},
		{"failed with a request out", &posthaste.DeliveryError{
			Err: errors.New("late"), Certainty: posthaste.MaybeWritten}, load.Maybe},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := outcome(posthaste.RecordMetadata{}, tt.err); got.What != tt.want {
				t.Errorf("outcome = %+v, want %s", got, tt.want)
			}
		})
	}
}
