// What all processes say, as it comes.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { ask, query as search, useAsk } from "../lib/api.js";
import { clock, hue, level } from "../lib/format.js";
import { Check, Empty, Fields, Page, Search, Select, Trouble } from "../lib/parts.js";

const KEPT = 1500; // lines that the page holds
const EVERY = 700; // ms

export default ({ query, refine }) => {
  const wanted = { service: query.service, instance: query.instance, q: query.q, attribute: query.attribute, level: query.level, trace: query.trace, since: query.since || "1h" };
  const address = `/api/logs${search({ ...wanted, limit: 300 })}`;
  const [lines, setLines] = useState([]);
  const [error, setError] = useState(null);
  const [follow, setFollow] = useState(true);
  const [open, setOpen] = useState(null);
  const box = useRef(null);
  const system = useAsk("/api/system", 30000);
  useEffect(() => {
    const control = new AbortController();
    let timer, last = 0;
    setLines([]);
    const once = async () => {
      try {
        const path = last ? `/api/logs${search({ ...wanted, since: "", after: last, limit: 1000 })}` : address;
        const { logs } = await ask(path, { signal: control.signal });
        setError(null);
        if (logs.length) {
          last = Math.max(last, ...logs.map((one) => one.id));
          setLines((before) => [...before, ...logs].slice(-KEPT));
        }
      } catch (failure) {
        if (failure.name !== "AbortError") setError(failure);
      }
      if (!control.signal.aborted && follow) timer = setTimeout(once, EVERY);
    };
    once();
    return () => { control.abort(); clearTimeout(timer); };
  }, [address, follow]);
  useEffect(() => { if (follow && open === null && box.current) box.current.scrollTop = box.current.scrollHeight; }, [lines]);
  const names = ["gateway", ...Object.keys(system.data?.services || {}), ...Object.keys(system.data?.parts || {}).filter((one) => one !== "envoy")];
  return html`<${Page} title="Logs" lead=${query.trace ? html`Of the trace <a class="mono" href=${`#/traces/${query.trace}`}>${query.trace}</a> <button type="button" class="quiet" onClick=${() => refine({ trace: "" })}>all</button>` : query.instance ? html`Of ${query.instance} <button type="button" class="quiet" onClick=${() => refine({ instance: "" })}>all</button>` : ""}>
    <div class="filters">
      <${Search} width="grow" label="text" value=${query.q || ""} onChange=${(q) => refine({ q })} />
      <${Select} label="service" value=${query.service || ""} options=${[["", "all"], ...new Set(names)]} onChange=${(service) => refine({ service })} />
      <${Select} label="at least" value=${query.level || ""} options=${[["", "everything"], "info", "warn", "error"]} onChange=${(value) => refine({ level: value })} />
      <${Search} label="field" value=${query.attribute || ""} placeholder="order_id=…" onChange=${(attribute) => refine({ attribute: attribute.includes("=") ? attribute : "" })} />
      <${Select} label="in the last" value=${query.since || "1h"} options=${[["5m", "5 minutes"], ["1h", "hour"], ["24h", "day"], ["30d", "month"]]} onChange=${(since) => refine({ since })} />
      <${Check} label="follow" value=${follow} onChange=${setFollow} />
    </div>
    <${Trouble} error=${error} />
    <section class="card flush"><div class="log tail" role="log" tabindex="-1" ref=${box}>
      ${lines.length ? lines.map((one) => html`<div key=${one.id} data-row tabindex="0" class=${level(one.level)} onClick=${() => setOpen(open === one.id ? null : one.id)} onKeyDown=${(e) => e.key === "Enter" && setOpen(open === one.id ? null : one.id)}>
        <span class="soft">${clock(one.time)}</span><span class="lv-${level(one.level)}">${level(one.level)}</span><span class="who hue-${hue(one.service)}">${one.instance?.startsWith(one.service) ? one.instance : one.service}</span>
        <span class="text">${one.message}${one.trace ? html` <a href=${`#/traces/${one.trace}`} onClick=${(e) => e.stopPropagation()}>trace</a>` : ""}</span>
        ${open === one.id && html`<div class="more" onClick=${(e) => e.stopPropagation()}><${Fields} of=${{ ...one.attributes, ...(one.trace ? { trace: one.trace } : {}) }} /></div>`}</div>`) : html`<${Empty}>Nothing was said in this time that fits.<//>`}
      </div></section><//>`;
};
