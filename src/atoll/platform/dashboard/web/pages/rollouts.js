// Rollouts: what runs, what was rolled out, and for each one its traffic, figures and reasons.
import { html, useState } from "../vendor/preact-htm.js";
import { send, useAsk } from "../lib/api.js";
import { count, percent, seconds } from "../lib/format.js";
import { Chart } from "../lib/chart.js";
import { Act, Card, Empty, Loading, Page, Select, Service, Trouble } from "../lib/parts.js";

const OVER = ["promoted", "rolled back"];
const TONES = { promoted: "good", warm: "good", retiring: "good", "rolled back": "bad", "going back": "bad", "go on": "good", "go back": "bad" };

export default ({ words }) => (words.length === 2 ? html`<${One} service=${words[0]} which=${words[1]} />` : html`<${List} />`);

const State = ({ of, paused }) => html`<span class="state ${TONES[of] || "busy"}">${of}${paused ? ", paused" : ""}</span>`;

const List = () => {
  const found = useAsk("/api/rollouts", 1500);
  const all = [...(found.data?.rollouts || [])].sort((a, b) => b.began - a.began);
  const open = (one) => (location.hash = `#/rollouts/${one.service}/${one.number}`);
  return html`<${Page} title="Rollouts" lead="From one release to another while traffic flows; each step is judged beside the stable release.">
    <${Trouble} error=${found.error} /><${Deploy} after=${found.again} />
    ${all.length ? html`<section class="card flush"><div class="scroll"><table><thead><tr><th>began</th><th>service</th><th class="num">no</th><th>release</th><th>before</th><th>strategy</th><th>state</th><th class="num">share</th><th>why</th></tr></thead><tbody>${all.map((one) => html`<tr key=${`${one.service}-${one.number}`} data-row tabindex="0" onClick=${() => open(one)} onKeyDown=${(e) => e.key === "Enter" && open(one)}>
      <td class="soft">${new Date(one.began * 1000).toLocaleString()}</td><td><${Service} name=${one.service} /></td><td class="num">${one.number}</td><td class="mono">${one.release}</td><td class="mono soft">${one.stable}</td><td>${one.plan.strategy}</td><td><${State} of=${one.phase} paused=${one.paused} /></td><td class="num">${one.share} %</td><td class="cut">${one.reason}</td></tr>`)}</tbody></table></div></section>`
    : found.loading ? html`<${Loading} />` : !found.error && html`<${Empty}>Nothing was rolled out yet. On the command line: atoll deploy SERVICE.<//>`}<//>`;
};

const Deploy = ({ after }) => {
  const system = useAsk("/api/system", 10000);
  const names = Object.keys(system.data?.services || {});
  const [wish, setWish] = useState({ service: "", release: "", strategy: "" });
  const [error, setError] = useState(null);
  const service = wish.service || names[0] || "";
  const shelf = useAsk(service ? `/api/releases/${encodeURIComponent(service)}` : "", 5000);
  const releases = [...(shelf.data?.releases || []).map((one) => [one.id, `${one.id} ${one.version} ${one.commit}`]), ["dev", "dev (the working tree)"]];
  const release = releases.some(([id]) => id === wish.release) ? wish.release : releases[0][0];
  const go = async (event) => {
    event.preventDefault();
    setError(null);
    try {
      const begun = await send("/api/rollouts", { service, release, strategy: wish.strategy });
      after();
      location.hash = `#/rollouts/${service}/${begun.number}`;
    } catch (failure) {
      setError(failure);
    }
  };
  if (!names.length) return null;
  return html`<${Card} title="Deploy"><form class="filters" onSubmit=${go}>
    <${Select} label="service" value=${service} options=${names} onChange=${(value) => setWish({ ...wish, service: value, release: "" })} />
    <${Select} label="release" value=${release} options=${releases} onChange=${(value) => setWish({ ...wish, release: value })} />
    <${Select} label="strategy" value=${wish.strategy} options=${[["", "as declared"], "canary", "blue-green", "rolling"]} onChange=${(value) => setWish({ ...wish, strategy: value })} />
    <button class="main">roll out</button></form><${Trouble} error=${error} /><//>`;
};

const lines = (rollout, name, canary, stable) => ({
  name, times: rollout.points.map((one) => (rollout.began + one.at) * 1e9), exemplars: [],
  lines: rollout.points.length ? [{ labels: { release: rollout.release }, values: rollout.points.map(canary) }, { labels: { release: rollout.stable }, values: rollout.points.map(stable) }] : [],
});

// A share holds until the next one: two points where it changes.
const traffic = (rollout) => {
  const steps = rollout.entries.flatMap((entry, at) => [[entry.at, rollout.entries[Math.max(0, at - 1)].share], [entry.at + 0.001, entry.share]]);
  return { name: "share", exemplars: [], times: steps.map(([at]) => (rollout.began + at) * 1e9), lines: [{ labels: { release: rollout.release }, values: steps.map(([, share]) => share) }] };
};

const One = ({ service, which }) => {
  const found = useAsk(`/api/rollouts/${encodeURIComponent(service)}/${encodeURIComponent(which)}`, 1000);
  if (!found.data) return html`<${Page} title="Rollout">${found.error ? html`<${Trouble} error=${found.error} />` : html`<${Loading} />`}<//>`;
  const one = found.data, at = `/api/rollouts/${service}`, over = OVER.includes(one.phase), settled = ["settling", "warm", "retiring"].includes(one.phase);
  const tools = over ? null : settled ? html`<${Act} path=${`${at}/rollback`} sure="go back?" after=${found.again}>roll back<//>` : html`
    <${Act} path=${`${at}/promote`} kind="main" sure="all of the traffic?" after=${found.again}>promote<//>
    <${Act} path=${`${at}/${one.paused ? "resume" : "pause"}`} after=${found.again}>${one.paused ? "resume" : "pause"}<//>
    <${Act} path=${`${at}/abort`} sure="back to the stable release?" after=${found.again}>abort<//>`;
  return html`<${Page} title=${`${service}, rollout ${one.number}`} tools=${tools} lead=${html`<${State} of=${one.phase} paused=${one.paused} /> <span class="soft">${one.plan.strategy}: <b class="mono">${one.release}</b> beside <b class="mono">${one.stable}</b>, ${one.share} % of the traffic</span>`}>
    <${Trouble} error=${found.error} />
    ${one.reason && html`<p class=${one.phase === "promoted" ? "good-text" : "trouble"}>${one.reason}</p>`}
    <div class="grid2" style=${{ margin: "14px 0" }}><${Card} title="Traffic, %"><${Chart} data=${traffic(one)} height=${150} /><//>
      <${Card} title="Failed requests, %"><${Chart} data=${lines(one, "errors", (p) => p.canary.error_rate * 100, (p) => p.stable.error_rate * 100)} height=${150} /><//>
      <${Card} title="Duration, 99 of 100 are faster"><${Chart} data=${lines(one, "p99", (p) => p.canary.p99, (p) => p.stable.p99)} height=${150} unit="seconds" /><//></div>
    <section class="card flush"><div class="scroll"><table><thead><tr><th class="num">after</th><th class="num">share</th><th>phase</th><th>decision</th><th class="num">requests</th><th class="num">failed</th><th class="num">p99</th><th class="num">stable failed</th><th class="num">stable p99</th><th>why</th></tr></thead>
      <tbody>${one.entries.map((entry) => html`<${Row} entry=${entry} />`)}</tbody></table></div></section><//>`;
};

const Row = ({ entry }) => {
  const figures = (it) => html`<td class="num">${it?.requests ? percent(it.error_rate) : ""}</td><td class="num">${it?.p99 ? seconds(it.p99) : ""}</td>`;
  const checks = entry.findings.filter((one) => one.outcome !== "passed" || entry.decision === "go on");
  return html`<tr><td class="num soft">${entry.at.toFixed(1)} s</td><td class="num">${entry.share} %</td><td>${entry.phase}</td><td><${State} of=${entry.decision} /></td><td class="num">${entry.canary ? count(Math.round(entry.canary.requests)) : ""}</td>${figures(entry.canary)}${figures(entry.stable)}
    <td>${entry.text}${checks.length > 0 && html`<details><summary class="small">${checks.length} checks</summary>${checks.map((one) => html`<div class="small"><b>${one.check}</b> ${one.outcome}: ${one.text}</div>`)}</details>`}</td></tr>`;
};
