package loop

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
)

// maxTurns bounds what one who posts does for others that post meanwhile.
const maxTurns = 3

// calm is how many produce requests may be on their way while a sender sees to
// its own record. With more, the loop's goroutine is called instead, and what
// other senders append until it comes goes along.
const calm = 1

// serve deals with the mail on the caller's goroutine. If somebody has the turn,
// he looks into the mailbox once more when it ends, and finds what the caller has
// posted before.
func (l *Loop) serve() {
	defer crash()
	for range maxTurns {
		if !l.turn.TryLock() {
			return
		}
		l.takeTurn()
		next := l.core.NextWake()
		late := !next.IsZero() && (l.alarm.IsZero() || next.Before(l.alarm))
		if late {
			l.alarm = next
		}
		ring := late || l.done
		l.turn.Unlock()
		if ring {
			l.mailbox.ring()
		}
		if !l.mailbox.pending() {
			return
		}
	}
	l.mailbox.ring()
}

// crash makes a mistake of ours end the process, as it would on a goroutine of our
// own. A caller that recovers from panics would otherwise go on with a producer
// whose turn never ends.
func crash() {
	if r := recover(); r != nil {
		stack := debug.Stack()
		go panic(fmt.Sprintf("posthaste: %v\n\n%s", r, stack))
		select {}
	}
}

// run takes a turn when it is time for one, until Stop.
//
// Started by: New. Ends: Stop, after the last connection is gone. Runs user
// code: never (package completion does).
func (l *Loop) run() {
	defer close(l.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.turn.Lock()
		l.takeTurn()
		l.alarm = l.core.NextWake()
		done, alarm := l.done, l.alarm
		l.turn.Unlock()
		if done {
			l.workers.wait()
			return
		}
		if !l.mailbox.pending() {
			l.sleep(timer, alarm)
			runtime.Gosched() // who was woken by the same answer appends first, and shares a request
		}
	}
}

// sleep waits to be called, or for the time that Core asked for.
func (l *Loop) sleep(timer *time.Timer, alarm time.Time) {
	if alarm.IsZero() {
		<-l.mailbox.wake
		return
	}
	select { // the usual case needs no timer
	case <-l.mailbox.wake:
		return
	default:
	}
	timer.Reset(max(alarm.Sub(clock.Now()), 0))
	select {
	case <-l.mailbox.wake:
	case <-timer.C:
	}
}

// takeTurn lets Core see what has happened, and does what it decides. It never
// blocks on a broker: Core hands a connection at most as many requests as its
// queue holds. The turn is the caller's.
func (l *Loop) takeTurn() {
	for !l.done {
		events, stopped := l.mailbox.take(&l.in)
		if stopped && !l.stopping {
			l.stopping = true
			l.hangUpAll()
		}
		if len(l.extra) > 0 {
			events = append(events, l.extra...)
			l.extra = l.extra[:0]
		}
		l.out = l.step(clock.Now(), events, l.out[:0])
		l.perform(l.out, l.stopping)
		clear(l.out)
		l.done = l.stopping && len(l.conns) == 0 && l.core.Resolved()
		if len(l.extra) == 0 {
			break
		}
	}
	l.mailbox.busy.Store(l.core.Flying() > calm)
}

// step is Core.Step. Whoever is woken by an outcome and asks for the counters
// waits for its end, and so finds the outcome counted.
func (l *Loop) step(
	now time.Time, events []sender.Event, out []sender.Effect,
) []sender.Effect {
	l.statsMu.Lock()
	defer l.statsMu.Unlock()
	out = l.core.Step(now, events, out)
	l.stats = l.core.Counters()
	return out
}
