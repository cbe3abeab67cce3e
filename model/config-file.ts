// `config.yaml` of a home: text in, typed values with their defaults out. Pure.
//
// A field that we do not know is an error, with the name that was probably meant: a setting that
// is silently ignored is worse than none. An empty file means the defaults.

import { type Document, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import type { Config } from "./config.ts";
import { defaultConfig } from "./config.ts";
import { errorText, SkyError } from "./errors.ts";
import { leaseMsMin } from "./lease.ts";
import { hintText } from "./suggest.ts";

/** `host:port`. */
const endpoint = z.string().transform((text, context) => {
  const [, host, digits] = /^([^:\s]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host !== undefined && port > 0 && port < 65_536) return { host, port };
  context.addIssue({ code: "custom", message: `'${text}' is not host:port` });
  return z.NEVER;
});

/** `tls://host:port`, several with commas; no names and passwords, since addresses are shown. */
const busUrls = z.string().transform((text, context) => {
  const urls = text.split(",").map((url) => url.trim());
  if (urls.every((url) => /^tls:\/\/[^@/\s]+:\d{1,5}$/.test(url))) return urls;
  context.addIssue({ code: "custom", message: `'${text}' is not tls://host:port` });
  return z.NEVER;
});

const path = z.string().startsWith("/");

const bus = z
  .strictObject({
    binary: z.string().min(1).optional(),
    advertise: endpoint.optional(),
    url: busUrls.optional(),
    credentials: path.optional(),
    node_credentials: path.optional(),
    authority: path.optional(),
  })
  .refine(
    ({ url, credentials, node_credentials }) =>
      (url === undefined) === (credentials === undefined) &&
      (url === undefined) === (node_credentials === undefined),
    "url, credentials and node_credentials go together",
  )
  .refine(
    ({ url, authority, binary, advertise }) =>
      url === undefined ? authority === undefined : binary === undefined && advertise === undefined,
    "authority goes with url; binary and advertise go without",
  );

const leaseSecondsMin = leaseMsMin / 1_000;
const count = z.number().int().min(1).optional();

const lease = z.number().refine((typed) => typed === 0 || typed >= leaseSecondsMin, {
  error: ({ input }) => `${input} is neither 0 nor at least ${leaseSecondsMin}`,
});

const schema = z.strictObject({
  local: z.strictObject({ isolation: z.enum(["embedded", "process"]).optional() }).optional(),
  idle_exit_seconds: z.number().min(0).optional(),
  lease_seconds: lease.optional(),
  log: z.strictObject({ level: z.enum(["debug", "info", "warn", "error"]).optional() }).optional(),
  journal: z
    .strictObject({ extra_fsync_ms: z.number().min(0).optional(), replica: path.optional() })
    .optional(),
  history: z
    .strictObject({
      jobs: count,
      events: count,
      log_bytes: count,
      archives: count,
      archive_bytes: count,
      clusters: count,
    })
    .optional(),
  chunks: z.strictObject({ bytes: count }).optional(),
  debug: z.strictObject({ history: z.boolean().optional() }).optional(),
  bus: bus.optional(),
  bulk: z
    .strictObject({
      port: z.number().int().min(0).max(65_535).optional(),
      advertise: endpoint.optional(),
    })
    .optional(),
  join: z.strictObject({ advertise: path.optional() }).optional(),
});

/** Every setting, as `log.level`. */
export const configFields: readonly string[] = pathsOf(schema);

/** @throws SkyError `config/invalid`, with the line or the path of the field. */
export function parseConfig(file: string, text: string): Config {
  const typed = plainValue(file, text) ?? {};
  const parsed = schema.safeParse(typed);
  if (!parsed.success) {
    throw new SkyError("config/invalid", { file, why: whyOf(parsed.error, typed) });
  }
  const { local, idle_exit_seconds, lease_seconds, log, debug, bulk, journal, join, history } =
    parsed.data;
  const { local: nodes, log: lines, journal: disk, idleExitSeconds, leaseSeconds } = defaultConfig;
  const { port = defaultConfig.bulk.port, advertise } = bulk ?? {};
  return {
    local: { isolation: local?.isolation ?? nodes.isolation },
    idleExitSeconds: idle_exit_seconds ?? idleExitSeconds,
    leaseSeconds: lease_seconds ?? leaseSeconds,
    log: { level: log?.level ?? lines.level },
    journal: {
      extraFsyncMs: journal?.extra_fsync_ms ?? disk.extraFsyncMs,
      ...(journal?.replica === undefined ? {} : { replica: journal.replica }),
    },
    history: historyOf(history),
    debug: { history: debug?.history ?? defaultConfig.debug.history },
    chunks: { bytes: parsed.data.chunks?.bytes ?? defaultConfig.chunks.bytes },
    bus: busOf(parsed.data.bus ?? {}),
    bulk: { port, ...(advertise === undefined ? {} : { advertise }) },
    join: join?.advertise === undefined ? {} : { advertise: join.advertise },
  };
}

function busOf(found: z.infer<typeof bus>): Config["bus"] {
  const { binary, advertise, url, credentials, node_credentials, authority } = found;
  const own = {
    ...(binary === undefined ? {} : { binary }),
    ...(advertise === undefined ? {} : { advertise }),
  };
  if (url === undefined || credentials === undefined || node_credentials === undefined) return own;
  const given = { urls: url, credentials, nodeCredentials: node_credentials };
  return { ...own, given: { ...given, ...(authority === undefined ? {} : { authority }) } };
}

function historyOf(given: z.infer<typeof schema>["history"] = {}): Config["history"] {
  const { history } = defaultConfig;
  return {
    jobs: given.jobs ?? history.jobs,
    events: given.events ?? history.events,
    logBytes: given.log_bytes ?? history.logBytes,
    archives: given.archives ?? history.archives,
    archiveBytes: given.archive_bytes ?? history.archiveBytes,
    clusters: given.clusters ?? history.clusters,
  };
}

function plainValue(file: string, text: string): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const [problem] = document.errors;
  if (problem === undefined) return expanded(file, document);
  const { line, col } = lineCounter.linePos(problem.pos[0]);
  throw new SkyError("config/invalid", { file: `${file}:${line}:${col}`, why: problem.message });
}

/** An alias without an anchor, or far too many of them, is found only now, and has no place. */
function expanded(file: string, document: Document): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    throw new SkyError("config/invalid", { file, why: errorText(cause) }, { cause });
  }
}

function whyOf(error: z.ZodError, typed: unknown): string {
  const names = [...new Set(configFields.flatMap((path) => path.split(".")))];
  return error.issues
    .map((issue) => {
      const path = issue.path.join(".");
      if (issue.code !== "unrecognized_keys") {
        const at = path === "" ? "the file" : path;
        return `${at}: ${complaint(issue, valueAt(typed, issue.path))}`;
      }
      return issue.keys
        .map((key) => {
          const at = path === "" ? key : `${path}.${key}`;
          return `${at}: there is no such field.${hintText(key, names)}`;
        })
        .join("; ");
    })
    .join("; ");
}

function valueAt(typed: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => Object(value)[key], typed);
}

/** What was typed, and what it should be. */
function complaint(issue: z.core.$ZodIssue, value: unknown): string {
  const shown = typeof value === "string" ? `'${value}'` : `${JSON.stringify(value)}`;
  switch (issue.code) {
    case "invalid_type":
      return `${shown} is not ${typeNames[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `${shown} is not one of ${issue.values.join(", ")}`;
    case "too_small":
      return `${shown} is less than ${issue.minimum}`;
    case "too_big":
      return `${shown} is more than ${issue.maximum}`;
    case "invalid_format":
      return `${shown} is not an absolute path`;
    default:
      return issue.message;
  }
}

const typeNames: Readonly<Record<string, string>> = {
  ...{ number: "a number", int: "a whole number", string: "text", boolean: "true or false" },
  object: "a list of settings (name: value)",
};

function pathsOf(object: z.ZodObject): readonly string[] {
  return Object.entries(object.shape).flatMap(([name, field]) => {
    const inner = field instanceof z.ZodOptional ? field.unwrap() : field;
    if (!(inner instanceof z.ZodObject)) return [name];
    return pathsOf(inner).map((path) => `${name}.${path}`);
  });
}
