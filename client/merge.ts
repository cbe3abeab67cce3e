// The logs of many ranks as one text: whole lines, each behind its rank's prefix.
//
// Between prefix and line end stands exactly what the rank wrote: bytes are never decoded, `\r` and
// 0xFF pass. A line of one rank is never cut by another's. Two things are only in this view: the
// prefixes, and a line end after a rank's last line when it has none.
//
// A line that grows past `pieceBytes` is written in pieces, so that memory stays bounded; while it
// is open the other ranks wait, up to `heldBytesMax`, then it is broken by a line end.

/** Who wrote a chunk. Equal `id` = the same log. */
export interface MergeSource {
  readonly id: string;
  /** Asked for at every write, because a rank's pid becomes known later than its first line. */
  readonly prefix: () => string;
}

const pieceBytes = 64 * 1024;
const heldBytesMax = 8 * 1024 * 1024;
const newline = 0x0a;

export class Merge {
  /** The begun line of each log that has one. */
  readonly #begun = new Map<string, Begun>();
  readonly #held: Held[] = [];
  readonly #single: boolean;
  #heldBytes = 0;
  /** The log whose line is half written to the view. */
  #open: string | undefined;

  /** `single`: only one log can be there at a time, so begun lines are written at once. */
  constructor(options: { readonly single: boolean }) {
    this.#single = options.single;
  }

  /** What to write for this chunk, in order. */
  push(source: MergeSource, chunk: Uint8Array): readonly Buffer[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#open === undefined || this.#open === source.id) {
      const taken = this.#take(source, bytes);
      return this.#open === undefined ? [...taken, ...this.#release()] : taken;
    }
    // A copy: the caller's buffer may be its to use again.
    this.#held.push({ source, bytes: Buffer.from(bytes) });
    this.#heldBytes += bytes.length;
    if (!this.#single && this.#heldBytes <= heldBytesMax) return [];
    return [...this.#breakLine(), ...this.#release()];
  }

  /** What is left when all logs have ended. */
  end(): readonly Buffer[] {
    const out: Buffer[] = [];
    // Each round ends one open line, and what waited for it may open another.
    while (this.#open !== undefined || this.#held.length > 0) {
      out.push(...this.#breakLine(), ...this.#release());
    }
    for (const { source, bytes } of this.#begun.values()) {
      out.push(withPrefix(source.prefix(), bytes, true), Buffer.from("\n"));
    }
    this.#begun.clear();
    return out;
  }

  /** The whole lines of `bytes`, and its rest too if that may be written already. */
  #take(source: MergeSource, bytes: Buffer): readonly Buffer[] {
    const begun = this.#begun.get(source.id)?.bytes;
    const all = begun === undefined ? bytes : Buffer.concat([begun, bytes]);
    const atStart = this.#open !== source.id;
    const end = all.lastIndexOf(newline) + 1;
    const rest = all.subarray(end);
    const early = rest.length > 0 && (this.#single || rest.length >= pieceBytes);
    const written = early ? all : all.subarray(0, end);
    const open = early || (!atStart && end === 0);
    this.#begun.delete(source.id);
    if (!early && rest.length > 0) {
      this.#begun.set(source.id, { source, bytes: Buffer.from(rest) });
    }
    this.#open = open ? source.id : undefined;
    return written.length === 0 ? [] : [withPrefix(source.prefix(), written, atStart)];
  }

  /** Ends a half-written line for the sake of the others. */
  #breakLine(): readonly Buffer[] {
    if (this.#open === undefined) return [];
    const rest = this.#begun.get(this.#open)?.bytes;
    this.#begun.delete(this.#open);
    this.#open = undefined;
    return rest === undefined ? [Buffer.from("\n")] : [rest, Buffer.from("\n")];
  }

  /** The chunks that waited, until one of them opens a line of its own. */
  #release(): readonly Buffer[] {
    const held = this.#held.splice(0);
    this.#heldBytes = 0;
    return held.flatMap(({ source, bytes }) => this.push(source, bytes));
  }
}

interface Begun {
  readonly source: MergeSource;
  readonly bytes: Buffer;
}

interface Held {
  readonly source: MergeSource;
  readonly bytes: Buffer;
}

/**
 * `bytes` with the prefix at the start of each line that begins in it. Latin-1 maps every byte to
 * one character and back, so the replacement runs at the speed of a string search and is exact.
 */
function withPrefix(prefix: string, bytes: Buffer, atStart: boolean): Buffer {
  const prefixed = Buffer.from(prefix).toString("latin1");
  const text = bytes.toString("latin1");
  const endsLine = text.endsWith("\n");
  const body = endsLine ? text.slice(0, -1) : text;
  const lines = (atStart ? prefixed : "") + body.replaceAll("\n", `\n${prefixed}`);
  return Buffer.from(endsLine ? `${lines}\n` : lines, "latin1");
}
