package fault

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

var kindNames = [...]string{
	Drop: "drop", DropResponse: "drop-response", CutAt: "cut-at", Delay: "delay",
	DelayResponse: "delay-response", Error: "error", Pause: "pause", Restart: "restart",
	Kill: "kill", MoveLeader: "move-leader", Throttle: "throttle",
}

// String is the kind's name in the text of a rule.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// String is the action as Parse reads it.
func (a Action) String() string {
	switch a.Kind {
	case Delay, DelayResponse, Pause, Throttle:
		return fmt.Sprintf("%v=%v", a.Kind, a.Duration)
	case CutAt:
		return fmt.Sprintf("%v=%d", a.Kind, a.Bytes)
	case Error:
		return fmt.Sprintf("%v=%s", a.Kind, a.Code.Name())
	case MoveLeader:
		return fmt.Sprintf("%v=%s-%d@%d", a.Kind, a.Topic, a.Partition, a.Node)
	case Drop, DropResponse, Restart, Kill:
	}
	return a.Kind.String()
}

// String is the rule as Parse reads it.
func (r Rule) String() string {
	var b strings.Builder
	if r.API == AnyAPI {
		b.WriteString("any")
	} else {
		b.WriteString(strings.ToLower(r.API.String()))
	}
	if r.Nth > 1 {
		fmt.Fprintf(&b, " nth=%d", r.Nth)
	}
	switch {
	case r.Times == Always:
		b.WriteString(" times=always")
	case r.Times > 1:
		fmt.Fprintf(&b, " times=%d", r.Times)
	}
	if r.Client != "" {
		fmt.Fprintf(&b, " client=%s", r.Client)
	}
	return b.String() + ": " + r.Action.String()
}

// Parse reads a rule: an API by Kafka's name in any case, or "any"; which
// requests; a colon; what happens. The package comment has examples.
func Parse(text string) (Rule, error) {
	which, action, ok := strings.Cut(text, ":")
	words := strings.Fields(which)
	if !ok || len(words) == 0 {
		return Rule{}, fmt.Errorf("fault %q: want API [nth=N] [times=N|always] [client=ID]: ACTION", text)
	}
	r := Rule{API: AnyAPI}
	if !strings.EqualFold(words[0], "any") {
		if r.API, ok = protocol.KeyNamed(words[0]); !ok {
			return Rule{}, fmt.Errorf("fault %q: there is no API %q", text, words[0])
		}
	}
	for _, w := range words[1:] {
		if err := r.set(w); err != nil {
			return Rule{}, fmt.Errorf("fault %q: %w", text, err)
		}
	}
	a, err := parseAction(strings.TrimSpace(action))
	if err != nil {
		return Rule{}, fmt.Errorf("fault %q: %w", text, err)
	}
	r.Action = a
	return r, nil
}

func (r *Rule) set(word string) error {
	name, value, _ := strings.Cut(word, "=")
	var err error
	switch name {
	case "client":
		r.Client = value
	case "nth":
		r.Nth, err = number(value, 1)
	case "times":
		if value == "always" {
			r.Times = Always
		} else {
			r.Times, err = number(value, 1)
		}
	default:
		return fmt.Errorf("%q is none of nth, times, client", name)
	}
	return err
}

func number(s string, least int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least {
		return 0, fmt.Errorf("%q is not a number from %d on", s, least)
	}
	return n, nil
}

func parseAction(text string) (a Action, err error) {
	name, value, hasValue := strings.Cut(text, "=")
	for k, n := range kindNames {
		if n != "" && n == name {
			a.Kind = Kind(k)
		}
	}
	switch a.Kind {
	case Delay, DelayResponse, Pause, Throttle:
		a.Duration, err = time.ParseDuration(value)
	case CutAt:
		a.Bytes, err = number(value, 0)
	case Error:
		if a.Code, hasValue = errcode.ByName(value); !hasValue {
			err = fmt.Errorf("there is no error code %q", value)
		}
	case MoveLeader:
		err = a.parseMove(value)
	case Drop, DropResponse, Restart, Kill:
		if hasValue {
			err = fmt.Errorf("%s has no value", name)
		}
	default:
		err = fmt.Errorf("there is no action %q", name)
	}
	return a, err
}

func (a *Action) parseMove(value string) error {
	const form = "want TOPIC-PARTITION@NODE, not %q"
	tp, node, _ := strings.Cut(value, "@")
	dash := strings.LastIndexByte(tp, '-')
	if dash < 1 {
		return fmt.Errorf(form, value)
	}
	n, err := number(tp[dash+1:], 0)
	if err != nil {
		return fmt.Errorf(form, value)
	}
	if a.Node, err = number(node, 0); err != nil {
		return fmt.Errorf(form, value)
	}
	a.Topic, a.Partition = tp[:dash], int32(n)
	return nil
}
