// The entries that requests can name: spaces, devices, guides, evaluations, data sets; and bounds of costs.

import { get, optional } from "./api.js";

// `newest` names the evaluations that this page uploaded last; `unusable` lists entries with an error.
export const catalog = { spaces: [], tables: [], guides: [], evaluations: [], dataSets: [], newest: null, unusable: [] };
const bounds = new Map();
// Entries of one page, as many as the service gives at once.
const PAGE = 1000;
// Kind of the guide that scores by a predictor's mean less one deviation.
export const LOWER_BOUND = "lower-bound";

export async function load() {
  const none = { items: [] };
  const [spaces, tables, predictors, supernets, benchmarks, evaluations, dataSets] = await Promise.all([
    get("/spaces"), all("/tables"), all("/predictors"), optional("/supernets", none), optional("/benchmarks", none),
    all("/evaluations", (path) => optional(path, none)), optional("/data-sets", none),
  ]);
  bounds.clear();
  catalog.spaces = usable(spaces);
  catalog.tables = usable(tables);
  catalog.guides = [
    ...usable(predictors).map((item) => ({ kind: "predictor", ...item })),
    ...usable(supernets).map((item) => ({ kind: "supernet", ...item })),
    ...usable(benchmarks).map((item) => ({ kind: "benchmark", ...item })),
    // A bound is no value of the predicted metric.
    ...usable(predictors).map((item) => ({ ...item, kind: LOWER_BOUND, metric: null })),
  ];
  catalog.evaluations = usable(evaluations);
  // Benchmarks are left out: their data files are optional, so a missing one is no fault.
  const kinds = { table: tables, predictor: predictors, supernet: supernets, evaluations };
  catalog.unusable = Object.entries(kinds).flatMap(([kind, { items }]) => items.filter((item) => item.error).map((item) => ({ kind, ...item })));
  catalog.dataSets = usable(dataSets).map(({ name }) => name);
}

// Gets all pages of a list.
async function all(path, request = get) {
  const items = [];
  for (;;) {
    const page = await request(`${path}?limit=${PAGE}&offset=${items.length}`);
    items.push(...page.items);
    if (!page.items.length || items.length >= (page.total ?? 0)) return { items };
  }
}

// The name of an entry for people; a name that already contains its owner needs no more.
export const labelOf = ({ name, owner }) => owner === "shared" && !name.includes("/") ? `${name} (shared)` : name;

// Finds the entry of an upload, whose plain name may mean another file of the sender.
export const uploadedEntry = (entries, { sha256, owner }) => entries.find((entry) => entry.sha256 === sha256 && entry.owner === owner);

// Finds an entry by its name, or by that with its owner, as requests record it.
export const findEntry = (entries, name) => entries.find((entry) => entry.name === name)
  ?? entries.find((entry) => entry.owner && `${entry.owner}/${entry.name}` === name);

const usable = ({ items }) => items.filter((item) => !item.error);

export const spaceOf = (name) => catalog.spaces.find((space) => space.name === name);
// Whether networks of a space read tokens; a space with options is as that of its family.
export const readsText = (name) => spaceOf(name.split("(")[0])?.input_shape.length === 1;
export const guidesOf = (space) => catalog.guides.filter((guide) => guide.space === space);

// Metric -> {least, greatest} over the networks of a space, including the latency if a device is given.
export async function boundsOf(space, device) {
  const path = device
    ? `/tables/${encodeURIComponent(device)}/bounds?space=${encodeURIComponent(space)}`
    : `/spaces/${encodeURIComponent(space)}`;
  if (!bounds.has(path)) bounds.set(path, optional(path, {}).then((answer) => answer.bounds ?? answer.metrics ?? {}));
  try {
    return await bounds.get(path);
  } catch (error) {
    bounds.delete(path);
    throw error;
  }
}

// Returns the candidate names for a row of codes, in the order of the choices.
export function candidatesOf(space, codes) {
  const choices = Object.values(spaceOf(space)?.choices ?? {});
  return codes.map((code, index) => choices[index]?.[code] ?? String(code));
}

// Joins names into lines of `size` names, for narrow places.
export function inLines(names, size = 5) {
  const lines = [];
  for (let start = 0; start < names.length; start += size) lines.push(names.slice(start, start + size).join("  "));
  return lines;
}
