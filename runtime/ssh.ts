// The SSH port: scripts on other machines, and tunnels to them, by the user's own OpenSSH.
//
// Whatever `ssh HOST` does for the user happens here: names, users, keys, jump hosts and proxies of
// `~/.ssh/config`, keys of an agent. Nobody is asked: what needs a word typed fails.
//
// What must always hold: a host whose key is unknown or has changed gets nothing from us; one
// connection a host carries everything and none outlives `close` or this process; scripts reach the
// host's `sh` byte for byte, whatever the login shell is; output is bounded or streamed.

import type { Readable, Writable } from "node:stream";

/** A machine, as the user wrote it. */
export interface SshTarget {
  /** An address, or a name that `~/.ssh/config` knows. */
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
  /** A path; `~/` is the home. Also when `~/.ssh/config` names others. */
  readonly identityFile?: string;
}

export interface SshCall {
  /** For `sh`, POSIX. Never holds a secret: those go by `input`. */
  readonly script: string;
  /** `$1`, `$2`, …: any bytes but NUL. */
  readonly args?: readonly string[];
  /** What the script reads on its standard input. */
  readonly input?: string | Uint8Array;
  /** The connection is included. */
  readonly timeoutMs: number;
}

export interface SshResult {
  /** Of the script. */
  readonly code: number;
  /** At most `sshOutputBytesMax` of each; what is longer is cut at its end. */
  readonly stdout: string;
  readonly stderr: string;
}

export const sshOutputBytesMax = 1_048_576;

/** A script that runs: for much input or output. */
export interface SshStream {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /**
   * Its exit code and the last of its standard error. Rejects like `run`. Comes when `stdout` was
   * read to its end, or destroyed. A host takes 8 scripts at a time; others wait for these.
   */
  readonly ended: Promise<Pick<SshResult, "code" | "stderr">>;
}

/** A local socket that leads to one on the host, or to where the host can dial. */
export interface SshTunnel {
  readonly local: string;
  readonly remote: string | { readonly host: string; readonly port: number };
}

export interface OpenTunnel {
  /** Resolves, with a sentence, when the connection that it goes over has ended. Never rejects. */
  readonly ended: Promise<string>;
  close(): Promise<void>;
}

/** A key that a host shows. */
export interface HostKey {
  /** As in `known_hosts`, which finds it by this name. */
  readonly name: string;
  /** `ED25519`. */
  readonly type: string;
  /** `SHA256:…`. */
  readonly fingerprint: string;
  /** Its line for `known_hosts`. */
  readonly line: string;
}

/**
 * Every call may throw SkyError `ssh/unreachable` (retry), `ssh/denied`, `ssh/failed`,
 * `ssh/host-key-unknown`, `ssh/host-key-changed`, `core/cancelled`. A script that ends with a code
 * other than 0 is a result, no error.
 */
export interface Ssh {
  run(target: SshTarget, call: SshCall, signal: AbortSignal): Promise<SshResult>;
  /** The same for bytes without end. Without `input`; `timeoutMs` is for the connection alone. */
  open(target: SshTarget, call: SshCall, signal: AbortSignal): Promise<SshStream>;
  tunnel(target: SshTarget, tunnel: SshTunnel, signal: AbortSignal): Promise<OpenTunnel>;
  /**
   * The key that the host shows now, without logging in; it proves nothing. Where a jump host on
   * the way has a key that is not on record, it is that one: trust it and ask again.
   */
  hostKey(target: SshTarget, signal: AbortSignal): Promise<HostKey>;
  /**
   * From now on this is the host's key.
   * @throws SkyError `ssh/host-key-changed` if another is on record: that one stays.
   */
  trust(key: HostKey): Promise<void>;
  /** No more is wanted of the host for now: its connection ends with the last that goes over it. */
  leave(target: SshTarget): Promise<void>;
  /** The agent that holds the user's keys, as a client of ours last named it. */
  useAgent(socket: string): void;
  /** Ends every connection. */
  close(): Promise<void>;
}
