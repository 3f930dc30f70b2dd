package plot

// colours is how many series can be told apart; further ones begin anew.
const colours = 8

// The colours differ in lightness as well as in hue, so that they can be told
// apart by readers who do not see red or green, and in grey print.
const style = `
svg { --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --grid: #d8dee4;
  --c0: #0b62a8; --c1: #d1570a; --c2: #1a8a66; --c3: #b0528f; --c4: #8a6d00;
  --c5: #3a9bd8; --c6: #6e7781; --c7: #8250df;
  font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0f1419; --ink: #e6edf3; --soft: #9aa6b2; --grid: #2b333c;
    --c0: #58a6ff; --c1: #ff9e57; --c2: #4cc38a; --c3: #ef8fcb; --c4: #e0b93e;
    --c5: #8fd3ff; --c6: #a7b1bb; --c7: #bc9cff; } }
.paper { fill: var(--paper); }
text { fill: var(--ink); }
.title { font-size: 20px; font-weight: 600; }
.subtitle { font-size: 13px; fill: var(--soft); }
.panel { font-size: 14px; font-weight: 600; }
.label { font-size: 13px; }
.over { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.value, .tick { font-size: 12px; font-variant-numeric: tabular-nums; }
.tick, .axis, .note { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--grid); stroke-width: 1; }
.base { stroke: var(--soft); stroke-width: 1; }
.limit { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 2 4; }
.whisker { stroke: var(--ink); stroke-width: 1.2; }
.curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.front { fill: none; stroke-width: 1.5; stroke-dasharray: 5 4; }
.band { opacity: .16; stroke: none; }
.dot { stroke: var(--paper); stroke-width: 1; }
.faint { opacity: .38; }
.star { stroke: var(--ink); stroke-width: 1.6; }
.fill0 { fill: var(--c0); } .stroke0 { stroke: var(--c0); }
.fill1 { fill: var(--c1); } .stroke1 { stroke: var(--c1); }
.fill2 { fill: var(--c2); } .stroke2 { stroke: var(--c2); }
.fill3 { fill: var(--c3); } .stroke3 { stroke: var(--c3); }
.fill4 { fill: var(--c4); } .stroke4 { stroke: var(--c4); }
.fill5 { fill: var(--c5); } .stroke5 { stroke: var(--c5); }
.fill6 { fill: var(--c6); } .stroke6 { stroke: var(--c6); }
.fill7 { fill: var(--c7); } .stroke7 { stroke: var(--c7); }
`

const pageStyle = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 960px; padding: 12px; background: #ffffff; color: #1b1f24;
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
body > svg { display: block; width: 100%; height: auto; }
table { border-collapse: collapse; margin: 20px 28px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 6px 0; }
th, td { padding: 4px 14px 4px 0; text-align: right; border-bottom: 1px solid #d8dee4; }
th:first-child { text-align: left; font-weight: 400; }
@media (prefers-color-scheme: dark) {
  body { background: #0f1419; color: #e6edf3; }
  th, td { border-color: #2b333c; } }
`
