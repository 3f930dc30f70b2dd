package plot

// Bar is one value, with the range it had over repetitions.
type Bar struct {
	Series    int // index of its name in Figure.Series
	Value     float64
	Low, High float64 // both 0: no whisker
}

// Group is bars under one name.
type Group struct {
	Name string // may be empty
	Bars []Bar
}

// Bars is a panel of horizontal bars, with each value written beside its bar.
type Bars struct {
	Title  string
	Note   string // which way is better
	X      Axis
	Groups []Group
	Wide   bool
}

const (
	barHeight = 16
	barGap    = 5
	groupGap  = 12
)

func (p *Bars) height(float64) float64 {
	h := 30.0
	for _, g := range p.Groups {
		h += float64(len(g.Bars))*(barHeight+barGap) + groupGap
	}
	return h + 34
}

func (p *Bars) wide() bool { return p.Wide }

func (p *Bars) draw(c *canvas, b box) {
	var values []float64
	left, right := 0.0, 0.0
	for _, g := range p.Groups {
		left = max(left, textWidth(g.Name, 13))
		for _, bar := range g.Bars {
			values = append(values, bar.Value, max(bar.High, bar.Value))
			right = max(right, textWidth(p.format(bar.Value), 12))
		}
	}
	if left > 0 {
		left += 12
	}
	s := p.X.around(values)
	inner := box{b.x + left, b.y + 26, b.w - left - right - 14, p.height(b.w) - 26 - 40}
	c.text(b.x, b.y+12, "panel", "start", p.Title)
	if p.Note != "" {
		c.text(b.x+b.w, b.y+12, "axis", "end", p.Note)
	}
	last := inner.x - 100
	for _, v := range s.ticks() {
		x := inner.x + inner.w*s.at(v)
		c.line(x, inner.y, x, inner.y+inner.h, "grid")
		if half := textWidth(s.name(v), 12) / 2; x-half >= last {
			c.text(x, inner.y+inner.h+16, "tick", "middle", s.name(v))
			last = x + half + 8
		}
	}
	c.text(b.x+b.w, inner.y+inner.h+32, "axis", "end", p.X.Label+" →")
	y := inner.y + groupGap/2
	for _, g := range p.Groups {
		size := float64(len(g.Bars)) * (barHeight + barGap)
		if g.Name != "" {
			c.text(inner.x-10, y+size/2+2, "label", "end", g.Name)
		}
		for _, bar := range g.Bars {
			p.bar(c, inner, &s, y, bar)
			y += barHeight + barGap
		}
		y += groupGap
	}
	c.line(inner.x, inner.y, inner.x, inner.y+inner.h, "base")
}

func (p *Bars) bar(c *canvas, inner box, s *span, y float64, bar Bar) {
	width := 0.0
	if at := s.at(bar.Value); at > 0 { // nor is it NaN
		width = inner.w * at
	}
	c.add(`<rect x="%s" y="%s" width="%s" height="%s" rx="1.5" class="fill%d"/>`, inner.x, y,
		max(width, 1), float64(barHeight), bar.Series%colours)
	end := inner.x + width
	if bar.High > bar.Low {
		low, high := inner.x+inner.w*s.at(bar.Low), inner.x+inner.w*s.at(bar.High)
		middle := y + barHeight/2
		c.line(low, middle, high, middle, "whisker")
		c.line(low, middle-4, low, middle+4, "whisker")
		c.line(high, middle-4, high, middle+4, "whisker")
		end = max(end, high)
	}
	c.text(end+7, y+barHeight-4, "value", "start", p.format(bar.Value))
}

func (p *Bars) format(v float64) string {
	if p.X.Format != nil {
		return p.X.Format(v)
	}
	return Number(v)
}
