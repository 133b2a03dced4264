// One trace: a waterfall that draws only the rows that are seen, and beside it what the chosen span, its logs and its events say.
import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm.js";
import { ask, query as search, useAsk } from "../lib/api.js";
import { clock, duration, hue, KINDS, level } from "../lib/format.js";
import { Card, Empty, Fields, Loading, Page, Service, Trouble } from "../lib/parts.js";
import { faultOf, shares } from "../lib/why.js";

const ROW = 26;
const GROWS = 2000; // ms between looks at a trace that may still grow
const SETTLED = 20; // seconds after its last span, when all senders have sent

const whole = (trace) => Boolean(trace) && Date.now() * 1e6 - trace.start - trace.duration > SETTLED * 1e9;

export const Trace = ({ id, query, refine }) => {
  const [every, setEvery] = useState(GROWS);
  const found = useAsk(`/api/traces/${encodeURIComponent(id)}`, every);
  const logs = useAsk(`/api/logs?trace=${encodeURIComponent(id)}&limit=500`, every);
  useEffect(() => setEvery(whole(found.data) ? 0 : GROWS), [whole(found.data)]);
  const [closed, setClosed] = useState(() => new Set());
  const trace = found.data;
  const spans = useMemo(() => (trace ? visible(trace.spans, closed) : []), [trace, closed]);
  if (!trace) return html`<${Page} title="Trace">${found.error ? html`<${Trouble} error=${found.error} />` : html`<${Loading} />`}<//>`;
  const chosen = trace.spans.find((one) => one.span === query.span) || trace.spans[0];
  const names = [...new Set(trace.spans.map((one) => one.service))];
  const toggle = (span) => setClosed((last) => { const next = new Set(last); next.has(span) ? next.delete(span) : next.add(span); return next; });
  return html`<${Page} title=${trace.spans[0].name} lead=${html`${clock(trace.start)} · took ${duration(trace.duration)} · ${trace.spans.length} spans · <span class="mono">${id}</span>`}
      tools=${html`<${Usual} trace=${trace} /> <a class="button" href=${`#/traces?compare=${id}`}>compare…</a> <a class="button" href=${`#/logs?trace=${id}&since=30d`}>logs</a>`}>
    <div class="filters">${names.map((name) => html`<${Service} name=${name} />`)}
      ${trace.errors > 0 && html`<span class="state bad">${trace.errors} failed</span>`}
      ${trace.orphans > 0 && html`<span class="state busy" title="their parents were not sent, or are not stored any more">${trace.orphans} without their parent</span>`}
      ${trace.cut && html`<span class="state busy">only the first ${trace.spans.length} spans are shown</span>`}</div>
    ${trace.duration > 0 && html`<${Why} trace=${trace} choose=${(span) => refine({ span })} />`}
    <div class="columns waterfall">
      <section class="card flush"><${Waterfall} trace=${trace} spans=${spans} chosen=${chosen} choose=${(span) => refine({ span })} toggle=${toggle} closed=${closed} /></section>
      <div class="stack"><${Detail} span=${chosen} trace=${trace} /><${Said} logs=${logs} span=${chosen} /></div>
    </div><//>`;
};

const visible = (spans, closed) => {
  const shown = [];
  let hidden = Infinity;
  spans.forEach((span, at) => {
    if (span.depth > hidden) return;
    hidden = closed.has(span.span) ? span.depth : Infinity;
    shown.push({ ...span, parent_of: (spans[at + 1]?.depth ?? -1) > span.depth });
  });
  return shown;
};

const Waterfall = ({ trace, spans, chosen, choose, toggle, closed }) => {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const [high, setHigh] = useState(600);
  useEffect(() => {
    const measure = () => box.current && setHigh(box.current.clientHeight);
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, [spans.length]);
  const first = Math.max(0, Math.floor(top / ROW) - 8), last = Math.min(spans.length, Math.ceil((top + high) / ROW) + 8);
  const whole = Math.max(1, trace.duration);
  const keys = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    const at = spans.findIndex((one) => one.span === chosen.span);
    if (by) {
      event.preventDefault();
      event.stopPropagation();
      const next = spans[Math.max(0, Math.min(spans.length - 1, at + by))];
      choose(next.span);
      const y = spans.indexOf(next) * ROW;
      if (y < box.current.scrollTop || y > box.current.scrollTop + high - ROW) box.current.scrollTop = y - high / 2;
    } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && spans[at]?.parent_of && closed.has(chosen.span) === (event.key === "ArrowRight")) toggle(chosen.span);
  };
  return html`<div class="ruler"><div class="name">span</div><div>${[0, 0.25, 0.5, 0.75, 1].map((share) => html`<span>${duration(whole * share)}</span>`)}</div></div>
    <div class="span-list" ref=${box} tabindex="0" role="tree" aria-label="spans" onScroll=${(e) => setTop(e.target.scrollTop)} onKeyDown=${keys}>
      <div style=${{ height: `${spans.length * ROW}px` }}>${spans.slice(first, last).map((span, index) => {
        const left = ((span.start - trace.start) / whole) * 100, width = (span.duration / whole) * 100;
        return html`<div key=${span.span} class="span-row ${span.span === chosen.span ? "chosen" : ""} ${span.status === 2 ? "failed" : ""}" style=${{ top: `${(first + index) * ROW}px` }} role="treeitem" aria-level=${span.depth + 1} aria-selected=${span.span === chosen.span} onClick=${() => choose(span.span)}>
          <div class="name" style=${{ paddingLeft: `${6 + Math.min(span.depth, 20) * 11}px` }}>
            ${span.parent_of ? html`<button type="button" class="quiet" tabindex="-1" aria-label="fold" onClick=${(e) => { e.stopPropagation(); toggle(span.span); }}>${closed.has(span.span) ? "▸" : "▾"}</button>` : html`<i style=${{ width: "10px" }}></i>`}
            <i class="dot hue-${hue(span.service)}" title=${span.service}></i><span title=${`${span.service}: ${span.name}`}>${span.name}</span>${faultOf(span) && html`<b class="flag" title="a fault that somebody ordered">on purpose</b>`}</div>
          <div class="track"><i class="mark hue-${span.status === 2 ? 9 : hue(span.service)} ${faultOf(span) ? "fault" : ""}" style=${{ left: `${left}%`, width: `${width}%` }}></i>
            <span class="after ${label(left, width).inside}" style=${label(left, width).at}>${duration(span.duration)}</span></div></div>`;
      })}</div></div>`;
};

// Beside its bar where there is room, else in it.
const label = (left, width) => {
  if (left + width < 82) return { inside: "", at: { left: `${left + width}%` } };
  return left > 18 ? { inside: "", at: { right: `${100 - left}%` } } : { inside: "inside", at: { right: `${100 - left - width}%` } };
};

const NAMED = 5; // shares that are written out

// The time of the whole trace as one bar, and in words what most of it was.
const Why = ({ trace, choose }) => {
  const all = useMemo(() => shares(trace), [trace]);
  const part = (one) => one.took / trace.duration;
  const text = (one) => `${one.span.service}: ${one.waiting ? `waiting for ${one.span.name}` : one.span.name}`;
  const fault = all.find((one) => one.fault), first = all[0];
  return html`<section class="card why" aria-label="Where the time went"><header><h2>Where the time went</h2></header>
    ${fault ? html`<p class="cause"><b class="flag">on purpose</b> ${duration(fault.took)} of ${duration(trace.duration)} is a fault that somebody ordered for <a href="#/resilience">${fault.fault.edge}</a>: ${fault.fault.kind === "delay" ? "calls wait there" : "calls fail there"} until it is cleared.</p>`
      : html`<p class="cause">${part(first) > 0.4 ? html`Most of it, ${duration(first.took)} of ${duration(trace.duration)}, ${first.waiting ? html`nobody worked: <b>${first.span.name}</b> at ${first.span.service} had not begun (a queue, the broker, or a busy process).` : html`was <b>${first.span.name}</b> at ${first.span.service} itself.`}` : "No single span took most of it."}</p>`}
    <div class="stacked" aria-hidden="true">${all.filter((one) => part(one) > 0.004).map((one) => html`<i class="hue-${hue(one.span.service)} ${one.waiting ? "waiting" : ""} ${one.fault ? "fault" : ""}" style=${{ flexGrow: part(one) * 1000 }} title=${`${text(one)}, ${duration(one.took)}`}></i>`)}</div>
    <ul class="shares">${all.filter((one, at) => at < NAMED && (at === 0 || part(one) >= 0.01)).map((one) => html`<li><button type="button" class="quiet" onClick=${() => choose(one.span.span)}><i class="dot hue-${hue(one.span.service)} ${one.waiting ? "waiting" : ""}"></i><span>${text(one)}</span> <b>${duration(one.took)}</b> <span>${Math.round(part(one) * 100)} %</span></button></li>`)}</ul></section>`;
};

// Leads to this trace beside the one of its kind that took as long as half of them do.
const Usual = ({ trace }) => {
  const [error, setError] = useState(null);
  const root = trace.spans[0];
  const go = async () => {
    try {
      const { traces } = await ask(`/api/traces${search({ service: root.service, q: root.name, since: "24h", limit: 200 })}`);
      const others = traces.filter((one) => one.trace !== trace.trace && one.name === root.name).sort((a, b) => a.duration - b.duration);
      if (!others.length) throw new Error("there is no other of its kind in the last day");
      location.hash = `#/traces/${others[Math.floor(others.length / 2)].trace}/compare/${trace.trace}`;
    } catch (failure) {
      setError(failure);
    }
  };
  return html`${error && html`<span class="trouble small" role="alert">${error.message}</span>`}<button type="button" onClick=${go}>compare with a usual one</button>`;
};

const Detail = ({ span, trace }) => html`<${Card} title=${span.name} tools=${html`<${Service} name=${span.service} href=${`#/traces?service=${encodeURIComponent(span.service)}`} />`}>
  <${Fields} of=${{ took: duration(span.duration), "began after": duration(span.start - trace.start), kind: KINDS[span.kind] || "–", instance: span.instance || "–", span: span.span, ...(span.message ? { error: span.message } : {}) }} />
  <h3 style=${{ margin: "12px 0 4px" }}>Attributes</h3><${Fields} of=${span.attributes} />
  ${span.events.length > 0 && html`<h3 style=${{ margin: "12px 0 4px" }}>Happened</h3>${span.events.map((event) => html`<p class="small"><b>${event.name}</b> <span class="soft">after ${duration(event.after)}</span></p><${Fields} of=${event.attributes} />`)}`}
  ${span.links.length > 0 && html`<h3 style=${{ margin: "12px 0 4px" }}>Linked</h3>${span.links.map((link) => html`<p><a class="mono" href=${`#/traces/${link.trace}?span=${link.span}`}>${link.trace.slice(0, 16)}…</a></p>`)}`}<//>`;

const Said = ({ logs, span }) => {
  const all = logs.data?.logs || [];
  const own = all.filter((one) => one.span === span.span);
  const shown = own.length ? own : all;
  return html`<${Card} title=${own.length ? "Logs of this span" : "Logs of this trace"}>
    <${Trouble} error=${logs.error} />
    ${shown.length ? shown.slice(0, 100).map((one) => html`<div class="log"><div class=${level(one.level)} style=${{ gridTemplateColumns: "96px 46px minmax(0,1fr)" }}><span class="soft">${clock(one.time)}</span><span class="lv-${level(one.level)}">${level(one.level)}</span><span class="text">${one.message}</span></div></div>`) : html`<${Empty}>Nothing was logged.<//>`}<//>`;
};
