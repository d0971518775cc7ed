// Sends JSON requests to the service and raises its problems as errors.

import { reportOutage, reportResponse } from "./connection.js";
import { signIn } from "./session.js";

// The service refused a request; `field` names the invalid part, or is null.
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? `the service responded with status ${status}`);
    this.status = status;
    this.body = body;
    this.field = body.field ?? null;
  }
}

// The service does not respond.
export class Away extends Error {}

const PATIENCE_MS = 20000;
const UPLOAD_MS = 120000;
const CHECK_MS = 90000; // longer than the service tries to check a pipeline

export async function request(method, path, { body, headers = {}, signal, patience = PATIENCE_MS } = {}) {
  const answer = await send(method, path, body, headers, signal, patience);
  const content = await parse(answer);
  if (answer.ok) return content;
  if (answer.status === 401) {
    await signIn();
    return request(method, path, { body, headers, signal, patience });
  }
  throw new Problem(answer.status, content ?? {});
}

export const get = (path, options) => request("GET", path, options);

// Uploads a file's content; a repeated upload of equal content keeps its version.
export const upload = (path, body) => request("POST", path, { body, patience: UPLOAD_MS });

// Creates a job. The key makes a repeated request, such as after a lost response, return the same job.
let unanswered = null;
export async function create(path, body, patience = PATIENCE_MS) {
  const text = `${path} ${JSON.stringify(body)}`;
  if (unanswered?.text !== text) unanswered = { text, key: randomKey() };
  try {
    const job = await request("POST", path, { body, headers: { "Idempotency-Key": unanswered.key }, patience });
    unanswered = null;
    return job;
  } catch (error) {
    if (error instanceof Problem) unanswered = null;
    throw error;
  }
}

export const createPipeline = (body) => create("/pipelines", body, CHECK_MS);

// crypto.randomUUID is missing on insecure addresses; getRandomValues works on all.
function randomKey() {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(parts, (word) => word.toString(16).padStart(8, "0")).join("");
}

// Gets a resource, or returns `otherwise` where an older service does not have it.
export async function optional(path, otherwise) {
  try {
    return await get(path);
  } catch (error) {
    if (error instanceof Problem && [404, 405].includes(error.status)) return otherwise;
    throw error;
  }
}

async function send(method, path, body, headers, signal, milliseconds) {
  const patience = AbortSignal.timeout(milliseconds);
  const options = {
    method,
    headers: { Accept: "application/json", ...headers },
    signal: signal ? AbortSignal.any([signal, patience]) : patience,
    cache: "no-store",
    credentials: "same-origin",
  };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  try {
    const answer = await fetch(path, options);
    reportResponse();
    return answer;
  } catch (error) {
    if (signal?.aborted) throw error;
    reportOutage();
    throw new Away("the service does not respond");
  }
}

async function parse(answer) {
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch {
    return null;
  }
}
