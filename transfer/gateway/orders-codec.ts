// The lines of a control channel: how orders and words are written, and what of them is accepted.
//
// Whatever comes is looked at field by field before anybody believes it: a head and a gateway may
// be of different versions, and a channel may carry anything. What a line held is in no error: an
// order has keys and credentials in it.
//
// What must always hold: no more than one line is held, and none is longer than `lineBytesMax`.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type {
  GatewayObject,
  GatewayOrder,
  GatewayWord,
  ListOrder,
  ListWord,
  RemoveOrder,
  RemoveWord,
  WordedError,
  WrittenObject,
} from "./orders.ts";
import {
  listOrderShape,
  listWordShape,
  orderShape,
  removeOrderShape,
  removeWordShape,
  wordShape,
} from "./orders-shapes.ts";
import type { Shape } from "./shapes.ts";

/** An order with as many objects as fit; one object with the longest names and attributes fits. */
export const lineBytesMax = 4 * 1024 * 1024;
/** A line is closed once it has so many characters of objects. */
const batchCharsUsual = 256 * 1024;
export const batchObjectsMax = 1_024;

export type Line = GatewayOrder | GatewayWord | ListOrder | ListWord | RemoveOrder | RemoveWord;

export function encodeLine(line: Line): Uint8Array {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  if (bytes.length <= lineBytesMax) return bytes;
  throw new SkyError("request/invalid", {
    field: "kind" in line ? line.kind : "list",
    why: `${bytes.length} bytes do not fit into a line of ${lineBytesMax}`,
  });
}

/** The objects of an order, or what was read or written of them, in lines that are not too long. */
export function* batches<T extends GatewayObject | WrittenObject>(
  objects: Iterable<T>,
): Generator<readonly T[]> {
  let batch: T[] = [];
  let chars = 0;
  for (const object of objects) {
    batch.push(object);
    chars += charsOf(object);
    if (chars < batchCharsUsual && batch.length < batchObjectsMax) continue;
    yield batch;
    batch = [];
    chars = 0;
  }
  if (batch.length > 0) yield batch;
}

function charsOf(object: GatewayObject | WrittenObject): number {
  const fixedChars = 160;
  if (!("source" in object)) return fixedChars;
  const targets = object.targets.reduce((sum, target) => sum + (target?.length ?? 4), 0);
  const { attributes } = object;
  const attributeChars = attributes === undefined ? 0 : JSON.stringify(attributes).length;
  return fixedChars + object.source.length + targets + attributeChars;
}

export function orderParser(): LineParser<GatewayOrder> {
  return new LineParser<GatewayOrder>("an order", orderShape);
}

export function wordParser(): LineParser<GatewayWord> {
  return new LineParser<GatewayWord>("a word", wordShape);
}

export function listOrderParser(): LineParser<ListOrder> {
  return new LineParser<ListOrder>("a list order", listOrderShape);
}

export function listWordParser(): LineParser<ListWord> {
  return new LineParser<ListWord>("a list word", listWordShape);
}

export function removeOrderParser(): LineParser<RemoveOrder> {
  return new LineParser<RemoveOrder>("a remove order", removeOrderShape);
}

export function removeWordParser(): LineParser<RemoveWord> {
  return new LineParser<RemoveWord>("a remove word", removeWordShape);
}

/** What went wrong, for the other side. */
export function wordedError(error: unknown): WordedError {
  const known = isSkyError(error)
    ? error
    : new SkyError("core/broken-invariant", { what: errorText(error) });
  const retry = known.remedy === "retry";
  return { code: known.code, text: known.message.slice(0, errorCharsMax), retry };
}

const newline = 0x0a;
const errorCharsMax = 4_096;

/** Takes bytes as they come, and gives what the whole lines say. */
export class LineParser<M> {
  readonly #what: string;
  readonly #shape: Shape;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(what: string, shape: Shape) {
    this.#what = what;
    this.#shape = shape;
  }

  /** Whether a line has begun that is not whole. */
  get isWithin(): boolean {
    return this.#heldBytes > 0;
  }

  /** @throws SkyError `stream/protocol`; the parser must not be used again. */
  push(part: Uint8Array): readonly M[] {
    const said: M[] = [];
    let from = 0;
    for (;;) {
      const end = part.indexOf(newline, from);
      const piece = part.subarray(from, end < 0 ? part.length : end);
      this.#heldBytes += piece.length;
      if (this.#heldBytes > lineBytesMax) throw broken(`a line of more than ${lineBytesMax} bytes`);
      if (piece.length > 0) this.#held.push(piece);
      if (end < 0) return said;
      said.push(this.#line());
      from = end + 1;
    }
  }

  #line(): M {
    const bytes = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    const value = parsed(Buffer.from(bytes ?? []).toString());
    const wrong = this.#shape(value, this.#what);
    if (wrong !== undefined) throw broken(wrong);
    return value as M;
  }
}

/** The parser's own message quotes the line, so it is no cause either. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) throw broken("a line that is no JSON");
    throw error;
  }
}

function broken(why: string): SkyError {
  return new SkyError("stream/protocol", { why: `the control channel of a transfer: ${why}` });
}
