package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/golden"
)

func sample() *Figure {
	chosen := Point{XY: XY{3, 30}, Series: 1, Name: "zstd, 64 KiB"}
	return &Figure{
		Title: "A <figure> & more", Subtitle: "one line", Series: []string{"one", "two"},
		Panels: []Panel{
			&Curves{Title: "Latency", X: Axis{"percentile", Percentile, nil},
				Y: Axis{"ms", Log, nil}, Curves: []Curve{{0, []XY{{0, 0.5}, {50, 1}, {99, 20}},
					[]float64{0.4, 0.9, 10}, []float64{0.6, 1.1, 40}}, {Series: 1,
					Points: []XY{{0, 1}, {99.9, 5}}}}},
			&Bars{Title: "Rate", Note: "more is better", X: Axis{Label: "records/s"},
				Groups: []Group{{"", []Bar{{0, 1e6, 9e5, 1.1e6}, {1, 2e6, 0, 0}}}}},
			&Bars{Title: "Grouped", X: Axis{Label: "µs"},
				Groups: []Group{{"a", []Bar{{0, 1, 0, 0}}}, {"b", []Bar{{1, 0, 0, 0}}}}},
			&Scatter{Title: "Front", X: Axis{"ms", Log, nil}, Y: Axis{"bytes", Linear, nil},
				Points: []Point{chosen, {XY: XY{10, 50}, Faint: true, Name: "none"}},
				Front:  []XY{{3, 30}, {10, 20}}, Chosen: &chosen, Limit: 8},
		},
		Notes: []string{"A note that says how it was measured."},
	}
}

func TestAFigureIsWellFormedAndRefersToNothing(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/sample.svg", b.Bytes())
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range element.Attr {
			if strings.Contains(a.Name.Local, "href") || strings.Contains(a.Value, "NaN") {
				t.Errorf("<%s %s=%q>", element.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}

// Figures of a run that was cut short have panels without values.
func TestNothingToDrawIsDrawnAsNothing(t *testing.T) {
	f := &Figure{Panels: []Panel{&Curves{Y: Axis{Scale: Log}}, &Bars{}, &Scatter{},
		&Bars{Groups: []Group{{"a", []Bar{{0, math.NaN(), 0, 0}}}}}}}
	var b bytes.Buffer
	if err := f.WriteHTML(&b, Table{Caption: "c", Head: []string{""}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Errorf("not a number in %s", b.String())
	}
}

func TestTicks(t *testing.T) {
	tests := []struct {
		name   string
		axis   Axis
		values []float64
		want   []float64
	}{
		{"from 0 in round steps", Axis{}, []float64{3, 95}, []float64{0, 50, 100}},
		{"twos and fives of decades", Axis{Scale: Log}, []float64{1, 60},
			[]float64{1, 2, 5, 10, 20, 50}},
		{"many decades", Axis{Scale: Log}, []float64{1, 1e6},
			[]float64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000}},
		{"nines", Axis{Scale: Percentile}, []float64{0, 99.9}, []float64{0, 50, 90, 99, 99.9}},
		{"nothing but a point", Axis{Scale: Log}, []float64{10}, []float64{7, 10, 15}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.axis.around(tt.values)
			if got := s.ticks(); !slices.EqualFunc(got, tt.want, func(a, b float64) bool {
				return math.Abs(a-b) < 1e-9*b+1e-12
			}) {
				t.Errorf("ticks = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.05: "0.05", 0.123456: "0.123", 1.5: "1.5",
		12.34: "12.3", 99.9: "99.9", 99.99: "99.99", 1234: "1234", 15_000: "15 k", 2.5e6: "2.5 M",
		3e9: "3 G", -1.5: "-1.5"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %q, want %q", v, got, want)
		}
	}
}
