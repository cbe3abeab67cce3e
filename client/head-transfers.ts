// Transfers, as the client asks the head of its home for them: part of the port `Head`. A start
// that is repeated is the same transfer, by the key of its order; everything else changes nothing
// or sets a level.
import type {
  ObjectFailure,
  ProfiledLink,
  TransferEvent,
  TransferOrder,
  TransferPreview,
  TransferView,
} from "../model/transfer.ts";

export interface TransferCalls {
  /** What would be done. Nothing is started. */
  previewTransfer(asked: TransferAsked, signal: AbortSignal): Promise<TransferPreview>;
  /** Gives its number when it is on disk. */
  startTransfer(asked: TransferAsked, signal: AbortSignal): Promise<number>;
  /** Newest first; without plans and failures. */
  listTransfers(query: TransfersQuery, signal: AbortSignal): Promise<readonly TransferView[]>;
  /** 0 is the latest. */
  getTransfer(transfer: number, signal: AbortSignal): Promise<TransferView>;
  /** All that failed. */
  transferFailures(transfer: number, signal: AbortSignal): Promise<readonly ObjectFailure[]>;
  /** Its state first, until it has ended; a break is the reader's to see. */
  watchTransfer(transfer: number, signal: AbortSignal): AsyncIterable<TransferEvent>;
  /** On record when it resolves; the transfer ends soon after. */
  cancelTransfer(of: TransferOf, signal: AbortSignal): Promise<void>;
  /** The number of the transfer that does what this one left undone. */
  resumeTransfer(of: ResumeAsked, signal: AbortSignal): Promise<number>;
  /** Each link as soon as it is measured. */
  profileLinks(wanted: ProfileWanted, signal: AbortSignal): AsyncIterable<ProfiledLink>;
}

/** Variables that say who the caller is to a store. Secret. */
export type Credentials = Readonly<Record<string, string>>;

export interface TransferAsked {
  readonly order: TransferOrder;
  readonly environment: Credentials;
}

export interface TransfersQuery {
  /** Only this user's; absent = of all. */
  readonly user?: string;
  readonly skipFinished: boolean;
  /** No more than these; absent = all. */
  readonly countMax?: number;
}

export interface TransferOf {
  readonly transfer: number;
  /** Who asks. */
  readonly user: string;
}

export interface ResumeAsked extends TransferOf {
  readonly environment: Credentials;
}

export interface ProfileWanted {
  /** Empty = all that are up. */
  readonly clusters: readonly string[];
  /** Of each link. Absent = as the head likes. */
  readonly seconds?: number;
}
