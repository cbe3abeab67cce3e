// Task files as text in any of YAML's forms: block or flow, quoted or plain, with comments, blank
// lines, anchors and aliases in between; and where in the text one marked node begins.
//
// The form is drawn from a seed, so that a failing text can be made again.

/** One node may carry the mark; a key carries it by its entry. */
export type TaskNode =
  /** Written as it stands: a number, a word of YAML. */
  | { readonly kind: "plain"; readonly text: string; readonly mark?: boolean }
  /** A string: how it is quoted is drawn. */
  | { readonly kind: "text"; readonly value: string; readonly mark?: boolean }
  | { readonly kind: "map"; readonly entries: readonly TaskEntry[]; readonly mark?: boolean }
  | { readonly kind: "list"; readonly items: readonly TaskNode[]; readonly mark?: boolean };

export interface TaskEntry {
  readonly key: string;
  readonly value: TaskNode;
  /** The mark is on the key. */
  readonly mark?: boolean;
}

export const plain = (text: string): TaskNode => ({ kind: "plain", text });
export const string = (value: string): TaskNode => ({ kind: "text", value });
export const list = (...items: readonly TaskNode[]): TaskNode => ({ kind: "list", items });
export const map = (fields: Readonly<Record<string, TaskNode>>): TaskNode => ({
  kind: "map",
  entries: Object.entries(fields).map(([key, value]) => ({ key, value })),
});

export interface Written {
  readonly text: string;
  /** Of the mark, from 1; 0 if there is none. */
  readonly line: number;
  readonly column: number;
}

export function written(root: TaskNode, seed: number): Written {
  const pen = new Pen(seed);
  pen.opening();
  if (root.kind === "map" && root.entries.length > 0) pen.block(root, 0, false);
  else pen.flowLine(root);
  return pen.written();
}

/** Words that YAML, or YAML 1.1, takes for something else than text. */
const reserved = /^(true|false|null|yes|no|on|off|y|n|~|\.inf|\.nan)$/i;

class Pen {
  readonly #random: () => number;
  #out = "";
  #mark: number | undefined;
  #anchors = 0;
  /** Strings that have an anchor, by their value. */
  readonly #named = new Map<string, string>();

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  written(): Written {
    const text = this.#out;
    if (this.#mark === undefined) return { text, line: 0, column: 0 };
    const before = text.slice(0, this.#mark);
    const line = before.split("\n").length;
    return { text, line, column: before.length - before.lastIndexOf("\n") };
  }

  opening(): void {
    if (this.#chance(0.2)) this.#out += "# A task.\n\n";
    if (this.#chance(0.2)) this.#out += "---\n";
  }

  /** The entries of a mapping, one a line; the first may stand behind a dash. */
  block(node: TaskNode & { readonly kind: "map" }, indent: number, isInline: boolean): void {
    for (const [index, entry] of node.entries.entries()) {
      const isFirst = index === 0 && isInline;
      if (!isFirst) this.#between(indent);
      if (!isFirst) this.#out += " ".repeat(indent);
      if (entry.mark === true || (index === 0 && node.mark === true)) this.#marked();
      this.#out += `${this.#key(entry.key)}:`;
      this.#valueOf(entry.value, indent);
    }
  }

  flowLine(node: TaskNode): void {
    this.#flow(node);
    this.#lineEnd();
  }

  #valueOf(value: TaskNode, indent: number): void {
    const step = this.#chance(0.5) ? 2 : 4;
    const inBlock = this.#chance(0.6);
    if (value.kind === "map" && value.entries.length > 0 && inBlock) {
      this.#newLine();
      this.block(value, indent + step, false);
    } else if (value.kind === "list" && value.items.length > 0 && inBlock) {
      this.#newLine();
      this.#items(value, indent + (this.#chance(0.5) ? 0 : step));
    } else if (value.kind === "text" && this.#isLiteral(value.value)) {
      this.#out += " ";
      this.#literal(value, indent + step);
    } else {
      this.#out += " ".repeat(1 + this.#below(2));
      this.flowLine(value);
    }
  }

  #items(node: TaskNode & { readonly kind: "list" }, indent: number): void {
    for (const [index, item] of node.items.entries()) {
      this.#between(indent);
      this.#out += " ".repeat(indent);
      if (index === 0 && node.mark === true) this.#marked();
      this.#out += "- ";
      if (item.kind === "map" && item.entries.length > 0 && this.#chance(0.5)) {
        this.block(item, indent + 2, true);
      } else {
        this.flowLine(item);
      }
    }
  }

  #flow(node: TaskNode): void {
    switch (node.kind) {
      case "plain":
        if (node.mark === true) this.#marked();
        this.#out += node.text;
        return;
      case "text":
        this.#string(node, true);
        return;
      case "map":
        if (node.mark === true) this.#marked();
        this.#flowed("{}", node.entries, (entry) => {
          if (entry.mark === true) this.#marked();
          this.#out += `${this.#key(entry.key)}: `;
          this.#flow(entry.value);
        });
        return;
      case "list":
        if (node.mark === true) this.#marked();
        this.#flowed("[]", node.items, (item) => this.#flow(item));
    }
  }

  #flowed<T>(brackets: string, parts: readonly T[], write: (part: T) => void): void {
    const space = this.#chance(0.3) ? " " : "";
    this.#out += `${brackets[0]}${space}`;
    for (const [index, part] of parts.entries()) {
      if (index > 0) this.#out += ", ";
      write(part);
    }
    this.#out += `${space}${brackets[1]}`;
  }

  #string({ value, mark }: TaskNode & { readonly kind: "text" }, inFlow: boolean): void {
    const name = this.#named.get(value);
    if (name !== undefined && this.#chance(0.5)) {
      if (mark === true) this.#marked();
      this.#out += `*${name} `;
      return;
    }
    if (this.#chance(0.1)) {
      this.#anchors += 1;
      this.#out += `&a${this.#anchors} `;
      this.#named.set(value, `a${this.#anchors}`);
    }
    if (mark === true) this.#marked();
    this.#out += this.#quoted(value, inFlow);
  }

  #quoted(value: string, inFlow: boolean): string {
    const form = this.#below(3);
    if (form === 0 && isPlain(value, inFlow)) return value;
    if (form === 1 && !/[\n\t]/.test(value)) return `'${value.replaceAll("'", "''")}'`;
    return JSON.stringify(value);
  }

  #key(key: string): string {
    if (isPlain(key, true) && this.#chance(0.9)) return key;
    return this.#chance(0.5) ? JSON.stringify(key) : `'${key.replaceAll("'", "''")}'`;
  }

  #isLiteral(value: string): boolean {
    return /^\S[^\t]*\n$/.test(value) && !/\n\n/.test(value) && this.#chance(0.7);
  }

  #literal({ value, mark }: TaskNode & { readonly kind: "text" }, indent: number): void {
    if (mark === true) this.#marked();
    this.#out += "|\n";
    for (const line of value.slice(0, -1).split("\n")) {
      this.#out += `${" ".repeat(indent)}${line}\n`;
    }
  }

  #newLine(): void {
    this.#lineEnd();
  }

  #lineEnd(): void {
    if (this.#chance(0.15)) this.#out += "  # why: because";
    this.#out += "\n";
  }

  #between(indent: number): void {
    if (this.#chance(0.1)) this.#out += "\n";
    if (this.#chance(0.1)) this.#out += `${" ".repeat(indent)}# between\n`;
  }

  #marked(): void {
    this.#mark ??= this.#out.length;
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

function isPlain(value: string, inFlow: boolean): boolean {
  if (reserved.test(value) || /: |:$| #|\s$/.test(value)) return false;
  return inFlow
    ? /^[A-Za-z_/][\w./:@=+~-]*$/.test(value)
    : /^[A-Za-z_/][\w ./:@=+~-]*$/.test(value);
}

/** Numbers in [0, 1) of a seed. Source: mulberry32, public domain. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
