// The transfers of a home, for whoever serves them: what can be asked, and what is told.
//
// A transfer that `start` gave a number for is on disk, and goes on whatever dies: the caller, this
// process, a gateway. What a caller passes beside the order (`env`) is for finding credentials; it
// stays in memory and is gone with this process, after which the head looks where it always does.

import type {
  ObjectFailure,
  ProfiledLink,
  TransferEvent,
  TransferOrder,
  TransferPreview,
  TransferView,
} from "../../model/transfer.ts";

/** Who asks, beside what is asked. */
export interface TransferCall {
  /** Of the caller's patience. A transfer that is recorded does not end with it. */
  readonly signal: AbortSignal;
  /**
   * Variables of the caller's environment that say who it is to a store: the head was started by
   * another shell. Secret: never stored, logged or sent on.
   */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ProfileRequest {
  /** Clusters whose nodes are measured, with this machine; absent = all that are up. */
  readonly clusters?: readonly string[];
  /** How long each link is measured. */
  readonly seconds?: number;
}

export interface Transfers {
  /** Brings back what the journal holds; what has not ended goes on. Once, first. */
  restore(): Promise<void>;
  /**
   * What would be done; starts nothing.
   * @throws SkyError `request/invalid`, `transfer/empty`, `plan/infeasible`, `objects/no-bucket`,
   *   `objects/denied`, `cluster/not-found`.
   */
  preview(order: TransferOrder, call: TransferCall): Promise<TransferPreview>;
  /**
   * Records it, and gives its number. The same idempotency key again: the same number.
   * @throws SkyError `request/invalid`.
   */
  start(order: TransferOrder, call: TransferCall): Promise<number>;
  /** The newest first. */
  list(): readonly TransferView[];
  get(id: number): TransferView | undefined;
  /** Objects that did not arrive, in the order of their numbers. @throws `transfer/not-found`. */
  failures(id: number, page: FailurePage): Promise<readonly ObjectFailure[]>;
  /**
   * Its state at once, then what happens, until it has ended. A slow reader misses `object` events
   * and intermediate progress, never a state. @throws SkyError `transfer/not-found`.
   */
  watch(id: number, signal: AbortSignal): AsyncIterable<TransferEvent>;
  /** Resolves when that is on record; it ends soon after. One that has ended stays as it is. */
  cancel(id: number, user: string): Promise<void>;
  /**
   * Goes on with what one that failed or was cancelled left undone, as a transfer of its own, whose
   * number it gives. One that runs: its own number. What is done is not done again.
   * @throws SkyError `transfer/not-found`; `request/invalid` if nothing is left to do.
   */
  resume(id: number, user: string, call: TransferCall): Promise<number>;
  /** Measures links between gateways, and remembers them for plans. Each as it is known. */
  profile(request: ProfileRequest, signal: AbortSignal): AsyncIterable<ProfiledLink>;
  /** Those that have not ended: while there are any, the head stays. */
  running(): number;
  /** Lets go of all gateways. What has not ended goes on with the next start. */
  close(): Promise<void>;
}

export interface FailurePage {
  /** So many are known: those after them are wanted. */
  readonly after: number;
  readonly countMax: number;
}
