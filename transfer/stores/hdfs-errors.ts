// What an answer of WebHDFS means for us: one table of the exceptions that it names.
//
// Source: hadoop.apache.org, "WebHDFS REST API", "Error Responses"; classes of org.apache.hadoop.
// What nobody knows is a fault of the world (retry) above 500 and a refusal below.

import { type Code, SkyError } from "../../model/errors.ts";

export interface HdfsFailure {
  readonly status: number;
  /** `FileNotFoundException`; empty where the answer names none. */
  readonly exception: string;
  readonly message: string;
}

type Meaning = Extract<Code, `objects/${string}`>;

const exceptionsOf: Readonly<Partial<Record<Meaning, readonly string[]>>> = {
  "objects/no-object": ["FileNotFoundException"],
  "objects/denied": [
    ...["AccessControlException", "SecurityException", "AuthorizationException", "InvalidToken"],
    ...["AuthenticationException"],
  ],
  "objects/refused": [
    ...["FileAlreadyExistsException", "IllegalArgumentException", "UnsupportedOperationException"],
    ...["ParentNotDirectoryException", "InvalidPathException", "PathIsNotEmptyDirectoryException"],
    ...[
      "HadoopIllegalArgumentException",
      "PathComponentTooLongException",
      "MaxDirectoryItemsExceededException",
    ],
    ...[
      "DSQuotaExceededException",
      "NSQuotaExceededException",
      "QuotaByStorageTypeExceededException",
    ],
    ...["UnresolvedPathException", "SnapshotAccessControlException"],
  ],
  "objects/failed": [
    ...["StandbyException", "RetriableException", "SafeModeException", "IOException"],
    ...["LeaseExpiredException", "AlreadyBeingCreatedException", "RecoveryInProgressException"],
    ...["NotReplicatedYetException", "RemoteException", "ConnectException"],
  ],
};

const meanings: ReadonlyMap<string, Meaning> = new Map(
  Object.entries(exceptionsOf).flatMap(([meaning, exceptions]) =>
    exceptions.map((exception) => [exception, meaning as Meaning] as const),
  ),
);

const statuses: Readonly<Record<number, Meaning>> = {
  401: "objects/denied",
  403: "objects/denied",
  404: "objects/no-object",
  408: "objects/failed",
  429: "objects/failed",
};

export function hdfsMeaning({ status, exception }: HdfsFailure): Meaning {
  const known = meanings.get(exception);
  if (known !== undefined) return known;
  return statuses[status] ?? (status >= 300 && status < 500 ? "objects/refused" : "objects/failed");
}

const whyCharsMax = 300;

export function hdfsError(failure: HdfsFailure, object: string): SkyError {
  const meaning = hdfsMeaning(failure);
  if (meaning === "objects/no-object") return new SkyError(meaning, { object });
  const { status, exception, message } = failure;
  // What follows the first line is a trace.
  const [line = ""] = message.trim().split(/[\r\n]/, 1);
  const name = exception === "" ? "HTTP" : exception;
  const text = line === "" ? "" : `: ${line.slice(0, whyCharsMax)}`;
  const why = `${name} (${status})${text}`;
  if (meaning === "objects/no-bucket") return new SkyError(meaning, { bucket: object });
  return new SkyError(meaning, { object, why });
}

/** What an answer says of its failure. */
export function hdfsFailure(status: number, body: Uint8Array): HdfsFailure {
  const text = Buffer.from(body).toString();
  const plain = { status, exception: "", message: text.startsWith("<") ? "" : text };
  if (!text.trimStart().startsWith("{")) return plain;
  try {
    const { RemoteException: said } = JSON.parse(text) as { RemoteException?: unknown };
    if (typeof said !== "object" || said === null) return plain;
    const { exception, message } = said as { exception?: unknown; message?: unknown };
    return { status, exception: String(exception ?? ""), message: String(message ?? "") };
  } catch {
    // Cut off, or no JSON after all: told as it is.
    return plain;
  }
}
