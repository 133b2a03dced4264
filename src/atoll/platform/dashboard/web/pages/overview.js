// Every service and part, how it is, and what needs a person.
import { html } from "../vendor/preact-htm.js";
import { query as search, useAsk } from "../lib/api.js";
import { bytes, count, duration, hue, percent, rate, seconds } from "../lib/format.js";
import { Act, Card, Empty, Loading, Page, Service, State, Trouble } from "../lib/parts.js";

const SLOW = 1; // seconds of p99 above which it is worth a look

// Requests, or handled events, a second of the last quarter of an hour, for each service.
const everySecond = (name) => `/api/metric${search({ name: `${name}_duration_seconds_count`, show: "rate", by: "service", since: "15m", step: "15s" })}`;
const REQUESTS = everySecond("http_server_request"), EVENTS = everySecond("messaging_process");
const useHistory = (path) => {
  const found = useAsk(path, 5000);
  return Object.fromEntries((found.data?.lines || []).map((line) => [line.labels.service, line.values.map((value) => value || 0)]));
};

const byService = (operations) => {
  const found = {};
  for (const one of operations || []) {
    const sum = (found[one.service] ||= { rate: 0, failed: 0, p50: 0, p99: 0, weight: 0 });
    sum.rate += one.rate;
    sum.failed += one.errors * one.rate;
    sum.p50 += (one.p50 || 0) * one.rate;
    sum.weight += one.rate;
    sum.p99 = Math.max(sum.p99, one.p99 || 0);
  }
  for (const sum of Object.values(found)) {
    sum.errors = sum.rate ? sum.failed / sum.rate : 0;
    sum.p50 = sum.weight ? sum.p50 / sum.weight : null;
  }
  return found;
};

const Spark = ({ values }) => {
  if (!values || values.length < 2) return html`<svg class="spark" viewBox="0 0 100 30" aria-hidden="true"></svg>`;
  const most = Math.max(...values, 1e-9);
  const points = values.map((value, at) => `${((at / (values.length - 1)) * 100).toFixed(1)},${(28 - (value / most) * 25).toFixed(1)}`);
  return html`<svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
    <path class="area" d=${`M0,30 L${points.join(" L")} L100,30 Z`} /><path class="line" d=${`M${points.join(" L")}`} /></svg>`;
};

const Figure = ({ text, value, bad }) => html`<div class="figure ${bad ? "bad" : ""}"><b>${value}</b><span>${text}</span></div>`;

// A service that nobody calls may still handle events; then its figures are of those.
const One = ({ name, service, usage, requests, events, figures, model, again }) => {
  const { red, history, what } = requests.red || !events.red ? { ...requests, what: "rate" } : { ...events, what: "events" };
  const memory = service.instances.reduce((sum, one) => sum + (usage[one.pid]?.memory || 0), 0);
  const restarts = service.instances.reduce((sum, one) => sum + one.restarts, 0);
  return html`<${Card} title=${html`<${Service} name=${name} href=${`#/traces?service=${encodeURIComponent(name)}`} />`}
      tools=${html`<${Act} path=${`/api/services/${name}/restart`} kind="quiet" sure="restart?" label=${`restart ${name}`} after=${again}>restart<//>`}>
    <div class="hue-${hue(name)}"><${Spark} values=${history} /></div>
    <div class="figures">
      <${Figure} text=${what} value=${red ? rate(red.rate) : "–"} />
      <${Figure} text="errors" value=${red ? percent(red.errors) : "–"} bad=${red && red.errors > 0.01} />
      <${Figure} text="memory" value=${bytes(memory)} />
      <${Figure} text="p50" value=${red ? seconds(red.p50) : "–"} />
      <${Figure} text="p99" value=${red ? seconds(red.p99) : "–"} bad=${red && red.p99 > SLOW} />
      <${Figure} text=${restarts === 1 ? "restart" : "restarts"} value=${restarts} bad=${restarts > 0} />
    </div>
    <div class="instances">
      ${service.instances.map((one) => html`<div><span><${State} state=${one.state} /> <a href=${`#/logs?instance=${one.instance}`}>${one.instance}</a> <span class="soft small">${one.release || service.release}${Object.keys(service.shares || {}).length > 1 ? ` ${service.shares[one.release] ?? 0} %` : ""}</span></span>
        <span class="soft num small">${usage[one.pid] ? ` ${duration((Date.now() / 1000 - usage[one.pid].since) * 1e9)}` : ""}</span></div>`)}
      <div class="scale"><span class="soft">${service.instances.length === 1 ? "one instance" : `${service.instances.length} instances`}${
        figures && !figures.unknown ? `, ${figures.outbox} in the outbox` : ""}${model?.calls?.length ? `, calls ${model.calls.join(", ")}` : ""}</span>
        <span><${Act} path=${`/api/services/${name}/scale`} body=${{ instances: Math.max(1, service.instances.length - 1) }} kind="quiet" label=${`one instance of ${name} less`} after=${again}>−<//><${Act}
          path=${`/api/services/${name}/scale`} body=${{ instances: service.instances.length + 1 }} kind="quiet" label=${`one instance of ${name} more`} after=${again}>+<//></span></div>
    </div><//>`;
};

const slowest = (root) => `#/traces${search({ q: root.name, service: root.service, order: "slowest", since: "15m" })}`;
const oneIn = (root) => (root.slow * 2 > root.traces ? "every other" : `1 in ${Math.round(root.traces / root.slow)}`);

// What comes in from outside first, then what services begin by themselves.
const Requests = ({ roots, gateway }) => {
  const all = [...(roots?.roots || [])].sort((a, b) => (b.service === "gateway") - (a.service === "gateway") || b.traces - a.traces);
  if (!all.length) return html`<${Empty}>${gateway ? html`No traces yet. Send a request to the gateway, or try one under <a href="#/api">API</a>.` : "No traces yet."}<//>`;
  return html`<div class="scroll"><table><thead><tr><th class="hide-small">at</th><th>what</th><th class="num">seen</th><th class="num">failed</th><th class="num">p50</th><th class="num">p99</th><th class="num">slowest</th></tr></thead>
    <tbody>${all.slice(0, 10).map((one) => html`<tr key=${one.service + one.name}><td class="hide-small cut origin" title=${one.service}><${Service} name=${one.service} /></td><td><a href=${`#/traces${search({ q: one.name, service: one.service, since: "15m" })}`}>${one.name}</a> ${one.slow > 0 && html`<span class="state bad">${oneIn(one)} slow</span>`}</td><td class="num">${count(one.traces)}</td>
      <td class="num">${one.errors ? html`<a class="bad-text" href=${`#/traces${search({ q: one.name, service: one.service, errors: "1", since: "15m" })}`}>${percent(one.errors / one.traces)}</a>` : "0 %"}</td><td class="num">${duration(one.p50)}</td>
      <td class="num"><a class=${one.slow ? "bad-text" : ""} href=${slowest(one)}>${duration(one.p99)}</a></td><td class="num"><a class=${one.slow ? "bad-text" : ""} href=${slowest(one)}>${duration(one.slowest)}</a></td></tr>`)}</tbody></table></div>`;
};

// What is wrong, each with the page that tells why.
const attention = (system, rates, figures, faults, roots) => {
  const found = [];
  const say = (href, text, note) => found.push({ href, text, note });
  for (const fault of faults?.faults || []) say("#/resilience", `a fault is in force: ${fault.edge}${fault.delay ? `, ${seconds(fault.delay)} delay${fault.share < 1 ? ` for ${percent(fault.share)} of the calls` : ""}` : ""}${fault.error ? `, ${percent(fault.error)} errors` : ""}, ${Math.round(fault.left)} s left`, true);
  for (const [name, service] of Object.entries(system.services)) for (const one of service.instances) if (one.state !== "ready") say(`#/logs?instance=${one.instance}`, `${one.instance} of ${name} is ${one.state}`);
  for (const [name, part] of Object.entries(system.parts)) if (!["ready", "given"].includes(part.state)) say(`#/logs?service=${name === "envoy" ? "gateway" : name}`, `${name} is ${part.state}`);
  for (const one of rates?.operations || []) {
    if (one.errors > 0.01) say(`#/traces?service=${one.service}&errors=1`, `${percent(one.errors)} of ${one.operation} at ${one.service} fail`);
    if (one.p99 > SLOW) say(`#/traces?service=${one.service}&order=slowest&since=15m`, `${one.operation} at ${one.service} takes up to ${seconds(one.p99)} (half of them ${seconds(one.p50)})`);
  }
  for (const one of roots?.roots || []) if (one.slow > 1 || (one.slow && one.traces < 200)) say(slowest(one), `${oneIn(one)} ${one.name} is slow: ${duration(one.slowest)}, where half take ${duration(one.p50)}`, one.slow < 2);
  for (const [name, one] of Object.entries(figures || {})) {
    if (one.unknown) say("#/data", `the database of ${name} does not answer: ${one.unknown}`);
    else {
      if (one.dead) say("#/events/dead", `${one.dead} dead letters wait at ${name}`);
      if (one.sagas_stuck) say("#/sagas?stuck=1", `${one.sagas_stuck} sagas of ${name} are stuck`);
      if (one.outbox_lag > 10) say("#/events", `events of ${name} wait ${seconds(one.outbox_lag)} in the outbox`);
      if (one.parked) say("#/events", `${one.parked} messages are parked at ${name}; they are tried again`, true);
      for (const projection of one.projections) if (projection.state !== "live") say("#/sagas/projections", `the projection ${projection.projection} of ${name} is ${projection.state} (${count(projection.behind)} behind)`, true);
    }
  }
  return found;
};

export default () => {
  const system = useAsk("/api/system", 2000);
  const rates = useAsk("/api/rates", 3000);
  const figures = useAsk("/api/figures", 4000);
  const faults = useAsk("/api/faults", 4000);
  const slow = useAsk("/api/traces?since=15m&order=slowest&limit=6", 5000);
  const roots = useAsk("/api/roots?since=15m", 3000);
  const asked = useHistory(REQUESTS), handled = useHistory(EVENTS);
  if (!system.data) return html`<${Page} title="Overview">${system.error ? html`<${Trouble} error=${system.error} />` : html`<${Loading} />`}<//>`;
  const answered = byService(rates.data?.operations), consumed = byService(rates.data?.events);
  const todo = attention(system.data, rates.data, figures.data, faults.data, roots.data);
  const parts = Object.entries(system.data.parts);
  return html`<${Page} title="Overview" lead=${system.data.gateway ? html`The gateway is at <a class="mono" href=${system.data.gateway} rel="noreferrer">${system.data.gateway}</a>` : ""}>
    <${Trouble} error=${system.error} />
    ${todo.length > 0 && html`<ul class="attention" aria-label="What needs a look">${todo.slice(0, 8).map((one) => html`<li><a class=${one.note ? "note" : ""} href=${one.href}>${one.text}</a></li>`)}</ul>`}
    <div class="cards services">${Object.entries(system.data.services).map(([name, service]) => html`<${One} key=${name} name=${name} service=${service} usage=${system.data.usage}
      requests=${{ red: answered[name], history: asked[name] }} events=${{ red: consumed[name], history: handled[name] }} figures=${figures.data?.[name]} model=${system.data.model.services.find((one) => one.name === name)} again=${system.again} />`)}</div>
    <div class="columns overview">
      <div class="stack"><${Card} title="What came in, in the last 15 minutes" tools=${html`<a href="#/traces?since=15m">all traces</a>`}><${Trouble} error=${roots.error} /><${Requests} roots=${roots.data} gateway=${system.data.gateway} /><//>
      <${Card} title="Slowest of the last 15 minutes" tools=${html`<a href="#/traces?order=slowest&since=15m">all</a>`}>
        ${slow.data?.traces.length ? html`<div class="scroll"><table><tbody>${slow.data.traces.map((one) => html`<tr data-row tabindex="0" onClick=${() => (location.hash = `#/traces/${one.trace}`)} onKeyDown=${(e) => e.key === "Enter" && (location.hash = `#/traces/${one.trace}`)}>
          <td class="hide-small"><${Service} name=${one.service} /></td><td class="cut">${one.name}</td><td>${one.errors > 0 && html`<span class="state bad">${one.errors} failed</span>`}</td><td class="num">${duration(one.duration)}</td></tr>`)}</tbody></table></div>`
        : html`<${Empty}>No traces yet. Send a request to the gateway, or try one under <a href="#/api">API</a>.<//>`}
      <//></div>
      <${Card} title="Parts">
        <table><tbody>${parts.map(([name, part]) => html`<tr><td><a href=${`#/logs?service=${name === "envoy" ? "gateway" : name}`}>${name === "envoy" ? "gateway" : name}</a></td><td><${State} state=${part.state} /></td>
          <td class="num soft">${bytes(system.data.usage[part.pid]?.memory)}</td><td class="num">${part.restarts ? html`<span class="bad-text">${part.restarts} restarts</span>` : ""}</td></tr>`)}</tbody></table>
      <//>
    </div><//>`;
};
