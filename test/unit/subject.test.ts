// Subjects match as NATS matches them, and the index finds what matching one by one would find.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createSubjectIndex,
  isPattern,
  isSubject,
  patternCovers,
  subjectMatches,
} from "../../runtime/subject.ts";
import { fc } from "../support/property.ts";

const token = fc.constantFrom("a", "b", "c");
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join("."));
const pattern = fc
  .tuple(
    fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 4 }),
    fc.constantFrom<readonly string[]>([], [">"]),
  )
  .map(([tokens, tail]) => [...tokens, ...tail].join("."))
  .filter((text) => text !== "");

const rows: readonly (readonly [pattern: string, subject: string, matches: boolean])[] = [
  ["a.b", "a.b", true],
  ["a.b", "a.b.c", false],
  ["a.*", "a.b", true],
  ["a.*", "a", false],
  ["a.*", "a.b.c", false],
  ["*.b", "a.b", true],
  ["a.>", "a", false],
  ["a.>", "a.b", true],
  ["a.>", "a.b.c", true],
  [">", "a", true],
  ["a.*.c.>", "a.b.c.d.e", true],
  ["a.*.c.>", "a.b.c", false],
];

test("subject: the table of what matches", () => {
  for (const [wide, narrow, matches] of rows) {
    assert.equal(subjectMatches(wide, narrow), matches, `${wide} ${narrow}`);
  }
});

test("subject: a pattern covers another exactly if it matches all that the other matches", () => {
  const all = ["a", "b", "c"].flatMap((x) => [x, ...["a", "b"].map((y) => `${x}.${y}`)]);
  const deep = all.flatMap((s) => [s, `${s}.a`, `${s}.b.c`, `${s}.x.y.z`]);
  fc.assert(
    fc.property(pattern, pattern, (wide, narrow) => {
      if (!patternCovers(wide, narrow)) return;
      for (const one of deep) {
        assert.ok(!subjectMatches(narrow, one) || subjectMatches(wide, one), `${one}`);
      }
    }),
  );
  assert.ok(patternCovers("a.>", "a.*.b"));
  assert.ok(patternCovers("a.*", "a.*"));
  assert.ok(!patternCovers("a.*", "a.>"));
  assert.ok(!patternCovers("a.b", "a.*"));
  assert.ok(!patternCovers("a.*.c", ">"));
});

test("subject: the index finds what matching one by one finds, also after removals", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(pattern, fc.boolean()), { maxLength: 12 }),
      fc.array(subject, { maxLength: 6 }),
      (entries, subjects) => {
        const index = createSubjectIndex<number>();
        const removals = entries.map(([text], owner) => index.add(text, owner));
        for (const [owner, [, stays]] of entries.entries()) {
          if (stays) continue;
          removals[owner]?.();
          removals[owner]?.();
        }
        for (const one of subjects) {
          const want = entries.flatMap(([text, stays], owner) =>
            stays && subjectMatches(text, one) ? [owner] : [],
          );
          assert.deepEqual(
            index.match(one).toSorted((x, y) => x - y),
            want,
          );
        }
      },
    ),
  );
});

test("subject: what may be published and subscribed", () => {
  for (const good of ["a", "a.b-c_d.E9"]) assert.ok(isSubject(good) && isPattern(good), good);
  for (const wild of ["*", ">", "a.*.b", "a.>"]) assert.ok(!isSubject(wild) && isPattern(wild));
  for (const bad of ["", ".", "a..b", "a.", ".a", "a b", "a\r\nPUB x", "a.>.b"]) {
    assert.ok(!isSubject(bad) && !isPattern(bad), JSON.stringify(bad));
  }
});
