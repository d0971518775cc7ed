// The contents of the search form as an address of this page, which can be shared.

// The address of a form with the contents of a request for a search.
export function formHash({ space, device, guide, constraints, objectives, charges, strategy, margin, seed, finalists, verify }) {
  const query = new URLSearchParams();
  const add = (name, value) => value !== undefined && value !== null && query.append(name, value);
  add("space", space);
  if (device !== undefined) add("device", device ?? "");
  if (guide?.name) add("guide", `${guide.kind}:${guide.name}`);
  add("rank_by", guide?.rank_by);
  for (const condition of guide?.under ?? []) add("under", condition);
  const maxima = Object.entries(constraints ?? {}).filter(([, limit]) => limit);
  for (const [metric, limit] of maxima) add(`max.${metric}`, limit.max);
  // Without limits differs from those that the form begins with.
  if (constraints && !maxima.length) add("limits", "none");
  for (const metric of objectives ?? []) add("objective", metric);
  for (const charge of charges ?? []) add("charge", charge);
  add("strategy", strategy?.name);
  for (const [name, value] of Object.entries(strategy?.options ?? {})) add(`option.${name}`, value);
  add("margin", margin);
  add("seed", seed);
  add("finalists", finalists?.count);
  add("data", finalists?.data);
  for (const [name, value] of Object.entries(finalists?.training ?? {})) add(`training.${name}`, value);
  add("verify", verify);
  return `#/new?${query}`;
}

// The contents that an address describes; what it leaves out is missing or empty.
export function formContents(text) {
  const query = new URLSearchParams(text);
  const given = (name) => query.get(name) ?? undefined;
  const number = (name) => (query.has(name) ? Number(query.get(name)) : undefined);
  const withPrefix = (prefix) => [...query.keys()].filter((name) => name.startsWith(prefix));
  const maxima = withPrefix("max.").map((key) => [key.slice("max.".length), { max: number(key) }]);
  const [kind, ...name] = (given("guide") ?? "").split(":");
  return {
    space: given("space"),
    device: given("device"),
    guide: kind ? { kind, name: name.join(":"), rank_by: given("rank_by"), under: query.getAll("under") } : undefined,
    constraints: maxima.length || query.has("limits") ? Object.fromEntries(maxima) : undefined,
    objectives: query.getAll("objective"),
    charges: query.getAll("charge"),
    strategy: query.has("strategy") ? {
      name: given("strategy"),
      options: Object.fromEntries(withPrefix("option.").map((key) => [key.slice("option.".length), given(key)])),
    } : undefined,
    margin: number("margin"),
    seed: number("seed"),
    finalists: query.has("finalists") ? {
      count: number("finalists"),
      data: given("data"),
      training: Object.fromEntries(withPrefix("training.").map((key) => [key.slice("training.".length), number(key)])),
    } : undefined,
    verify: number("verify"),
  };
}
