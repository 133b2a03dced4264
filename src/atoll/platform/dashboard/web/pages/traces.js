// Finding traces; one of them is shown by trace.js.
import { html, useEffect, useRef } from "../vendor/preact-htm.js";
import { query as search, useAsk } from "../lib/api.js";
import { ago, count, duration } from "../lib/format.js";
import { Bar, Card, Check, Empty, Loading, Page, Search, Select, Service, Trouble } from "../lib/parts.js";
import { Compare } from "./compare.js";
import { Trace } from "./trace.js";

export default ({ words, query, refine }) => {
  if (words[1] === "compare" && words[2]) return html`<${Compare} one=${words[0]} other=${words[2]} />`;
  if (words[0]) return html`<${Trace} id=${words[0]} query=${query} refine=${refine} />`;
  return html`<${List} query=${query} refine=${refine} />`;
};

const List = ({ query, refine }) => {
  const wanted = { service: query.service, q: query.q, attribute: query.attribute, errors: query.errors, at_least: query.at_least, since: query.since || "1h", before: query.before, order: query.order, limit: 100 };
  const found = useAsk(`/api/traces${search(wanted)}`, query.before ? 0 : 2500);
  const senders = useAsk("/api/senders?since=24h", 10000);
  const traces = found.data?.traces || [];
  const most = Math.max(1, ...traces.map((one) => one.duration));
  const open = (trace) => (location.hash = query.compare ? `#/traces/${query.compare}/compare/${trace}` : `#/traces/${trace}`);
  return html`<${Page} title="Traces" lead=${query.compare ? html`Choose the one to compare with <a class="mono" href=${`#/traces/${query.compare}`}>${query.compare.slice(0, 12)}…</a>` : ""}>
    <div class="filters">
      <${Search} width="grow" label="name or trace id" value=${query.q || ""} placeholder="POST /orders" onChange=${(q) => refine({ q, before: "" })} />
      <${Select} label="service" value=${query.service || ""} options=${[["", "any"], ...(senders.data?.services || []).map((one) => one.service)]} onChange=${(service) => refine({ service, before: "" })} />
      <${Search} label="attribute" value=${query.attribute || ""} placeholder="http.route=/orders" onChange=${(attribute) => refine({ attribute: attribute.includes("=") ? attribute : "", before: "" })} />
      <${Select} label="at least" value=${query.at_least || ""} options=${[["", "any time"], "10ms", "50ms", "100ms", "500ms", "1s", "5s"]} onChange=${(at_least) => refine({ at_least, before: "" })} />
      <${Select} label="in the last" value=${query.since || "1h"} options=${[["5m", "5 minutes"], ["15m", "15 minutes"], ["1h", "hour"], ["24h", "day"], ["30d", "month"]]} onChange=${(since) => refine({ since, before: "" })} />
      <${Select} label="order" value=${query.order || ""} options=${[["", "latest"], ["slowest", "slowest"]]} onChange=${(order) => refine({ order, before: "" })} />
      <${Check} label="failed" value=${Boolean(query.errors)} onChange=${(errors) => refine({ errors: errors ? "1" : "", before: "" })} />
    </div>
    <${Trouble} error=${found.error} />
    ${traces.length > 1 && html`<${Card}><${Scatter} traces=${traces} open=${open} /><//>`}
    ${found.loading && !found.data ? html`<${Loading} />` : traces.length ? html`<section class="card flush"><div class="scroll"><table>
      <thead><tr><th>began</th><th class="hide-small">root</th><th>name</th><th class="hide-small">services</th><th class="num hide-small">spans</th><th class="num">took</th><th class="hide-small" style=${{ width: "18%" }}></th></tr></thead>
      <tbody>${traces.map((one) => html`<tr key=${one.trace} data-row tabindex="0" onClick=${() => open(one.trace)} onKeyDown=${(e) => e.key === "Enter" && open(one.trace)}>
        <td class="soft num" style=${{ textAlign: "left" }}>${ago(one.start)}</td><td class="hide-small"><${Service} name=${one.service} /></td>
        <td><a href=${`#/traces/${one.trace}`} onClick=${(e) => query.compare && e.preventDefault()} class="cut">${one.name}</a> ${one.errors > 0 && html`<span class="state bad">${one.errors} failed</span>`} ${!one.rooted && html`<span class="state busy" title="its first span was not sent, or not yet">no root</span>`}</td>
        <td class="hide-small"><span class="chips">${one.services.map((part) => html`<small class="service ${part.errors ? "bad-text" : ""}"><${Service} name=${part.service} /></small>`)}</span></td>
        <td class="num hide-small">${count(one.spans)}</td><td class="num">${duration(one.duration)}</td><td class="hide-small"><${Bar} share=${one.duration / most} tone=${one.errors ? "bad-text" : ""} /></td></tr>`)}</tbody></table></div></section>
      ${traces.length === 100 && !query.order && html`<p class="empty"><button type="button" onClick=${() => refine({ before: String(traces.at(-1).start) })}>older ones</button>${query.before && html` <button type="button" onClick=${() => refine({ before: "" })}>the latest</button>`}</p>`}`
    : !found.error && html`<${Empty}>No trace fits. ${query.q || query.service || query.errors || query.at_least || query.attribute ? "Ask for less, or for a longer time." : html`Send a request to the gateway, or try one under <a href="#/api">API</a>.`}<//>`}
  <//>`;
};

// A point a trace, when it began against how long it took (logarithmic): what is slow stands out.
const Scatter = ({ traces, open }) => {
  const canvas = useRef(null);
  const points = useRef([]);
  useEffect(() => {
    const draw = () => {
      const element = canvas.current;
      if (!element) return;
      const scale = devicePixelRatio || 1, width = element.clientWidth, height = element.clientHeight;
      element.width = width * scale;
      element.height = height * scale;
      const pen = element.getContext("2d");
      pen.scale(scale, scale);
      const style = getComputedStyle(document.documentElement);
      const colour = (name) => style.getPropertyValue(name);
      const starts = traces.map((one) => one.start), first = Math.min(...starts), last = Math.max(...starts, first + 1);
      const low = Math.log(Math.max(1e5, Math.min(...traces.map((one) => one.duration)))) - 0.2, high = Math.log(Math.max(2e5, ...traces.map((one) => one.duration))) + 0.2;
      const y = (ns) => height - 18 - ((Math.log(Math.max(1e5, ns)) - low) / (high - low)) * (height - 28);
      pen.font = "11px sans-serif";
      for (let step = 1e5; step < 1e12; step *= 10) if (Math.log(step) > low && Math.log(step) < high) {
        pen.strokeStyle = colour("--line");
        pen.beginPath();
        pen.moveTo(0, y(step));
        pen.lineTo(width, y(step));
        pen.stroke();
        pen.fillStyle = colour("--soft");
        pen.fillText(duration(step), 2, y(step) - 3);
      }
      points.current = traces.map((one) => ({ x: 58 + ((one.start - first) / (last - first)) * (width - 72), y: y(one.duration), one }));
      for (const { x, y: top, one } of points.current) {
        pen.fillStyle = colour(one.errors ? "--bad" : "--accent");
        pen.globalAlpha = 0.72;
        pen.beginPath();
        pen.arc(x, top, one.errors ? 4.5 : 3.6, 0, 7);
        pen.fill();
      }
    };
    draw();
    addEventListener("resize", draw);
    addEventListener("atoll-theme", draw);
    return () => { removeEventListener("resize", draw); removeEventListener("atoll-theme", draw); };
  }, [traces]);
  const click = (event) => {
    const box = event.target.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const near = points.current.map((point) => [Math.hypot(point.x - x, point.y - y), point.one]).sort((a, b) => a[0] - b[0])[0];
    if (near && near[0] < 24) open(near[1].trace);
  };
  return html`<canvas class="scatter" ref=${canvas} onClick=${click} role="img" aria-label="each trace as a point: when it began, how long it took"></canvas>`;
};
