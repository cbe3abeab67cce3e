// A nats-server for hosts that have none: this machine's own, or a release that is fetched once and
// is the one that was pinned. The release comes from a server of the test's.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { tarEnd, tarHeader, tarPadding } from "../../clouds/ssh/bundle-tar.ts";
import { createNatsSupply, pinnedRelease } from "../../clouds/ssh/nats-supply-os.ts";

const { signal } = new AbortController();
const program = Buffer.from("#!/bin/sh\necho nats-server: v2.10.3\n");

function archive(name: string): Buffer {
  const about = Buffer.from("read me");
  const pieces = [
    ...[tarHeader({ name: `${name}/README.md`, mode: 0o644, bytes: about.length }), about],
    tarPadding(about.length),
    ...[tarHeader({ name: `${name}/nats-server`, mode: 0o755, bytes: program.length }), program],
    ...[tarPadding(program.length), tarEnd],
  ];
  return gzipSync(Buffer.concat(pieces));
}

async function place(t: TestContext) {
  const home = mkdtempSync(join(tmpdir(), "sky-nats-"));
  t.after(() => rmSync(home, { recursive: true }));
  const bytes = archive("nats-server-v2.10.3-linux-amd64");
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const release = {
    version: "2.10.3",
    archives: { x64: { name: "amd64", sha256 } },
    from: `http://127.0.0.1:${port}/releases`,
  };
  return { home, asked, release };
}

test("a release is fetched once, checked and kept", async (t) => {
  const { home, asked, release } = await place(t);
  const own = (): undefined => undefined;
  const supply = createNatsSupply({ home, release, own });
  const [one, two] = await Promise.all(["a", "b"].map((host) => supply.of("x64", host, signal)));
  assert.ok(one);
  assert.deepEqual(two, one);
  assert.ok(readFileSync(one.path).equals(program));
  assert.equal(one.hash, createHash("sha256").update(program).digest("hex"));
  assert.deepEqual(await createNatsSupply({ home, release, own }).of("x64", "c", signal), one);
  assert.deepEqual(asked, ["/releases/v2.10.3/nats-server-v2.10.3-linux-amd64.tar.gz"]);
});

test("what is not the release that was pinned is refused, and asked for again", async (t) => {
  const { home, asked, release } = await place(t);
  const archives = { x64: { name: "amd64", sha256: "0".repeat(64) } };
  const supply = createNatsSupply({
    home,
    release: { ...release, archives },
    own: () => undefined,
  });
  for (const _ of [1, 2]) {
    await assert.rejects(supply.of("x64", "gpu1", signal), {
      code: "host/unfit",
      message: /^host gpu1 cannot be used: it has no nats-server.*another checksum.*Install one/,
    });
  }
  assert.equal(asked.length, 2);
});

test("an architecture that no release is known for is told", async (t) => {
  const { home, release } = await place(t);
  const supply = createNatsSupply({ home, release, own: () => undefined });
  await assert.rejects(supply.of("riscv64", "gpu1", signal), { message: /no release for riscv64/ });
  assert.deepEqual(Object.keys(pinnedRelease.archives), ["x64", "arm64"]);
});

test("this machine's own goes to hosts like it, if it is recent", async (t) => {
  const { home, asked, release } = await place(t);
  const path = join(home, "nats-server");
  writeFileSync(path, program);
  chmodSync(path, 0o755);
  const supply = createNatsSupply({ home, release, own: () => path });
  assert.equal((await supply.of(process.arch, "gpu1", signal)).path, path);
  writeFileSync(path, "#!/bin/sh\necho nats-server: v2.1.0\n");
  const other = createNatsSupply({ home, release: { ...release, archives: {} }, own: () => path });
  await assert.rejects(other.of(process.arch, "gpu1", signal), { code: "host/unfit" });
  assert.deepEqual(asked, []);
});
