// The log over pino: one JSON object a line, to a file or a descriptor.
//
// Writing happens in the background, so a log line never waits for a disk; `close` writes what is
// left. A log that cannot be written must not take the program down: the error is dropped, because
// there is nowhere left to tell it. Redaction is the second net for secrets; the first is not to
// log them.

import { renameSync, statSync } from "node:fs";
import pino from "pino";
import type { Log, LogFields } from "./log.ts";

export interface PinoLogOptions {
  /** A path, which is appended to (mode 0600), or a descriptor: 1, 2. */
  readonly destination: string | number;
  /** For tests. */
  readonly bytesMax?: number;
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** Paths whose values are replaced, in pino's syntax: `secrets.*`, `*.token`. */
  readonly redact?: readonly string[];
  /** Fields of every line. */
  readonly fields?: LogFields;
}

export interface PinoLog {
  readonly log: Log;
  /** Writes what is left. Nothing is logged afterwards. */
  close(): void;
}

/** Lines that wait for a disk; more are dropped. */
const waitingCharsMax = 1_048_576;
/** A file that is larger is put aside, as `<path>.1`, and a new one begun: two are kept. */
const logBytesMax = 16_777_216;

/** Names under which a secret may turn up, at the top and one level below. */
const secretNames = ["secrets", "secret", "token", "password", "seed", "privateKey", "joinToken"];

export function createPinoLog(options: PinoLogOptions): PinoLog {
  const destination = pino.destination({
    dest: options.destination,
    append: true,
    mkdir: false,
    mode: 0o600,
    sync: false,
    maxLength: waitingCharsMax,
  });
  destination.on("error", () => {});
  if (typeof options.destination === "string") {
    bounded(destination, options.destination, options.bytesMax ?? logBytesMax);
  }
  const paths = [...secretNames.flatMap((name) => [name, `*.${name}`]), ...(options.redact ?? [])];
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid, ...options.fields },
      redact: { paths, censor: "[secret]" },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    destination,
  );
  return { log: logOf(logger), close: () => closeOf(destination) };
}

/** What cannot be put aside is written on: a long log is better than none. */
function bounded(
  destination: ReturnType<typeof pino.destination>,
  path: string,
  bytesMax: number,
): void {
  let bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  destination.on("write", (written: number) => {
    bytes += written;
    if (bytes < bytesMax) return;
    bytes = 0;
    try {
      renameSync(path, `${path}.1`);
      destination.reopen();
    } catch {
      // Its folder is gone or not writable.
    }
  });
}

function logOf(logger: pino.Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => logOf(logger.child(fields)),
  };
}

function closeOf(destination: ReturnType<typeof pino.destination>): void {
  try {
    destination.flushSync();
  } catch {
    // Not open yet, or no longer writable: the lines are lost, as the file's head comment says.
  }
  destination.end();
}
