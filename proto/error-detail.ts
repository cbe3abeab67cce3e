// Errors in transit: `SkyError` ↔ `ErrorDetail` in the metadata of a gRPC status.
//
// What crosses is the code, its parameters and its sentence. A stack or a cause never does: they
// name files of the peer's machine and help nobody who reads them there.

import { codes, errorText, isSkyError, SkyError, skyErrorFrom } from "../model/errors.ts";
import { decodeMessage, encodeMessage } from "./codec.ts";
import { recordFrom } from "./fields.ts";
import { sky } from "./gen/sky.js";
import { requestBytesMax } from "./services.ts";

/** The metadata key that carries the bytes. gRPC takes bytes only under names in `-bin`. */
export const errorMetadataKey = "sky-error-bin";

/** Bytes travel in a header, which HTTP/2 peers limit: Node's default is 64 KiB in base64. */
const detailCharsMax = 6_000;

/** gRPC's status numbers that we tell apart. Source: grpc.io, "Status codes". */
const grpcCancelled = 1;
const grpcDeadlineExceeded = 4;
const grpcResourceExhausted = 8;
const grpcUnimplemented = 12;
const grpcUnavailable = 14;

/** Anything thrown as one of ours. What is not ours is a bug of ours. */
export function asSkyError(error: unknown): SkyError {
  if (isSkyError(error)) return error;
  return new SkyError("core/broken-invariant", { what: errorText(error) }, { cause: error });
}

export function errorToBytes(error: SkyError): Buffer {
  const params = Object.entries(error.params).map(([name, value]) => [name, cut(String(value))]);
  return encodeMessage(sky.v1.ErrorDetail, {
    code: error.code,
    params: Object.fromEntries(params),
    text: cut(error.message),
  });
}

/** @throws SkyError `codec/invalid` if the bytes are no error. */
export function errorFromBytes(bytes: Uint8Array): SkyError {
  const { code, params, text } = decodeMessage(sky.v1.ErrorDetail, bytes, "ErrorDetail");
  return skyErrorFrom(code, recordFrom(params), text);
}

/** The gRPC status number of an error. */
export function grpcStatusOf(error: SkyError): number {
  return codes[error.code].grpc;
}

export interface GrpcFailure {
  readonly method: string;
  readonly status: number;
  readonly details: string;
  /** The content of `sky-error-bin`, if the peer sent one. */
  readonly detail: Uint8Array | undefined;
  /** What the call was given, for errors that say so. */
  readonly timeoutMs: number | undefined;
}

/** What a caller learns of a failed call: the peer's own error, or what gRPC knows. */
export function errorFromGrpc(failure: GrpcFailure, cause: unknown): SkyError {
  const { method, status, details, timeoutMs } = failure;
  if (failure.detail !== undefined) {
    const told = errorFromBytes(failure.detail);
    return isSkyError(told, "core/cancelled") ? headEnds(told) : told;
  }
  switch (status) {
    case grpcCancelled:
      return headEnds(cause);
    case grpcDeadlineExceeded:
      return new SkyError("bus/timeout", { ms: timeoutMs ?? "?", to: method }, { cause });
    case grpcUnavailable:
      return new SkyError("head/unreachable", { why: details }, { cause });
    case grpcResourceExhausted:
      // Our own handlers send their errors along: without one, it is the size of the request.
      return new SkyError("request/invalid", { field: method, why: tooLarge }, { cause });
    case grpcUnimplemented:
      return new SkyError(
        "request/invalid",
        { field: method, why: "the running head is of an older version, which cannot do this" },
        { cause },
      );
    default:
      return new SkyError("core/broken-invariant", { what: `${method}: ${details}` }, { cause });
  }
}

const tooLarge = `a call takes at most ${requestBytesMax / 1_048_576} MiB: submit fewer at a time`;

/** Our own cancellations are told apart before: the head is going, and cuts what is left. */
function headEnds(cause: unknown): SkyError {
  return new SkyError("head/unreachable", { why: "it ended the call" }, { cause });
}

function cut(text: string): string {
  return text.length <= detailCharsMax ? text : `${text.slice(0, detailCharsMax)} …`;
}
