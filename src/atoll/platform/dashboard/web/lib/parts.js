// The small things that every page is made of.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { send } from "./api.js";
import { hue } from "./format.js";

export const Service = ({ name, href }) => {
  const dot = html`<i class="dot hue-${hue(name)}" aria-hidden="true"></i>`;
  return href ? html`<a class="service" title=${name} href=${href}>${dot}${name}</a>` : html`<span class="service" title=${name}>${dot}${name}</span>`;
};

export const State = ({ state }) => {
  const good = ["ready", "given", "live", "completed", "done", "taken"].includes(state);
  const bad = ["failed", "parked", "dead", "stopped", "restarting", "error"].includes(state);
  return html`<span class="state ${good ? "good" : bad ? "bad" : "busy"}">${state}</span>`;
};

export const Trouble = ({ error }) => (error ? html`<p class="trouble" role="alert">${error.message || String(error)}</p>` : null);

export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

export const Loading = () => html`<p class="empty" aria-busy="true">…</p>`;

export const Page = ({ title, tools, children, lead }) => html`
  <main id="main" tabindex="-1">
    <header class="head"><div><h1>${title}</h1>${lead && html`<p class="lead">${lead}</p>`}</div><div class="tools">${tools}</div></header>
    ${children}
  </main>`;

export const Card = ({ title, tools, children, wide, plain }) => html`
  <section class="card ${wide ? "wide" : ""} ${plain ? "plain" : ""}">
    ${title && html`<header><h2>${title}</h2><div class="tools">${tools}</div></header>`}${children}
  </section>`;

export const Fields = ({ of }) => {
  const rows = Object.entries(of || {});
  if (!rows.length) return html`<p class="empty small">none</p>`;
  return html`<dl class="fields">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${typeof value === "object" ? JSON.stringify(value) : String(value)}</dd>`)}</dl>`;
};

export const Select = ({ label, value, options, onChange }) => html`
  <label class="field"><span>${label}</span>
    <select value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${options.map((one) => (Array.isArray(one) ? one : [one, one])).map(([key, text]) => html`<option value=${key} selected=${key === value}>${text}</option>`)}
    </select></label>`;

export const Search = ({ label, value, placeholder, onChange, wait = 250, width }) => {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => setText(value), [value]);
  const typed = (event) => {
    const next = event.target.value;
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(next.trim()), wait);
  };
  return html`<label class="field ${width || ""}"><span>${label}</span><input type="search" value=${text} placeholder=${placeholder || ""} onInput=${typed} /></label>`;
};

export const Check = ({ label, value, onChange }) => html`
  <label class="check"><input type="checkbox" checked=${value} onChange=${(event) => onChange(event.target.checked)} /> ${label}</label>`;

// A button that does something to the system. With `sure`, it asks once more; what went wrong stands beside it.
export const Act = ({ path, body, children, sure, after, kind, label }) => {
  const [state, setState] = useState("idle");
  const [error, setError] = useState(null);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const go = async (event) => {
    event.stopPropagation();
    event.preventDefault();
    if (sure && state !== "asking") {
      setState("asking");
      timer.current = setTimeout(() => setState("idle"), 4000);
      return;
    }
    clearTimeout(timer.current);
    setState("busy");
    setError(null);
    try {
      await send(path, typeof body === "function" ? body() : body);
      setState("done");
      timer.current = setTimeout(() => setState("idle"), 1500);
      if (after) after();
    } catch (failure) {
      setError(failure);
      setState("idle");
    }
  };
  const text = state === "asking" ? sure : state === "busy" ? "…" : state === "done" ? "✓ done" : children;
  return html`<span class="act"><button type="button" class=${kind || ""} data-state=${state} aria-label=${state === "idle" && label ? label : null} disabled=${state === "busy"} onClick=${go}>${text}</button>${
    error && html`<span class="trouble small" role="alert">${error.message}</span>`}</span>`;
};

export const Tabs = ({ of, value, href }) => html`
  <nav class="tabs">${of.map(([key, text, number]) => html`<a href=${href(key)} aria-current=${key === value ? "page" : null}>${text}${number ? html` <b>${number}</b>` : ""}</a>`)}</nav>`;

export const Bar = ({ share, tone }) => html`<i class="bar ${tone || "accent"}" style=${{ width: `${Math.max(0.5, Math.min(100, share * 100))}%` }}></i>`;

export const Code = ({ text }) => {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1200);
  };
  return html`<div class="code"><button type="button" class="quiet" onClick=${copy}>${copied ? "copied" : "copy"}</button><pre>${text}</pre></div>`;
};
