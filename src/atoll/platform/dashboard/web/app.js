// The shell: where one is (the address after #), the ways to elsewhere, and the keys.
import { html, render, useEffect, useState } from "./vendor/preact-htm.js";
import { ask, useAsk } from "./lib/api.js";
import { bytes, count } from "./lib/format.js";
import { Icon } from "./lib/icons.js";
import { Trouble } from "./lib/parts.js";

const PAGES = [
  ["overview", "Overview", "o", () => import("./pages/overview.js")],
  ["map", "Map", "m", () => import("./pages/map.js")],
  ["traces", "Traces", "t", () => import("./pages/traces.js")],
  ["logs", "Logs", "l", () => import("./pages/logs.js")],
  ["metrics", "Metrics", "c", () => import("./pages/metrics.js")],
  ["events", "Events", "e", () => import("./pages/events.js")],
  ["sagas", "Sagas", "s", () => import("./pages/sagas.js")],
  ["api", "API", "a", () => import("./pages/apis.js")],
  ["data", "Data", "d", () => import("./pages/data.js")],
  ["rollouts", "Rollouts", "u", () => import("./pages/rollouts.js")],
  ["resilience", "Resilience", "r", () => import("./pages/resilience.js")],
];
const loaded = {};

const place = () => {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const words = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { page: words[0] || "overview", words: words.slice(1), query: Object.fromEntries(new URLSearchParams(search)) };
};

// Changes the address's query without a new page in the history; every filter is in it, so that every view can be sent to others.
const refine = (changes) => {
  const [path, search = ""] = location.hash.replace(/^#/, "").split("?");
  const next = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) value === "" || value === false || value === null ? next.delete(name) : next.set(name, value);
  history.replaceState(null, "", `#${path || "/overview"}${next.size ? `?${next}` : ""}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
};

const cycleTheme = () => {
  const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("atoll-theme", document.documentElement.dataset.theme);
  dispatchEvent(new Event("atoll-theme"));
};

const typing = (event) => /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey;

const useKeys = (setHelp) =>
  useEffect(() => {
    let leader = 0;
    const pressed = (event) => {
      if (event.key === "Escape") setHelp(false);
      if (typing(event)) return;
      if (event.key === "?") setHelp((shown) => !shown);
      else if (event.key === "/") {
        const search = document.querySelector("main input[type=search]");
        if (search) {
          event.preventDefault();
          search.focus();
        }
      } else if (event.key === "g") leader = Date.now();
      else if (Date.now() - leader < 1500) {
        leader = 0;
        const page = PAGES.find(([, , key]) => key === event.key);
        if (page) location.hash = `#/${page[0]}`;
      } else if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);

// j and k go through whatever the page lists.
const move = (by) => {
  const rows = [...document.querySelectorAll("main [data-row]")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
};

const Help = ({ close }) => html`
  <div class="veil" onClick=${close}><section class="card help" role="dialog" aria-modal="true" aria-label="Keys" onClick=${(e) => e.stopPropagation()}>
    <header><h2>Keys</h2><div class="tools"><button type="button" class="quiet" onClick=${close}>close</button></div></header>
    <dl class="fields">
      ${PAGES.map(([, title, key]) => html`<dt><kbd>g</kbd> <kbd>${key}</kbd></dt><dd>${title}</dd>`)}
      <dt><kbd>/</kbd></dt><dd>search on this page</dd><dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>down and up in a list; Enter opens</dd><dt><kbd>?</kbd></dt><dd>these keys</dd>
    </dl></section></div>`;

const Rail = ({ page, system, store, error, help }) => html`
  <nav class="rail" aria-label="Pages">
    <a class="brand" href="#/overview"><img src="icon.svg" alt="" width="26" height="26" /><span>${system || "Atoll"}</span></a>
    <div class="pages">${PAGES.map(([name, title]) => html`<a href=${`#/${name}`} aria-current=${page === name ? "page" : null}><${Icon} name=${name} />${title}</a>`)}</div>
    <div class="foot">
      ${error ? html`<span class="state bad">away</span>` : store && html`<span title="telemetry kept on this machine">${bytes(store.bytes)} kept</span>`}
      ${store && store.shed > 0 && html`<span class="state bad" title="telemetry came faster than it can be stored">${count(store.shed)} shed</span>`}
      <span><button type="button" class="quiet" onClick=${cycleTheme} title="light or dark" aria-label="light or dark">◐</button><button type="button" class="quiet" onClick=${help} title="keys" aria-label="keys">?</button></span>
    </div>
  </nav>`;

const App = () => {
  const [at, setAt] = useState(place());
  const [View, setView] = useState(null);
  const [failure, setFailure] = useState(null);
  const [help, setHelp] = useState(false);
  const store = useAsk("/api/store", 3000);
  const [name, setName] = useState("");
  useKeys(setHelp);
  useEffect(() => {
    const changed = () => setAt(place());
    addEventListener("hashchange", changed);
    ask("/api/system").then((found) => { setName(found.system); document.title = `${found.system} · Atoll`; }, () => {});
    return () => removeEventListener("hashchange", changed);
  }, []);
  useEffect(() => {
    const known = PAGES.find(([page]) => page === at.page);
    if (!known) {
      setView(null);
      setFailure(new Error(`there is no page ${at.page}`));
      return;
    }
    setFailure(null);
    if (loaded[at.page]) setView(() => loaded[at.page]);
    else known[3]().then((module) => { loaded[at.page] = module.default; setView(() => module.default); }, setFailure);
  }, [at.page]);
  const shown = View && loaded[at.page] === View;
  return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>to the content</a>
    <${Rail} page=${at.page} system=${name} store=${store.data} error=${store.error} help=${() => setHelp(true)} />
    ${failure ? html`<main id="main"><${Trouble} error=${failure} /></main>` : shown ? html`<${View} key=${at.page} words=${at.words} query=${at.query} refine=${refine} />` : html`<main id="main"></main>`}
    ${help && html`<${Help} close=${() => setHelp(false)} />`}`;
};

render(html`<${App} />`, document.getElementById("app"));
