// Formats numbers, names and times.

export const UNITS = {
  latency_ms: { name: "Latency", unit: "ms", scale: 1 },
  prefill_ms: { name: "Prompt", unit: "ms", scale: 1, long: "latency of a prompt" },
  decode_ms: { name: "Token", unit: "ms", scale: 1, long: "latency of a token, with a cache" },
  macs: { name: "FLOPs", unit: "M", scale: 1e6, long: "multiply-accumulates, in millions" },
  flops: { name: "FLOPs", unit: "M", scale: 1e6, long: "multiply-accumulates, in millions" },
  binary_macs: { name: "Binary operations", unit: "M", scale: 1e6, long: "multiply-accumulates of signs, in millions" },
  params: { name: "Parameters", unit: "M", scale: 1e6, long: "learned parameters, in millions" },
  memory_bytes: { name: "Memory", unit: "MB", scale: 1e6 },
  energy_mj: { name: "Energy", unit: "mJ", scale: 1 },
};

// Sorts metrics in the order of UNITS, others last.
export function sortMetrics(metrics) {
  const order = Object.keys(UNITS);
  const position = (metric) => (order.includes(metric) ? order.indexOf(metric) : order.length);
  return [...metrics].sort((one, other) => position(one) - position(other));
}

// A second device's latency is called `latency_ms@DEVICE`.
export function unitOf(metric) {
  const [kind, device] = metric.split("@");
  const entry = UNITS[kind] ?? { name: kind, unit: "", scale: 1 };
  return device ? { ...entry, name: `${entry.name} on ${device}` } : entry;
}

export function digits(value, significant = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const integerDigits = size >= 1 ? Math.floor(Math.log10(size)) + 1 : 0;
  if (size !== 0 && size < 1e-3) return value.toPrecision(2);
  return value.toFixed(Math.max(0, Math.min(significant - integerDigits, 4)));
}

// Formats a cost with its unit, such as "12.3 ms".
export function cost(metric, value) {
  const { unit, scale } = unitOf(metric);
  return `${digits(value / scale)}${unit ? ` ${unit}` : ""}`;
}

// Formats a score with as many digits as its deviation justifies.
export function score(value, spread = 0) {
  return signed(spread > 0 && Number.isFinite(value) ? value.toFixed(places(spread)) : digits(value, 4));
}

// Replaces the leading hyphen by a minus sign, as in the plot.
export const signed = (text) => text.replace(/^-/, "−");

// Formats a deviation, or returns an empty text if there is none.
export const deviation = (spread) => (spread > 0 ? `± ${spread.toFixed(places(spread))}` : "");
const places = (spread) => Math.min(5, Math.max(2, 1 - Math.floor(Math.log10(spread))));

// Formats a limit with its unit, without trailing digits.
export function most(metric, value) {
  const { unit, scale } = unitOf(metric);
  return `${Number((value / scale).toPrecision(4))} ${unit}`.trim();
}

export const count = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });

// Formats a large count as a power of ten, such as 7.1 × 10¹⁶.
export function large(value) {
  if (value < 1e6) return count(value);
  const power = Math.floor(Math.log10(value));
  return `${(value / 10 ** power).toFixed(1)} × 10${[...String(power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}

export function seconds(value) {
  if (value < 60) return `${digits(value, 2)} s`;
  const minutes = Math.floor(value / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(value % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function ago(text) {
  const passed = (Date.now() - Date.parse(text)) / 1000;
  if (passed < 45) return "now";
  if (passed < 3600) return `${Math.round(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.round(passed / 3600)} h ago`;
  return new Date(text).toLocaleDateString("en", { day: "numeric", month: "short" });
}

// Formats the limits of a request, such as "latency ≤ 12 ms".
export function limits(request) {
  return Object.entries(request.constraints ?? {})
    .filter(([, limit]) => limit)
    .map(([metric, limit]) => `${unitOf(metric).name.toLowerCase().replace("flops", "FLOPs")} ≤ ${most(metric, limit.max)}`);
}

// Formats the processor and the conditions of a table's measurement.
export function conditionsOf({ device, conditions }) {
  const { threads, precision, batch, backend } = conditions ?? {};
  const details = [backend, precision, threads && `${threads} thread${threads === 1 ? "" : "s"}`, batch && `batch ${batch}`];
  return [device?.processor, ...details].filter(Boolean).join(", ");
}

// The names of the predictor kinds on the page.
const ENCODERS = {
  gp: "Gaussian process", blend: "Gaussian process with trees", forest: "random forest", boosting: "boosted trees",
  gates: "GATES", "ta-gates": "TA-GATES", dele: "DELE", mlp: "MLP", lstm: "LSTM", gcn: "GCN", transformer: "graph transformer",
};
export const encoderName = (kind) => ENCODERS[kind] ?? kind;

// The name of a metric on the page; `definition` is its description by the service.
export const metricName = (name, definition) => definition?.title ?? name.replaceAll("_", " ");
export const metricUnit = ({ unit } = {}) => (unit === "percent" ? "%" : unit ?? "");
export const betterOf = ({ higher_is_better }) => `${higher_is_better ? "higher" : "lower"} is better`;
// Words with a capital inside, such as mAP, are written as they are.
export const capital = (text) => (/^[a-z]+[A-Z]/.test(text) ? text : `${text[0].toUpperCase()}${text.slice(1)}`);

// The description of the metric that scores are of, null if they are of several or unknown.
export const scoredMetric = (value) => (value?.metric && value.higher_is_better !== undefined ? value : null);

// Turns a score, of which greater is better, into a value of its metric.
export const metricValue = (definition, value) => (definition && !definition.higher_is_better ? 0 - value : value);
