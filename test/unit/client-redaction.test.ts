// What the redactor takes out of a bug report, whatever form it comes in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { redactor, secretCharactersLeast, takenOut, textsIn } from "../../client/redaction.ts";
import { fc } from "../support/property.ts";

const seed = `SU${"A2".repeat(28)}`;
const pem = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----";

test("fields with telling names lose their values, tables of them keep their names", () => {
  const out = redactor([])({
    ...{ command: "sky exec demo ./x --token 1", token: "t", joinToken: "j", nkeySeed: "n" },
    ...{ envs: { A: "1", B: "2" }, secrets: { C: "3" }, password: ["p"], name: "demo" },
    deep: [{ clientSecret: "s", key: "k", keys: 3 }],
  });
  assert.deepEqual(out, {
    ...{ command: takenOut, token: takenOut, joinToken: takenOut, nkeySeed: takenOut },
    ...{ envs: { A: takenOut, B: takenOut }, secrets: { C: takenOut } },
    ...{ password: takenOut, name: "demo" },
    deep: [{ clientSecret: takenOut, key: takenOut, keys: 3 }],
  });
});

const shapes: readonly (readonly [string, string])[] = [
  [`seed ${seed} end`, `seed ${takenOut} end`],
  [`a ${pem} b`, `a ${takenOut} b`],
  ["a -----BEGIN EC PRIVATE KEY-----\nMIG", `a ${takenOut}`],
  ["AKIAABCDEFGHIJKLMNOP", takenOut],
  ["Authorization: Bearer abc.def-ghi", `Authorization: Bearer ${takenOut}`],
  ["tls://ann:pw@host:4222", `tls://${takenOut}@host:4222`],
  ["failed: WANDB_API_KEY='a b' python", `failed: WANDB_API_KEY=${takenOut} python`],
  ["nothing here: a=1, 2 of 3 nodes", "nothing here: a=1, 2 of 3 nodes"],
];

test("what looks like a secret is one", () => {
  const redact = redactor([]);
  for (const [before, after] of shapes) assert.equal(redact(before), after);
});

test("a known secret is found in names, in JSON, in base64 and line by line", () => {
  const secret = 'two "quoted"\nlines of a secret';
  const redact = redactor([secret]);
  const forms = [
    secret,
    JSON.stringify({ message: secret }),
    Buffer.from(secret).toString("base64"),
    "said: lines of a secret.",
  ];
  const text = JSON.stringify(redact({ forms, [`x${secret}`]: 1 }));
  assert.ok(!text.includes("lines of a secret"));
  assert.ok(!text.includes(Buffer.from(secret).toString("base64")));
});

test("no known secret is left in any text, and what is no text stays", () => {
  const word = fc.string({ minLength: secretCharactersLeast, maxLength: 12 }).filter((text) => {
    return text.trim().length >= secretCharactersLeast && !takenOut.includes(text.trim());
  });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), fc.string(), (secrets, around) => {
      const marked = (text: string): string => text.replaceAll(takenOut, "\u0000");
      const said = secrets.map((secret) => `${around} ${secret} ${around}`);
      const out = textsIn(redactor(secrets)({ said, count: 3 }));
      for (const text of out)
        for (const secret of secrets) assert.ok(!marked(text).includes(secret));
    }),
  );
  assert.deepEqual(redactor(["abcd"])({ a: 1, b: null, c: true }), { a: 1, b: null, c: true });
});
