// The living graph: who calls whom, who hears of what, how much and how well.
import { html, useMemo } from "../vendor/preact-htm.js";
import { useAsk } from "../lib/api.js";
import { count, duration, hue, percent } from "../lib/format.js";
import { Card, Empty, Loading, Page, Select, Service, Trouble } from "../lib/parts.js";

const WIDE = 168, HIGH = 58, ACROSS = 270, DOWN = 104;
const LONGEST = 20; // letters of a name in a box

// Columns by the longest way from those that nobody calls; a service is placed beside what calls it.
const layout = (names, edges) => {
  const depth = Object.fromEntries(names.map((name) => [name, 0]));
  const calls = edges.filter((edge) => edge.kind === "call" || edge.declared);
  for (let round = 0; round < names.length; round++)
    for (const { source, target } of calls) if (depth[target] < depth[source] + 1 && depth[source] + 1 < names.length) depth[target] = depth[source] + 1;
  const columns = [];
  for (const name of names) (columns[depth[name]] ||= []).push(name);
  const filled = columns.filter(Boolean);
  const tallest = Math.max(...filled.map((column) => column.length));
  const at = {};
  filled.forEach((column, x) => column.sort().forEach((name, y) => {
    at[name] = { x: 20 + x * ACROSS, y: 24 + (y + (tallest - column.length) / 2) * DOWN };
  }));
  const gaps = filled.map((column) => [0, ...column.map((_, y) => y + 1)].map((y) => 24 + (y + (tallest - column.length) / 2) * DOWN - (DOWN - HIGH) / 2));
  return { at, gaps, width: 40 + (filled.length - 1) * ACROSS + WIDE, height: 50 + (tallest - 1) * DOWN + HIGH };
};

// Through the gaps of the columns in between, so that no line runs behind a service.
const around = (from, to, bend, gaps) => {
  const y0 = from.y + HIGH / 2 + bend, y9 = to.y + HIGH / 2 + bend;
  const stops = [[from.x + WIDE, y0]];
  for (let column = Math.round((from.x - 20) / ACROSS) + 1; 20 + column * ACROSS < to.x; column++) {
    const near = y0 + ((y9 - y0) * (20 + column * ACROSS - from.x)) / (to.x - from.x);
    const y = gaps[column].reduce((best, gap) => (Math.abs(gap - near) < Math.abs(best - near) ? gap : best)) + bend / 2;
    stops.push([20 + column * ACROSS, y], [20 + column * ACROSS + WIDE, y]);
  }
  stops.push([to.x, y9]);
  return stops.map(([x, y], at) => {
    if (!at) return `M${x},${y}`;
    const [px, py] = stops[at - 1];
    return py === y ? `L${x},${y}` : `C${(px + x) / 2},${py} ${(px + x) / 2},${y} ${x},${y}`;
  }).join(" ");
};

const path = (from, to, bend, gaps) => {
  const forward = to.x > from.x;
  const x1 = forward ? from.x + WIDE : from.x + WIDE / 2, y1 = forward ? from.y + HIGH / 2 : from.y + HIGH;
  const x2 = forward ? to.x : to.x + WIDE / 2, y2 = forward ? to.y + HIGH / 2 : to.y + HIGH;
  if (forward) return around(from, to, bend, gaps);
  const low = Math.max(y1, y2) + 40 + Math.abs(x1 - x2) / 9;
  return `M${x1 + bend},${y1} C${x1 + bend},${low} ${x2 + bend},${low} ${x2 + bend},${y2}`;
};

const merge = (system, found) => {
  const seen = new Map(found.map((edge) => [`${edge.source}>${edge.target}>${edge.kind}`, edge]));
  const routed = new Set(system.model.routes.map((route) => route.service).filter(Boolean));
  const declared = [
    ...(system.gateway ? [...routed].map((target) => ({ source: "gateway", target, kind: "call" })) : []),
    ...system.model.services.flatMap((one) => one.calls.map((target) => ({ source: one.name, target, kind: "call" }))),
  ];
  for (const edge of declared) {
    const key = `${edge.source}>${edge.target}>${edge.kind}`;
    seen.set(key, { calls: 0, errors: 0, ...seen.get(key), ...edge, declared: true });
  }
  return [...seen.values()];
};

export default ({ query, refine }) => {
  const span = query.since || "15m";
  const system = useAsk("/api/system", 5000);
  const edges = useAsk(`/api/edges?since=${encodeURIComponent(span)}`, 3000);
  const all = useMemo(() => (system.data && edges.data ? merge(system.data, edges.data.edges) : null), [system.data, edges.data]);
  const error = system.error || edges.error;
  if (!all) return html`<${Page} title="Map">${error ? html`<${Trouble} error=${error} />` : html`<${Loading} />`}<//>`;
  const names = [...new Set([...(system.data.gateway ? ["gateway"] : []), ...Object.keys(system.data.services), ...all.flatMap((edge) => [edge.source, edge.target])])];
  const { at, gaps, width, height } = layout(names, all);
  const most = Math.max(1, ...all.map((edge) => edge.calls));
  const sick = (name) => (system.data.services[name]?.instances || []).some((one) => one.state !== "ready");
  return html`<${Page} title="Map" lead="Solid lines are calls, dashed ones are events. What fails is red; the thicker, the more."
      tools=${html`<${Select} label="in the last" value=${span} options=${[["1m", "minute"], ["15m", "15 minutes"], ["1h", "hour"], ["24h", "day"]]} onChange=${(since) => refine({ since })} />`}>
    <${Trouble} error=${error} />
    <${Card}><div class="scroll"><svg class="map" viewBox=${`0 0 ${width} ${height + 60}`} style=${{ maxWidth: `${width * 1.25}px` }} role="img" aria-label="services and what flows between them">
      <defs>${["", "event", "bad"].map((kind) => html`<marker id=${`tip${kind}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0 L8,4 L0,8 Z" class=${`flow ${kind}`} /></marker>`)}</defs>
      ${all.map((edge, index) => {
        const bad = edge.calls > 0 && edge.errors / edge.calls > 0.01;
        const shape = path(at[edge.source], at[edge.target], edge.kind === "event" ? 11 : -4, gaps);
        const kind = bad ? "bad" : edge.kind === "event" ? "event" : "";
        const text = `${edge.source} ${edge.kind === "event" ? "is heard by" : "calls"} ${edge.target}: ${count(edge.calls)} seen${edge.calls ? `, ${percent(edge.errors / edge.calls)} failed, p50 ${duration(edge.p50)}, p99 ${duration(edge.p99)}` : ""}`;
        return html`<g><title>${text}</title><path id=${`edge${index}`} class="edge ${edge.kind} ${bad ? "bad" : ""} ${edge.calls ? "" : "idle"}" d=${shape} stroke-width=${1.3 + 3.2 * Math.sqrt(edge.calls / most)} marker-end=${`url(#tip${kind})`} />
          ${edge.calls > 0 && html`<circle class="flow ${kind}" r="3.4"><animateMotion dur=${`${Math.max(0.9, 3 - 2 * Math.sqrt(edge.calls / most))}s`} repeatCount="indefinite" path=${shape} /></circle>`}</g>`;
      })}
      ${names.map((name) => html`<a href=${`#/traces?service=${encodeURIComponent(name)}`}><g transform=${`translate(${at[name].x},${at[name].y})`}>
        <rect class="box ${sick(name) ? "bad" : ""}" width=${WIDE} height=${HIGH} rx="11" /><rect class=${`hue-${hue(name)}`} fill="currentColor" x="0" y="12" width="4" height=${HIGH - 24} rx="2" />
        <title>${name}</title><text x="16" y="25">${shown(name)}</text><text class="sub" x="16" y="43">${sub(system.data, name)}</text></g></a>`)}
    </svg></div><//>
    <${Card} title="Edges">${all.some((edge) => edge.calls) ? html`<div class="scroll"><table><thead><tr><th>from</th><th>to</th><th></th><th class="num">seen</th><th class="num">failed</th><th class="num">p50</th><th class="num">p99</th></tr></thead>
      <tbody>${all.filter((edge) => edge.calls).map((edge) => html`<tr><td><${Service} name=${edge.source} /></td><td><${Service} name=${edge.target} /></td><td class="soft">${edge.kind}</td><td class="num">${count(edge.calls)}</td>
        <td class="num ${edge.errors ? "bad-text" : ""}">${percent(edge.errors / edge.calls)}</td><td class="num">${duration(edge.p50)}</td><td class="num"><a href=${`#/traces?service=${encodeURIComponent(edge.target)}&order=slowest&since=${span}`}>${duration(edge.p99)}</a></td></tr>`)}</tbody></table></div>`
      : html`<${Empty}>Nothing has flowed in this time.<//>`}<//><//>`;
};

// What fits a box: senders name themselves as they like.
const shown = (name) => (name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name);

const sub = (system, name) => {
  const service = system.services[name];
  if (!service) return name === "gateway" ? "Envoy" : "";
  const ready = service.instances.filter((one) => one.state === "ready").length;
  return `${ready} of ${service.instances.length} ready`;
};
