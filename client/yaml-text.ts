// Plain values as the text of a YAML file. Pure; loaded when a file is written.
//
// Long lines stay one line: a `run` of one line is read back as one.

import { stringify } from "yaml";
import type { Plain } from "./tree-plain.ts";

/** Several documents are parted as YAML does. */
export function yamlOf(documents: readonly Plain[]): string {
  return documents.map((document) => stringify(document, { lineWidth: 0 })).join("---\n");
}
