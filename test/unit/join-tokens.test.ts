// One token lets at most one public key in, for one node, for a short while.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createOsRandom } from "../../runtime/random-os.ts";
import {
  issueToken,
  type JoinTickets,
  joinLifeMs,
  redeemToken,
  revokeToken,
} from "../../scheduler/join.ts";
import { fc } from "../support/property.ts";

const random = createOsRandom();
const node = { cluster: "demo", node: "worker1" };
const empty: JoinTickets = new Map();

function issued(nowMs = 0): { readonly tickets: JoinTickets; readonly token: string } {
  return issueToken(empty, node, { nowMs, random });
}

function why(tickets: JoinTickets, attempt: object, nowMs = 1): string {
  const whole = { ...node, token: "", publicKey: "U1", ...attempt };
  const verdict = redeemToken(tickets, whole, nowMs);
  return verdict.accepted ? "accepted" : verdict.why;
}

test("join: each refusal has its reason", () => {
  const { tickets, token } = issued();
  const used = redeemToken(tickets, { ...node, token, publicKey: "U1" }, 1);
  assert.ok(used.accepted);
  const rows: readonly (readonly [string, JoinTickets, object, number])[] = [
    ["accepted", tickets, { token }, 1],
    ["accepted", tickets, { token }, joinLifeMs - 1],
    ["the token's time is over", tickets, { token }, joinLifeMs],
    ["a wrong token", tickets, { token: `${token}0` }, 1],
    ["a wrong token", tickets, { token: "" }, 1],
    ["no join of this node is expected", tickets, { token, node: "worker2" }, 1],
    ["no join of this node is expected", tickets, { token, cluster: "other" }, 1],
    ["no join of this node is expected", revokeToken(tickets, node), { token }, 1],
    ["accepted", used.tickets, { token, publicKey: "U1" }, 2],
    ["the token was used before", used.tickets, { token, publicKey: "U2" }, 2],
  ];
  for (const [want, table, attempt, nowMs] of rows) {
    assert.equal(why(table, attempt, nowMs), want);
  }
});

test("join: a new token voids the one before, and old tickets are forgotten", () => {
  const first = issued();
  const second = issueToken(first.tickets, node, { nowMs: 5, random });
  assert.equal(why(second.tickets, { token: first.token }, 6), "a wrong token");
  assert.equal(why(second.tickets, { token: second.token }, 6), "accepted");
  const other = { cluster: "demo", node: "worker2" };
  const later = issueToken(second.tickets, other, { nowMs: 10 * joinLifeMs, random });
  assert.deepEqual([...later.tickets.keys()], ["demo/worker2"]);
});

test("join: the table of tickets holds no token", () => {
  const { tickets, token } = issued();
  assert.ok(!JSON.stringify([...tickets]).includes(token));
  assert.ok(token.length >= 64);
});

test("join: whatever is tried in whatever order, a token lets one key in at most", () => {
  const attempt = fc.record({
    node: fc.constantFrom("worker1", "worker2"),
    good: fc.boolean(),
    publicKey: fc.constantFrom("U1", "U2", "U3"),
    nowMs: fc.integer({ min: 0, max: joinLifeMs + 10 }),
  });
  fc.assert(
    fc.property(fc.array(attempt, { maxLength: 20 }), (attempts) => {
      const { tickets, token } = issued();
      let table = tickets;
      const letIn = new Set<string>();
      for (const { good, nowMs, ...rest } of attempts) {
        const whole = { cluster: "demo", token: good ? token : "guess", ...rest };
        const verdict = redeemToken(table, whole, nowMs);
        if (!verdict.accepted) continue;
        table = verdict.tickets;
        letIn.add(rest.publicKey);
        assert.ok(good && rest.node === "worker1" && nowMs < joinLifeMs);
      }
      assert.ok(letIn.size <= 1);
    }),
  );
});
