package run

import (
	"runtime"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Result is the JSON object a bench client prints. All figures but the peak RSS
// are of the measured part alone.
type Result struct {
	Client   string `json:"client"`
	Version  string `json:"version"`
	Scenario string `json:"scenario"`
	Note     string `json:"note"`

	Records       int64   `json:"records"` // acknowledged
	Errors        int64   `json:"errors"`
	WarmupRecords int64   `json:"warmup_records"`
	WallSeconds   float64 `json:"wall_s"`
	RecordsPerSec float64 `json:"rec_per_s"`
	MBPerSec      float64 `json:"mb_per_s"` // 10^6 bytes of key + value

	CPUSeconds     float64 `json:"cpu_s"` // user + system, whole process
	CPUPerMRecords float64 `json:"cpu_s_per_mrec"`

	// Nil where a client has no way to count its allocations.
	AllocsPerRecord     *float64 `json:"allocs_per_rec,omitempty"`
	AllocBytesPerRecord *float64 `json:"alloc_bytes_per_rec,omitempty"`
	MaxRSSMB            float64  `json:"max_rss_mb"`
	GCCycles            uint32   `json:"gc_cycles"`

	// Latency from the send call to the acknowledgement; 0 is not measured.
	P50Micros        float64 `json:"p50_us"`
	P95Micros        float64 `json:"p95_us"`
	P99Micros        float64 `json:"p99_us"`
	P999Micros       float64 `json:"p999_us"`
	MaxMicros        float64 `json:"max_us"`
	LatencySamples   int64   `json:"lat_samples"`
	PaceLagMaxMicros float64 `json:"pace_lag_max_us"` // how late a paced record was sent
}

// Identify sets whose figures these are.
func (r *Result) Identify(id Identity, o *Options) {
	r.Client, r.Version, r.Note, r.Scenario = id.Client, id.Version, id.Note, o.Scenario
}

// usage is what the process had used at one moment.
type usage struct {
	at  int64 // see Now
	cpu time.Duration
	rss int64 // peak so far, bytes
	mem runtime.MemStats
}

func takeUsage() usage {
	var u usage
	runtime.ReadMemStats(&u.mem)
	u.cpu, u.rss = processUsage()
	u.at = Now()
	return u
}

// newResult works out the rates of the part between before and after.
func newResult(before, after usage, acked, bytes int64) Result {
	wall := time.Duration(after.at - before.at).Seconds()
	cpu := (after.cpu - before.cpu).Seconds()
	r := Result{
		Records:     acked,
		WallSeconds: wall,
		CPUSeconds:  cpu,
		MaxRSSMB:    float64(after.rss) / 1e6,
		GCCycles:    after.mem.NumGC - before.mem.NumGC,
	}
	if wall > 0 {
		r.RecordsPerSec = float64(acked) / wall
		r.MBPerSec = float64(bytes) / 1e6 / wall
	}
	if acked > 0 {
		n := float64(acked)
		allocs := float64(after.mem.Mallocs-before.mem.Mallocs) / n
		size := float64(after.mem.TotalAlloc-before.mem.TotalAlloc) / n
		r.CPUPerMRecords = cpu / n * 1e6
		r.AllocsPerRecord, r.AllocBytesPerRecord = &allocs, &size
	}
	return r
}

func (r *Result) setLatency(h *hdr.Histogram) {
	r.LatencySamples = h.TotalCount()
	r.P50Micros = micros(h.ValueAtQuantile(50))
	r.P95Micros = micros(h.ValueAtQuantile(95))
	r.P99Micros = micros(h.ValueAtQuantile(99))
	r.P999Micros = micros(h.ValueAtQuantile(99.9))
	r.MaxMicros = micros(h.Max())
}

// micros is nanos in microseconds, to a tenth.
func micros(nanos int64) float64 { return float64(nanos/100) / 10 }
