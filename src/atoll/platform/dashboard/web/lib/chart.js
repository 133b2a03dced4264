// A line chart (uPlot) of what /api/metric answers; a click on an exemplar opens its trace.
import { html, useEffect, useRef } from "../vendor/preact-htm.js";
import { count, seconds } from "./format.js";

const hour = (at) => new Date(at * 1000).toTimeString().slice(0, at % 60 ? 8 : 5);
const STROKES = ["--h0", "--h1", "--h2", "--h3", "--h4", "--h5", "--h6", "--h7", "--h8", "--h9"];
const MOST_LINES = 20;

export const Chart = ({ data, height = 220, unit }) => {
  const box = useRef(null);
  useEffect(() => {
    const element = box.current;
    if (!element || !data?.lines.length || !window.uPlot) return undefined;
    let plot;
    const draw = () => {
      plot?.destroy();
      const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
      const write = unit === "seconds" ? seconds : (value) => (value === null || value === undefined ? "–" : count(value));
      const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "11px sans-serif" };
      const lines = data.lines.slice(0, MOST_LINES);
      plot = new window.uPlot({
        width: Math.max(200, element.clientWidth), height, cursor: { points: { size: 7 } }, legend: { live: true },
        scales: { x: { time: true }, y: { range: (u, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] } },
        axes: [{ ...axis, values: (u, ticks) => ticks.map(hour) }, { ...axis, size: 62, values: (u, ticks) => ticks.map(write) }],
        series: [{ label: "time" }, ...lines.map((line, at) => ({ label: Object.values(line.labels).filter(Boolean).join(" · ") || data.name, stroke: colour(STROKES[at % STROKES.length]), width: 1.8, spanGaps: false, points: { show: false }, value: (u, value) => write(value) }))],
      }, [data.times.map((ns) => ns / 1e9), ...lines.map((line) => line.values)], element);
    };
    draw();
    addEventListener("resize", draw);
    addEventListener("atoll-theme", draw);
    return () => { removeEventListener("resize", draw); removeEventListener("atoll-theme", draw); plot?.destroy(); };
  }, [data, height, unit]);
  if (!data?.lines.length) return html`<p class="empty">No values in this time.</p>`;
  return html`<div ref=${box}></div>${data.lines.length > MOST_LINES && html`<p class="soft small">${data.lines.length - MOST_LINES} more lines are not drawn; narrow it.</p>`}
    ${data.exemplars.length > 0 && html`<p class="small soft">Examples: ${[...new Set(data.exemplars.map((one) => one.trace))].slice(-5).map((trace) => html` <a class="mono" href=${`#/traces/${trace}`}>${trace.slice(0, 8)}</a>`)}</p>`}`;
};
