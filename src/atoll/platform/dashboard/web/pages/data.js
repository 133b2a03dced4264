// A service's own tables, read only.
import { html } from "../vendor/preact-htm.js";
import { useAsk } from "../lib/api.js";
import { bytes, count } from "../lib/format.js";
import { Card, Empty, Loading, Page, Service, Trouble } from "../lib/parts.js";

const PAGE = 50;

export default ({ words, query, refine }) => {
  const system = useAsk("/api/system", 60000);
  const owners = (system.data?.model.services || []).filter((one) => one.database).map((one) => one.name);
  const service = words[0] || owners[0] || "";
  return html`<${Page} title="Data" lead="Each service's own database, to look at. What bears the name of a secret is not shown.">
    <${Trouble} error=${system.error} />
    ${words[0] && system.data && !owners.includes(words[0]) && html`<${Trouble} error=${new Error(`no service ${words[0]} has a database here`)} />`}
    ${service ? html`<div class="columns tables"><${Card}>${owners.map((name) => html`<h3 style=${{ margin: "6px 0" }}><${Service} name=${name} href=${`#/data/${name}`} /></h3>${name === service && html`<${Tables} service=${service} words=${words} />`}`)}<//>
      ${words[2] ? html`<${Rows} key=${words.join("/")} service=${service} schema=${words[1]} table=${words[2]} offset=${Number(query.offset) || 0} refine=${refine} />` : html`<${Card}><${Empty}>Choose a table.<//><//>`}</div>` : system.data ? html`<${Empty}>No service of this system has a database.<//>` : html`<${Loading} />`}<//>`;
};

const Tables = ({ service, words }) => {
  const found = useAsk(`/api/data/${encodeURIComponent(service)}`);
  if (!found.data) return found.error ? html`<${Trouble} error=${found.error} />` : html`<${Loading} />`;
  return html`<div class="ops">${found.data.tables.map((one) => html`<a href=${`#/data/${service}/${encodeURIComponent(one.schema)}/${encodeURIComponent(one.table)}`} aria-current=${words[1] === one.schema && words[2] === one.table ? "page" : null}>
    <span style=${{ flex: 1 }}>${one.schema === "public" ? "" : html`<span class="soft">${one.schema}.</span>`}${one.table}</span><small class="soft num">${one.rows ? `~${count(one.rows)} ${one.rows === 1 ? "row" : "rows"}, ` : ""}${bytes(one.bytes)}</small></a>`)}</div>`;
};

const Rows = ({ service, schema, table, offset, refine }) => {
  const found = useAsk(`/api/data/${encodeURIComponent(service)}/${encodeURIComponent(schema)}/${encodeURIComponent(table)}?limit=${PAGE}&offset=${offset}`, 5000);
  if (!found.data) return html`<${Card}>${found.error ? html`<${Trouble} error=${found.error} />` : html`<${Loading} />`}<//>`;
  const { columns, rows } = found.data;
  return html`<section class="card flush"><header><h2>${schema === "public" ? "" : `${schema}.`}${table}</h2><div class="tools">${offset > 0 && html`<button type="button" onClick=${() => refine({ offset: String(Math.max(0, offset - PAGE)) || "" })}>newer</button>`}${rows.length === PAGE && html`<button type="button" onClick=${() => refine({ offset: String(offset + PAGE) })}>more</button>`}</div></header>
    <div class="scroll" style=${{ maxHeight: "76vh" }}><table><thead><tr>${columns.map((one) => html`<th title=${one.type}>${one.name}</th>`)}</tr></thead><tbody>${rows.map((row) => html`<tr>${row.map((value) => html`<td class="mono cut" title=${value ?? "null"}>${value === null ? html`<span class="soft">null</span>` : value}</td>`)}</tr>`)}</tbody></table></div>
    ${rows.length === 0 && html`<${Empty}>  The table has no rows${offset ? " from here on" : ""}.<//>`}</section>`;
};
