package sender

import (
	"container/heap"
	"slices"
	"time"
)

// alarmKind is why to wake up.
type alarmKind uint8

const (
	retry         alarmKind = iota // p's first batch has waited its backoff
	expiry                         // p's oldest batch may be out of time
	request                        // n's oldest request may be out of time
	reconnect                      // n may be dialled again
	wake                           // n may take requests again
	available                      // n may have been stuck for too long
	suspect                        // n may owe an answer for too long
	idle                           // n may have been idle for too long
	session                        // n's session is about to end
	refresh                        // metadata may be asked for
	identity                       // the producer id may be asked for
	transactional                  // a coordinator may be asked again
)

// alarm is one reason to wake up. Alarms are hints: what rings looks at the
// state, so that an alarm need not be cancelled when it has become pointless.
type alarm struct {
	at   time.Time
	kind alarmKind
	p    *partition
	n    *node
}

// alarms is a heap of alarms, the earliest first.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push is for package heap.
func (a *alarms) Push(x any) { *a = append(*a, x.(alarm)) }

// Pop is for package heap.
func (a *alarms) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = alarm{}
	*a = old[:len(old)-1]
	return last
}

func (a *alarms) set(x alarm) { heap.Push(a, x) }

func (a alarms) next() time.Time {
	if len(a) == 0 {
		return time.Time{}
	}
	return a[0].at
}

// due removes the earliest alarm if its time has come.
func (a *alarms) due(now time.Time) (alarm, bool) {
	if len(*a) == 0 || (*a)[0].at.After(now) {
		return alarm{}, false
	}
	return heap.Pop(a).(alarm), true
}

// lingering is the partitions whose open batch waits for linger.ms. That is one
// constant, so they come due in the order they came: a queue, not a heap.
type lingering struct {
	queue []lingerer
}

type lingerer struct {
	p  *partition
	at time.Time
}

// add queues x, almost always at the end: a batch that was opened before we
// looked goes further to the front.
func (l *lingering) add(x lingerer) {
	i := len(l.queue)
	for i > 0 && x.at.Before(l.queue[i-1].at) {
		i--
	}
	l.queue = slices.Insert(l.queue, i, x)
}

func (l *lingering) next() time.Time {
	if len(l.queue) == 0 {
		return time.Time{}
	}
	return l.queue[0].at
}
