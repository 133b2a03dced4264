// Sagas with their history and what repairs them; projections with their lag.
import { html, useState } from "../vendor/preact-htm.js";
import { query as search, useAsk } from "../lib/api.js";
import { count, moment, pretty, seconds } from "../lib/format.js";
import { Act, Card, Check, Code, Empty, Fields, Loading, Page, Search, Select, Service, State, Tabs, Trouble } from "../lib/parts.js";

export default ({ words, query, refine }) => {
  if (words[0] === "projections") return html`<${Frame} tab="projections"><${Projections} /><//>`;
  if (words.length === 2) return html`<${One} service=${words[0]} id=${words[1]} />`;
  return html`<${Frame} tab="sagas"><${List} query=${query} refine=${refine} /><//>`;
};

const Frame = ({ tab, children }) => html`<${Page} title="Sagas and projections"><${Tabs} of=${[["sagas", "Sagas"], ["projections", "Projections"]]} value=${tab} href=${(key) => (key === "sagas" ? "#/sagas" : "#/sagas/projections")} />${children}<//>`;

const List = ({ query, refine }) => {
  const found = useAsk(`/api/sagas${search({ name: query.name, key: query.key, status: query.status, stuck: query.stuck })}`, 3000);
  const sagas = found.data?.sagas || [];
  return html`<div class="filters"><${Search} label="key" value=${query.key || ""} onChange=${(key) => refine({ key })} />
      <${Select} label="state" value=${query.status || ""} options=${[["", "any"], "active", "parked", "completed", "compensated"]} onChange=${(status) => refine({ status })} />
      <${Check} label="only stuck ones" value=${Boolean(query.stuck)} onChange=${(stuck) => refine({ stuck: stuck ? "1" : "" })} /></div>
    <${Trouble} error=${found.error} />
    ${sagas.length ? html`<section class="card flush"><div class="scroll"><table><thead><tr><th>began</th><th>service</th><th>saga</th><th>key</th><th>state</th><th>in the way</th></tr></thead><tbody>${sagas.map((one) => html`<tr key=${one.id} data-row tabindex="0" onClick=${() => (location.hash = `#/sagas/${one.service}/${one.id}`)} onKeyDown=${(e) => e.key === "Enter" && (location.hash = `#/sagas/${one.service}/${one.id}`)}>
      <td class="soft">${moment(one.started_at)}</td><td><${Service} name=${one.service} /></td><td><b>${one.name}</b></td><td class="mono">${one.key}</td><td><${State} state=${one.state} /></td><td class="cut">${one.step ? html`${one.step}: ${one.trouble}` : ""}</td></tr>`)}</tbody></table></div></section>`
    : found.loading ? html`<${Loading} />` : !found.error && html`<${Empty}>No saga fits.<//>`}`;
};

const One = ({ service, id }) => {
  const found = useAsk(`/api/sagas/${encodeURIComponent(service)}/${encodeURIComponent(id)}`, 2500);
  const [result, setResult] = useState("");
  if (!found.data) return html`<${Page} title="Saga">${found.error ? html`<${Trouble} error=${found.error} />` : html`<${Loading} />`}<//>`;
  const saga = found.data, over = ["completed", "compensated"].includes(saga.state), at = `/api/sagas/${service}/${id}`;
  const items = [...saga.steps.map((step) => ({ ...step, when: step.begun_at })), ...saga.events.map((event) => ({ ...event, kind: "event", name: event.subject, when: event.arrived_at }))].sort((a, b) => (a.when < b.when ? -1 : 1));
  const tone = (one) => (one.state === "failed" ? "bad" : ["done", "taken", "skipped"].includes(one.state) ? "good" : "busy");
  return html`<${Page} title=${`${saga.name} ${saga.key}`} lead=${html`<${State} state=${saga.state} /> <span class="soft">of ${service}, began ${moment(saga.started_at)}${saga.ended_at ? `, ended ${moment(saga.ended_at)}` : ""}</span>`}
      tools=${!over && html`<${Act} path=${`${at}/retry`} kind="main" after=${found.again}>retry<//> <${Act} path=${`${at}/skip`} body=${() => ({ result: result || null })} sure="go on as if it were done?" after=${found.again}>skip<//> <${Act} path=${`${at}/compensate`} sure="take back what was done?" after=${found.again}>compensate<//>`}>
    <${Trouble} error=${found.error} />
    ${saga.trouble && html`<p class="trouble">${saga.step ? `${saga.step}: ` : ""}${saga.trouble}</p>`}
    ${saga.cause && html`<p class="trouble">compensated because: ${saga.cause}</p>`}
    <div class="columns"><${Card} title="What happened"><ol class="timeline">${items.map((one) => html`<li class=${tone(one)}><div><b>${one.name}</b> <span class="soft">${one.kind}</span> <${State} state=${one.state} /> ${one.attempts > 1 ? html`<span class="soft">${one.attempts} attempts</span>` : ""}</div>
        <div class="soft small">${moment(one.when)}${one.ended_at ? ` to ${moment(one.ended_at)}` : ""}${one.due ? `, due ${moment(one.due)}` : ""}</div>
        ${one.error && html`<p class="bad-text small">${one.error}</p>`}${(one.result || one.data) && html`<details><summary class="small">result</summary><${Code} text=${pretty(one.result || one.data)} /></details>`}</li>`)}</ol><//>
      <div class="stack"><${Card} title="Message"><${Code} text=${pretty(saga.message)} /><//><${Card} title="Facts"><${Fields} of=${{ id: saga.id, due: moment(saga.due), moved: moment(saga.moved_at) }} /><//>
        ${!over && html`<${Card} title="Skipping a step that gives something back"><label class="field"><span>its result, as JSON; empty for none</span><textarea rows="3" value=${result} onInput=${(e) => setResult(e.target.value)}></textarea></label><//>`}</div></div><//>`;
};

const Projections = () => {
  const found = useAsk("/api/projections", 2500);
  const all = found.data?.projections || [];
  return html`<${Trouble} error=${found.error} />${all.length ? html`<section class="card flush"><div class="scroll"><table><thead><tr><th>service</th><th>projection</th><th>state</th><th class="num">behind</th><th class="num">lag</th><th>checkpoint</th><th></th></tr></thead><tbody>${all.map((one) => html`<tr><td><${Service} name=${one.service} /></td><td><b>${one.projection}</b>${one.trouble && html`<p class="bad-text small">${one.trouble}</p>`}</td><td><${State} state=${one.state} /></td>
    <td class="num">${count(one.behind)}</td><td class="num">${seconds(one.lag)}</td><td class="mono soft">${one.checkpoint}</td><td><${Act} path=${`/api/projections/${one.service}/${one.projection}/rebuild`} sure="rebuild beside the live one?" after=${found.again}>rebuild<//></td></tr>`)}</tbody></table></div></section>` : found.loading ? html`<${Loading} />` : !found.error && html`<${Empty}>No service has a projection.<//>`}`;
};
