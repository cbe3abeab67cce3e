// YAML files for the builders: read with positions, and written.
//
// The parser is loaded here and only when a file is: `import "skylet"` stays light.

import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { errorText, SkyError } from "../model/errors.ts";
import { problemsText } from "../model/problem.ts";
import { isNull, type Tree } from "../model/value-tree.ts";
import type { Plain } from "./tree-plain.ts";

const fileBytesMax = 4 * 1024 * 1024;

/** A file, or a text that is called like one. */
export interface YamlSource {
  readonly path: string;
  readonly text?: string;
}

/** The trees of all documents but empty ones; at least one. @throws SkyError `task/invalid`. */
export async function readDocuments(source: YamlSource): Promise<readonly Tree[]> {
  const { readYaml } = await import("../model/yaml-tree.ts");
  const text = source.text ?? (await textOf(source.path));
  const { documents, problems } = readYaml(text, source.path);
  if (documents === undefined || problems.length > 0) throw invalid(problemsText(problems));
  const full = documents.filter((tree) => !isNull(tree));
  return full.length === 0 ? documents.slice(0, 1) : full;
}

/** @throws SkyError `task/invalid` for a pipeline, and for what is no mapping. */
export function oneDocument(trees: readonly Tree[], path: string): Tree {
  const [tree] = trees;
  if (tree === undefined || trees.length > 1) {
    throw invalid(`${path}: ${trees.length} tasks are a pipeline: read it with Dag.fromYaml`);
  }
  return tree;
}

/** Documents as one text. */
export async function yamlText(documents: readonly Plain[]): Promise<string> {
  const { yamlOf } = await import("./yaml-text.ts");
  return yamlOf(documents);
}

async function textOf(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw invalid(`${path}: ${whyUnreadable(cause)}`, cause);
  });
  if (bytes.length > fileBytesMax) {
    throw invalid(`${path}: it has ${bytes.length} bytes, at most ${fileBytesMax} are read`);
  }
  if (!isUtf8(bytes)) throw invalid(`${path}: it is not UTF-8, which a task file should be`);
  return bytes.toString("utf8");
}

function whyUnreadable(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  if (code === "ENOENT") return "the file does not exist";
  return code === "EISDIR" ? "it is a folder, not a file" : errorText(cause);
}

function invalid(problems: string, cause?: unknown): SkyError {
  return new SkyError("task/invalid", { problems }, { cause });
}
