// The types of a task in a program against the tables of the validator: the same fields, no more.
//
// The comparison is the compiler's; what runs is only the proof that the tables are those.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResourcesSpec, TaskSpec } from "../../client/index.ts";
import { taskFields } from "../../client/task-fields.ts";
import { wishFields } from "../../client/task-resource-fields.ts";
import { resourceFields } from "../../client/task-resources.ts";
import type { WishSpec } from "../../client/task-spec.ts";

/** What is in one and not in the other; `never` compiles to `true`. */
type Difference<A, B> = Exclude<keyof A, keyof B> | Exclude<keyof B, keyof A>;
type None<D> = [D] extends [never] ? true : D;

const sameTask: None<Difference<typeof taskFields, TaskSpec>> = true;
const sameWish: None<Difference<typeof wishFields, WishSpec>> = true;
const sameResources: None<Difference<typeof resourceFields, ResourcesSpec>> = true;

test("the types of tasks and resources have the validator's fields", () => {
  assert.deepEqual([sameTask, sameWish, sameResources], [true, true, true]);
  assert.ok("run" in taskFields && "cpus" in wishFields && "any_of" in resourceFields);
});
