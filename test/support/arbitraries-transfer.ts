// Arbitrary transfers for round trips: every field of every noun, over its whole range.

import type {
  ObjectFailure,
  TransferCounts,
  TransferEvent,
  TransferOrder,
  TransferPreview,
  TransferView,
} from "../../model/transfer.ts";
import { transferStatuses, verifications } from "../../model/transfer.ts";
import type { Bucket, TransferPath } from "../../model/transfer-path.ts";
import { storeKinds } from "../../model/transfer-path.ts";
import type { Plan } from "../../model/transfer-plan.ts";
import { solvers } from "../../model/transfer-plan.ts";
import { plain, real, small, someText, text, whole, withSome } from "./arbitraries.ts";
import { fc } from "./property.ts";

const bucket: fc.Arbitrary<Bucket> = withSome(
  { store: fc.constantFrom(...storeKinds), bucket: text },
  { account: someText, endpoint: someText, region: someText },
);

export const transferPath: fc.Arbitrary<TransferPath> = fc.oneof(
  plain({ kind: fc.constant("local"), path: text }),
  withSome({ kind: fc.constant("node"), cluster: text, path: text }, { node: someText }),
  plain({ kind: fc.constant("store"), bucket, key: text }),
);

export const order: fc.Arbitrary<TransferOrder> = plain({
  verb: fc.constantFrom("copy", "sync"),
  source: transferPath,
  destinations: fc.array(transferPath, { maxLength: 3 }),
  recursive: fc.boolean(),
  options: withSome(
    {
      multipart: fc.boolean(),
      verify: fc.constantFrom(...verifications),
      requesterPays: fc.boolean(),
      compress: fc.boolean(),
      filters: fc.array(
        plain({ verb: fc.constantFrom("include" as const, "exclude" as const), pattern: text }),
        { maxLength: 3 },
      ),
      delete: fc.boolean(),
      compare: fc.constantFrom("usual", "size", "digest"),
    },
    {
      ...{ solver: fc.constantFrom(...solvers), gbps: real, pricePerGb: real, costMax: real },
      ...{ instancesMax: small, connections: small, multipartBytes: whole, bandwidth: real },
      profile: text,
      via: fc.array(text, { maxLength: 2 }),
    },
  ),
  user: text,
  command: text,
  idempotencyKey: text,
});

export const plan: fc.Arbitrary<Plan> = plain({
  solver: fc.constantFrom(...solvers),
  source: text,
  destinations: fc.array(text, { maxLength: 3 }),
  sites: fc.array(plain({ id: text, gateways: small }), { maxLength: 3 }),
  edges: fc.array(
    plain({
      ...{ from: text, to: text, gbps: real, connections: small, pricePerGb: real },
      stripes: fc.array(small, { maxLength: 3 }),
    }),
    { maxLength: 3 },
  ),
  stripes: small,
  gbps: real,
  pricePerGb: real,
  cost: real,
  seconds: real,
  notes: fc.array(text, { maxLength: 2 }),
});

const counts: fc.Arbitrary<TransferCounts> = plain({
  ...{ listed: whole, listedBytes: whole, isListed: fc.boolean(), done: whole, doneBytes: whole },
  ...{ movingBytes: whole, skipped: whole, failed: whole, deleted: whole, retries: whole },
  rounds: whole,
});

const failure: fc.Arbitrary<ObjectFailure> = plain({ object: text, destination: text, why: text });

export const transfer: fc.Arbitrary<TransferView> = withSome(
  {
    id: whole,
    status: fc.constantFrom(...transferStatuses),
    verb: fc.constantFrom("copy", "sync"),
    source: text,
    destinations: fc.array(text, { maxLength: 3 }),
    user: text,
    command: text,
    submittedAt: real,
    counts,
    why: text,
    failures: fc.array(failure, { maxLength: 3 }),
    cost: real,
  },
  { startedAt: real, endedAt: real, plan },
);

export const preview: fc.Arbitrary<TransferPreview> = plain({
  plan,
  objects: whole,
  bytes: whole,
  ...{ isPart: fc.boolean(), failed: whole },
  sample: fc.array(plain({ from: text, to: text, bytes: whole }), { maxLength: 3 }),
  deletes: whole,
  notes: fc.array(text, { maxLength: 2 }),
});

export const transferEvent: fc.Arbitrary<TransferEvent> = fc.oneof(
  plain({ kind: fc.constant("state"), view: transfer }),
  withSome(
    {
      kind: fc.constant("progress"),
      counts,
      bytesPerSecond: real,
      destinations: fc.array(plain({ done: whole, doneBytes: whole }), { maxLength: 3 }),
    },
    { secondsLeft: real },
  ),
  withSome(
    { kind: fc.constant("object"), object: text, destination: text, bytes: whole },
    { digest: someText },
  ),
  plain({ kind: fc.constant("object-failed"), failure }),
  plain({ kind: fc.constant("round"), round: whole, why: text }),
);
