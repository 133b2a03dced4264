// Two traces side by side: what one did and the other did not, and where the time went.
import { html } from "../vendor/preact-htm.js";
import { useAsk } from "../lib/api.js";
import { duration } from "../lib/format.js";
import { Bar, Card, Loading, Page, Service, Trouble } from "../lib/parts.js";

const sums = (trace) => {
  const found = new Map();
  for (const span of trace.spans) {
    const key = `${span.service}\n${span.name}`;
    const sum = found.get(key) || { count: 0, took: 0, failed: 0 };
    sum.count++;
    sum.took += own(span, trace.spans);
    sum.failed += span.status === 2;
    found.set(key, sum);
  }
  return found;
};

// The time of a span that no child of it accounts for.
const own = (span, spans) => {
  const children = spans.filter((one) => one.parent === span.span).map((one) => [Math.max(one.start, span.start), Math.min(one.start + one.duration, span.start + span.duration)]).filter(([from, to]) => to > from).sort((a, b) => a[0] - b[0]);
  let covered = 0, reached = span.start;
  for (const [from, to] of children) {
    if (to > reached) {
      covered += to - Math.max(from, reached);
      reached = to;
    }
  }
  return span.duration - covered;
};

export const Compare = ({ one, other }) => {
  const left = useAsk(`/api/traces/${encodeURIComponent(one)}`), right = useAsk(`/api/traces/${encodeURIComponent(other)}`);
  const error = left.error || right.error;
  if (!left.data || !right.data) return html`<${Page} title="Compare">${error ? html`<${Trouble} error=${error} />` : html`<${Loading} />`}<//>`;
  const a = sums(left.data), b = sums(right.data);
  const rows = [...new Set([...a.keys(), ...b.keys()])].map((key) => ({ key, a: a.get(key), b: b.get(key), by: (b.get(key)?.took || 0) - (a.get(key)?.took || 0) })).sort((x, y) => Math.abs(y.by) - Math.abs(x.by));
  const most = Math.max(1, ...rows.map((row) => Math.abs(row.by)));
  const cell = (sum) => (sum ? html`${duration(sum.took)}${sum.count > 1 ? html` <span class="soft">×${sum.count}</span>` : ""}${sum.failed ? html` <span class="bad-text">failed</span>` : ""}` : html`<span class="soft">not there</span>`);
  return html`<${Page} title="Compare two traces" lead="The time that each kind of span spent itself, the greatest difference first.">
    <${Card}><div class="scroll"><table><thead><tr><th>service</th><th>span</th><th class="num"><a href=${`#/traces/${one}`}>${duration(left.data.duration)}</a></th><th class="num"><a href=${`#/traces/${other}`}>${duration(right.data.duration)}</a></th><th class="num">more</th><th style=${{ width: "20%" }}></th></tr></thead>
      <tbody>${rows.map((row) => { const [service, name] = row.key.split("\n"); return html`<tr><td><${Service} name=${service} /></td><td>${name}</td><td class="num">${cell(row.a)}</td><td class="num">${cell(row.b)}</td>
        <td class="num">${row.by > 0 ? "+" : row.by < 0 ? "−" : ""}${duration(Math.abs(row.by))}</td><td><${Bar} share=${Math.abs(row.by) / most} tone=${row.by > 0 ? "bad-text" : "good-text"} /></td></tr>`; })}</tbody></table></div><//><//>`;
};
