package txn

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const illegal = State(255)

// Every pair of state and event, one row a state, the columns in the order of
// the events' constants; a dash is illegal.
func TestNextIsKafkasTable(t *testing.T) {
	columns := []Event{Init, Begin, Commit, Abort, Prepare, Complete, SendOffsets,
		Initialize, Refuse, Keep, Flushed, End, Raise, Fail, Condemn}
	const u, i, r, in, q, p, c, a, e, f, x = Uninitialized, Initializing, Ready, InTransaction,
		Preparing, Prepared, Committing, Aborting, AbortableError, Fatal, illegal
	rows := map[State][]State{
		Uninitialized:  {i, x, x, x, x, x, x /**/, x, x, x, x, x, x, x, f},
		Initializing:   {x, x, x, x, x, x, x /**/, r, u, p, x, x, x, e, f},
		Ready:          {x, in, x, x, x, x, x /**/, x, x, x, x, x, x, x, f},
		InTransaction:  {x, x, c, a, q, x, in /**/, x, x, x, x, x, x, e, f},
		Preparing:      {x, x, x, x, x, x, x /**/, x, x, x, p, x, x, e, f},
		Prepared:       {x, x, c, a, x, c, x /**/, x, x, x, x, x, x, x, f}, // Complete may abort
		Committing:     {x, x, x, x, x, x, x /**/, x, x, x, x, r, i, e, f},
		Aborting:       {x, x, x, x, x, x, x /**/, x, x, x, x, r, i, x, f}, // an error changes nothing
		AbortableError: {x, x, x, a, x, x, x /**/, x, x, x, x, x, x, e, f},
		Fatal:          {x, x, x, x, x, x, x /**/, x, x, x, x, x, x, x, f},
	}
	for from, row := range rows {
		for n, on := range columns {
			t.Run(fmt.Sprintf("%v/%v", from, on), func(t *testing.T) {
				got, ok := from.Next(on)
				if !ok {
					got = illegal
				}
				if got != row[n] {
					t.Errorf("Next is %v, want %v", got, row[n])
				}
			})
		}
	}
}

func TestAnIllegalCallNamesBothStatesAndChangesNothing(t *testing.T) {
	tests := []struct {
		call  Event
		state State
		want  string
	}{
		{Begin, Uninitialized, "call InitTransactions first"},
		{Commit, Ready, "no transaction is open"},
		{Begin, InTransaction, "commit or abort the open transaction first"},
		{Abort, Committing, "call CommitTransaction again"},
		{Commit, Aborting, "call AbortTransaction again"},
		{Commit, AbortableError, "call AbortTransaction"},
		{Init, Ready, "InitTransactions was called"},
		{SendOffsets, Ready, "no transaction is open"},
		{Prepare, Ready, "no transaction is open"},
		{Complete, InTransaction, "call PrepareTransaction first"},
		{Complete, Ready, "no transaction is prepared"},
		{Commit, Preparing, "call PrepareTransaction again"},
		{SendOffsets, Prepared, "CompleteTransaction"},
		{Init, Prepared, "CompleteTransaction"},
		{Begin, Fatal, "start a new one"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v in %v", tt.call, tt.state), func(t *testing.T) {
			m := Machine{state: tt.state}
			err := m.Call(tt.call)
			e, ok := errors.AsType[*StateError](err)
			if !ok {
				t.Fatalf("Call is %v, want a *StateError", err)
			}
			for _, part := range []string{tt.call.String(), e.From.String(), e.To.String(), tt.want} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if e.From != tt.state || m.State() != tt.state {
				t.Errorf("from %v, now %v, want %v both times", e.From, m.State(), tt.state)
			}
		})
	}
}

func TestAnIllegalEventPanics(t *testing.T) {
	tests := []struct {
		event Event
		state State
	}{
		{Initialize, Ready},
		{End, InTransaction},
		{Fail, Aborting},
		{Fail, Prepared}, // nothing of it is out
		{Begin, Ready},   // legal, but a call
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v in %v", tt.event, tt.state), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("Move did not panic")
				}
			}()
			m := Machine{state: tt.state}
			m.Move(tt.event)
		})
	}
}

func TestATransactionsCourse(t *testing.T) {
	var m Machine
	for _, e := range []Event{
		Init, Initialize, Begin, SendOffsets, Commit, End,
		Begin, Fail, Fail, Abort, Raise, Initialize, Begin, Commit, Fail, Abort, End,
		Begin, Prepare, Flushed, Commit, End,
	} {
		if e.Call() {
			if err := m.Call(e); err != nil {
				t.Fatal(err)
			}
		} else {
			m.Move(e)
		}
	}
	if m.State() != Ready {
		t.Errorf("the course ends in %v, want Ready", m.State())
	}
}

func TestATransactionIsOpenUntilItsEndIsAnswered(t *testing.T) {
	for s := Uninitialized; s <= Fatal; s++ {
		want := s != Uninitialized && s != Initializing && s != Ready && s != Fatal
		if s.Open() != want {
			t.Errorf("%v.Open() is %v", s, s.Open())
		}
	}
}
