// What a party is told: everything that it may know. The relay's says nothing of the secret.

import type { StreamSecurity } from "../../runtime/stream-tcp.ts";

export interface WireConfig {
  readonly security: StreamSecurity;
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
  readonly chunkBytes: number;
  /** A file, or so many bytes made from the seed. */
  readonly object: string | { readonly seed: number; readonly bytes: number };
}

export interface RelayConfig extends WireConfig {
  readonly folder: string;
  readonly spoolBytesMax: number;
  /** The id of the transfer, hexadecimal. Not its key. */
  readonly transfer: string;
}

export interface SinkConfig extends WireConfig {
  readonly secret: SecretConfig;
  readonly chunkBytes: number;
  readonly path: string;
  readonly folder: string;
  readonly transfer: string;
  readonly proveAtEnd?: boolean;
  /** It takes no more than this; without, as fast as it can. */
  readonly bytesPerSecond?: number;
}

export const host = "127.0.0.1";
export const scope = "proof/object";
