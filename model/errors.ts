// Every error that may cross a process boundary: one class, one table.
//
// A code is never reused or renamed. Its remedy is the only thing that a retry loop may read. The
// parameters are typed from the text, so an error that forgets one does not compile.
// `docs/errors.md` has one heading per code; a test compares the two.

/** What the caller should do about it. */
export type Remedy = "retry" | "give-up" | "fix-request" | "fix-code";

interface CodeRow {
  readonly remedy: Remedy;
  /** gRPC status number. Source: grpc.io, "Status codes and their use in gRPC". */
  readonly grpc: number;
  readonly text: string;
}

export const codes = {
  // Runtime
  "bus/timeout": { remedy: "retry", grpc: 4, text: "no reply within {ms} ms from {to}" },
  "bus/no-such-actor": { remedy: "give-up", grpc: 5, text: "nothing lives at {to}" },
  "bus/closed": { remedy: "retry", grpc: 14, text: "the bus is closed: {why}" },
  "bus/denied": {
    remedy: "give-up",
    grpc: 7,
    text: "{node} may not publish or subscribe {subject}",
  },
  "bus/too-large": { remedy: "give-up", grpc: 3, text: "a message of {bytes} bytes to {to}" },
  "api/busy": {
    remedy: "retry",
    grpc: 8,
    text: "the head serves {count} calls already, and takes no more at a time",
  },
  "mailbox/full": { remedy: "retry", grpc: 8, text: "{to} has {count} messages waiting" },
  "core/broken-invariant": { remedy: "fix-code", grpc: 13, text: "{what}" },
  "core/cancelled": { remedy: "give-up", grpc: 1, text: "{what} was cancelled" },
  "codec/invalid": { remedy: "give-up", grpc: 3, text: "cannot decode {what}: {why}" },
  "store/failed": { remedy: "give-up", grpc: 14, text: "the journal cannot be written: {why}" },
  "store/locked": { remedy: "give-up", grpc: 14, text: "{path} is held by another process" },
  "store/corrupt": {
    remedy: "give-up",
    grpc: 15,
    text: "the journal {path} is damaged: {why}. Nothing was changed. With a replica (journal.replica): sky restore --from DIR",
  },
  "restore/failed": { remedy: "give-up", grpc: 9, text: "cannot restore from {dir}: {why}" },
  "disk/full": {
    remedy: "give-up",
    grpc: 8,
    text: "the disk is full: {path} has {free} left. {hint}",
  },
  "stream/closed": { remedy: "retry", grpc: 14, text: "the stream is closed: {why}" },
  "stream/protocol": { remedy: "give-up", grpc: 13, text: "the peer broke the protocol: {why}" },
  "stream/denied": { remedy: "give-up", grpc: 16, text: "the peer was refused: {why}" },
  "process/claimed": { remedy: "give-up", grpc: 6, text: "{dir} was claimed before" },
  "process/launcher-lost": { remedy: "retry", grpc: 14, text: "the launcher ended: {why}" },
  "process/failed": { remedy: "give-up", grpc: 14, text: "{what}: {why}" },
  // Chunks
  "chunk/missing": { remedy: "retry", grpc: 5, text: "chunk {digest} is not here ({where})" },
  "chunk/damaged": {
    remedy: "retry",
    grpc: 15,
    text: "chunk {digest} is damaged ({where}): {why}",
  },
  "chunks/full": {
    remedy: "give-up",
    grpc: 8,
    text: "the content store {dir} is full: {used} of {limit} bytes are needed by {pins} pins; raise chunks.bytes or wait for jobs to end",
  },
  "chunks/failed": {
    remedy: "give-up",
    grpc: 14,
    text: "the content store {dir} cannot be used: {why}",
  },
  "object/too-large": {
    remedy: "fix-request",
    grpc: 3,
    text: "one object of {bytes} bytes: it would have more than {limit} chunks",
  },
  "fanout/failed": { remedy: "retry", grpc: 14, text: "the fan-out {scope} failed here: {why}" },
  // Requests
  "task/invalid": { remedy: "fix-request", grpc: 3, text: "{problems}" },
  "task/too-big": { remedy: "fix-request", grpc: 9, text: "{why}" },
  "request/invalid": { remedy: "fix-request", grpc: 3, text: "{field}: {why}" },
  "source/unreadable": {
    remedy: "give-up",
    grpc: 9,
    text: "{field}: {path} cannot be read: {why}",
  },
  "cluster/not-found": { remedy: "fix-request", grpc: 5, text: "Cluster {name} not found.{hint}" },
  "cluster/not-up": {
    remedy: "give-up",
    grpc: 9,
    text: "{what} skipped for cluster '{name}' (status: {status}). It is only allowed for UP clusters.",
  },
  "cluster/mismatch": {
    remedy: "fix-request",
    grpc: 9,
    text: "Requested {requested}; cluster '{name}' has {existing}. To fix: specify a new cluster name, or down the existing cluster first.",
  },
  "cluster/superseded": {
    remedy: "give-up",
    grpc: 10,
    text: "{what} of cluster '{name}' ended early: it was {verb} by {who}.",
  },
  "cluster/start-failed": { remedy: "give-up", grpc: 14, text: "{name} did not start: {why}" },
  "cluster/stop-failed": { remedy: "give-up", grpc: 14, text: "{name} did not stop: {why}" },
  "job/not-found": {
    remedy: "fix-request",
    grpc: 5,
    text: "Job {id} not found on cluster '{name}'.",
  },
  "job/not-yours": {
    remedy: "fix-request",
    grpc: 7,
    text: "Job {id} on cluster '{name}' is {owner}'s: {user} cannot cancel it.",
  },
  "logs/removed": {
    remedy: "give-up",
    grpc: 5,
    text: "The log of job {id} was removed to keep the logs of '{name}' within {limit} bytes.",
  },
  "join/denied": { remedy: "give-up", grpc: 16, text: "the join was refused: {why}" },
  "join/version": { remedy: "give-up", grpc: 9, text: "the join was refused: {why}" },
  // Client
  "head/unreachable": { remedy: "retry", grpc: 14, text: "cannot reach the head: {why}" },
  "head/not-running": { remedy: "give-up", grpc: 14, text: "no head runs for {home}" },
  "head/start-failed": { remedy: "give-up", grpc: 14, text: "the local head did not start: {why}" },
  "config/invalid": { remedy: "fix-request", grpc: 3, text: "{file}: {why}" },
  "cloud/unknown": {
    remedy: "fix-request",
    grpc: 3,
    text: "{cloud} is not enabled: see `sky check`",
  },
  "cloud/needed": { remedy: "give-up", grpc: 9, text: "{problems}" },
  // Hosts of the user's own
  "pools/invalid": { remedy: "fix-request", grpc: 3, text: "{problems}" },
  "pool/no-fit": { remedy: "give-up", grpc: 9, text: "{why}" },
  "ssh/unreachable": { remedy: "retry", grpc: 14, text: "host {host} cannot be reached: {why}" },
  "ssh/denied": { remedy: "give-up", grpc: 7, text: "host {host} lets us not in: {why}" },
  "ssh/failed": { remedy: "give-up", grpc: 9, text: "ssh to {host}: {why}" },
  "ssh/host-key-unknown": { remedy: "fix-request", grpc: 9, text: "{problems}" },
  "ssh/host-key-changed": {
    remedy: "give-up",
    grpc: 7,
    text: "the key of host {host} is not the one on record in {file}: {why}",
  },
  "host/unfit": { remedy: "give-up", grpc: 9, text: "host {host} cannot be used: {why}. {fix}" },
  "host/failed": { remedy: "retry", grpc: 14, text: "host {host}: {what}: {why}" },
  // Transfers
  "objects/no-bucket": { remedy: "give-up", grpc: 5, text: "{bucket} does not exist" },
  "objects/no-object": { remedy: "give-up", grpc: 5, text: "{object} does not exist" },
  "objects/denied": { remedy: "give-up", grpc: 7, text: "{object}: access denied: {why}" },
  "objects/changed": {
    remedy: "give-up",
    grpc: 10,
    text: "{object} changed while it was copied: {why}",
  },
  "objects/damaged": { remedy: "retry", grpc: 15, text: "{object} is damaged: {why}" },
  "objects/failed": { remedy: "retry", grpc: 14, text: "{object}: {why}" },
  "objects/refused": { remedy: "give-up", grpc: 9, text: "{object}: the store refuses it: {why}" },
  "plan/infeasible": { remedy: "give-up", grpc: 9, text: "there is no such plan: {why}" },
  "program/invalid": { remedy: "fix-request", grpc: 3, text: "the program of {gateway}: {why}" },
  "transfer/not-found": { remedy: "fix-request", grpc: 5, text: "Transfer {id} not found." },
  "transfer/empty": { remedy: "give-up", grpc: 5, text: "there is nothing at {source}{hint}" },
  "transfer/too-costly": {
    remedy: "give-up",
    grpc: 9,
    text: "the transfer would cost about {cost} USD; the limit is {limit} USD",
  },
  "transfer/no-gateway": {
    remedy: "give-up",
    grpc: 9,
    text: "{gateway} takes part in no transfer: {why}",
  },
  "transfer/failed": { remedy: "give-up", grpc: 9, text: "transfer {id} failed: {why}" },
  "bundle/missing": { remedy: "give-up", grpc: 9, text: "there is no bundle for {arch}: {fix}" },
} as const satisfies Record<string, CodeRow>;

export type Code = keyof typeof codes;

type Names<T extends string> = T extends `${string}{${infer N}}${infer Rest}`
  ? N | Names<Rest>
  : never;

/** The parameters of a code: one for each `{name}` in its text. */
export type Params<C extends Code> = {
  readonly [N in Names<(typeof codes)[C]["text"]>]: string | number;
};

/** The one error class. `message` is the table's text with the parameters in place. */
export class SkyError<C extends Code = Code> extends Error {
  override readonly name = "SkyError";
  readonly code: C;
  readonly params: Readonly<Record<string, string | number>>;

  constructor(code: C, params: Params<C>, options: { readonly cause?: unknown } = {}) {
    super(textOf(code, params), options);
    this.code = code;
    this.params = params;
  }

  get remedy(): Remedy {
    return codes[this.code].remedy;
  }
}

/** Whether `error` is one of ours, and with `code`, whether it is that one. */
export function isSkyError<C extends Code>(error: unknown, code?: C): error is SkyError<C> {
  return error instanceof SkyError && (code === undefined || error.code === code);
}

/** An error that came over the wire: an unknown code of a newer peer keeps its text. */
export function skyErrorFrom(
  code: string,
  params: Readonly<Record<string, string>>,
  text: string,
): SkyError {
  if (Object.hasOwn(codes, code)) return new SkyError(code as Code, params as never);
  return new SkyError("core/broken-invariant", { what: text });
}

/** Throws `core/broken-invariant` unless `condition` holds. On in production. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new SkyError("core/broken-invariant", { what });
}

/** The message of anything that was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function textOf(code: Code, params: Readonly<Record<string, string | number>>): string {
  return codes[code].text.replace(/\{(\w+)\}/g, (whole, name: string) =>
    String(params[name] ?? whole),
  );
}
