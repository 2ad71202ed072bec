package report

import (
	"bytes"
	"html/template"
	"image/color"
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

// The colours of a report, told apart by people who are colour-blind, too.
var (
	blue   = color.NRGBA{0x1f, 0x6f, 0xb2, 0xff}
	orange = color.NRGBA{0xd9, 0x6c, 0x06, 0xff}
	grey   = color.NRGBA{0x60, 0x60, 0x60, 0xff}
)

// figure is one plot as SVG, with what is to be seen on it.
type figure struct {
	Title, Caption string
	SVG            template.HTML
}

// curve is a line on a plot.
type curve struct {
	name   string
	colour color.Color
	dashed bool
	points plotter.XYs
}

// curvesSVG draws curves on axes that begin at 0.
func curvesSVG(title, x, y string, curves []curve) (template.HTML, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	for _, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		l, err := plotter.NewLine(c.points)
		if err != nil {
			return "", err
		}
		l.Color, l.Width = c.colour, vg.Points(1.8)
		if c.dashed {
			l.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
		}
		p.Add(l)
		p.Legend.Add(c.name, l)
	}
	p.Y.Max *= 1.15 // room for the legend
	canvas := vgsvg.NewWith(vgsvg.UseWH(20*vg.Centimeter, 9*vg.Centimeter), vgsvg.EmbedFonts(true))
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	svg := b.Bytes()
	if i := bytes.Index(svg, []byte("<svg")); i > 0 {
		svg = svg[i:] // without the XML declaration, which HTML does not know
	}
	return template.HTML(svg), nil //nolint:gosec // drawn here, from numbers
}

// figures returns the figures of a rehearsal.
func figures(r crowd.Result) ([]figure, error) {
	all := []struct {
		title, x, y, caption string
		curves               []curve
	}{
		{
			"Who has it, and when", "seconds after a visitor came", "share of visitors",
			"The further left, the better. Nobody can beat the fluid bound for the last one.",
			[]curve{
				{"with flashcrowd", blue, false, cdf(r.Trace.Times, r.Nodes-r.Liars)},
				{"everybody direct", orange, true, cdf(r.Direct.Trace.Times, r.Nodes-r.Liars)},
			},
		},
		{
			"What the origin carries", "seconds after the first visitor came", "Mbit/s of bodies",
			"The area below each curve is what the origin pays for.",
			[]curve{
				{"with flashcrowd", blue, false, steps(r.Trace.Step, r.Trace.Origin)},
				{"everybody direct", orange, true, steps(r.Direct.Trace.Step, r.Direct.Trace.Origin)},
			},
		},
		{
			"Where the bytes come from", "seconds after the first visitor came", "Mbit/s of bodies",
			"With flashcrowd: what the origin sends, and what nodes send to each other.",
			[]curve{
				{"from peers", blue, false, steps(r.Trace.Step, r.Trace.Peers)},
				{"from the origin", orange, false, steps(r.Trace.Step, r.Trace.Origin)},
			},
		},
	}
	var out []figure
	for _, f := range all {
		svg, err := curvesSVG(f.title, f.x, f.y, f.curves)
		if err != nil {
			return nil, err
		}
		out = append(out, figure{f.title, f.caption, svg})
	}
	return out, nil
}

// cdf is the share of n that were done by each time, as a staircase.
func cdf(times []time.Duration, n int) plotter.XYs {
	out := plotter.XYs{{X: 0, Y: 0}}
	for i, t := range times {
		x := t.Seconds()
		out = append(out, plotter.XY{X: x, Y: float64(i) / float64(n)}, plotter.XY{X: x, Y: float64(i+1) / float64(n)})
	}
	return out
}

// maxPoints is how many points of a series are drawn: more than a screen shows
// only make the file large.
const maxPoints = 300

// steps draws a series of octets a second in Mbit/s.
func steps(step time.Duration, rates []float64) plotter.XYs {
	group := max(1, int(math.Ceil(float64(len(rates))/maxPoints)))
	var out plotter.XYs
	for i := 0; i < len(rates); i += group {
		sum, n := 0.0, 0
		for _, v := range rates[i:min(i+group, len(rates))] {
			sum, n = sum+v, n+1
		}
		out = append(out, plotter.XY{X: (time.Duration(i) * step).Seconds(), Y: sum / float64(n) * 8 / 1e6})
	}
	return out
}
