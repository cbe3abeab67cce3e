// Whose doing it is that files could not be laid out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isJobsFault } from "../../agent/job-fault.ts";
import { mountFailure } from "../../agent/mount-places.ts";
import { SkyError } from "../../model/errors.ts";

function system(code: string, cause?: unknown): Error {
  return Object.assign(new Error(`${code}: no, open '/x'`, { cause }), { code, syscall: "open" });
}

const taken = new SkyError("process/failed", { what: "/x", why: "a file is there already" });
const missing = new SkyError("chunk/missing", { digest: "d", where: "asked for at the head" });
const closed = new SkyError("stream/closed", { why: "the head went" });
const full = new SkyError("disk/full", { path: "/n", free: "0", hint: "" });
const inMount = (cause: unknown): SkyError => mountFailure("/x", "no", cause);

test("what is in the job's way, and what nobody has, is the job's", () => {
  const own = [taken, inMount(taken), mountFailure("..", "no"), missing, inMount(missing)];
  const errnos = ["ENOTDIR", "EISDIR", "EACCES", "EPERM", "ENOTEMPTY", "ELOOP"].map((code) =>
    system(code),
  );
  for (const error of [...own, ...errnos, system("EACCES", system("EACCES"))]) {
    assert.ok(isJobsFault(error), String(error));
  }
  for (const code of ["EROFS", "ENOENT"]) assert.ok(isJobsFault(inMount(system(code))), code);
});

test("what the node's disk, store or network refuses is the node's", () => {
  const lost = [closed, inMount(closed), full, inMount(full), "text", undefined];
  const errnos = ["ENOSPC", "EDQUOT", "EIO", "EMFILE", "EROFS", "ENOENT"].map((code) =>
    system(code),
  );
  const wrapped = new SkyError(
    "process/failed",
    { what: "write /n/claims", why: "EIO" },
    { cause: system("EIO") },
  );
  for (const error of [...lost, ...errnos, wrapped, inMount(system("ENOSPC"))]) {
    assert.equal(isJobsFault(error), false, String(error));
  }
});
