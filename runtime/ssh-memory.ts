// An SSH port without a network, for tests: hosts are functions, and they fail when they are told.
//
// It keeps the obligations of the real one that its callers can see: keys are checked before
// anything is sent, a host that is cut ends what goes over its connection, a call that is given up
// is over at once. What must always hold: nothing happens by itself; time is the clock's, if one is
// given, and there are no deadlines else.

import { PassThrough, Readable, Writable } from "node:stream";
import { SkyError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import { parseHostKey } from "./known-hosts.ts";
import type {
  HostKey,
  OpenTunnel,
  Ssh,
  SshCall,
  SshResult,
  SshStream,
  SshTarget,
  SshTunnel,
} from "./ssh.ts";

export interface MemoryCall {
  readonly host: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly input: Uint8Array;
  readonly signal: AbortSignal;
}

/** What a script comes to there; what is left out is 0 and nothing. */
export type MemoryAnswer = (call: MemoryCall) => Partial<SshResult> | Promise<Partial<SshResult>>;

/** What a test changes about a host, at any time. */
export interface MemoryFaults {
  /** Why it cannot be reached. */
  unreachable?: string | undefined;
  /** Why it lets us not in. */
  denied?: string | undefined;
  /** `known` if nothing is said. */
  key?: "known" | "unknown" | "changed" | undefined;
  /** Every call waits for it first. */
  slow?: Promise<void> | undefined;
}

export interface MemoryTunnel extends SshTunnel {
  readonly host: string;
  readonly open: boolean;
}

export interface MemorySsh extends Ssh {
  /** In the order in which they began. */
  readonly calls: readonly MemoryCall[];
  readonly tunnels: readonly MemoryTunnel[];
  readonly agent: string | undefined;
  /** Of a host; made when it is first asked for. */
  faults(host: string): MemoryFaults;
  /** Ends its connection, with all that goes over it. */
  cut(host: string, why: string): void;
}

export interface MemorySshOptions {
  /** By `SshTarget.host`. Nobody else can be reached. */
  readonly hosts: Readonly<Record<string, MemoryAnswer>>;
  readonly clock?: Clock;
}

export function createMemorySsh(options: MemorySshOptions): MemorySsh {
  return new Memory(options);
}

interface Connection {
  readonly control: AbortController;
}

class Memory implements MemorySsh {
  readonly #options: MemorySshOptions;
  readonly #faults = new Map<string, MemoryFaults>();
  readonly #connections = new Map<string, Connection>();
  readonly #calls: MemoryCall[] = [];
  readonly #tunnels: { host: string; tunnel: SshTunnel; open: boolean }[] = [];
  agent: string | undefined;
  #closed = false;

  constructor(options: MemorySshOptions) {
    this.#options = options;
  }

  get calls(): readonly MemoryCall[] {
    return this.#calls;
  }

  get tunnels(): readonly MemoryTunnel[] {
    return this.#tunnels.map(({ host, tunnel, open }) => ({ ...tunnel, host, open }));
  }

  faults(host: string): MemoryFaults {
    const faults = this.#faults.get(host) ?? {};
    this.#faults.set(host, faults);
    return faults;
  }

  cut(host: string, why: string): void {
    this.#connections.get(host)?.control.abort(unreachable(host, why));
    this.#connections.delete(host);
  }

  async run(target: SshTarget, call: SshCall, signal: AbortSignal): Promise<SshResult> {
    const { input = "" } = call;
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
    return await this.#limited(target, { ms: call.timeoutMs, signal }, (limit) =>
      this.#answer(target, { ...call, input: bytes }, limit),
    );
  }

  async open(target: SshTarget, call: SshCall, signal: AbortSignal): Promise<SshStream> {
    await this.#limited(target, { ms: call.timeoutMs, signal }, async () => {});
    const stdout = new PassThrough();
    const parts: Buffer[] = [];
    const written = Promise.withResolvers<void>();
    const stdin = new Writable({
      write: (chunk: Buffer, _encoding, next) => {
        parts.push(Buffer.from(chunk));
        next();
      },
      final: (next) => {
        written.resolve();
        next();
      },
    });
    const ended = this.#limited(target, { signal }, async (limit) => {
      await written.promise;
      const input = Buffer.concat(parts);
      const { stdout: said, ...rest } = await this.#answer(target, { ...call, input }, limit);
      stdout.end(said);
      return rest;
    });
    ended.catch(() => stdout.destroy());
    return { stdin, stdout: Readable.from(stdout, { objectMode: false }), ended };
  }

  async tunnel(target: SshTarget, tunnel: SshTunnel, signal: AbortSignal): Promise<OpenTunnel> {
    await this.#limited(target, { signal }, async () => {});
    const entry = { host: target.host, tunnel, open: true };
    this.#tunnels.push(entry);
    const { control } = this.#connection(target.host);
    const ended = Promise.withResolvers<string>();
    control.signal.addEventListener("abort", () => {
      entry.open = false;
      ended.resolve(whyOf(control.signal.reason));
    });
    const close = async (): Promise<void> => {
      entry.open = false;
    };
    return { ended: ended.promise, close };
  }

  async hostKey({ host }: SshTarget, signal: AbortSignal): Promise<HostKey> {
    signal.throwIfAborted();
    const { unreachable: why } = this.faults(host);
    if (why !== undefined || this.#options.hosts[host] === undefined) {
      throw unreachable(host, why ?? "nobody is there");
    }
    return memoryHostKey(host);
  }

  async trust(key: HostKey): Promise<void> {
    const faults = this.faults(key.name);
    if (faults.key === "changed") throw changed(key.name);
    faults.key = "known";
  }

  /** Calls take no time here: what may go over it is a tunnel. */
  async leave({ host }: SshTarget): Promise<void> {
    if (this.#tunnels.some((tunnel) => tunnel.host === host && tunnel.open)) return;
    this.cut(host, "nobody wants it any more");
  }

  useAgent(socket: string): void {
    this.agent = socket;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const host of [...this.#connections.keys()]) this.cut(host, "the connection was closed");
  }

  async #answer(
    { host }: SshTarget,
    call: SshCall & { readonly input: Uint8Array },
    signal: AbortSignal,
  ): Promise<SshResult> {
    const { script, args = [], input } = call;
    const seen = { host, script, args, input, signal };
    this.#calls.push(seen);
    const answer = (await this.#options.hosts[host]?.(seen)) ?? {};
    return { code: 0, stdout: "", stderr: "", ...answer };
  }

  /** The checks of a connection, then `work`, unless the time, the caller or the host ends it. */
  async #limited<T>(
    { host }: SshTarget,
    { ms, signal }: { readonly ms?: number; readonly signal: AbortSignal },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const what = `ssh to ${host}`;
    if (this.#closed || signal.aborted) throw new SkyError("core/cancelled", { what });
    const control = new AbortController();
    const connection = this.#connection(host);
    const lost = (): void => control.abort(connection.control.signal.reason);
    const given = (): void => control.abort(new SkyError("core/cancelled", { what }));
    const late = unreachable(host, `it did not answer within ${(ms ?? 0) / 1000} s`);
    const cancel =
      ms === undefined ? undefined : this.#options.clock?.after(ms, () => control.abort(late));
    connection.control.signal.addEventListener("abort", lost, { once: true });
    signal.addEventListener("abort", given, { once: true });
    const aborted = Promise.withResolvers<never>();
    control.signal.addEventListener("abort", () => aborted.reject(control.signal.reason));
    try {
      const slow = this.faults(host).slow ?? Promise.resolve();
      const checked = slow.then(() => this.#admit(host)).then(() => work(control.signal));
      return await Promise.race([checked, aborted.promise]);
    } finally {
      cancel?.();
      connection.control.signal.removeEventListener("abort", lost);
      signal.removeEventListener("abort", given);
    }
  }

  #connection(host: string): Connection {
    const connection = this.#connections.get(host) ?? { control: new AbortController() };
    this.#connections.set(host, connection);
    return connection;
  }

  #admit(host: string): void {
    const { unreachable: why, denied, key } = this.faults(host);
    if (this.#options.hosts[host] === undefined) throw unreachable(host, "nobody is there");
    if (why !== undefined) throw unreachable(host, why);
    if (key === "changed") throw changed(host);
    if (key === "unknown") {
      const problems = `host ${host}: its ED25519 key is not on record (as ${host})`;
      throw new SkyError("ssh/host-key-unknown", { problems });
    }
    if (denied !== undefined) throw new SkyError("ssh/denied", { host, why: denied });
  }
}

function unreachable(host: string, why: string): SkyError {
  return new SkyError("ssh/unreachable", { host, why });
}

function changed(host: string): SkyError {
  const why = "line 1 has another ED25519 key";
  return new SkyError("ssh/host-key-changed", { host, file: "known_hosts", why });
}

function whyOf(reason: unknown): string {
  return reason instanceof SkyError ? String(reason.params["why"]) : String(reason);
}

/** The key that a host of a name shows: the same in every run. */
export function memoryHostKey(host: string): HostKey {
  const algorithm = Buffer.from("ssh-ed25519");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(algorithm.length);
  const blob = Buffer.concat([length, algorithm, Buffer.from(host.padEnd(32, "."))]);
  const key = parseHostKey(`${host} ssh-ed25519 ${blob.toString("base64")}`);
  if (key === undefined) throw new SkyError("core/broken-invariant", { what: `key of ${host}` });
  return key;
}
