// Subjects with those who publish and consume them, what passes, and the dead letters.
import { html, useState } from "../vendor/preact-htm.js";
import { query as search, useAsk } from "../lib/api.js";
import { count, moment, pretty, seconds } from "../lib/format.js";
import { Act, Card, Code, Empty, Fields, Loading, Page, Search, Select, Service, Tabs, Trouble } from "../lib/parts.js";

export default ({ words, query, refine }) => {
  const figures = useAsk("/api/figures", 4000);
  const dead = Object.values(figures.data || {}).reduce((sum, one) => sum + (one.dead || 0), 0);
  const tab = words[0] || "passing";
  const tabs = html`<${Tabs} of=${[["passing", "Passing"], ["subjects", "Subjects"], ["outbox", "Outbox and lag"], ["dead", "Dead letters", dead]]} value=${tab} href=${(key) => `#/events/${key}`} />`;
  const shown = tab === "dead" ? (words[2] ? html`<${Letter} service=${words[1]} id=${words[2]} />` : html`<${Letters} query=${query} refine=${refine} />`)
    : tab === "subjects" ? html`<${Subjects} />` : tab === "outbox" ? html`<${Flow} figures=${figures} />` : html`<${Passing} query=${query} refine=${refine} />`;
  return html`<${Page} title="Events">${tabs}${shown}<//>`;
};

const Passing = ({ query, refine }) => {
  const found = useAsk(`/api/events${search({ since: query.since || "15m", subjects: query.subject, key: query.key })}`, 3000);
  const subjects = useAsk("/api/events/subjects");
  const [open, setOpen] = useState(null);
  const events = found.data?.events || [];
  return html`<div class="filters"><${Select} label="subject" value=${query.subject || ""} options=${[["", "all"], ...(subjects.data?.subjects || []).map((one) => one.subject)]} onChange=${(subject) => refine({ subject })} />
      <${Search} label="key" value=${query.key || ""} placeholder="an order's id" onChange=${(key) => refine({ key })} />
      <${Select} label="in the last" value=${query.since || "15m"} options=${[["1m", "minute"], ["15m", "15 minutes"], ["1h", "hour"], ["24h", "day"]]} onChange=${(since) => refine({ since })} /></div>
    <${Trouble} error=${found.error} />
    ${found.loading && !found.data ? html`<${Loading} />` : events.length ? html`<section class="card flush"><div class="scroll"><table><thead><tr><th>time</th><th>subject</th><th>from</th><th>key</th><th class="num hide-small">version</th></tr></thead><tbody>
      ${events.map((one) => html`<tr key=${one.id + one.sequence} data-row tabindex="0" onClick=${() => setOpen(open === one.id ? null : one.id)} onKeyDown=${(e) => e.key === "Enter" && setOpen(open === one.id ? null : one.id)}>
        <td class="soft">${moment(one.time)}</td><td><b>${one.subject}</b>${one.trouble && html` <span class="state bad">unreadable</span>`}</td><td><${Service} name=${one.source.split("/").at(-1) || "unknown"} /></td><td class="mono">${one.key}</td><td class="num hide-small">${one.version}</td></tr>
        ${open === one.id && html`<tr><td colspan="5">${one.trouble && html`<${Trouble} error=${new Error(one.trouble)} />`}<p class="small soft mono">${one.id}</p><${Code} text=${pretty(one.data)} /></td></tr>`}`)}</tbody></table></div></section>`
    : !found.error && html`<${Empty}>Nothing has passed in this time.<//>`}`;
};

const Subjects = () => {
  const found = useAsk("/api/events/subjects");
  if (!found.data) return found.error ? html`<${Trouble} error=${found.error} />` : html`<${Loading} />`;
  const names = (uses) => (uses.length ? uses.map((one) => html`<${Service} name=${one.service} /> ${one.version ? html`<span class="soft small">v${one.version}</span>` : ""} `) : html`<span class="soft">nobody</span>`);
  return html`${[...found.data.findings, ...found.data.notes].map((one) => html`<p class="trouble">${one.place}: ${one.text}</p>`)}
    <section class="card flush"><table><thead><tr><th>subject</th><th>published by</th><th>consumed by</th></tr></thead><tbody>${found.data.subjects.map((one) => html`<tr><td><a href=${`#/events/passing?subject=${encodeURIComponent(one.subject)}`}><b>${one.subject}</b></a></td><td><span class="chips">${names(one.publishers)}</span></td><td><span class="chips">${names(one.consumers)}</span></td></tr>`)}</tbody></table></section>`;
};

const Flow = ({ figures }) => {
  if (!figures.data) return figures.error ? html`<${Trouble} error=${figures.error} />` : html`<${Loading} />`;
  return html`<section class="card flush"><table><thead><tr><th>service</th><th class="num">waiting in the outbox</th><th class="num">oldest waits</th><th class="num">parked</th><th class="num">dead</th></tr></thead><tbody>${Object.entries(figures.data).map(([name, one]) => html`<tr><td><${Service} name=${name} /></td>
    ${one.unknown ? html`<td colspan="4" class="bad-text">${one.unknown}</td>` : html`<td class="num">${count(one.outbox)}</td><td class="num ${one.outbox_lag > 10 ? "bad-text" : ""}">${one.outbox ? seconds(one.outbox_lag) : "–"}</td><td class="num">${one.parked}</td><td class="num">${one.dead ? html`<a class="bad-text" href="#/events/dead">${one.dead}</a>` : 0}</td>`}</tr>`)}</tbody></table></section>
    <p class="soft" style=${{ marginTop: "10px" }}>Parked messages are tried again by themselves; dead ones wait for a person.</p>`;
};

const Letters = ({ query, refine }) => {
  const wanted = { service: query.service, subject: query.subject, error: query.error };
  const found = useAsk(`/api/dead-letters${search(wanted)}`, 4000);
  const letters = found.data?.letters || [];
  const of = { service: query.service || "", subject: query.subject || "", error: query.error || "" };
  return html`<div class="filters"><${Search} label="subject" value=${query.subject || ""} onChange=${(subject) => refine({ subject })} /><${Search} width="grow" label="error holds" value=${query.error || ""} onChange=${(error) => refine({ error })} />
      ${letters.length > 0 && html`<${Act} path="/api/dead-letters/redrive" body=${of} sure=${`redrive all that fit?`} after=${found.again}>redrive all<//> <${Act} path="/api/dead-letters/drop" body=${of} sure="drop all for good?" after=${found.again}>drop all<//>`}</div>
    <${Trouble} error=${found.error} />
    ${letters.length ? html`<section class="card flush"><div class="scroll"><table><thead><tr><th>died</th><th>at</th><th>subject</th><th>key</th><th class="num">attempts</th><th>error</th><th></th></tr></thead><tbody>${letters.map((one) => html`<tr key=${one.name} data-row tabindex="0" onClick=${() => (location.hash = `#/events/dead/${one.name}`)} onKeyDown=${(e) => e.key === "Enter" && (location.hash = `#/events/dead/${one.name}`)}>
      <td class="soft">${moment(one.died_at)}</td><td><${Service} name=${one.service} /></td><td><b>${one.subject}</b></td><td class="mono cut">${one.key}</td><td class="num">${one.attempts}</td><td class="cut">${one.error}</td>
      <td><${Act} path=${`/api/dead-letters/${one.name}/redrive`} after=${found.again}>redrive<//></td></tr>`)}</tbody></table></div></section>` : !found.loading && !found.error && html`<${Empty}>No dead letters: every message was handled, or is still being tried.<//>`}`;
};

const Letter = ({ service, id }) => {
  const found = useAsk(`/api/dead-letters/${encodeURIComponent(service)}/${encodeURIComponent(id)}`);
  if (!found.data) return found.error ? html`<${Trouble} error=${found.error} />` : html`<${Loading} />`;
  const one = found.data;
  const back = () => (location.hash = "#/events/dead");
  const trace = (one.headers.traceparent || "").split("-")[1];
  return html`<div class="columns"><div class="stack">
      <${Card} title=${`${one.subject}, ${one.attempts} attempts`} tools=${html`<${Act} path=${`/api/dead-letters/${one.name}/redrive`} kind="main" after=${back}>redrive<//> <${Act} path=${`/api/dead-letters/${one.name}/drop`} sure="drop for good?" after=${back}>drop<//>`}>
        <p class="trouble">${one.error}</p>
        <h3 style=${{ margin: "12px 0 6px" }}>Stack</h3>${one.stack ? html`<${Code} text=${one.stack} />` : html`<${Empty}>none was kept<//>`}<//>
      <${Card} title="Message"><${Code} text=${pretty(one.message)} /><//></div>
    <div class="stack"><${Card} title="Facts"><${Fields} of=${{ service: one.service, consumer: one.consumer, key: one.key, message: one.message_id, died: moment(one.died_at), ...one.headers }} />
      ${trace && html`<p style=${{ marginTop: "10px" }}><a class="button" href=${`#/traces/${trace}`}>its trace</a></p>`}<//>
      <${Card} title="Parked behind it">${one.waiting.length ? html`<table><tbody>${one.waiting.map((other) => html`<tr><td>${other.subject}</td><td class="soft">${moment(other.parked_at)}</td></tr>`)}</tbody></table>` : html`<${Empty}>Nothing of its key waits.<//>`}<//></div></div>`;
};
