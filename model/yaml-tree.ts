// YAML text as a tree with positions, or the problems of its syntax.
//
// YAML 1.2 core, with merge keys (`<<`), which files written for SkyPilot use. Duplicate keys are
// problems: of two values one would be dropped in silence; so are tags that nobody knows. Aliases
// are expanded, and bounded: neither a value inside of itself nor deep nesting ends the reader.

import type { Alias, Document, ParsedNode, Node as YamlNode } from "yaml";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from "yaml";
import type { Place, Problem } from "./problem.ts";
import { hintText } from "./suggest.ts";
import { type Entry, isNull, shown, type Tree } from "./value-tree.ts";

/** The number of nodes that a file may have once its aliases are expanded. */
const nodesMax = 100_000;

export interface YamlReading {
  /**
   * One for each document, at least one: an empty text is an empty document, null. Absent if the
   * text is not YAML. Problems beside it are of its content.
   */
  readonly documents?: readonly Tree[];
  readonly problems: readonly Problem[];
}

/** Reads the documents of a YAML text. */
export function readYaml(text: string, file: string): YamlReading {
  const reading = readDocuments(text, file);
  // The parser is recursive, and says the same of each value once its stack is used up.
  const tooDeep = reading.problems.find(({ what }) => what.includes("Maximum call stack"));
  if (tooDeep === undefined) return reading;
  return { problems: [{ ...tooDeep, what: "too many values inside of each other" }] };
}

function readDocuments(text: string, file: string): YamlReading {
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false };
  const parsed = parseAllDocuments(text, options);
  const source: Source = { text, file, lines, problems: [], nodes: 0 };
  const list = Array.isArray(parsed) ? parsed : [];
  for (const document of list) {
    const unknownTags = document.warnings.filter(({ code }) => code === "TAG_RESOLVE_FAILED");
    for (const { pos, message } of [...document.errors, ...unknownTags]) {
      source.problems.push({ place: placeOf(source, pos[0], pos[1]), what: plain(message) });
    }
  }
  if (source.problems.length > 0) return { problems: source.problems };
  const read = list.map((document) => treeOfDocument(source, document));
  const documents = read.length === 0 ? [treeOfDocument(source, undefined)] : read;
  return { documents, problems: source.problems };
}

interface Source {
  readonly text: string;
  readonly file: string;
  readonly lines: LineCounter;
  readonly problems: Problem[];
  nodes: number;
}

function treeOfDocument(source: Source, document: Document.Parsed | undefined): Tree {
  const nothing: Tree = { kind: "scalar", place: placeOf(source, 0, 0), value: null, text: "" };
  if (document === undefined || document.contents === null) return nothing;
  return treeOfNode({ source, document, place: nothing.place }, document.contents);
}

interface Context {
  readonly source: Source;
  readonly document: Document.Parsed;
  /** Of the nearest thing that has a position. */
  readonly place: Place;
  /** What the aliases on the way here named. */
  readonly named?: ReadonlySet<YamlNode>;
}

function treeOfNode(context: Context, node: YamlNode | ParsedNode | null): Tree {
  const { source } = context;
  source.nodes += 1;
  const place = node?.range ? placeOf(source, node.range[0], node.range[1]) : context.place;
  if (source.nodes > nodesMax) return tooMany(source, place);
  const within = { ...context, place };
  if (isAlias(node)) return treeOfAlias(within, node);
  if (isMap(node)) return { kind: "map", place, entries: entriesOf(within, node.items) };
  if (isSeq(node)) {
    return {
      kind: "list",
      place,
      items: node.items.map((item) => treeOfNode(within, asNode(item))),
    };
  }
  if (!isScalar(node)) return { kind: "scalar", place, value: null, text: "" };
  return { kind: "scalar", place, ...scalarOf(node.value, node.source) };
}

function treeOfAlias(context: Context, alias: Alias | Alias.Parsed): Tree {
  const { source, document, place, named = new Set() } = context;
  const target = alias.resolve(document);
  if (target === undefined || named.has(target)) {
    const what =
      target === undefined
        ? noAnchor(context, alias)
        : `*${alias.source} stands inside of what it names`;
    source.problems.push({ place, what });
    return { kind: "scalar", place, value: null, text: "" };
  }
  const inside = new Set([...named, target]);
  return { ...treeOfNode({ ...context, named: inside }, target), place };
}

/** An alias may use the anchors before it, in its document. */
function noAnchor({ document }: Context, alias: Alias | Alias.Parsed): string {
  const before = new Set<string>();
  visit(document, {
    Alias: (_key, other) => (other === alias ? visit.BREAK : undefined),
    Value: (_key, { anchor }) => {
      if (anchor !== undefined) before.add(anchor);
    },
  });
  const hint = hintText(alias.source, [...before]);
  return `there is no anchor "${alias.source}" before this${hint === "" ? "" : `.${hint}`}`;
}

interface Pair {
  readonly key: unknown;
  readonly value: unknown;
}

function entriesOf(context: Context, pairs: readonly Pair[]): readonly Entry[] {
  const seen = new Map<string, Place>();
  const merged: Entry[] = [];
  const own: Entry[] = [];
  for (const pair of pairs) {
    const key = treeOfNode(context, asNode(pair.key));
    const value = treeOfNode({ ...context, place: key.place }, asNode(pair.value));
    const name = key.kind === "scalar" ? key.text : "";
    if (key.kind !== "scalar") {
      context.source.problems.push({ place: key.place, what: "a field's name should be a string" });
    } else if (context.source.nodes > nodesMax) {
      break;
    } else if (name === "<<") {
      const parts = value.kind === "list" ? value.items : [value];
      merged.push(...parts.flatMap((part) => entriesToMerge(context.source, part)));
    } else {
      checkDuplicate(context.source, seen, { name, place: key.place });
      own.push({ key: name, keyPlace: key.place, value });
    }
  }
  return [...merged.filter(({ key }) => !own.some((entry) => entry.key === key)), ...own];
}

/** Null merges nothing: it is none, or an alias that has been told already. */
function entriesToMerge(source: Source, tree: Tree): readonly Entry[] {
  if (tree.kind === "map") return tree.entries;
  if (!isNull(tree)) {
    const what = `<< merges a mapping or a list of mappings, not ${shown(tree)}`;
    source.problems.push({ place: tree.place, what });
  }
  return [];
}

function checkDuplicate(
  source: Source,
  seen: Map<string, Place>,
  key: { readonly name: string; readonly place: Place },
): void {
  const first = seen.get(key.name);
  if (first === undefined) {
    seen.set(key.name, key.place);
    return;
  }
  const line = first.kind === "text" ? first.line : 0;
  const what = `"${key.name}" is given twice, first on line ${line}`;
  source.problems.push({ place: key.place, what });
}

function tooMany(source: Source, place: Place): Tree {
  if (source.nodes === nodesMax + 1) {
    source.problems.push({ place, what: `more than ${nodesMax} values, aliases expanded` });
  }
  return { kind: "scalar", place, value: null, text: "" };
}

function asNode(value: unknown): YamlNode | null {
  return isAlias(value) || isMap(value) || isSeq(value) || isScalar(value) ? value : null;
}

function scalarOf(value: unknown, source: string | undefined) {
  switch (typeof value) {
    case "string":
      return { value, text: value };
    case "number":
    case "boolean":
      return { value, text: source ?? String(value) };
    default:
      return { value: null, text: source ?? "" };
  }
}

function placeOf(source: Source, start: number, end: number): Place {
  const { line, col } = source.lines.linePos(Math.min(start, source.text.length));
  const lineStart = source.lines.lineStarts[line - 1] ?? 0;
  const newline = source.text.indexOf("\n", lineStart);
  const lineEnd = newline < 0 ? source.text.length : newline;
  const lineText = source.text.slice(lineStart, lineEnd).replace(/\r$/, "");
  const width = Math.max(1, Math.min(end, lineEnd) - start);
  const file = source.file;
  return { kind: "text", file, line: Math.max(1, line), column: Math.max(1, col), width, lineText };
}

function plain(message: string): string {
  const oneLine = message.replace(/\s+/g, " ").replace(/\.$/, "");
  return `this is not valid YAML: ${oneLine}`;
}
