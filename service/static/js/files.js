// Files that a person chooses: read here, so that what is in them can be shown before it is sent.

import { el } from "./dom.js";

export const picker = (id, accept) => el("input", { type: "file", id, accept, required: true });

// The text of the chosen file as JSON; throws a sentence about it.
export async function readJson(file) {
  return parsed(await file.text(), file.name);
}

// The objects of JSON lines, with the number of the line that each stood on; empty lines count as none.
export async function readLines(file) {
  const lines = (await file.text()).split(/\r?\n/);
  return lines.flatMap((line, place) => (line.trim() ? [{ line: place + 1, value: parsed(line, `${file.name}, line ${place + 1}`) }] : []));
}

function parsed(text, name) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${error.message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error(`${name} holds no JSON object`);
  return value;
}

// What an upload may be called, from the name of its file.
export const nameOf = (file) => file.name.replace(/\.(jsonl?|ndjson)$/i, "").replace(/[^A-Za-z0-9_.@+-]+/g, "-").replace(/^[^A-Za-z0-9_]+/, "");
