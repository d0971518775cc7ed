// Tracks whether the service responds; shows an outage and polls until it ends.

import { announce, byId } from "./dom.js";

const PAUSES = [1, 1, 2, 2, 3, 5];

export const connection = new EventTarget();
let since = null;
let tries = 0;

export const away = () => since !== null;

// Any response, even an error, shows that the service is available.
export function reportResponse() {
  if (since === null) return;
  since = null;
  byId("away").hidden = true;
  announce("The service is available again.");
  connection.dispatchEvent(new Event("back"));
}

export function reportOutage() {
  if (since !== null) return;
  since = new Date();
  tries = 0;
  const time = since.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false });
  byId("away").textContent = `The service has not responded since ${time}. Accepted jobs are kept; this page resumes when it is available again.`;
  byId("away").hidden = false;
  connection.dispatchEvent(new Event("away"));
  again();
}

function again() {
  setTimeout(async () => {
    if (since === null) return;
    try {
      const answer = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (answer.status < 500) return reportResponse();
    } catch {
      // Still unavailable.
    }
    again();
  }, PAUSES[Math.min(tries++, PAUSES.length - 1)] * 1000);
}
