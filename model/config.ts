// `config.yaml` of a home: text in, typed values with their defaults out. Pure.
//
// A field that we do not know is an error, with the name that was probably meant: a setting that
// is silently ignored is worse than none. An absent or empty file means the defaults.

import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import type { Isolation } from "./cluster.ts";
import { SkyError } from "./errors.ts";
import { hintText } from "./suggest.ts";

export interface Config {
  readonly local: {
    /** How nodes of local clusters run, unless a launch says otherwise. */
    readonly isolation: Isolation;
  };
  /** How long the head waits, with nothing to do and nothing to keep, before it ends. */
  readonly idleExitSeconds: number;
  readonly log: { readonly level: "debug" | "info" | "warn" | "error" };
  readonly journal: {
    /** Delays every flush of the journal, as a slower disk would. For benchmarks. */
    readonly extraFsyncMs: number;
  };
  readonly bus: {
    /** The nats-server to start in `process` isolation; absent = looked for. */
    readonly binary?: string;
  };
}

const schema = z.strictObject({
  local: z.strictObject({ isolation: z.enum(["embedded", "process"]).optional() }).optional(),
  idle_exit_seconds: z.number().min(0).optional(),
  log: z.strictObject({ level: z.enum(["debug", "info", "warn", "error"]).optional() }).optional(),
  journal: z.strictObject({ extra_fsync_ms: z.number().min(0).optional() }).optional(),
  bus: z.strictObject({ binary: z.string().min(1).optional() }).optional(),
});

const fieldNames = [
  "local",
  "isolation",
  "idle_exit_seconds",
  "log",
  "level",
  "bus",
  "binary",
  "journal",
  "extra_fsync_ms",
];
const idleExitSecondsDefault = 60;

/** @throws SkyError `config/invalid`, with the line or the path of the field. */
export function parseConfig(file: string, text: string): Config {
  const parsed = schema.safeParse(plainValue(file, text) ?? {});
  if (!parsed.success) throw new SkyError("config/invalid", { file, why: whyOf(parsed.error) });
  const { local, idle_exit_seconds, log, bus, journal } = parsed.data;
  return {
    local: { isolation: local?.isolation ?? "embedded" },
    idleExitSeconds: idle_exit_seconds ?? idleExitSecondsDefault,
    log: { level: log?.level ?? "info" },
    journal: { extraFsyncMs: journal?.extra_fsync_ms ?? 0 },
    bus: bus?.binary === undefined ? {} : { binary: bus.binary },
  };
}

function plainValue(file: string, text: string): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [problem] = document.errors;
  if (problem === undefined) return document.toJS();
  const { line, col } = lineCounter.linePos(problem.pos[0]);
  throw new SkyError("config/invalid", { file: `${file}:${line}:${col}`, why: problem.message });
}

function whyOf(error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      const path = issue.path.join(".");
      if (issue.code !== "unrecognized_keys") return `${path}: ${issue.message}`;
      return issue.keys
        .map((key) => {
          const at = path === "" ? key : `${path}.${key}`;
          return `${at}: there is no such field.${hintText(key, fieldNames)}`;
        })
        .join("; ");
    })
    .join("; ");
}
