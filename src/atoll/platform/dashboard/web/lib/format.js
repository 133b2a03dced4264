// How figures, times and names are written. Times are nanoseconds since 1970 unless said otherwise.
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export const duration = (ns) => {
  if (ns === null || ns === undefined || Number.isNaN(ns)) return "–";
  if (ns === 0) return "0";
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  if (ns < 999.5e3) return `${digits(ns / 1e3)} µs`;
  if (ns < 999.5e6) return `${digits(ns / 1e6)} ms`;
  if (ns < 6e10) return `${digits(ns / 1e9)} s`;
  const seconds = Math.round(ns / 1e9);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
};

export const seconds = (s) => (s === null || s === undefined ? "–" : duration(s * 1e9));

export const digits = (number) => (number >= 100 ? Math.round(number).toString() : number >= 10 ? number.toFixed(1) : number.toFixed(2));

export const count = (number) => {
  if (number === null || number === undefined) return "–";
  if (number < 10_000) return Number.isInteger(number) ? number.toLocaleString() : digits(number);
  if (number < 1e6) return `${digits(number / 1e3)} k`;
  return `${digits(number / 1e6)} M`;
};

export const bytes = (number) => {
  if (number === null || number === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  for (; number >= 1000 && at < units.length - 1; at++) number /= 1000;
  return `${at ? digits(number) : number} ${units[at]}`;
};

export const percent = (share) => {
  if (share === null || share === undefined) return "–";
  if (share === 0) return "0 %";
  return share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
};

export const rate = (perSecond) => (perSecond === null || perSecond === undefined ? "–" : `${digits(perSecond)} /s`);

export const clock = (ns) => `${CLOCK.format(ns / 1e6)}.${String(Math.floor((ns / 1e6) % 1000)).padStart(3, "0")}`;

export const moment = (iso) => (iso ? `${DAY.format(new Date(iso))} ${CLOCK.format(new Date(iso))}` : "–");

export const ago = (ns) => {
  const passed = Date.now() * 1e6 - ns;
  return passed < 1e9 ? "just now" : `${duration(Math.floor(passed / 1e9) * 1e9).replace(/\.\d+/, "")} ago`;
};

export const LEVELS = [[21, "fatal"], [17, "error"], [13, "warn"], [9, "info"], [5, "debug"], [0, "trace"]];
export const level = (number) => LEVELS.find(([least]) => number >= least)[1];
export const KINDS = ["", "internal", "server", "client", "producer", "consumer"];

// One colour a service, the same on every page: its place among those seen, kept for as long as the browser keeps things.
const HUES = 10;
const seen = JSON.parse(localStorage.getItem("atoll-hues") || "{}");
export const hue = (service) => {
  if (!(service in seen)) {
    const used = new Set(Object.values(seen));
    let next = Object.keys(seen).length % HUES;
    for (let i = 0; i < HUES; i++) if (!used.has(i)) { next = i; break; }
    seen[service] = next;
    localStorage.setItem("atoll-hues", JSON.stringify(seen));
  }
  return seen[service];
};

export const pretty = (text) => {
  if (typeof text !== "string") return JSON.stringify(text, null, 2);
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};
