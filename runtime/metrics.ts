// Counters and gauges by name: what an operator may want to see and no actor needs to know.
//
// A registry belongs to whoever creates it (a system, a process, a test); nothing is global. The
// text form is Prometheus's, because everything that scrapes understands it.
// Source: prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4.

export type Labels = Readonly<Record<string, string>>;

export interface Metrics {
  /** Adds to a counter, which starts at 0. Names are snake_case with the unit last. */
  count(name: string, labels?: Labels, by?: number): void;
  /** Registers a value that is read when somebody looks. Returns what takes it away. */
  gauge(name: string, labels: Labels, read: () => number): () => void;
  /** Every series and its value: `turns_total{kind="agent"}` → 7. */
  snapshot(): ReadonlyMap<string, number>;
  /** The text that a Prometheus server scrapes. */
  text(): string;
}

export function createMetrics(): Metrics {
  const counters = new Map<string, number>();
  const gauges = new Map<string, () => number>();
  const snapshot = (): ReadonlyMap<string, number> => {
    const series = new Map(counters);
    for (const [name, read] of gauges) series.set(name, read());
    return new Map([...series].sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return {
    count: (name, labels, by = 1) => {
      const series = seriesName(name, labels);
      counters.set(series, (counters.get(series) ?? 0) + by);
    },
    gauge: (name, labels, read) => {
      const series = seriesName(name, labels);
      gauges.set(series, read);
      return () => {
        if (gauges.get(series) === read) gauges.delete(series);
      };
    },
    snapshot,
    text: () => metricsText(snapshot(), gauges),
  };
}

function metricsText(series: ReadonlyMap<string, number>, gauges: ReadonlyMap<string, unknown>) {
  const lines: string[] = [];
  const typed = new Set<string>();
  for (const [name, value] of series) {
    const family = name.split("{", 1)[0] ?? name;
    if (!typed.has(family)) {
      lines.push(`# TYPE ${family} ${gauges.has(name) ? "gauge" : "counter"}`);
      typed.add(family);
    }
    lines.push(`${name} ${value}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function seriesName(name: string, labels: Labels = {}): string {
  const pairs = Object.keys(labels)
    .sort()
    .map((key) => `${key}="${escaped(labels[key] ?? "")}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}
