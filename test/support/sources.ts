// The project's own sources as data: text, syntax tree, comments and imports.
//
// TypeScript 7 has no stable compiler API in JavaScript, so types are taken out with Node's own
// `stripTypeScriptTypes`, which puts spaces in their place, and acorn parses what is left: every
// position and line number is that of the file. Imports of types are read from the text.

import { readdirSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { posix, resolve } from "node:path";
import { type Comment, parse } from "acorn";

export const checkout = resolve(import.meta.dirname, "../..");

export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly line: number;
  /** The imported file, relative to the checkout; absent for packages and Node's own modules. */
  readonly target?: string;
}

/** A node of the tree, as far as the rules look at it. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export interface Source {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly tree: SyntaxNode;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
  lineOf(position: number): number;
}

const skipped = ["node_modules", "dist", "gen", "coverage"];

/** Every file of the project with one of these endings, relative to the checkout, sorted. */
export function pathsOf(endings: readonly string[], folder = ""): readonly string[] {
  const found: string[] = [];
  for (const entry of readdirSync(resolve(checkout, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) {
      const ours = !skipped.includes(entry.name) && !entry.name.startsWith(".");
      if (ours) found.push(...pathsOf(endings, path));
    } else if (endings.some((ending) => entry.name.endsWith(ending))) found.push(path);
  }
  return found.sort();
}

export function textOf(path: string): string {
  return readFileSync(resolve(checkout, path), "utf8");
}

/** Reads and parses one TypeScript or JavaScript file. @throws SyntaxError with the path. */
export function sourceOf(path: string): Source {
  return parseSource(path, textOf(path));
}

export function parseSource(path: string, text: string): Source {
  const comments: Comment[] = [];
  const code = path.endsWith(".ts") ? stripTypeScriptTypes(text, { mode: "strip" }) : text;
  const tree = parse(code, {
    ecmaVersion: "latest",
    sourceType: "module",
    allowHashBang: true,
    onComment: comments,
  }) as unknown as SyntaxNode;
  const starts = lineStarts(text);
  const lineOf = (position: number) => starts.findLastIndex((start) => start <= position) + 1;
  return {
    path,
    text,
    lines: text.split("\n"),
    tree,
    comments,
    imports: importsOf({ path, code: withoutComments(text, comments), tree, lineOf }),
    lineOf,
  };
}

/** Calls `visit` for every node, parents first, with its ancestors (nearest last). */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, ancestors: readonly SyntaxNode[]) => void,
  ancestors: readonly SyntaxNode[] = [],
): void {
  visit(node, ancestors);
  const below = [...ancestors, node];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, below);
    }
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === "object" && value !== null && typeof Reflect.get(value, "type") === "string"
  );
}

/** What runs is read from the tree; imports of types are gone there and read from the text. */
function importsOf(file: {
  readonly path: string;
  readonly code: string;
  readonly tree: SyntaxNode;
  readonly lineOf: (position: number) => number;
}): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: unknown, typeOnly: boolean, position: number): void => {
    if (typeof specifier !== "string") return;
    const folder = posix.dirname(file.path);
    const target = specifier.startsWith(".") ? { target: posix.join(folder, specifier) } : {};
    found.push({ specifier, typeOnly, line: file.lineOf(position), ...target });
  };
  walk(file.tree, (node) => {
    if (!/^(Import(Declaration|Expression)|Export(Named|All)Declaration)$/.test(node.type)) return;
    const from = node["source"];
    if (isNode(from)) add(from["value"], false, node.start);
  });
  const ofTypes = /^(?:import|export)\s+type\s[^"';]*?\bfrom\s*"([^"]+)"/gm;
  for (const match of file.code.matchAll(ofTypes)) add(match[1], true, match.index);
  return found;
}

function withoutComments(text: string, comments: readonly Comment[]): string {
  let out = text;
  for (const { start, end } of comments) {
    out = out.slice(0, start) + out.slice(start, end).replace(/[^\n]/g, " ") + out.slice(end);
  }
  return out;
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
