// The order of keys: by their UTF-8 bytes, which is the order of their code points.
//
// JavaScript compares UTF-16 units, which differs above U+FFFF: the pairs that stand for emoji sort
// before U+E000 there and after it in UTF-8. Stores must agree, so the order is written down here.

const surrogateFirst = 0xd800;
const surrogateLast = 0xdfff;
const codePointLast = 0x10_ff_ff;

export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** The least text above all texts that start with `prefix`; `undefined` if nothing is above. */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  while (points.length > 0) {
    const last = points.pop() ?? 0;
    if (last < codePointLast) {
      const next = last + 1 === surrogateFirst ? surrogateLast + 1 : last + 1;
      return String.fromCodePoint(...points, next);
    }
  }
  return undefined;
}

/** Whether a key is at or above `from` and below `before`, where that is not empty. */
export function isInRange(
  key: string,
  { from, before }: { readonly from: string; readonly before: string },
): boolean {
  return compareKeys(key, from) >= 0 && (before === "" || compareKeys(key, before) < 0);
}

/** The query for the events of all subjects. */
export const allSubjects = "/";

/** Whether an event's subject is what a query names: itself, or with a `/` at the end, below it. */
export function subjectMatches(subject: string, query: string): boolean {
  if (query === allSubjects) return true;
  return query.endsWith("/") ? subject.startsWith(query) : subject === query;
}

/** The place of a UTF-16 unit among code points: surrogates stand for what is above the others. */
function rank(unit: number): number {
  if (unit < surrogateFirst) return unit;
  return unit > surrogateLast ? unit - 0x800 : unit + 0x2000;
}
