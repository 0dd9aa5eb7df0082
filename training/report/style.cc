#include "training/report/style.h"

namespace preferd::training {

const char* const kStyle = R"css(
:root {
  --paper: #f6f6f3; --card: #ffffff; --ink: #1d1f22; --soft: #63676e; --line: #e2e2dd; --grid: #ecece8;
  --blue: #2563c9; --orange: #c2620b; --green: #1f8a57; --red: #c0392b; --grey: #9aa0a8; --wash: 18%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1c1f25; --ink: #e7e8ea; --soft: #9ca2ab; --line: #2d323a; --grid: #282c33;
    --blue: #7aa8f5; --orange: #eba053; --green: #5cc795; --red: #ee8074; --grey: #737a84; --wash: 26%;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Noto Sans", "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums;
}
main { max-width: 1120px; margin: 0 auto; padding: 36px 20px 64px; }
h1 { font-size: 27px; line-height: 1.2; letter-spacing: -0.015em; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 18px; letter-spacing: -0.01em; margin: 44px 0 4px; }
.subtitle, .note { color: var(--soft); margin: 4px 0 0; max-width: 72ch; }
.note { margin-bottom: 14px; }
h2 + .cards, h2 + .card, h2 + details, h2 + .scroll { margin-top: 14px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(148px, 1fr)); gap: 12px; margin-top: 24px; }
.tile, .card, details, .error { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tile { padding: 12px 14px; }
.tile .name { color: var(--soft); font-size: 13px; }
.tile .value { font-size: 25px; font-weight: 600; letter-spacing: -0.02em; line-height: 1.3; }
.tile .below { color: var(--soft); font-size: 12.5px; min-height: 1.5em; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); gap: 14px; align-items: start; }
.cards.wide { grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); }
.more { margin-top: 12px; }
.card { margin: 0; padding: 14px 16px; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: 8px; }
.card p { color: var(--soft); margin: 8px 0 0; font-size: 13.5px; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 28px; margin: 16px 0 0; }
.facts dt { color: var(--soft); font-size: 12.5px; }
.facts dd { margin: 0; overflow-wrap: anywhere; unicode-bidi: isolate; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 11.5px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; fill: var(--soft); }
.axis { stroke: var(--grey); stroke-width: 1; } .gridline { stroke: var(--grid); stroke-width: 1; }
.diagonal { stroke: var(--grey); stroke-dasharray: 4 4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.faint { stroke-width: 1; opacity: 0.35; }
.blue { color: var(--blue); } .orange { color: var(--orange); } .green { color: var(--green); }
.red { color: var(--red); } .grey { color: var(--grey); }
.line.blue, .line.orange, .line.green, .line.red, .line.grey, .whisker { stroke: currentColor; }
.dot, .bar { fill: currentColor; } .dot { stroke: var(--card); stroke-width: 1.5; } .bar:hover, .dot:hover { opacity: 0.75; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; color: var(--soft); font-size: 12.5px; margin-bottom: 4px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; background: currentColor; margin-right: 6px; }
.legend span span { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { color: var(--soft); font-weight: 500; text-align: right; padding: 4px 8px; white-space: nowrap; }
td { text-align: right; padding: 5px 8px; border-top: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
td.label { max-width: 190px; overflow: hidden; text-overflow: ellipsis; unicode-bidi: isolate; }
td.track { width: 40%; min-width: 96px; } td.track svg { height: 18px; }
td small { color: var(--soft); }
.shade { background: color-mix(in srgb, var(--blue) calc(var(--share) * 55%), transparent); text-align: center; border: 2px solid var(--card); border-radius: 6px; padding: 10px 6px; }
.confusion th:first-child { text-align: left; } .confusion th { text-align: center; }
details { padding: 10px 16px; } summary { cursor: pointer; font-weight: 600; }
details + details { margin-top: 10px; }
pre { overflow-x: auto; font: 12.5px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; margin: 10px 0 2px; white-space: pre-wrap; overflow-wrap: anywhere; }
.error { padding: 12px 16px; margin-top: 12px; break-inside: avoid; }
.error h3 { font-size: 14px; margin: 0 0 6px; display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; }
.error h3 small { color: var(--soft); font-weight: 400; overflow-wrap: anywhere; unicode-bidi: isolate; }
.error .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: 6px 20px; }
.quote { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; font-size: 13.5px; margin: 0; max-height: 15em; overflow: auto; }
.who { color: var(--soft); font-size: 12.5px; margin: 6px 0 0; }
.badge { border-radius: 5px; padding: 0 6px; font-size: 12px; background: color-mix(in srgb, currentColor var(--wash), transparent); }
ul.plain { margin: 0; padding-left: 18px; overflow-wrap: anywhere; font-size: 13.5px; }
@media (max-width: 480px) {
  svg text { font-size: 13.5px; }
  main { padding: 22px 12px 44px; } .card { padding: 12px; } .tiles { grid-template-columns: 1fr 1fr; gap: 8px; }
  td, th { padding-left: 4px; padding-right: 4px; } td.label { max-width: 104px; } td.track { min-width: 72px; } .narrow-hide { display: none; }
}
@media print {
  :root { --paper: #fff; --line: #ccc; } body { font-size: 11pt; } main { max-width: none; padding: 0; }
  .card, .tile, section h2 { break-inside: avoid; } h2 { break-after: avoid; } .quote { max-height: none; }
  .shade, .bar, .badge { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";

}  // namespace preferd::training
