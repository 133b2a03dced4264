// Every operation of every service, with a form to try it through the gateway; the trace of the try is one click away.
import { html, useEffect, useMemo, useState } from "../vendor/preact-htm.js";
import { send, useAsk } from "../lib/api.js";
import { pretty, seconds } from "../lib/format.js";
import { Card, Code, Empty, Fields, Loading, Page, Search, Service, Trouble } from "../lib/parts.js";

const resolve = (document, schema, deep = 0) => {
  if (!schema || deep > 8) return schema || {};
  if (schema.$ref) return resolve(document, schema.$ref.replace(/^#\//, "").split("/").reduce((at, key) => at?.[key.replace(/~1/g, "/").replace(/~0/g, "~")], document), deep + 1);
  if (schema.allOf?.length === 1) return resolve(document, schema.allOf[0], deep + 1);
  return schema;
};

// An example that the schema allows, as far as one can be made up.
const example = (document, given, deep = 0) => {
  const schema = resolve(document, given);
  if (schema.default !== undefined) return schema.default;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.example !== undefined) return schema.example;
  if (schema.enum) return schema.enum[0];
  if (schema.const !== undefined) return schema.const;
  const kind = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  if (schema.anyOf || schema.oneOf) return example(document, (schema.anyOf || schema.oneOf).find((one) => one.type !== "null") || {}, deep + 1);
  if (kind === "object" || schema.properties) return deep > 5 ? {} : Object.fromEntries(Object.entries(schema.properties || {}).filter(([name]) => (schema.required || []).includes(name)).map(([name, one]) => [name, example(document, one, deep + 1)]));
  if (kind === "array") return deep > 5 ? [] : [example(document, schema.items || {}, deep + 1)];
  if (kind === "integer" || kind === "number") return Math.max(1, schema.minimum ?? 1);
  if (kind === "boolean") return true;
  if (schema.format === "email") return "ada@example.com";
  if (schema.format === "uuid") return crypto.randomUUID();
  return "text".padEnd(schema.minLength || 0, "t");
};

const operations = (documents) => Object.entries(documents || {}).flatMap(([service, document]) =>
  Object.entries(document.paths || {}).flatMap(([path, methods]) => Object.entries(methods).filter(([method]) => ["get", "post", "put", "patch", "delete"].includes(method)).map(([method, operation]) => ({ service, document, path, method: method.toUpperCase(), operation, id: `${method.toUpperCase()} ${path}` }))));

export default ({ words, query, refine }) => {
  const found = useAsk("/api/apis");
  const system = useAsk("/api/system", 30000);
  const all = useMemo(() => operations(found.data?.documents), [found.data]);
  const shown = all.filter((one) => `${one.id} ${one.operation.summary || ""} ${one.service}`.toLowerCase().includes((query.q || "").toLowerCase()));
  const chosen = all.find((one) => one.service === words[0] && one.id === words[1]) || null;
  const groups = Object.groupBy ? Object.groupBy(shown, (one) => one.service) : shown.reduce((sum, one) => ({ ...sum, [one.service]: [...(sum[one.service] || []), one] }), {});
  const routed = (one) => (system.data?.model.routes || []).some((route) => route.service === one.service && (route.path === one.path || (route.path.endsWith("/*"))));
  return html`<${Page} title="API" lead=${system.data?.gateway ? html`Sent through the gateway, as a stranger's request would be: <span class="mono">${system.data.gateway}</span>` : ""}>
    <${Trouble} error=${found.error} />
    ${!found.data ? !found.error && html`<${Loading} />` : html`<div class="columns list">
      <${Card}><${Search} width="grow" label="find" value=${query.q || ""} onChange=${(q) => refine({ q })} />
        ${Object.entries(groups).map(([service, some]) => html`<h3 style=${{ margin: "14px 0 4px" }}><${Service} name=${service} /></h3><div class="ops">${some.map((one) => html`<a href=${`#/api/${service}/${encodeURIComponent(one.id)}`} aria-current=${one === chosen ? "page" : null}><span class="verb">${one.method}</span><span>${one.path}<br /><small class="soft">${one.operation.summary || ""}${system.data && !routed(one) ? " (not routed by the gateway)" : ""}</small></span></a>`)}</div>`)}
        ${shown.length === 0 && html`<${Empty}>No operation fits.<//>`}<//>
      <div class="stack"><${Token} />${chosen ? html`<${Try} key=${chosen.service + chosen.id} one=${chosen} />` : html`<${Card}><${Empty}>Choose an operation.<//><//>`}</div></div>`}<//>`;
};

// The token stays in this tab. A helper gets one by the password grant, where a service offers it.
const Token = () => {
  const [token, setToken] = useState(sessionStorage.getItem("atoll-bearer") || "");
  const [user, setUser] = useState("ada@example.com"), [password, setPassword] = useState("correct horse battery"), [path, setPath] = useState("/auth/token");
  const [said, setSaid] = useState(null), [error, setError] = useState(null);
  const keep = (text) => { setToken(text); sessionStorage.setItem("atoll-bearer", text); dispatchEvent(new Event("atoll-bearer")); };
  const get = async (register) => {
    setError(null);
    setSaid(null);
    try {
      if (register) {
        const made = await send("/api/try", { method: "POST", path: path.replace(/token$/, "register"), body: JSON.stringify({ email: user, password }) });
        if (made.status >= 400) throw new Error(JSON.parse(made.body).detail || made.body);
      }
      const got = await send("/api/try", { method: "POST", path, headers: { "content-type": "application/x-www-form-urlencoded" }, body: new URLSearchParams({ grant_type: "password", username: user, password }).toString() });
      const reply = JSON.parse(got.body);
      if (!reply.access_token) throw new Error(reply.detail || reply.error_description || got.body);
      keep(reply.access_token);
      setSaid(`a token for ${user} is used from now on`);
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Card} title="Who asks"><div class="filters" style=${{ margin: 0 }}>
      <label class="field"><span>user</span><input value=${user} autocomplete="off" onInput=${(e) => setUser(e.target.value)} /></label><label class="field"><span>password</span><input type="password" autocomplete="off" value=${password} onInput=${(e) => setPassword(e.target.value)} /></label>
      <label class="field"><span>at</span><input value=${path} onInput=${(e) => setPath(e.target.value)} /></label>
      <button type="button" onClick=${() => get(false)}>get a token</button><button type="button" onClick=${() => get(true)}>register first</button>
      <label class="field grow"><span>or paste a bearer token</span><input class="mono" value=${token} onInput=${(e) => keep(e.target.value.trim())} /></label></div>
    ${said && html`<p class="good-text small" role="status">${said}</p>`}<${Trouble} error=${error} /><//>`;
};

const Try = ({ one }) => {
  const { document, operation } = one;
  const parameters = (operation.parameters || []).map((given) => resolve(document, given));
  const content = resolve(document, operation.requestBody)?.content || {};
  const kind = Object.keys(content)[0] || "";
  const first = kind.includes("json") ? JSON.stringify(example(document, content[kind].schema), null, 2) : kind.includes("form") ? new URLSearchParams(example(document, content[kind].schema)).toString() : "";
  const [values, setValues] = useState(() => Object.fromEntries(parameters.map((each) => [`${each.in}:${each.name}`, each.in === "path" ? "" : each.name.toLowerCase() === "idempotency-key" ? crypto.randomUUID() : ""])));
  const [body, setBody] = useState(first);
  const [reply, setReply] = useState(null), [error, setError] = useState(null), [busy, setBusy] = useState(false);
  const [bearer, setBearer] = useState(sessionStorage.getItem("atoll-bearer") || "");
  useEffect(() => { const changed = () => setBearer(sessionStorage.getItem("atoll-bearer") || ""); addEventListener("atoll-bearer", changed); return () => removeEventListener("atoll-bearer", changed); }, []);
  const go = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    let path = one.path;
    const search = new URLSearchParams(), headers = {};
    for (const each of parameters) {
      const value = values[`${each.in}:${each.name}`];
      if (each.in === "path") path = path.replace(`{${each.name}}`, encodeURIComponent(value));
      else if (value && each.in === "query") search.set(each.name, value);
      else if (value && each.in === "header") headers[each.name] = value;
    }
    if (bearer) headers.authorization = `Bearer ${bearer}`;
    if (kind) headers["content-type"] = kind;
    try {
      setReply(await send("/api/try", { method: one.method, path: search.size ? `${path}?${search}` : path, headers, body: kind ? body : "" }));
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return html`<${Card} title=${html`<span class="verb">${one.method}</span> <span class="mono">${one.path}</span>`} tools=${html`<${Service} name=${one.service} />`}>
    ${(operation.description || operation.summary) && html`<p class="soft" style=${{ marginBottom: "10px" }}>${operation.description || operation.summary}</p>`}
    <form class="stack" onSubmit=${go}>
      ${parameters.length > 0 && html`<div class="filters" style=${{ margin: 0 }}>${parameters.map((each) => html`<label class="field"><span>${each.name} <span class="soft">(${each.in}${each.required ? ", required" : ""})</span></span><input class="mono" required=${each.required} value=${values[`${each.in}:${each.name}`]} onInput=${(e) => setValues({ ...values, [`${each.in}:${each.name}`]: e.target.value })} /></label>`)}</div>`}
      ${kind && html`<label class="field"><span>body (${kind})</span><textarea rows=${Math.min(16, body.split("\n").length + 1)} value=${body} onInput=${(e) => setBody(e.target.value)}></textarea></label>`}
      <div><button class="main" disabled=${busy}>${busy ? "…" : "send"}</button></div></form>
    <${Trouble} error=${error} /><//>
    ${reply && html`<${Card} title=${html`<span class="state ${reply.status < 400 ? "good" : "bad"}">${reply.status}</span> <span class="soft">after ${seconds(reply.seconds)}</span>`} tools=${reply.trace && html`<a class="button" href=${`#/traces/${reply.trace}`}>its trace</a>`}>
      <${Code} text=${pretty(reply.body)} />${reply.cut && html`<p class="soft small">the rest is not shown</p>`}<details><summary class="small soft">headers</summary><${Fields} of=${reply.headers} /></details><//>`}`;
};
