package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// quietLogger is for brokers and producers inside a command that does something
// else. It says errors only, each kind once, as one of the command's own lines:
// what lasts comes back as the fate of records, and need not be said again.
func quietLogger(e *env) *slog.Logger {
	return slog.New(&onceHandler{e: e, said: &sync.Map{}})
}

// onceHandler shows each message once, with the attributes that it came with.
type onceHandler struct {
	e     *env
	said  *sync.Map // message → true
	attrs []slog.Attr
}

// Enabled lets errors pass. Warnings are about connections, which a producer
// tries again, and end in an error if they matter.
func (h *onceHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError
}

// Handle shows r unless one like it has been shown.
func (h *onceHandler) Handle(_ context.Context, r slog.Record) error {
	if _, again := h.said.LoadOrStore(r.Message, true); again {
		return nil
	}
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		b.WriteString(", " + a.Key + " " + a.Value.String())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	h.e.note("%s", b.String())
	return nil
}

// WithAttrs keeps attrs for later records.
func (h *onceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &onceHandler{e: h.e, said: h.said, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)],
		attrs...)}
}

// WithGroup is h: one line has no room for groups.
func (h *onceHandler) WithGroup(string) slog.Handler { return h }
