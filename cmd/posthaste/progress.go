package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// showProgress draws a bar on standard error until the function that it returns
// is called, which removes it again. It draws only on a terminal, or if asked.
func (p *production) showProgress() (stop func()) {
	if !p.e.terminal && !p.cmd.Progress {
		return func() {}
	}
	p.e.drawing.Store(true)
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.e.err),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(0),
		progressbar.OptionSpinnerType(14), progressbar.OptionSetRenderBlankState(true))
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				// What cannot be drawn is of no consequence.
				_ = bar.Finish()
				_, _ = fmt.Fprint(p.e.err, "\r\x1b[K")
				return
			case <-tick.C:
				p.draw(bar)
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
		p.e.drawing.Store(false)
	}
}

func (p *production) draw(bar *progressbar.ProgressBar) {
	o := p.outcomes
	o.mu.Lock()
	acked, failed := o.acked, o.failed
	o.mu.Unlock()
	text := fmt.Sprintf("%s acknowledged", report.Plural(acked, "record"))
	if failed > 0 {
		text += fmt.Sprintf(", %s failed", report.Count(failed))
	}
	bar.Describe(text)
	if total := p.progress.total.Load(); total > 0 {
		bar.ChangeMax64(total)
		// Not the end: that would remove the bar while records are under way.
		_ = bar.Set64(min(p.progress.done.Load(), total-1))
		return
	}
	_ = bar.Add(1)
}
