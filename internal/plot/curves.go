package plot

import (
	"fmt"
	"strings"
)

// XY is a point in the units of its axes.
type XY struct{ X, Y float64 }

// Curve is one line of a panel. Low and High, if given, bound a band around it,
// with the same X as Points.
type Curve struct {
	Series    int // index of its name in Figure.Series
	Points    []XY
	Low, High []float64
}

// Curves is a panel of lines.
type Curves struct {
	Title  string
	X, Y   Axis
	Curves []Curve
	Narrow bool // half of the width
}

func (p *Curves) height(float64) float64 { return 330 }
func (p *Curves) wide() bool             { return !p.Narrow }

func (p *Curves) draw(c *canvas, b box) {
	var xs, ys []float64
	for _, line := range p.Curves {
		for _, at := range line.Points {
			xs, ys = append(xs, at.X), append(ys, at.Y)
		}
		ys = append(append(ys, line.Low...), line.High...)
	}
	f := frame(c, b, p.Title, p.X.around(xs), p.Y.around(ys))
	for _, line := range p.Curves {
		if len(line.Low) == len(line.Points) && len(line.High) == len(line.Points) {
			var outline []XY
			for i, at := range line.Points {
				outline = append(outline, XY{at.X, line.High[i]})
			}
			for i := len(line.Points) - 1; i >= 0; i-- {
				outline = append(outline, XY{line.Points[i].X, line.Low[i]})
			}
			c.add(`<polygon points="%s" class="band fill%d"/>`, f.path(outline), line.Series%colours)
		}
	}
	for _, line := range p.Curves {
		c.add(`<polyline points="%s" class="curve stroke%d"/>`, f.path(line.Points),
			line.Series%colours)
	}
}

// plane is a drawn coordinate system.
type plane struct {
	box  box
	x, y span
}

func (f *plane) place(at XY) (x, y float64) {
	return f.box.x + f.box.w*f.x.at(at.X), f.box.y + f.box.h*(1-f.y.at(at.Y))
}

func (f *plane) path(points []XY) string {
	var b strings.Builder
	for _, at := range points {
		x, y := f.place(at)
		fmt.Fprintf(&b, "%s,%s ", px(x), px(y))
	}
	return strings.TrimSpace(b.String())
}

// frame draws a panel's title, grid and axes into b.
func frame(c *canvas, b box, title string, x, y span) plane {
	left := 0.0
	for _, v := range y.ticks() {
		left = max(left, textWidth(y.name(v), 12))
	}
	left += 10
	inner := box{b.x + left, b.y + 42, b.w - left - 8, b.h - 42 - 44}
	f := plane{inner, x, y}
	c.text(b.x, b.y+12, "panel", "start", title)
	c.text(b.x, b.y+32, "axis", "start", "↑ "+y.Label)
	for _, v := range y.ticks() {
		_, at := f.place(XY{x.low, v})
		c.line(inner.x, at, inner.x+inner.w, at, "grid")
		c.text(inner.x-8, at+4, "tick", "end", y.name(v))
	}
	last := inner.x - 100
	for _, v := range x.ticks() {
		at, _ := f.place(XY{v, y.low})
		c.line(at, inner.y, at, inner.y+inner.h, "grid")
		half := textWidth(x.name(v), 12) / 2
		if at-half < last { // it would run into its neighbour
			continue
		}
		last = at + half + 8
		c.text(min(at, b.x+b.w-half+6), inner.y+inner.h+17, "tick", "middle", x.name(v))
	}
	c.line(inner.x, inner.y+inner.h, inner.x+inner.w, inner.y+inner.h, "base")
	c.text(inner.x+inner.w, inner.y+inner.h+36, "axis", "end", x.Label+" →")
	return f
}
