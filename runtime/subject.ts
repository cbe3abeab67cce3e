// NATS subjects and patterns: matching, and an index from patterns to their owners.
//
// Tokens are separated by dots; in a pattern `*` stands for exactly one token and a last `>` for
// one or more. The memory bus and the permission checks use this file, the real server its own
// code: the contract suite of the bus keeps the two alike.
//
// What must always hold: `index.match(s)` is the set of all added owners whose pattern matches `s`.

const anyToken = "*";
const anyTail = ">";

/** Whether `subject`, which has no wildcards, matches `pattern`. */
export function subjectMatches(pattern: string, subject: string): boolean {
  return pattern === subject || tokensMatch(pattern.split("."), subject.split("."));
}

function tokensMatch(pattern: readonly string[], subject: readonly string[]): boolean {
  for (const [index, token] of pattern.entries()) {
    if (token === anyTail) return subject.length > index;
    const actual = subject[index];
    if (actual === undefined || (token !== anyToken && token !== actual)) return false;
  }
  return pattern.length === subject.length;
}

/**
 * Whether everything that `narrow` matches is matched by `wide` too. Decides which subscriptions
 * a permission allows.
 */
export function patternCovers(wide: string, narrow: string): boolean {
  const outer = wide.split(".");
  const inner = narrow.split(".");
  for (const [index, token] of outer.entries()) {
    const actual = inner[index];
    if (actual === undefined) return false;
    if (token === anyTail) return true;
    if (actual === anyTail) return false;
    if (token !== anyToken && token !== actual) return false;
  }
  return outer.length === inner.length;
}

/** Whether `subject` may be published to: no wildcards, no empty tokens, no white space. */
export function isSubject(subject: string): boolean {
  return isPattern(subject) && !subject.split(".").some((t) => t === anyToken || t === anyTail);
}

/** Whether `pattern` may be subscribed to: no empty tokens, `>` only at its end. */
export function isPattern(pattern: string): boolean {
  if (/\s/.test(pattern)) return false;
  const tokens = pattern.split(".");
  return tokens.every((t, index) => t !== "" && (t !== anyTail || index === tokens.length - 1));
}

/** Owners by pattern. A match costs a walk over the subject's tokens, however many owners. */
export interface SubjectIndex<T> {
  /** Returns what removes this owner again; calling that twice is harmless. */
  add(pattern: string, owner: T): () => void;
  /** Owners in no particular order; one that was added under two patterns comes twice. */
  match(subject: string): readonly T[];
}

interface Branch<T> {
  readonly children: Map<string, Branch<T>>;
  readonly here: Set<Entry<T>>;
  readonly tail: Set<Entry<T>>;
}

/** Owners may be added more than once, so the sets hold entries, not owners. */
interface Entry<T> {
  readonly owner: T;
}

export function createSubjectIndex<T>(): SubjectIndex<T> {
  const root = createBranch<T>();
  return {
    add: (pattern, owner) => {
      const entry = { owner };
      insert(root, pattern.split("."), entry);
      return () => remove(root, pattern.split("."), entry);
    },
    match: (subject) => {
      const found: T[] = [];
      collect({ branch: root, tokens: subject.split("."), at: 0, found });
      return found;
    },
  };
}

function createBranch<T>(): Branch<T> {
  return { children: new Map(), here: new Set(), tail: new Set() };
}

function insert<T>(root: Branch<T>, tokens: readonly string[], entry: Entry<T>): void {
  let branch = root;
  for (const token of tokens) {
    if (token === anyTail) {
      branch.tail.add(entry);
      return;
    }
    const child = branch.children.get(token) ?? createBranch<T>();
    branch.children.set(token, child);
    branch = child;
  }
  branch.here.add(entry);
}

/** Takes the entry out, and every branch that holds nothing afterwards. */
function remove<T>(branch: Branch<T>, tokens: readonly string[], entry: Entry<T>): void {
  const [token, ...rest] = tokens;
  if (token === undefined) {
    branch.here.delete(entry);
    return;
  }
  if (token === anyTail) {
    branch.tail.delete(entry);
    return;
  }
  const child = branch.children.get(token);
  if (child === undefined) return;
  remove(child, rest, entry);
  const empty = child.children.size === 0 && child.here.size === 0 && child.tail.size === 0;
  if (empty) branch.children.delete(token);
}

interface Walk<T> {
  readonly branch: Branch<T>;
  readonly tokens: readonly string[];
  readonly at: number;
  readonly found: T[];
}

function collect<T>({ branch, tokens, at, found }: Walk<T>): void {
  const token = tokens[at];
  if (token === undefined) {
    for (const entry of branch.here) found.push(entry.owner);
    return;
  }
  for (const entry of branch.tail) found.push(entry.owner);
  const exact = branch.children.get(token);
  if (exact !== undefined) collect({ branch: exact, tokens, at: at + 1, found });
  const any = token === anyToken ? undefined : branch.children.get(anyToken);
  if (any !== undefined) collect({ branch: any, tokens, at: at + 1, found });
}
