package plot

// Point is one candidate of a scatter.
type Point struct {
	XY
	Series int
	Faint  bool   // not in the running
	Name   string // shown when a reader points at it
}

// Scatter is a panel of points, with a front through the best of them.
type Scatter struct {
	Title  string
	X, Y   Axis
	Points []Point
	Front  []XY
	Chosen *Point  // drawn last, with its name beside it
	Limit  float64 // a bound on X; 0 is none
}

func (p *Scatter) height(float64) float64 { return 400 }
func (p *Scatter) wide() bool             { return true }

func (p *Scatter) draw(c *canvas, b box) {
	var xs, ys []float64
	for _, at := range p.Points {
		xs, ys = append(xs, at.X), append(ys, at.Y)
	}
	if p.Limit > 0 {
		xs = append(xs, p.Limit)
	}
	f := frame(c, b, p.Title, p.X.around(xs), p.Y.around(ys))
	if p.Limit > 0 {
		x, _ := f.place(XY{p.Limit, f.y.low})
		c.line(x, f.box.y, x, f.box.y+f.box.h, "limit")
		c.text(x-6, f.box.y+12, "tick", "end", "limit "+f.x.name(p.Limit))
	}
	if len(p.Front) > 1 {
		c.add(`<polyline points="%s" class="front base"/>`, f.path(p.Front))
	}
	for _, at := range p.Points {
		x, y := f.place(at.XY)
		faint := ""
		if at.Faint {
			faint = " faint"
		}
		c.add(`<circle cx="%s" cy="%s" r="5" class="dot fill%d%s"><title>%s</title></circle>`, x, y,
			at.Series%colours, faint, at.Name)
	}
	if p.Chosen == nil {
		return
	}
	x, y := f.place(p.Chosen.XY)
	c.add(`<circle cx="%s" cy="%s" r="8.5" class="star fill%d"><title>%s</title></circle>`, x, y,
		p.Chosen.Series%colours, p.Chosen.Name)
	half := textWidth(p.Chosen.Name, 13) / 2
	x = min(max(x, f.box.x+half), f.box.x+f.box.w-half)
	c.text(x, y-16, "label over", "middle", p.Chosen.Name)
}
