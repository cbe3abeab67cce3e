// Keys of hosts that nobody has said yes to: as the text of `ssh/host-key-unknown`, a line each,
// and back again for whoever asks the user. Pure.

import type { HostKey } from "../../runtime/ssh.ts";

export interface ShownKey {
  /** As in its pool. */
  readonly host: string;
  /** `ED25519`. */
  readonly type: string;
  /** `SHA256:…`. */
  readonly fingerprint: string;
}

export function hostKeyText(host: string, { type, fingerprint }: Omit<HostKey, "line">): string {
  return `${host} shows the key ${type} ${fingerprint}, which is not known here`;
}

const linePattern = /^(.+) shows the key (\S+) (SHA256:\S+), which is not known here$/gm;

/** Those in the text of an error; none where it is of another kind. */
export function shownKeys(text: string): readonly ShownKey[] {
  return [...text.matchAll(linePattern)].map(([, host = "", type = "", fingerprint = ""]) => ({
    ...{ host, type, fingerprint },
  }));
}
