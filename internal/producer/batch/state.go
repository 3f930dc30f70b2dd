package batch

import "fmt"

// State is where a batch stands between the first append and its outcome.
//
//	Open ──close──▶ Closed ──seal──▶ Ready ──send──▶ InFlight ──ack──▶ Done
//	                  ▲                ▲                 │
//	                  │                └─────retry───────┤
//	Closed, Ready, InFlight ──fail──▶ Done ◀─────────────┘
//
// The arrows are the only legal moves; Batch.Move panics on any other, because
// an illegal move is a bug in this module and never a consequence of what a
// broker answered.
type State uint8

// The states of a batch.
const (
	Open     State = iota // records are appended under the partition's lock
	Closed                // full, lingered or flushed; somebody compresses it
	Ready                 // bytes are final but for producer id, sequence and checksum
	InFlight              // written, or being written, to one broker
	Done                  // outcome published; the buffer goes back to the pool
	illegal  State = 255
)

// Event is a named cause of a state change. Logs and traces print it.
type Event uint8

// The events of a batch.
const (
	EventClose Event = iota
	EventSeal
	EventSend
	EventAck
	EventRetry
	EventFail
)

// next holds every legal transition; what is absent is illegal.
var next = map[State]map[Event]State{
	Open:     {EventClose: Closed},
	Closed:   {EventSeal: Ready, EventFail: Done},
	Ready:    {EventSend: InFlight, EventFail: Done},
	InFlight: {EventAck: Done, EventRetry: Ready, EventFail: Done},
}

// Next reports the state that e leads to from s, and whether e is legal in s.
func (s State) Next(e Event) (State, bool) {
	to, ok := next[s][e]
	if !ok {
		return illegal, false
	}
	return to, true
}

func (s State) String() string {
	switch s {
	case Open:
		return "Open"
	case Closed:
		return "Closed"
	case Ready:
		return "Ready"
	case InFlight:
		return "InFlight"
	case Done:
		return "Done"
	case illegal:
		return "illegal"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

func (e Event) String() string {
	names := [...]string{"Close", "Seal", "Send", "Ack", "Retry", "Fail"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("Event(%d)", uint8(e))
}
