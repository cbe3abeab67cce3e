// The control channel of a fan-out: what a sink and the source say to each other, one JSON a line.
//
// They are few and small (a word of progress a second), so text that people can read is worth more
// than its bytes. Every line is checked field by field against what may be said by that side; what
// does not fit ends the channel. A channel of the wire already keeps order and loses nothing.
//
// What must always hold: no line is longer than `lineBytesMax`, and no more than that is held.

import { SkyError } from "../../model/errors.ts";
import { type ChunkRef, chunkBytesMax, digestPattern } from "../chunks/chunk.ts";
import { type PinName, pinPattern } from "../chunks/content-store.ts";
import type { SinkId } from "./tree.ts";

/** Where a sink serves others. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Whom to fetch from: the source, over the session of the control channel, or a peer. */
export type Parent = "source" | (Place & { readonly peer: SinkId });

/** What a sink says. `join` comes first, once. */
export type SinkMessage =
  | { readonly type: "join"; readonly serves: Place | null; readonly safe: number }
  | { readonly type: "progress"; readonly safe: number; readonly found: boolean }
  | { readonly type: "failed"; readonly move: number; readonly why: string };

/** What the source says. `welcome` comes first, once. */
export type SourceMessage =
  /** The chunks are listed in a manifest, itself a chunk. */
  | { readonly type: "welcome"; readonly list: ChunkRef }
  | { readonly type: "follow"; readonly move: number; readonly parent: Parent | null }
  /** These may fetch from you, and nobody else. */
  | { readonly type: "serve"; readonly children: readonly SinkId[] }
  | { readonly type: "release" }
  | { readonly type: "drop"; readonly why: string };

/** The longest line: sixteen children with the longest names fit. */
export const lineBytesMax = 8_192;
/** The most sinks that one sink may be asked to feed. */
export const childrenMax = 16;
const whyCharsMax = 500;
const nameCharsMax = 300;
const hostCharsMax = 255;

const headerStart = "fanout ";

export function encodeFanOutHeader(scope: PinName): Uint8Array {
  return Buffer.from(`${headerStart}${scope}`);
}

/** The scope, if it is the header of a control channel. */
export function parseFanOutHeader(header: Uint8Array): PinName | undefined {
  const text = Buffer.from(header).toString("latin1");
  const scope = text.slice(headerStart.length);
  return text.startsWith(headerStart) && pinPattern.test(scope) ? scope : undefined;
}

export function encodeLine(message: SinkMessage | SourceMessage): Uint8Array {
  const cut = "why" in message ? { ...message, why: message.why.slice(0, whyCharsMax) } : message;
  return Buffer.from(`${JSON.stringify(cut)}\n`);
}

/** Takes bytes as they come and gives lines as they are whole, parsed by `parse`. */
export class LineParser<M> {
  readonly #parse: (fields: Fields) => M | undefined;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(parse: (fields: Fields) => M | undefined) {
    this.#parse = parse;
  }

  /** @throws SkyError `stream/protocol`; the parser must not be used again. */
  push(part: Uint8Array): readonly M[] {
    const messages: M[] = [];
    let from = 0;
    for (;;) {
      const end = part.indexOf(newline, from);
      const piece = part.subarray(from, end < 0 ? part.length : end);
      this.#heldBytes += piece.length;
      if (this.#heldBytes > lineBytesMax) throw broken(`a line of more than ${lineBytesMax} bytes`);
      if (piece.length > 0) this.#held.push(Uint8Array.from(piece));
      if (end < 0) return messages;
      messages.push(this.#line());
      from = end + 1;
    }
  }

  #line(): M {
    const text = Buffer.concat(this.#held).toString();
    this.#held = [];
    this.#heldBytes = 0;
    const message = this.#parse(fieldsOf(text));
    if (message === undefined) throw broken(`a line that nobody may say: ${text.slice(0, 100)}`);
    return message;
  }
}

const newline = 0x0a;

/** What was parsed from a line: an object, of which nothing else is known. */
export type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(text: string): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new SkyError(
      "stream/protocol",
      { why: "a control line that is no JSON" },
      { cause: error },
    );
  }
  if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
    return parsed as Fields;
  throw broken("a line that is no object");
}

export function parseSinkMessage(fields: Fields): SinkMessage | undefined {
  const { type, safe, move, why, found } = fields;
  if (type === "join") {
    const serves = placeOf(fields["serves"]);
    if (serves === undefined || !isCount(safe) || !has(fields, 3)) return undefined;
    return { type, serves, safe };
  }
  if (type === "progress" && isCount(safe) && typeof found === "boolean" && has(fields, 3)) {
    return { type, safe, found };
  }
  if (type === "failed" && isCount(move) && isText(why, whyCharsMax) && has(fields, 3)) {
    return { type, move, why };
  }
  return undefined;
}

export function parseSourceMessage(fields: Fields): SourceMessage | undefined {
  const { type, move, why } = fields;
  if (type === "welcome" && has(fields, 2)) {
    const list = refOf(fields["list"]);
    return list === undefined ? undefined : { type, list };
  }
  if (type === "follow" && isCount(move) && has(fields, 3)) {
    const parent = parentOf(fields["parent"]);
    return parent === undefined ? undefined : { type, move, parent };
  }
  if (type === "serve" && has(fields, 2)) {
    const children = namesOf(fields["children"]);
    return children === undefined ? undefined : { type, children };
  }
  if (type === "release" && has(fields, 1)) return { type };
  if (type === "drop" && isText(why, whyCharsMax) && has(fields, 2)) return { type, why };
  return undefined;
}

function has(fields: Fields, count: number): boolean {
  return Object.keys(fields).length === count;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isText(value: unknown, charsMax: number): value is string {
  return typeof value === "string" && value.length <= charsMax;
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function isPlace(value: unknown): value is Place {
  if (!isObject(value)) return false;
  const { host, port } = value;
  const isPort = isCount(port) && port <= 65_535;
  return isText(host, hostCharsMax) && host.length > 0 && isPort;
}

function placeOf(value: unknown): Place | null | undefined {
  if (value === null) return null;
  return isPlace(value) ? { host: value.host, port: value.port } : undefined;
}

function parentOf(value: unknown): Parent | null | undefined {
  if (value === null || value === "source") return value;
  if (!isObject(value) || !isText(value["peer"], nameCharsMax) || !isPlace(value)) return undefined;
  return { peer: value["peer"], host: value.host, port: value.port };
}

function namesOf(value: unknown): readonly SinkId[] | undefined {
  if (!Array.isArray(value) || value.length > childrenMax) return undefined;
  return value.every((name) => isText(name, nameCharsMax)) ? value : undefined;
}

function refOf(value: unknown): ChunkRef | undefined {
  if (!isObject(value)) return undefined;
  const { digest, bytes } = value;
  const isSize = isCount(bytes) && bytes >= 1 && bytes <= chunkBytesMax;
  return isText(digest, 64) && digestPattern.test(digest) && isSize ? { digest, bytes } : undefined;
}

function broken(why: string): SkyError {
  return new SkyError("stream/protocol", { why: `the control channel of a fan-out: ${why}` });
}
