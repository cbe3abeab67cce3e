// `sky cp` to and from a store that speaks S3, with the real programs: what arrives is what was
// there, with its types and times; what fails is said, at once if it is for good, and nothing is
// left of it.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { noise } from "../../support/noise.ts";
import { type Place, place, type Result, until } from "../../support/programs.ts";
import { type S3Emulator, startS3Emulator } from "../../support/s3-emulator.ts";
import { type SownEntries, sow, treeSeen } from "../../support/trees.ts";

const mebibyte = 1_048_576;
const limited = { timeout: 120_000 };

interface Stage {
  readonly here: Place;
  readonly s3: S3Emulator;
  readonly source: string;
  /** Runs `sky` with `--endpoint`. */
  sky(...args: readonly string[]): Promise<Result>;
  /** Likewise, to success. */
  ok(...args: readonly string[]): Promise<string>;
}

async function stage(t: TestContext, entries: SownEntries): Promise<Stage> {
  const s3 = await startS3Emulator();
  t.after(() => s3.close());
  for (const name of ["bucket", "other"]) s3.addBucket(name);
  const { url, accessKeyId, secretAccessKey } = s3;
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const here = place(t, { env });
  const source = join(here.folder, "source");
  sow(source, entries);
  const sky = (...args: readonly string[]) =>
    here.sky([...args, "--endpoint", url], { timeoutMs: 60_000 });
  const ok: Stage["ok"] = async (...args) => {
    const { code, stdout, stderr } = await sky(...args);
    assert.equal(code, 0, `sky ${args.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  };
  return { here, s3, source, sky, ok };
}

const file = (content: string | Uint8Array, mode = 0o644) =>
  ({ kind: "file", content, mode }) as const;

const odd: SownEntries = [
  ["page.html", file("<p>hello")],
  ["run.sh", file("#!/bin/sh\n", 0o755)],
  ["read only", file("r", 0o400)],
  ["empty", file("")],
  ["a\nb\t\"'\\$(c)?#%2F&+", file("odd")],
  ["日本語 é 🦑", file("unicode")],
  ["deep", { kind: "folder", entries: [["er", { kind: "folder", entries: [["x", file("d")]] }]] }],
  ["large", file(noise("large", 23 * mebibyte + 7))],
  ...Array.from({ length: 30 }, (_, i) => [`small${i}`, file(noise(i, 1_000 * i))] as const),
];

function filesIn(folder: string): ReadonlyMap<string, string> {
  return new Map([...treeSeen(folder)].filter(([, look]) => look.startsWith("file")));
}

function nothingIsLeft({ s3, here }: Stage): void {
  for (const [name, { uploads }] of s3.buckets) assert.equal(uploads.size, 0, `uploads of ${name}`);
  const partial = readdirSync(here.folder, { recursive: true }).map(String);
  assert.deepEqual(
    partial.filter((path) => /(^|\/)\.skylet-|\.partial$/.test(path)),
    [],
  );
}

describe("copies to and from S3", { concurrency: 4 }, () => {
  test("what goes to S3, to another bucket and back is what it was", limited, async (t) => {
    const all = await stage(t, odd);
    const { s3, source, here, ok } = all;
    await ok("cp", "-r", "-y", source, "s3://bucket/data");
    const there = s3.buckets.get("bucket")?.objects;
    assert.equal(there?.size, odd.length);
    const page = there?.get("data/page.html");
    assert.equal(page?.headers["content-type"], "text/html");
    assert.match(page?.headers["x-amz-meta-skylet-mtime"] ?? "", /^1600000000/);
    assert.ok((there?.get("data/large")?.partBytes.length ?? 0) > 1, "the large one went in parts");

    await ok("cp", "-r", "-y", "s3://bucket/data", "s3://other/again/");
    const again = s3.buckets.get("other")?.objects.get("again/page.html");
    assert.deepEqual(again?.headers, page?.headers, "types and metadata go along");
    await ok("cp", "-r", "-y", "s3://other/again", join(here.folder, "back"));
    assert.deepEqual(filesIn(join(here.folder, "back")), filesIn(source));

    const said = await ok("sync", "-y", source, "s3://bucket/data");
    assert.match(said, /"objects":0,/);
    nothingIsLeft(all);
  });

  test("an S3 that fails now and then is tried again, and all arrives", limited, async (t) => {
    const all = await stage(t, odd);
    const { s3, source, here, ok } = all;
    for (const call of ["PutObject", "UploadPart", "CompleteMultipartUpload", "GetObject"]) {
      for (const [index, kind] of (
        ["slow-down", "reset", "corrupt-body", "lose-answer", "reset-mid-body"] as const
      ).entries()) {
        s3.faults.add({ kind, call, skip: index });
      }
    }
    await ok("cp", "-r", "-y", source, "s3://bucket/data");
    await ok("cp", "-r", "-y", "s3://bucket/data", join(here.folder, "back"));
    assert.deepEqual(filesIn(join(here.folder, "back")), filesIn(source));
    assert.ok((s3.faults.made.get("corrupt-body") ?? 0) >= 2);
    nothingIsLeft(all);
  });

  test(
    "what is for good fails at once, names what it is about, and leaves nothing",
    limited,
    async (t) => {
      const all = await stage(t, odd);
      const { s3, source, sky } = all;
      const noBucket = await sky("cp", "-r", "-y", source, "s3://nobody/x");
      assert.equal(noBucket.code, 1);
      assert.match(noBucket.stderr, /s3:\/\/nobody does not exist/);
      const noKey = await sky("cp", "-y", "s3://bucket/none", source);
      assert.equal(noKey.code, 1);
      assert.match(noKey.stderr, /s3:\/\/bucket\/none/);

      for (const [kind, says] of [
        ["deny", /denied/],
        ["full", /refuses it/],
      ] as const) {
        s3.faults.add({ kind, call: "UploadPart", skip: 1, times: 1_000 });
        const failed = await sky("cp", "-r", "-y", source, `s3://bucket/${kind}`);
        s3.faults.clear();
        assert.equal(failed.code, 1, kind);
        assert.match(`${failed.stdout}${failed.stderr}`, says);
        assert.match(`${failed.stdout}${failed.stderr}`, /large/);
        assert.equal(s3.buckets.get("bucket")?.objects.has(`${kind}/large`), false);
        nothingIsLeft(all);
      }
    },
  );

  test("what rotted in the store is named, and no file has its name", limited, async (t) => {
    const all = await stage(t, odd.slice(0, 6));
    const { s3, source, here, sky, ok } = all;
    await ok("cp", "-r", "-y", source, "s3://bucket/data");
    s3.damage("bucket", "data/page.html");
    const back = join(here.folder, "back");
    const failed = await sky("cp", "-r", "-y", "s3://bucket/data", back);
    assert.equal(failed.code, 1);
    assert.match(`${failed.stdout}${failed.stderr}`, /page\.html.*damaged/);
    assert.equal(existsSync(join(back, "page.html")), false);
    assert.equal(readFileSync(join(back, "run.sh"), "utf8"), "#!/bin/sh\n", "the others arrived");
    nothingIsLeft(all);
  });

  test("an object that changes while it is copied is said, not mixed", limited, async (t) => {
    const all = await stage(t, odd.slice(0, 2));
    const { s3, here, sky } = all;
    const bucket = s3.buckets.get("bucket");
    const before = { modifiedMs: 1, headers: {}, partBytes: [] };
    bucket?.put("k", { ...before, bytes: noise("old", 12 * mebibyte), tag: "0".repeat(32) });
    s3.faults.add({ kind: "delay", ms: 400, call: "GetObject", skip: 1, times: 100 });
    const copying = sky("cp", "-y", "s3://bucket/k", join(here.folder, "k"));
    await until("it reads", () => s3.seen.some(({ call }) => call === "GetObject"));
    bucket?.put("k", { ...before, bytes: noise("new", 12 * mebibyte), tag: "1".repeat(32) });
    const failed = await copying;
    assert.equal(failed.code, 1);
    assert.match(`${failed.stdout}${failed.stderr}`, /changed while it was copied/);
    assert.equal(existsSync(join(here.folder, "k")), false);
    nothingIsLeft(all);
  });

  test("a head that is killed goes on with the uploads that are there", limited, async (t) => {
    const all = await stage(t, [["large", file(noise("huge", 40 * mebibyte))]]);
    const { s3, here, source } = all;
    s3.faults.add({ kind: "delay", ms: 120, call: "UploadPart", times: 1_000 });
    const { url } = s3;
    const args = ["cp", "-y", join(source, "large"), "s3://bucket/large", "--endpoint", url];
    const copying = here.start(args);
    const parts = () => s3.seen.filter(({ call }) => call === "UploadPart").length;
    await until("some parts are there", () => parts() >= 4);
    for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
    await copying.ended;
    s3.faults.clear();
    await until("it is whole", () => s3.buckets.get("bucket")?.objects.has("large"));
    const { bytes } = s3.buckets.get("bucket")?.objects.get("large") ?? {};
    assert.ok(bytes?.equals(readFileSync(join(source, "large"))));
    await until("no upload is left", () => s3.buckets.get("bucket")?.uploads.size === 0);
  });

  test("a transfer that is cancelled leaves no upload", limited, async (t) => {
    const all = await stage(t, [["large", file(noise("huge", 40 * mebibyte))]]);
    const { s3, here, source } = all;
    s3.faults.add({ kind: "delay", ms: 120, call: "UploadPart", times: 1_000 });
    writeFileSync(join(source, "small"), "small");
    const copying = here.start(["cp", "-r", "-y", source, "s3://bucket/x", "--endpoint", s3.url]);
    await until("an upload is under way", () =>
      s3.seen.some(({ call }) => call === "UploadPart") ? true : undefined,
    );
    const cancelled = await here.sky(["transfers", "cancel", "1"]);
    assert.equal(cancelled.code, 0, cancelled.stderr);
    assert.notEqual((await copying.ended).code, 0);
    assert.equal(s3.buckets.get("bucket")?.objects.has("x/large"), false);
    nothingIsLeft(all);
  });
});
