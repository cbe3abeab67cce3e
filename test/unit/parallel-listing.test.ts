// Listings that go several prefixes at a time have each name once, whatever the store's pages are.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  listInParallel,
  type Page,
  type PagedStore,
  type PageRequest,
} from "../../transfer/stores/parallel-listing.ts";
import { fc } from "../support/property.ts";
import { inOrder, listed } from "../support/s3-emulator-buckets.ts";

interface Name {
  readonly key: string;
}

interface Counted extends PagedStore<Name> {
  requests: number;
  busiest: number;
}

const signal = new AbortController().signal;

/** A store with pages of so many names; one may take no notice of `after`. */
function storeOf(
  names: readonly string[],
  how: { readonly count: number; readonly parallel: number; readonly ignoresAfter?: boolean },
): Counted {
  const ordered = inOrder(names);
  let busy = 0;
  const store: Counted = {
    ...{ parallel: how.parallel, requests: 0, busiest: 0 },
    page: async (request: PageRequest): Promise<Page<Name>> => {
      store.requests += 1;
      busy += 1;
      store.busiest = Math.max(store.busiest, busy);
      await new Promise((resolve) => setImmediate(resolve));
      busy -= 1;
      const after = how.ignoresAfter === true ? "" : (request.after ?? "");
      const page = listed(ordered, {
        ...{ prefix: request.prefix, delimiter: request.folders ? "/" : "" },
        ...{ after: request.token ?? after, count: how.count },
      });
      return {
        objects: page.keys.map((key) => ({ key })),
        folders: page.folders,
        ...(page.last === undefined ? {} : { token: page.last }),
      };
    },
  };
  return store;
}

async function all(store: PagedStore<Name>, prefix = ""): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const page of listInParallel(store, prefix, signal)) {
    found.push(...page.map(({ key }) => key));
  }
  return found;
}

const piece = fc.constantFrom("a", "a/", "b/", "/", "~/", "é/", "\uffee", "🧪/");
const names = fc.uniqueArray(
  fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join("")),
  { minLength: 20, maxLength: 120 },
);

const worlds = fc.record({
  given: names,
  count: fc.integer({ min: 1, max: 15 }),
  parallel: fc.integer({ min: 1, max: 5 }),
  ignoresAfter: fc.boolean(),
  prefix: fc.constantFrom("", "a", "a/", "/", "🧪"),
});

test("each name comes once, from any names, pages and prefix", async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async ({ given, prefix, ...how }) => {
      const store = storeOf(given, how);
      const found = await all(store, prefix);
      const expected = given.filter((name) => name.startsWith(prefix));
      assert.deepEqual(found.toSorted(), expected.toSorted());
      assert.ok(store.busiest <= how.parallel);
    }),
    { numRuns: 150 },
  );
});

test("folders that hold much are listed side by side", async () => {
  const many = Array.from({ length: 4_000 }, (_, i) => `data/part-${i % 8}/${i}`);
  const store = storeOf(many, { count: 100, parallel: 8 });
  assert.equal((await all(store)).length, 4_000);
  assert.equal(store.busiest, 8);
  assert.ok(store.requests <= 40 + 20, `${store.requests} requests for 40 pages`);
});

test("many small folders take no request each", async () => {
  const many = Array.from({ length: 2_000 }, (_, i) => `d${i}/only`);
  const store = storeOf(many, { count: 500, parallel: 8 });
  assert.equal((await all(store)).length, 2_000);
  assert.ok(store.requests <= 6, `${store.requests} requests for 4 pages`);
});

test("names without folders are listed in order, page by page", async () => {
  const many = Array.from({ length: 2_000 }, (_, i) => `flat-${i}`);
  const store = storeOf(many, { count: 100, parallel: 8 });
  assert.equal((await all(store)).length, 2_000);
  assert.equal(store.requests, 20);
});

test("a failure ends it, and so does who has seen enough", async () => {
  const many = Array.from({ length: 900 }, (_, i) => `p${i % 3}/${i}`);
  const store = storeOf(many, { count: 10, parallel: 4 });
  const failing: PagedStore<Name> = {
    parallel: 4,
    page: (request, given) =>
      store.requests > 12 ? Promise.reject(new Error("no more")) : store.page(request, given),
  };
  await assert.rejects(all(failing), /no more/);
  const before = store.requests;
  for await (const page of listInParallel(store, "", signal)) {
    assert.ok(page.length > 0);
    break;
  }
  assert.ok(store.requests - before <= 8);
});
