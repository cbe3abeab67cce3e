// What ENTRYPOINT means: a task file, or a command to run.
//
// The words are joined by spaces. If that names a file whose YAML is a mapping, it is a task;
// otherwise it is a command. One word that ends in .yaml or .yml was surely meant as a file: when
// it is not there the caller asks, and when it is too large or cannot be parsed that is an error,
// not a command.
// Source: SkyPilot 0.3.0. Reading the file is the caller's, and so is loading a YAML parser,
// which a command does not need.

import type { Problem } from "../model/problem.ts";
import type { Tree } from "../model/value-tree.ts";
import { isNull } from "../model/value-tree.ts";
import type { YamlReading } from "../model/yaml-tree.ts";

export type FileReading =
  | { readonly kind: "text"; readonly text: string }
  /** Bytes that are no UTF-8; `textBefore` is what could be read. */
  | { readonly kind: "not-text"; readonly textBefore: string }
  | { readonly kind: "missing" }
  | { readonly kind: "not-a-file" }
  /** More bytes than are read of a file. */
  | { readonly kind: "too-large"; readonly bytes: number; readonly bytesMax: number }
  | { readonly kind: "unreadable"; readonly why: string };

export type Entrypoint =
  | { readonly kind: "none" }
  | { readonly kind: "command"; readonly command: string }
  | {
      readonly kind: "task";
      readonly file: string;
      readonly documents: readonly Tree[];
      /** Of the file itself, such as a field that is given twice. */
      readonly problems: readonly Problem[];
    }
  | { readonly kind: "doubtful"; readonly command: string; readonly why: string }
  | { readonly kind: "invalid"; readonly problems: readonly Problem[] };

/** The name of a task that is a command. Source: SkyPilot 0.3.0. */
export const commandTaskName = "sky-cmd";

/** The words of ENTRYPOINT as the one text that is a path or a command. */
export function entryText(words: readonly string[]): string {
  return words.join(" ").trim();
}

/** `file` is what is found when `text` is taken for a path. */
export function resolveEntrypoint(
  text: string,
  file: FileReading,
  readYaml: (text: string, file: string) => YamlReading,
): Entrypoint {
  if (text === "") return { kind: "none" };
  const named = /^\S+\.ya?ml$/i.test(text);
  if (file.kind === "not-text" && named) return notText(text, file.textBefore);
  if (named && file.kind === "too-large") return tooLarge(text, file);
  if (file.kind !== "text") {
    const isDoubtful = named && file.kind !== "too-large";
    return isDoubtful ? doubtful(text, file) : { kind: "command", command: text };
  }
  const { documents, problems } = readYaml(file.text, text);
  const first = documents?.find((tree) => !isNull(tree)) ?? documents?.[0];
  const isTask = first?.kind === "map" || (named && first !== undefined && isNull(first));
  if (isTask && documents !== undefined) return { kind: "task", file: text, documents, problems };
  if (!named) return { kind: "command", command: text };
  if (first === undefined) return { kind: "invalid", problems };
  const what = "a task file should be a mapping of fields such as `run: echo hello`";
  return { kind: "invalid", problems: [...problems, { place: first.place, what }] };
}

/** The tree of a task that is a command. */
export function commandTree(command: string): Tree {
  const place = { kind: "value", path: "ENTRYPOINT" } as const;
  const scalar = (text: string): Tree => ({ kind: "scalar", place, value: text, text });
  const entries = [
    { key: "name", keyPlace: place, value: scalar(commandTaskName) },
    { key: "run", keyPlace: place, value: scalar(command) },
  ];
  return { kind: "map", place, entries };
}

function notText(file: string, textBefore: string): Entrypoint {
  const lines = textBefore.split("\n");
  const lineText = lines.at(-1) ?? "";
  const at = { line: lines.length, column: lineText.length + 1, width: 1, lineText };
  const what = "this byte is not UTF-8, which a task file should be written in";
  return { kind: "invalid", problems: [{ place: { kind: "text", file, ...at }, what }] };
}

/** The file is there, so nobody meant its name as a command. */
function tooLarge(
  path: string,
  { bytes, bytesMax }: Extract<FileReading, { kind: "too-large" }>,
): Entrypoint {
  const what = `it has ${bytes} bytes, at most ${bytesMax} are read of a task file`;
  return { kind: "invalid", problems: [{ place: { kind: "value", path }, what }] };
}

type NoTask = Exclude<FileReading, { readonly kind: "text" | "too-large" }>;

function doubtful(command: string, file: NoTask): Entrypoint {
  const why = {
    "not-text": "it is not text",
    missing: "the file does not exist",
    "not-a-file": "it is not a file",
    unreadable: file.kind === "unreadable" ? file.why : "",
  }[file.kind];
  return { kind: "doubtful", command, why: `'${command}' looks like a yaml path but ${why}.` };
}
