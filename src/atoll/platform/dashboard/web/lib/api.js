// Asking the dashboard's own server. Every answer is JSON; one that could not be given has {"error": line}.
import { useEffect, useRef, useState } from "../vendor/preact-htm.js";

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// A page may be opened with ?token=…; it is kept for this tab only, and taken out of the address.
const given = new URLSearchParams(location.search).get("token");
if (given) {
  sessionStorage.setItem("atoll-token", given);
  history.replaceState(null, "", location.pathname + location.hash);
}

const headers = () => {
  const token = sessionStorage.getItem("atoll-token");
  return token ? { authorization: `Bearer ${token}` } : {};
};

export async function ask(path, options = {}) {
  let reply;
  try {
    reply = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "the dashboard does not answer; is the system still up?");
  }
  const body = await reply.json().catch(() => ({ error: `the dashboard answered ${reply.status}` }));
  if (!reply.ok) throw new Refused(reply.status, body.error || `the dashboard answered ${reply.status}`);
  return body;
}

export const send = (path, body = {}) =>
  ask(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", "atoll-dashboard": "1" } });

export const query = (values) => {
  const found = Object.entries(values).filter(([, value]) => value !== "" && value !== undefined && value !== null && value !== false);
  return found.length ? `?${new URLSearchParams(found)}` : "";
};

// {data, error, loading, again}. Asks anew every `every` ms while the page is seen; keeps the last answer when one fails.
export function useAsk(path, every = 0) {
  const [state, setState] = useState({ path, data: null, error: null, loading: Boolean(path) });
  const turn = useRef(0);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    const control = new AbortController();
    const mine = ++turn.current;
    let timer;
    const once = async () => {
      if (document.hidden && every) {
        timer = setTimeout(once, 500);
        return;
      }
      try {
        const data = await ask(path, { signal: control.signal });
        if (mine === turn.current) setState({ path, data, error: null, loading: false });
      } catch (error) {
        if (error.name !== "AbortError" && mine === turn.current)
          setState((last) => ({ path, data: last.path === path ? last.data : null, error, loading: false }));
      }
      if (every && !control.signal.aborted) timer = setTimeout(once, every);
    };
    setState((last) => (last.path === path ? last : { path, data: null, error: null, loading: true }));
    once();
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [path, every, round]);
  return { ...(state.path === path ? state : { data: null, error: null, loading: Boolean(path) }), again: () => setRound((n) => n + 1) };
}
