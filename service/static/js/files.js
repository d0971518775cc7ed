// Reads the files that a user chooses, to show their content before the upload.

import { el } from "./dom.js";

export const picker = (id, accept, { required = true } = {}) => el("input", { type: "file", id, accept, required });

// Parses a file as JSON; throws an error with a message for the user.
export async function readJson(file) {
  return parse(await file.text(), file.name);
}

// Parses JSON lines into objects with their line numbers; skips empty lines.
export async function readLines(file) {
  const lines = (await file.text()).split(/\r?\n/);
  return lines.flatMap((line, index) => (line.trim() ? [{ line: index + 1, value: parse(line, `${file.name}, line ${index + 1}`) }] : []));
}

function parse(text, name) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${error.message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error(`${name} is not a JSON object`);
  return value;
}

// Derives a valid upload name from the name of a file.
export const nameOf = (file) => file.name.replace(/\.(jsonl?|ndjson|ya?ml)$/i, "").replace(/[^A-Za-z0-9_.@+-]+/g, "-").replace(/^[^A-Za-z0-9_]+/, "");
