// The protobuf runtime, set up once, before any generated code can see it.
//
// protobufjs returns 64-bit integers as `Long` objects as soon as the package `long` is anywhere in
// node_modules, whatever the generated types say. Every 64-bit field of ours is a number of at most
// 2^53 - 1, so `Long` is taken away here. The generated code imports its runtime from this file and
// from nowhere else: the order of imports cannot be got wrong.
//
// What must always hold: a 64-bit field decodes to a number that is exact, or it does not decode.

import protobuf from "protobufjs/minimal.js";
import { assert, errorText, isSkyError, SkyError } from "../model/errors.ts";

Object.assign(protobuf.util, { Long: null });
protobuf.configure();
protobuf.Reader.discardUnknown = true;
refuseInexact(protobuf.Reader.prototype, { int64: 53, int64s: 53 }, "read");
refuseInexact(
  protobuf.Writer.prototype,
  { int64: 53, int64s: 53, int32: 31, int32s: 31 },
  "written",
);

/** What the generated code calls `$protobuf`. */
export { protobuf };

/** The generated half of a message: `In` is what may be encoded, `Out` what decoding gives. */
export interface MessageType<In, Out> {
  encode(message: In): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Out;
}

export function encodeMessage<In>(type: MessageType<In, unknown>, message: In): Buffer {
  const bytes = type.encode(message).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @throws SkyError `codec/invalid` for anything that is not a message of this type. */
export function decodeMessage<Out>(
  type: MessageType<never, Out>,
  bytes: Uint8Array,
  what: string,
): Out {
  return decoding(what, () => type.decode(bytes));
}

/** Runs `decode`; whatever it throws becomes `codec/invalid`, with what was being decoded. */
export function decoding<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (isSkyError(error, "codec/invalid")) throw error;
    throw new SkyError("codec/invalid", { what, why: errorText(error) }, { cause: error });
  }
}

/** Makes methods throw for an integer that does not fit, where they would round or cut it. */
function refuseInexact(
  prototype: object,
  methods: Readonly<Record<string, 31 | 53>>,
  direction: "read" | "written",
): void {
  for (const [name, bits] of Object.entries(methods)) {
    const plain: unknown = Reflect.get(prototype, name);
    assert(typeof plain === "function", `protobufjs has a method ${name}`);
    Object.defineProperty(prototype, name, {
      value(this: unknown, argument: unknown): unknown {
        if (direction === "written") assertExact(argument, bits);
        const result: unknown = Reflect.apply(plain, this, [argument]);
        if (direction === "read") assertExact(result, bits);
        return result;
      },
    });
  }
}

function assertExact(value: unknown, bits: 31 | 53): void {
  if (Array.isArray(value)) {
    for (const one of value) assertExact(one, bits);
    return;
  }
  const exact = bits === 53 ? Number.isSafeInteger(value) : (Number(value) | 0) === value;
  assert(exact, `${String(value)} is an integer of ${bits} bits and a sign`);
}
