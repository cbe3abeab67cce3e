// The log port: a constant message and fields. One line per change of phase.
// Values go into fields, never into the message, so that lines can be counted and searched.
// `log-pino.ts` writes JSON lines; `log-memory.ts` keeps them for tests.

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  /** Only with something that an operator can do. */
  warn(message: string, fields?: LogFields): void;
  /** Only for our own bugs. */
  error(message: string, fields?: LogFields): void;
  child(fields: LogFields): Log;
}

/** A log that keeps nothing. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
};
