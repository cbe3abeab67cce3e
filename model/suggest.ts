// "Did you mean …?": the known names that are close to what was typed.
//
// Closeness is the Damerau–Levenshtein distance (optimal string alignment): inserting, deleting or
// replacing a letter, or swapping two neighbours, costs one. A name is close when at most a third
// of the longer one would have to change; a name that begins with what was typed is always close.

const countMax = 3;

/** Up to three of `known`, the closest first; ties in alphabetical order. */
export function closeNames(typed: string, known: readonly string[]): readonly string[] {
  return known
    .map((name) => ({ name, cost: distance(typed, name) }))
    .filter(({ name, cost }) => isClose(typed, name, cost))
    .sort((a, b) => a.cost - b.cost || (a.name < b.name ? -1 : 1))
    .slice(0, countMax)
    .map(({ name }) => name);
}

/** ` Did you mean 'demo'?`, with a leading space, or nothing: made to end a sentence. */
export function hintText(typed: string, known: readonly string[]): string {
  const close = closeNames(typed, known).map((name) => `'${name}'`);
  const last = close.pop();
  if (last === undefined) return "";
  return ` Did you mean ${close.length === 0 ? last : `${close.join(", ")} or ${last}`}?`;
}

/** How many single edits lead from `a` to `b`. */
export function distance(a: string, b: string): number {
  let older: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const here = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      const swapped =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      here.push(
        Math.min(
          at(above, column) + 1,
          at(here, column - 1) + 1,
          at(above, column - 1) + same,
          swapped ? at(older, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    older = above;
    above = here;
  }
  return at(above, b.length);
}

function isClose(typed: string, name: string, cost: number): boolean {
  if (typed.length >= 2 && name.startsWith(typed)) return true;
  return cost <= Math.floor(Math.max(typed.length, name.length) / 3);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
