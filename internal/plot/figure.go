package plot

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// Figure is what one file shows.
type Figure struct {
	Title    string
	Subtitle string   // one line: what was measured, and how
	Series   []string // names for the legend; a series' index is its colour
	Panels   []Panel
	Notes    []string // lines below the panels
}

// Panel is one chart of a figure.
type Panel interface {
	// height is what the panel wants, in pixels, at width w.
	height(w float64) float64
	// wide reports whether it takes the whole width of the figure.
	wide() bool
	draw(c *canvas, b box)
}

// Sizes in pixels.
const (
	figureWidth = 960
	margin      = 28
	gap         = 32
	lineHeight  = 17
)

// box is where something is drawn.
type box struct{ x, y, w, h float64 }

// canvas collects SVG elements. Numbers are rounded to a tenth of a pixel.
type canvas struct{ b strings.Builder }

func (c *canvas) add(format string, args ...any) {
	for i, a := range args {
		switch v := a.(type) {
		case float64:
			args[i] = px(v)
		case string:
			args[i] = html.EscapeString(v)
		}
	}
	fmt.Fprintf(&c.b, format+"\n", args...)
}

// px is a coordinate; what is no number is drawn at 0 and shows as wrong.
func px(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

// text writes s in a style. An anchor is start, middle or end.
func (c *canvas) text(x, y float64, style, anchor, s string) {
	c.add(`<text x="%s" y="%s" class="%s" text-anchor="%s">%s</text>`, x, y, style, anchor, s)
}

func (c *canvas) line(x1, y1, x2, y2 float64, style string) {
	c.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>`, x1, y1, x2, y2, style)
}

// textWidth estimates how wide s is at a font size; fonts differ by a tenth.
func textWidth(s string, size float64) float64 {
	return 0.56 * size * float64(len([]rune(s)))
}

// WriteSVG writes the figure as one SVG document.
func (f *Figure) WriteSVG(w io.Writer) error {
	_, err := io.WriteString(w, f.svg())
	return err
}

// WriteHTML writes the figure as a page with the tables below it.
func (f *Figure) WriteHTML(w io.Writer, tables ...Table) error {
	var b strings.Builder
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"+
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"+
		"<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n%s",
		html.EscapeString(f.Title), pageStyle, f.svg())
	for i := range tables {
		tables[i].write(&b)
	}
	b.WriteString("</body>\n</html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Figure) svg() string {
	var c canvas
	y := f.drawHead(&c)
	for i := 0; i < len(f.Panels); {
		row := 1
		if !f.Panels[i].wide() && i+1 < len(f.Panels) && !f.Panels[i+1].wide() {
			row = 2
		}
		width := (figureWidth - 2*margin - gap*float64(row-1)) / float64(row)
		if row == 1 && !f.Panels[i].wide() {
			width = (figureWidth - 2*margin - gap) / 2
		}
		height := 0.0
		for _, p := range f.Panels[i : i+row] {
			height = max(height, p.height(width))
		}
		for k, p := range f.Panels[i : i+row] {
			p.draw(&c, box{margin + float64(k)*(width+gap), y, width, height})
		}
		y += height + gap
		i += row
	}
	for _, note := range f.Notes {
		for _, line := range wrap(note, figureWidth-2*margin, 12) {
			c.text(margin, y, "note", "start", line)
			y += lineHeight
		}
	}
	height := px(y + 4)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%s" `+
		`viewBox="0 0 %d %s" role="img">`+"\n<title>%s</title>\n<style>%s</style>\n"+
		`<rect class="paper" width="100%%" height="100%%"/>`+"\n%s</svg>\n", figureWidth, height,
		figureWidth, height, html.EscapeString(f.Title), style, c.b.String())
}

// drawHead writes the title and the legend, and returns where they end.
func (f *Figure) drawHead(c *canvas) float64 {
	y := 38.0
	c.text(margin, y, "title", "start", f.Title)
	if f.Subtitle != "" {
		for _, line := range wrap(f.Subtitle, figureWidth-2*margin, 13) {
			y += 20
			c.text(margin, y, "subtitle", "start", line)
		}
	}
	if len(f.Series) < 2 {
		return y + 26
	}
	y += 28
	x := float64(margin)
	for i, name := range f.Series {
		width := 20 + textWidth(name, 13) + 22
		if x+width > figureWidth-margin && x > margin {
			x = margin
			y += 22
		}
		c.add(`<rect x="%s" y="%s" width="12" height="12" rx="2" class="fill%d"/>`, x, y-11,
			i%colours)
		c.text(x+18, y, "label", "start", name)
		x += width
	}
	return y + 30
}

// wrap breaks text into lines of at most width pixels at a font size.
func wrap(text string, width, size float64) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && textWidth(line+" "+word, size) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Table is rows of text below a figure on a page.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string
}

func (t *Table) write(b *strings.Builder) {
	fmt.Fprintf(b, "<table>\n<caption>%s</caption>\n<thead><tr>", html.EscapeString(t.Caption))
	for _, cell := range t.Head {
		fmt.Fprintf(b, "<th scope=\"col\">%s</th>", html.EscapeString(cell))
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range t.Rows {
		b.WriteString("<tr>")
		for i, cell := range row {
			tag := "td"
			if i == 0 {
				tag = `th scope="row"`
			}
			fmt.Fprintf(b, "<%s>%s</%.2s>", tag, html.EscapeString(cell), tag)
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody>\n</table>\n")
}
