// A log that keeps its lines, for tests: what was said, with the fields of all its parents.
// Children write into the same list, so a test sees one story in the order in which it was told.
// Fields are kept as they were given, not as text: tests compare values.

import type { Log, LogFields } from "./log.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

export interface MemoryLog extends Log {
  /** Oldest first. Children write here too. */
  readonly lines: readonly LogLine[];
}

export function createMemoryLog(): MemoryLog {
  return writeTo([], {});
}

function writeTo(lines: LogLine[], parents: LogFields): MemoryLog {
  const at = (level: LogLine["level"]) => (message: string, fields?: LogFields) => {
    lines.push({ level, message, fields: { ...parents, ...fields } });
  };
  return {
    lines,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => writeTo(lines, { ...parents, ...fields }),
  };
}
