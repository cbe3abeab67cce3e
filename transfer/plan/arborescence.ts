// The cheapest arborescence: from a root, exactly one way to every other node of a directed graph.
//
// Edmonds' algorithm in the form of Chu and Liu: each node takes its cheapest edge; a circle that
// comes of it becomes one node, whose incoming edges cost what they save; and so on, until there is
// none. Source: J. Edmonds, "Optimum branchings", 1967. Takes nodes × edges steps.

export interface Arc {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
}

/** Indices of its arcs; `undefined` = the root does not reach every node. */
export function arborescence(
  nodes: number,
  root: number,
  arcs: readonly Arc[],
): readonly number[] | undefined {
  return contracted({ nodes, root, arcs: arcs.map((arc, index) => ({ ...arc, index })) });
}

interface Indexed extends Arc {
  /** In the graph of the caller. */
  readonly index: number;
}

interface Graph {
  readonly nodes: number;
  readonly root: number;
  readonly arcs: readonly Indexed[];
}

function contracted(graph: Graph): readonly number[] | undefined {
  const best = cheapestInto(graph);
  if (best === undefined) return undefined;
  const circles = circlesOf(graph, best);
  if (circles.count === 0) return [...best.values()].map(({ index }) => index);
  const { groupOf, groups } = groupsOf(graph, circles);
  const isInCircle = (node: number) => circles.of[node] !== undefined;
  const outer: Indexed[] = [];
  const originals: Indexed[] = [];
  for (const arc of graph.arcs) {
    const [from = 0, to = 0] = [groupOf[arc.from], groupOf[arc.to]];
    if (from === to) continue;
    const saved = isInCircle(arc.to) ? (best.get(arc.to)?.weight ?? 0) : 0;
    outer.push({ from, to, weight: arc.weight - saved, index: originals.length });
    originals.push(arc);
  }
  const root = groupOf[graph.root] ?? 0;
  const chosen = contracted({ nodes: groups, root, arcs: outer });
  if (chosen === undefined) return undefined;
  const taken = chosen.flatMap((index) => originals[index] ?? []);
  // Of each circle all arcs stay but the one into the node where it is entered.
  const entered = new Set(taken.map(({ to }) => to));
  const kept = [...best.values()].filter(({ to }) => isInCircle(to) && !entered.has(to));
  return [...taken, ...kept].map(({ index }) => index);
}

function cheapestInto({ nodes, root, arcs }: Graph): ReadonlyMap<number, Indexed> | undefined {
  const best = new Map<number, Indexed>();
  for (const arc of arcs) {
    if (arc.to === root || arc.from === arc.to) continue;
    const known = best.get(arc.to);
    if (known === undefined || arc.weight < known.weight) best.set(arc.to, arc);
  }
  return best.size === nodes - 1 ? best : undefined;
}

interface Circles {
  readonly count: number;
  /** By node: which circle it is on. */
  readonly of: readonly (number | undefined)[];
}

/** Following each node's arc backwards ends at the root, or goes round. */
function circlesOf({ nodes, root }: Graph, best: ReadonlyMap<number, Indexed>): Circles {
  const of: (number | undefined)[] = Array.from({ length: nodes }, () => undefined);
  const seen: (number | undefined)[] = Array.from({ length: nodes }, () => undefined);
  let count = 0;
  for (let start = 0; start < nodes; start += 1) {
    let at: number = start;
    while (at !== root && seen[at] === undefined) {
      seen[at] = start;
      at = best.get(at)?.from ?? root;
    }
    if (at === root || seen[at] !== start) continue;
    for (let node = at; of[node] === undefined; node = best.get(node)?.from ?? root) {
      of[node] = count;
    }
    count += 1;
  }
  return { count, of };
}

/** Circles come first, then all other nodes. */
function groupsOf({ nodes }: Graph, { count, of }: Circles) {
  let groups = count;
  const groupOf = Array.from({ length: nodes }, (_, node) => {
    const circle = of[node];
    if (circle !== undefined) return circle;
    groups += 1;
    return groups - 1;
  });
  return { groupOf, groups };
}
