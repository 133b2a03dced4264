// Where the time of a trace went: at each moment to the deepest span that was under way, or to the wait for the one that came next.

// What somebody ordered with `atoll fault`, as a span tells it: {edge, kind} or null.
export const faultOf = (span) => {
  const told = span.attributes || {};
  if (told["atoll.fault"]) return { edge: `${span.service}->${told["peer.service"] || "?"}`, kind: "delay" };
  const flags = String(told.response_flags || "").split(",");
  const kind = flags.includes("DI") ? "delay" : flags.includes("FI") ? "error" : "";
  return kind ? { edge: `${span.service}->${told["upstream_cluster.name"] || told.upstream_cluster || "?"}`, kind } : null;
};

// [{key, span, took, waiting, fault}], the greatest share first; all of them together are the trace's duration.
export const shares = (trace) => {
  const found = new Map();
  for (const { from, to, span, waiting } of stretches(trace)) {
    const key = `${span.service}\n${span.name}\n${waiting}`;
    const sum = found.get(key) || { key, span, took: 0, most: 0, waiting, fault: null };
    sum.took += to - from;
    if (to - from > sum.most) Object.assign(sum, { most: to - from, span });
    if (!waiting) sum.fault ||= faultOf(span);
    found.set(key, sum);
  }
  return [...found.values()].sort((a, b) => b.took - a.took);
};

// The trace cut at each beginning and end of a span.
const stretches = (trace) => {
  const marks = trace.spans.flatMap((span) => (span.duration > 0 ? [[span.start, 1, span], [span.start + span.duration, -1, span]] : [[span.start, 0, span]])).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const layers = [], cut = [], idle = [];
  let deepest = -1, last = trace.start;
  for (const [at, change, span] of marks) {
    if (at > last) {
      while (deepest >= 0 && !layers[deepest]?.size) deepest--;
      if (deepest >= 0) cut.push({ from: last, to: at, span: [...layers[deepest]].at(-1), waiting: false });
      else idle.push({ from: last, to: at });
      last = at;
    }
    if (change < 0) layers[span.depth]?.delete(span);
    else {
      for (const gap of idle.splice(0)) cut.push({ ...gap, span, waiting: true });
      if (change > 0) {
        (layers[span.depth] ||= new Set()).add(span);
        deepest = Math.max(deepest, span.depth);
      }
    }
  }
  return cut;
};
