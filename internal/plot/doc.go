// Package plot draws figures of measurements as SVG: lines over a percentile
// axis, bars with whiskers, scatters with a front. A figure is one file without
// references, opens without a network, and follows the reader's light or dark
// setting.
//
//	Figure ─ title, legend of the series
//	  └─ Panel ─ Curves, Bars or Scatter, each with its axes and units
//
// It is shared by `posthaste perf`, `posthaste tune` and the module bench.
package plot
