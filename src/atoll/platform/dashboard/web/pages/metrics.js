// Charts: the four that everyone wants first, and any other metric.
import { html } from "../vendor/preact-htm.js";
import { query as search, useAsk } from "../lib/api.js";
import { count } from "../lib/format.js";
import { Chart } from "../lib/chart.js";
import { Card, Empty, Loading, Page, Search, Select, Service, Trouble } from "../lib/parts.js";

const SERVED = "http_server_request_duration_seconds";
const unitOf = (name, show) => (show !== "rate" && /_seconds(_|$)/.test(name) ? "seconds" : "");
const stepOf = (since) => ({ "5m": "5s", "15m": "10s", "1h": "30s", "6h": "3m", "24h": "10m" })[since] || "10s";

const First = ({ title, since, service, show, name, by }) => {
  const found = useAsk(`/api/metric${search({ name, show, by, since, service, step: stepOf(since) })}`, 5000);
  return html`<${Card} title=${title}><${Trouble} error=${found.error} />${found.data ? html`<${Chart} data=${found.data} height=${190} unit=${unitOf(name, show)} />` : html`<${Loading} />`}<//>`;
};

export default ({ words, query, refine }) => {
  const since = query.since || "15m", service = query.service || "";
  const names = useAsk("/api/metrics", 10000);
  const all = names.data?.metrics || [];
  const services = [...new Set(all.flatMap((one) => one.services))].sort();
  const tools = html`<${Select} label="service" value=${service} options=${[["", "all"], ...services]} onChange=${(value) => refine({ service: value })} />
    <${Select} label="in the last" value=${since} options=${[["5m", "5 minutes"], ["15m", "15 minutes"], ["1h", "hour"], ["6h", "6 hours"], ["24h", "day"]]} onChange=${(value) => refine({ since: value })} />`;
  if (words[0]) return html`<${One} metric=${all.find((one) => one.name === words[0]) || { name: words[0], kind: "gauge", labels: [], services: [] }} query=${query} refine=${refine} tools=${tools} />`;
  const by = service ? "http_route" : "service";
  const shown = all.filter((one) => (!service || one.services.includes(service)) && one.name.includes(query.q || ""));
  return html`<${Page} title="Metrics" tools=${tools} lead="Asked of each service's /metrics every five seconds.">
    <${Trouble} error=${names.error} />
    <div class="grid2">
      <${First} title=${`Requests a second, by ${service ? "route" : "service"}`} since=${since} service=${service} name=${`${SERVED}_count`} show="rate" by=${by} />
      <${First} title="Duration, 99 of 100 are faster" since=${since} service=${service} name=${SERVED} show="p99" by=${by} />
      <${First} title="Duration, half are faster" since=${since} service=${service} name=${SERVED} show="p50" by=${by} />
      <${First} title="Replies by status, a second" since=${since} service=${service} name=${`${SERVED}_count`} show="rate" by="http_response_status_code" />
    </div>
    <${Card} title="All metrics" tools=${html`<${Search} label="name" value=${query.q || ""} onChange=${(q) => refine({ q })} />`}>
      ${shown.length ? html`<div class="scroll"><table><thead><tr><th>name</th><th>kind</th><th class="hide-small">services</th><th class="num">series</th></tr></thead><tbody>${shown.map((one) => html`<tr key=${one.name} data-row tabindex="0" onClick=${() => (location.hash = `#/metrics/${one.name}`)} onKeyDown=${(e) => e.key === "Enter" && (location.hash = `#/metrics/${one.name}`)}>
        <td><a class="mono" href=${`#/metrics/${one.name}`}>${one.name}</a></td><td class="soft">${one.kind}</td><td class="hide-small"><span class="chips">${one.services.map((name) => html`<${Service} name=${name} />`)}</span></td><td class="num">${count(one.series)}</td></tr>`)}</tbody></table></div>` : html`<${Empty}>None yet: the first ones come within five seconds of a service's start.<//>`}<//><//>`;
};

const One = ({ metric, query, refine, tools }) => {
  const show = query.show || { histogram: "p99", counter: "rate", gauge: "value" }[metric.kind];
  const by = query.by ?? (metric.labels.includes("http_route") ? "http_route" : "service");
  const since = query.since || "15m";
  const found = useAsk(`/api/metric${search({ name: metric.kind === "histogram" && show === "rate" ? `${metric.name}_count` : metric.name, show, by, since, service: query.service, where: query.where, step: stepOf(since) })}`, 5000);
  const shows = metric.kind === "histogram" ? ["p50", "p90", "p95", "p99", "rate"] : metric.kind === "counter" ? ["rate", "value"] : ["value", "rate"];
  return html`<${Page} title=${metric.name} tools=${tools} lead=${html`<a href="#/metrics">all metrics</a>`}>
    <div class="filters"><${Select} label="show" value=${show} options=${shows} onChange=${(value) => refine({ show: value })} />
      <${Select} label="a line for each" value=${by} options=${["service", ...metric.labels]} onChange=${(value) => refine({ by: value })} />
      <${Search} label="only where" value=${query.where || ""} placeholder="http_route=/orders" onChange=${(where) => refine({ where })} /></div>
    <${Trouble} error=${found.error} /><${Card}>${found.data ? html`<${Chart} data=${found.data} height=${360} unit=${unitOf(metric.name, show)} />` : html`<${Loading} />`}<//><//>`;
};
