// What a party is told: everything that it may know. The relay's says nothing of the secret.

import type { StreamSecurity } from "../../runtime/stream-tcp.ts";

export interface WireConfig {
  readonly security: StreamSecurity;
  /** Its own folder: its journal, its spool, its locks. */
  readonly folder: string;
  /** Where the party before it is, through whatever stands between. */
  readonly dialPort?: number;
}

export interface SecretConfig {
  /** Hexadecimal. */
  readonly transfer: string;
  readonly key: string;
}

export interface SourceConfig extends WireConfig {
  readonly secret: SecretConfig;
  /** Where its objects are, each under its number; without it they are made from the seed. */
  readonly objects?: string;
  readonly seed: number;
  readonly sizes: readonly number[];
}

export interface RelayConfig extends WireConfig {
  readonly spoolBytesMax: number;
  /** The id of the transfer, hexadecimal. Not its key. */
  readonly transfer: string;
}

export interface SinkConfig extends WireConfig {
  readonly secret: SecretConfig;
  /** Where its objects go, each under its number. */
  readonly target: string;
  readonly sizes: readonly number[];
  readonly proveAtEnd?: boolean;
  /** It takes no more than this; without, as fast as it can. */
  readonly bytesPerSecond?: number;
}

export const host = "127.0.0.1";
export const scope = "proof/objects";
