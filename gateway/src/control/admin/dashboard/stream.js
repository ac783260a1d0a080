// The stream of events and figures, for as long as the page is open: where it breaks off it is asked for again.

import { listen } from "./api.js";

// Figures come each second; a stream that is quiet for so long has gone.
const QUIET_MS = 5_000;
const PAUSES_MS = [250, 500, 1_000, 2_000, 3_000];

/** Follows for ever. `hears` has `begun`, `figures`, `event`, and `lost` with the reason. */
export async function follow(hears) {
  let failures = 0;
  for (;;) {
    let reason = "the gateway has ended the stream";
    try {
      await once({
        ...hears,
        figures: (figures) => {
          failures = 0;
          hears.figures(figures);
        },
      });
    } catch (error) {
      reason = error.name === "AbortError" ? "nothing is heard of the gateway" : error.message;
    }
    hears.lost(reason);
    await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]);
    failures += 1;
  }
}

async function once(hears) {
  const over = new AbortController();
  let watch = null;
  const heard = () => {
    clearTimeout(watch);
    watch = setTimeout(() => over.abort(), QUIET_MS);
  };
  try {
    // What is asked for at the beginning has bounds of its own.
    const body = await listen(over.signal);
    await hears.begun();
    heard();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const pieces = (rest + value).split("\n\n");
      rest = pieces.pop();
      pieces.forEach((piece) => tell(piece, hears));
    }
  } finally {
    clearTimeout(watch);
    over.abort();
  }
}

/** One event (HTML, "Server-sent events"), as this gateway writes them: its data is one line. */
function tell(piece, hears) {
  const fields = new Map();
  for (const line of piece.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
  }
  const data = fields.get("data");
  if (data !== undefined) hears[fields.get("event")]?.(JSON.parse(data));
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
