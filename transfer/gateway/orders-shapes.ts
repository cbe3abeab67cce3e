// The shapes of all that a head and a gateway may say (`orders.ts`).
//
// What must always hold: each field has a bound; what a type of `orders.ts` allows is allowed here.

import { verifications } from "../../model/transfer.ts";
import { storeKinds } from "../../model/transfer-path.ts";
import { digestPattern } from "../chunks/chunk.ts";
import {
  anyText,
  count,
  exactly,
  finite,
  flag,
  list,
  object,
  oneOf,
  orNull,
  type Shape,
  table,
  text,
} from "./shapes.ts";
import { operatorsDeepMax, operatorsMax, stripesMax } from "./validate.ts";

const objectsMax = 0xffff_ffff;
/** Of one transfer. */
export const destinationsMax = 1_024;
const listMax = 65_536;
const peersMax = 4_096;
const secretText = text(65_536);
const keyText = text(65_536);

const id = text(300);
const handle = text(64);
const digest = text(64, digestPattern);
const port = count(65_535);
const target = object({ host: text(255), port }, { path: text(4_096), peer: id });

const bucket = object(
  { store: exactly(...storeKinds), bucket: text(1_024) },
  { account: text(256), endpoint: text(2_048), region: text(128) },
);

const credentials = object(
  {},
  {
    ...{ accessKeyId: secretText, secretAccessKey: secretText, sessionToken: secretText },
    ...{ serviceAccount: secretText, token: secretText, accountKey: secretText, sas: secretText },
    ...{ project: text(256), user: text(256), ambient: flag },
  },
);

const openStore = object(
  { bucket, credentials },
  { requesterPays: flag, connections: count(1_024) },
);

const attributes = object(
  {},
  {
    ...{ contentType: anyText, cacheControl: anyText, contentEncoding: anyText },
    ...{ contentDisposition: anyText, contentLanguage: anyText, metadata: table(anyText, 1_024) },
  },
);

const transferObject = object(
  {
    object: count(objectsMax),
    source: keyText,
    bytes: count(),
    targets: list(orNull(keyText), destinationsMax),
  },
  { version: text(4_096), modifiedMs: finite, mode: count(0o7777), attributes },
);

const listedObject = object(
  { key: keyText, bytes: count(), modifiedMs: finite, version: text(4_096) },
  { mode: count(0o7777), changedMs: finite },
);

// ---- programs

const children = (depth: number): Shape => {
  const deeper: Shape = (value, at) =>
    depth > operatorsDeepMax
      ? `${at} is deeper than ${operatorsDeepMax} operators`
      : branch(depth)(value, at);
  return list(deeper, operatorsMax);
};

const leaves = {
  send: object({ op: anyText, handle, to: id, connections: count(1_024), compress: flag }),
  write_object_store: object({
    ...{ op: anyText, handle, store: count(1_024), destination: count(destinationsMax) },
    connections: count(1_024),
  }),
  write_local: object({ op: anyText, handle, destination: count(destinationsMax) }),
  discard: object({ op: anyText, handle, destination: count(destinationsMax) }),
};

function branch(depth: number): Shape {
  const mux = object({ op: anyText, handle, children: children(depth + 1) });
  return oneOf("op", { ...leaves, mux_and: mux, mux_or: mux });
}

const under = children(1);
const root = oneOf("op", {
  read_object_store: object({
    ...{ op: anyText, handle, store: count(1_024), connections: count(1_024), children: under },
  }),
  read_local: object({ op: anyText, handle, children: under }),
  gen_data: object({ op: anyText, handle, compressible: flag, children: under }),
  receive: object({ op: anyText, handle, from: list(id, peersMax), children: under }),
});

const program = object({
  gateway: id,
  stripes: count(stripesMax),
  partitions: list(object({ stripe: count(stripesMax), root }), stripesMax * 2),
});

// ---- what the head says

const kind = anyText;

const pass = object({
  ...{ peer: id, authority: secretText, certificate: secretText, key: secretText },
});

const cut = object({}, { bytes: count(), bytesMin: count(), chunksMax: count() });

const limits = object({ memoryBytes: count(), diskBytes: count() }, { bytesPerSecond: finite });

export const orderShape: Shape = oneOf("kind", {
  begin: object(
    {
      ...{ kind, transfer: text(32, /^[0-9a-f]{32}$/), round: count(), program, pass, limits },
      peers: list(object({ peer: id, dial: flag }, { connections: count(1_024) }), peersMax),
      stores: list(openStore, 1_024),
      verify: exactly(...verifications),
      folders: list(orNull(text(65_536)), destinationsMax),
    },
    { key: text(64, /^[A-Za-z0-9+/]{43}=$/), cut },
  ),
  peer: object({ kind, peer: id, target }),
  objects: object({ kind, objects: list(transferObject, listMax) }),
  "objects-end": object({ kind }),
  forget: object({ kind, objects: list(count(objectsMax), listMax) }),
  stop: object({ kind, leave: exactly("keep", "remove") }),
});

// ---- what a gateway says

const error = object({ code: text(64), text: text(65_536), retry: flag });

const read = object({ object: count(objectsMax), digest });
const written = object({
  ...{ object: count(objectsMax), destination: count(destinationsMax), bytes: count(), digest },
  proof: exactly("store", "file", "none"),
});

const operatorMetrics = object({
  ...{ handle, bytes: count(), chunks: count(), objects: count(), retries: count() },
  ...{ failures: count(), waiting: count() },
});

const metrics = object({
  operators: list(operatorMetrics, operatorsMax),
  memoryBytes: count(),
  diskBytes: count(),
});

export const wordShape: Shape = oneOf("kind", {
  listening: object({ kind, target }),
  begun: object({ kind }),
  credit: object({ kind, objects: count() }),
  read: object({ kind, objects: list(read, listMax) }),
  wrote: object({ kind, objects: list(written, listMax) }),
  upload: object({
    ...{ kind, object: count(objectsMax), destination: count(destinationsMax) },
    upload: object({ key: keyText, id: text(65_536) }),
  }),
  failed: object(
    { kind, handle, error },
    { object: count(objectsMax), destination: count(destinationsMax) },
  ),
  metrics: object({ kind, metrics }),
  done: object({ kind }),
});

export const listOrderShape: Shape = object({ path: keyText, recursive: flag });

const note = object({ path: keyText, why: text(65_536), failed: flag });

export const listWordShape: Shape = oneOf("kind", {
  begin: object({ kind, what: exactly("file", "folder", "nothing"), root: keyText }),
  page: object({ kind, objects: list(listedObject, listMax), notes: list(note, listMax) }),
  failed: object({ kind, error }),
  end: object({ kind }),
});

export const removeOrderShape: Shape = object({ path: keyText, keys: list(keyText, listMax) });

export const removeWordShape: Shape = oneOf("kind", {
  removed: object({ kind, count: count() }),
  failed: object({ kind, error }),
});
