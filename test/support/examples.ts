// Examples in documents and docstrings, as programs: what a reader would have to add is added.
//
// An example is code as it stands in the text. Names of the SDK that it uses and does not import
// are imported; `sky` and the like are declared where the example takes them for granted.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as skylet from "../../client/index.ts";
import { checkout } from "./programs.ts";

const door = join(checkout, "client/index.ts");

/** One fence of a document. */
export interface Fence {
  /** `ts`, `ts signature`, `text`. */
  readonly kind: string;
  readonly code: string;
  /** Of its first line, counted from 1. */
  readonly line: number;
}

export function fencesOf(markdown: string): readonly Fence[] {
  return [...markdown.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [, kind = "", code = ""] = match;
    return { kind, code, line: markdown.slice(0, match.index).split("\n").length + 1 };
  });
}

/** The code of every `@example` of a source. */
export function docExamplesOf(source: string): readonly string[] {
  const comments = [...source.matchAll(/\/\*\*([\s\S]*?)\*\//g)].map(([, text = ""]) => {
    return text.replace(/^\s*\* ?/gm, "");
  });
  return comments.flatMap((text) => {
    const parts = text.split("@example").slice(1);
    return parts.map((part) => (part.split(/^@(?:throws|param|default)/m)[0] ?? "").trim());
  });
}

/** What an example may take for granted: a statement that declares each name. */
export type Granted = Readonly<Record<string, string>>;

/** A module of its own: imports, what is taken for granted, the code. */
export function moduleOf(code: string, granted: Granted): string {
  const own = code.replaceAll('"skylet"', JSON.stringify(door));
  const given = Object.entries(granted).filter(([name]) => uses(code, name) && !has(code, name));
  const lines = given.map(([, statement]) => `export ${statement}`);
  const names = `${code}\n${lines.join("\n")}`;
  return [importsFor(names, code), ...lines, own, "export {};", ""].join("\n");
}

/** Types and values of the SDK that a text names, unless the code declares them. */
export function importsFor(text: string, code = ""): string {
  const used = exportedNames.filter((name) => uses(text, name) && !has(code, name));
  const values = used.filter((name) => Object.hasOwn(skylet, name) && /^[A-Z]|Error$/.test(name));
  const types = used.filter((name) => !Object.hasOwn(skylet, name));
  const listed = [...values, ...types.map((name) => `type ${name}`)];
  return listed.length === 0 ? "" : `import { ${listed.join(", ")} } from ${JSON.stringify(door)};`;
}

const exportedNames = namesOf(readFileSync(door, "utf8"));

/** Every name between the braces of an export, by which the world knows it. */
function namesOf(source: string): readonly string[] {
  const groups = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)];
  const names = groups.flatMap(([, group = ""]) => group.split(","));
  return names.map((name) => name.trim().replace(/^.* as /, "")).filter((name) => name !== "");
}

function uses(text: string, name: string): boolean {
  return new RegExp(`(?<![.\\w$'"-])${name}(?![\\w$])`).test(text);
}

/** Whether the code declares or imports the name itself. */
function has(code: string, name: string): boolean {
  const plain = new RegExp(`(?:const|let|as|class|function) ${name}\\b`);
  const pattern = new RegExp(
    `(?:const|let|import) [{[][^=}\\]]*?\\b${name}\\s*(?:=[^,}]*)?[,}\\]]`,
  );
  return plain.test(code) || pattern.test(code);
}
