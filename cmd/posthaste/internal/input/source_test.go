package input

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestInterruptibleReadsWhatIsThereAndStopsWhenTold(t *testing.T) {
	defer goleak.VerifyNone(t)
	in, typed := io.Pipe()
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	r, err := New(Interruptible(ctx, in), Options{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := typed.Write([]byte("one\ntwo\npar")); err != nil {
			t.Error(err)
		}
	}()
	var rec Record
	for _, want := range []string{"one", "two"} { // though "par" has no end yet
		if err := r.Read(&rec); err != nil || string(rec.Value) != want {
			t.Fatalf("Read = %q, %v; want %q", rec.Value, err, want)
		}
	}
	cancel(stop)
	if err := r.Read(&rec); !errors.Is(err, stop) {
		t.Errorf("Read after the interrupt = %v, want its cause", err)
	}
	if err := typed.Close(); err != nil { // ends the goroutine that waits for more
		t.Error(err)
	}
}

func TestInterruptiblePassesEverythingOn(t *testing.T) {
	defer goleak.VerifyNone(t)
	want := strings.Repeat("0123456789", 100_000)
	got, err := io.ReadAll(Interruptible(t.Context(), strings.NewReader(want)))
	if err != nil || string(got) != want {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
	}
}
