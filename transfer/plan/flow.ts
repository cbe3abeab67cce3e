// Flows from one site to another: without circles, and as the paths that they are made of.
//
// A solver may let data run in a circle where that costs nothing, or leave crumbs on an edge. Here
// a flow becomes a sum of paths: what is left over is dropped, so that what comes in leaves again
// everywhere, exactly, and following its edges never leads back.

export interface FlowEdge {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

export interface FlowPath {
  readonly sites: readonly string[];
  readonly amount: number;
}

export interface Ends {
  readonly source: string;
  readonly target: string;
}

/** Less than that share of the whole is a crumb. */
const crumb = 1e-6;

/** The paths of a flow, at most one an edge. Amounts that lead nowhere are dropped. */
export function pathsOf(edges: readonly FlowEdge[], ends: Ends): readonly FlowPath[] {
  const whole = edges.reduce((sum, e) => sum + (e.from === ends.source ? e.amount : 0), 0);
  const left = new Amounts(edges.filter(({ amount }) => amount > whole * crumb));
  left.cancelCircles();
  const paths: FlowPath[] = [];
  for (;;) {
    const sites = left.widestWay(ends);
    if (sites === undefined) return paths;
    const amount = left.take(sites);
    if (amount > whole * crumb) paths.push({ sites, amount });
  }
}

/** The edges of paths, each once; in the order in which data meets them. */
export function edgesOf(paths: readonly FlowPath[]): readonly FlowEdge[] {
  const sums = new Map<string, FlowEdge>();
  for (const { sites, amount } of paths) {
    for (const [index, to] of sites.slice(1).entries()) {
      const from = sites[index] ?? "";
      const known = sums.get(`${from}\n${to}`)?.amount ?? 0;
      sums.set(`${from}\n${to}`, { from, to, amount: known + amount });
    }
  }
  return [...sums.values()];
}

/** What is left of a flow while it is taken apart. */
class Amounts {
  readonly #next = new Map<string, Map<string, number>>();

  constructor(edges: readonly FlowEdge[]) {
    for (const { from, to, amount } of edges) {
      const row = this.#next.get(from) ?? new Map<string, number>();
      row.set(to, (row.get(to) ?? 0) + amount);
      this.#next.set(from, row);
    }
  }

  cancelCircles(): void {
    for (;;) {
      const circle = this.#circle();
      if (circle === undefined) return;
      this.take(circle);
    }
  }

  /** Takes as much as goes along all of the way; at least one edge of it is gone then. */
  take(sites: readonly string[]): number {
    const hops = sites.slice(1).map((to, index) => [sites[index] ?? "", to] as const);
    const amount = Math.min(...hops.map(([from, to]) => this.#next.get(from)?.get(to) ?? 0));
    for (const [from, to] of hops) {
      const row = this.#next.get(from);
      const rest = (row?.get(to) ?? 0) - amount;
      if (rest > 0) row?.set(to, rest);
      else row?.delete(to);
    }
    return amount;
  }

  /** Following the greatest amount that is left; a flow without circles leads to its end. */
  widestWay({ source, target }: Ends): readonly string[] | undefined {
    const sites = [source];
    for (let at = source; at !== target; ) {
      const row = [...(this.#next.get(at) ?? [])];
      if (row.length === 0) {
        // A crumb's end: without the edge that led there, the next try goes another way.
        const before = sites.at(-2);
        if (before === undefined) return undefined;
        this.#next.get(before)?.delete(at);
        return this.widestWay({ source, target });
      }
      [at] = row.reduce((best, hop) => (hop[1] > best[1] ? hop : best));
      sites.push(at);
    }
    return sites;
  }

  /** Sites of a circle, the first again at the end. */
  #circle(): readonly string[] | undefined {
    const done = new Set<string>();
    const trail: string[] = [];
    const visit = (site: string): readonly string[] | undefined => {
      const seenAt = trail.indexOf(site);
      if (seenAt >= 0) return [...trail.slice(seenAt), site];
      if (done.has(site)) return undefined;
      trail.push(site);
      for (const next of this.#next.get(site)?.keys() ?? []) {
        const found = visit(next);
        if (found !== undefined) return found;
      }
      trail.pop();
      done.add(site);
      return undefined;
    };
    for (const site of this.#next.keys()) {
      const found = visit(site);
      if (found !== undefined) return found;
      trail.length = 0;
    }
    return undefined;
  }
}
