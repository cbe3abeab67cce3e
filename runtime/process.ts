// The process port: the processes of a rank on this node.
//
// It stands between the pure rank machine and the launcher (see `agent/launcher.ts`). A rank has a
// directory; the directory is its truth and survives the agent. Obligations of every version:
// - At most once: a directory is claimed by the first `prepare` and never again, whoever asks.
// - A prepared process waits. If the agent ends before `go`, it never starts.
// - After `go` it runs on, whatever becomes of the agent; `inventory` of a later agent finds it by
//   its directory, pid *and* start time.
// - Output goes byte for byte to `<dir>/log`.
// - What was let go on a lease is dead soon after the lease's end, with all that it started,
//   whatever becomes of the agent: its exit is `stopped`, `lease-expired`.

import type { Exit, SweepRecord } from "../model/job.ts";
import type { Lease } from "../model/lease.ts";

export interface ProcessPort {
  /** Resolves when the shim stands ready. @throws SkyError `process/claimed`, `process/failed`. */
  prepare(spec: ProcessSpec): Promise<void>;
  /** Lets a prepared process start. Twice is once. */
  go(dir: string, lease?: Lease): void;
  /** All leases hold from this moment of the monotonic clock, unless from a later one already. */
  renew(from: number): void;
  /** Nobody minds what the directory's process may have left: it needs no lease any more. */
  release(dir: string): void;
  /** Sends a signal to everything that belongs to the directory's process and is still in reach. */
  signal(dir: string, signal: "TERM" | "KILL"): Promise<void>;
  /** Finds and kills whatever is left of the directory's process. */
  sweep(dir: string): Promise<Omit<SweepRecord, "node">>;
  /**
   * Takes the directory of a rank that is over and forgotten for a rank to come. False if it is
   * still there and must be removed.
   */
  forget?(dir: string): boolean;
  /** Every claimed directory and what is known of it: from disk, not from memory. */
  inventory(): Promise<readonly ProcessReport[]>;
  /** Hears what happens to prepared processes. Returns what stops hearing. */
  onEvent(hear: (event: ProcessEvent) => void): () => void;
  /** Ends the launcher and what waits for `go`; what runs, runs on. */
  close(): Promise<void>;
}

export interface ProcessSpec {
  /** Absolute; does not exist yet, or is empty; its parent exists. */
  readonly dir: string;
  /** Text that bash runs. */
  readonly script: string;
  readonly cwd: string;
  /** The node's HOME. If it holds a `.bashrc`, the shell is interactive. */
  readonly home: string;
  /** Byte for byte; added to the launcher's allow-listed base environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Start as soon as it is ready, without waiting for `go`. */
  readonly goWhenReady: boolean;
  /** It will go on a lease: whoever enforces that must be there before it stands ready. */
  readonly leased?: boolean;
}

export type ProcessEvent =
  | {
      readonly kind: "started";
      readonly dir: string;
      readonly pid: number;
      readonly wallMs: number;
    }
  /** Reported once, after the log has its last byte or the grace for it has run out. */
  | {
      readonly kind: "exited";
      readonly dir: string;
      readonly exit: Exit;
      readonly wallMs: number;
      readonly logBytes: number;
    };

export type ProcessReport =
  | { readonly phase: "prepared"; readonly dir: string }
  | { readonly phase: "never-started"; readonly dir: string }
  | {
      readonly phase: "running";
      readonly dir: string;
      readonly pid: number;
      readonly startedWallMs: number;
      readonly lease?: Lease;
    }
  | {
      readonly phase: "exited";
      readonly dir: string;
      readonly pid: number | undefined;
      readonly startedWallMs: number | undefined;
      readonly exit: Exit;
      readonly endedWallMs: number;
      readonly logBytes: number;
      /** Something that it left behind may still run on it. */
      readonly lease?: Lease;
    };
