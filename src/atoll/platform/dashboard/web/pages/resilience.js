// Faults on purpose, the layers in force, and how breakers and budgets are.
import { html, useState } from "../vendor/preact-htm.js";
import { send, useAsk } from "../lib/api.js";
import { count, percent, seconds } from "../lib/format.js";
import { Act, Card, Empty, Loading, Page, Select, Service, Trouble } from "../lib/parts.js";

export default ({ words }) => {
  const system = useAsk("/api/system", 10000);
  if (!system.data) return html`<${Page} title="Resilience">${system.error ? html`<${Trouble} error=${system.error} />` : html`<${Loading} />`}<//>`;
  const names = Object.keys(system.data.services);
  const edges = [...new Set([...system.data.model.routes.map((route) => route.service).filter(Boolean).map((name) => `gateway->${name}`), ...system.data.model.services.flatMap((one) => one.calls.map((to) => `${one.name}->${to}`))])].sort();
  const chosen = names.includes(words[0]) ? words[0] : "";
  return html`<${Page} title="Resilience" lead="What happens when a part is slow or away: try it, and see what holds.">
    <div class="columns"><${Faults} edges=${edges} /><${Health} /></div>
    <${Card} title="Layers in force" tools=${html`<div class="chips">${names.map((name) => html`<a href=${`#/resilience/${name}`}><${Service} name=${name} /></a>`)}</div>`}>${chosen ? html`<${Stacks} key=${chosen} service=${chosen} />` : html`<${Empty}>Choose a service to see what is around its operations, calls and events, and why.<//>`}<//><//>`;
};

const Faults = ({ edges }) => {
  const found = useAsk("/api/faults", 1500);
  const [edge, setEdge] = useState(edges[0] || ""), [delay, setDelay] = useState("0.5"), [share, setShare] = useState("0"), [lasting, setLasting] = useState("60"), [waiting, setWaiting] = useState("100");
  const [error, setError] = useState(null);
  const add = async (event) => {
    event.preventDefault();
    setError(null);
    try {
      await send("/api/faults", { edge, delay: Number(delay), share: Number(waiting) / 100, error: Number(share) / 100, seconds: Number(lasting) });
      found.again();
    } catch (failure) {
      setError(failure);
    }
  };
  const faults = found.data?.faults || [];
  return html`<${Card} title="Faults on purpose">
    <form class="filters" onSubmit=${add}><${Select} label="between" value=${edge} options=${edges} onChange=${setEdge} />
      <label class="field"><span>delay, s</span><input type="number" min="0" max="60" step="0.1" value=${delay} onInput=${(e) => setDelay(e.target.value)} /></label>
      <label class="field"><span>of calls, %</span><input type="number" min="0" max="100" step="0.1" value=${waiting} onInput=${(e) => setWaiting(e.target.value)} /></label>
      <label class="field"><span>errors, %</span><input type="number" min="0" max="100" value=${share} onInput=${(e) => setShare(e.target.value)} /></label>
      <label class="field"><span>for, s</span><input type="number" min="1" max="3600" value=${lasting} onInput=${(e) => setLasting(e.target.value)} /></label><button class="main">inject</button></form>
    <${Trouble} error=${error || found.error} />
    ${faults.length ? html`<table><tbody>${faults.map((one) => html`<tr><td><b>${one.edge}</b></td><td>${one.delay ? `${seconds(one.delay)} delay${one.share < 1 ? ` for ${percent(one.share)} of the calls` : ""}` : ""} ${one.error ? `${percent(one.error)} errors (${one.status})` : ""}</td><td class="num soft">${Math.round(one.left)} s left</td><td><${Act} path="/api/faults/clear" body=${{ edge: one.edge }} after=${found.again}>clear<//></td></tr>`)}</tbody></table>` : html`<${Empty}>None is in force.<//>`}<//>`;
};

const WATCHED = /breaker|resilience_events|connection_count|active|outbox|parked|dead|telemetry_dropped/;

// The latest value of each gauge that tells how near a limit is.
const Health = () => {
  const names = useAsk("/api/metrics", 10000);
  const wanted = (names.data?.metrics || []).filter((one) => one.kind !== "histogram" && WATCHED.test(one.name)).slice(0, 14);
  return html`<${Card} title="Breakers, budgets, queues">${wanted.length ? html`<table><tbody>${wanted.map((one) => html`<${Gauge} key=${one.name} metric=${one} />`)}</tbody></table>` : html`<${Empty}>No service has told of any yet.<//>`}<//>`;
};

const Gauge = ({ metric }) => {
  const counter = metric.kind === "counter";
  const found = useAsk(`/api/metric?name=${encodeURIComponent(metric.name)}&show=${counter ? "rate" : "value"}&by=service&since=1m&step=10s`, 5000);
  const lines = (found.data?.lines || []).map((line) => [line.labels.service, line.values.filter((value) => value !== null).at(-1)]);
  return html`<tr><td><a class="mono" href=${`#/metrics/${metric.name}`}>${metric.name}</a></td><td><span class="chips">${lines.map(([name, value]) => html`<span><${Service} name=${name} /> <span class="num">${count(value ?? null)}${counter ? " /s" : ""}</span></span>`)}</span></td></tr>`;
};

const SIDES = { server: "offers", clients: "calls", consumer: "consumes" };

const Stacks = ({ service }) => {
  const found = useAsk(`/api/services/${encodeURIComponent(service)}/stacks`);
  if (!found.data) return found.error ? html`<${Trouble} error=${found.error} />` : html`<${Loading} />`;
  return html`${Object.entries(SIDES).map(([side, title]) => {
    const groups = new Map();
    for (const [name, layers] of Object.entries(found.data[side] || {})) {
      const key = JSON.stringify(layers);
      groups.set(key, [...(groups.get(key) || []), name]);
    }
    return [...groups].map(([key, same]) => html`<h3 style=${{ margin: "14px 0 6px" }}>${title} ${same.sort().join(", ")}</h3><div class="scroll"><table><tbody>${JSON.parse(key).map((layer, at) => html`<tr><td class="num soft" style=${{ width: "30px" }}>${at + 1}</td><td><b>${layer.name}</b></td><td class="mono">${Object.entries(layer.numbers).map(([name, value]) => `${name}=${value}`).join(" ")}</td><td class="soft">${layer.why}</td></tr>`)}</tbody></table></div>`);
  })}`;
};
