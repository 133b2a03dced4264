// A small drawing for each page of the rail: strokes in a square of 16.
import { html } from "../vendor/preact-htm.js";

const DRAWN = {
  overview: "M2.5 2.5h4.5v4.5h-4.5zM9 2.5h4.5v4.5h-4.5zM2.5 9h4.5v4.5h-4.5zM9 9h4.5v4.5h-4.5z",
  map: "M4 5.5a2 2 0 1 0 0-.01M12 4.5a1.5 1.5 0 1 0 0-.01M10.5 13a1.8 1.8 0 1 0 0-.01M5.8 6.6l3.6 4.8M6 4.8l4.4-.3",
  traces: "M2 3.5h8M4.5 8h7M8 12.5h6",
  logs: "M3 3h10M3 6.3h7M3 9.6h10M3 13h5",
  metrics: "M2 13.5h12M2.5 10.5l3.5-4 3 2.5 4.5-6",
  events: "M9 1.8 3.5 9H8l-1 5.2L12.5 7H8z",
  sagas: "M3 8a5 5 0 0 1 8.8-3.2M13 8a5 5 0 0 1-8.8 3.2M12 2v3h-3M4 14v-3h3",
  api: "M5.5 4 2 8l3.5 4M10.5 4 14 8l-3.5 4",
  data: "M3 4c0-1.3 10-1.3 10 0v8c0 1.3-10 1.3-10 0zM3 4c0 1.4 10 1.4 10 0M3 8c0 1.4 10 1.4 10 0",
  resilience: "M8 1.8 13 4v4c0 3-2.2 5-5 6.2C5.200 13 3 11 3 8V4zM5.800 8l1.700 1.700 3-3.200",
  rollouts: "M2.500 13.500h3v-3h3v-3h3v-3h2M10 2.500h3.500v3.500",
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d=${DRAWN[name] || "M8 4a4 4 0 1 0 .01 0"} /></svg>`;
