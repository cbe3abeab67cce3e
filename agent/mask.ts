// Hiding declared secrets in a stream of bytes, without changing its length. Pure.
//
// Every byte that is part of an occurrence of a secret becomes `*`; where occurrences overlap, all
// of them are hidden. The result does not depend on how the stream was cut into pieces or where it
// was taken up again: a piece is masked with a margin on both sides, and bytes at the growing end
// that may turn out to begin a secret are held back until more is there or the stream has ended.
//
// Secrets shorter than four bytes are not hidden: "1" or "no" would make any log unreadable and
// hide nothing that cannot be guessed.

export const secretBytesMin = 4;

const star = 0x2a;

export interface Masker {
  /** Bytes of margin that a piece needs before and after it. 0 = nothing is hidden. */
  readonly margin: number;
  /**
   * The masked bytes of `window` from `from` on, as far as they are certain. `ended`: nothing
   * follows the window. `window` holds `margin` bytes before `from`, or the stream's beginning.
   */
  mask(window: Uint8Array, from: number, ended: boolean): Uint8Array;
}

export function createMasker(secrets: readonly Uint8Array[]): Masker {
  const hidden = secrets
    .filter((secret) => secret.length >= secretBytesMin)
    .map((secret) => Buffer.from(secret));
  if (hidden.length === 0) return { margin: 0, mask: (window, from) => window.subarray(from) };
  const margin = Math.max(...hidden.map((secret) => secret.length)) - 1;
  return {
    margin,
    mask: (window, from, ended) => {
      const bytes = Buffer.from(window.buffer, window.byteOffset, window.length);
      const end = ended ? bytes.length : certainEnd(bytes, hidden, margin);
      const out = Buffer.from(bytes.subarray(from, Math.max(from, end)));
      for (const secret of hidden) hide(bytes, secret, { out, from });
      return out;
    },
  };
}

/** Where the first unfinished occurrence of any secret begins. */
function certainEnd(bytes: Buffer, secrets: readonly Buffer[], margin: number): number {
  let end = bytes.length;
  for (const secret of secrets) {
    const first = secret[0] ?? 0;
    let at = bytes.indexOf(first, Math.max(0, bytes.length - margin));
    for (; at >= 0 && at < end; at = bytes.indexOf(first, at + 1)) {
      const tail = bytes.subarray(at);
      if (secret.length > tail.length && secret.subarray(0, tail.length).equals(tail)) end = at;
    }
  }
  return end;
}

function hide(
  bytes: Buffer,
  secret: Buffer,
  { out, from }: { readonly out: Buffer; readonly from: number },
): void {
  for (let at = bytes.indexOf(secret); at >= 0; at = bytes.indexOf(secret, at + 1)) {
    const begin = Math.max(0, at - from);
    const end = Math.min(out.length, at + secret.length - from);
    if (begin < end) out.fill(star, begin, end);
  }
}
