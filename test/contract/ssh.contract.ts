// What every SSH port does, whatever carries it.
//
// Scripts are those of `contractScripts`: a version that runs no shell answers by that table.

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Ssh, SshCall, SshResult, SshTarget } from "../../runtime/ssh.ts";

export interface SshWorld {
  readonly ssh: Ssh;
  /** It lets us in, and its key is on record. */
  readonly target: SshTarget;
  /** Its key is not on record. */
  readonly stranger: SshTarget;
  /** Nobody answers there. */
  readonly absent: SshTarget;
  /** For a tunnel's end here. */
  readonly local: string;
  /** Ends the connection to the target from the other side. */
  cut(): Promise<void>;
  done(): Promise<void>;
}

export const contractScripts = {
  cat: "cat",
  args: 'printf "<%s>" "$@"',
  fail: "echo told; echo why >&2; exit 7",
  /** Until nobody listens: it outlives its connection by no more than a second. */
  wait: "while echo waiting; do sleep 1; done",
} as const;

type Answer = (args: readonly string[], input: string) => Partial<SshResult>;

/** What they come to. */
export const contractAnswers: Readonly<Record<string, Answer>> = {
  [contractScripts.cat]: (_, input) => ({ stdout: input }),
  [contractScripts.args]: (args) => ({ stdout: args.map((arg) => `<${arg}>`).join("") }),
  [contractScripts.fail]: () => ({ code: 7, stdout: "told\n", stderr: "why\n" }),
};

const timeoutMs = 30_000;
const call = (script: string, more: Partial<SshCall> = {}): SshCall => ({
  script,
  timeoutMs,
  ...more,
});
const never = (): AbortSignal => new AbortController().signal;

export function sshContract(
  name: string,
  open: () => Promise<SshWorld>,
  options: { readonly skip?: string | false } = {},
): void {
  const { skip = false } = options;
  const each = (what: string, work: (world: SshWorld) => Promise<void>): void => {
    test(`${name}: ${what}`, { skip, timeout: 60_000 }, async () => {
      const world = await open();
      try {
        await work(world);
      } finally {
        await world.done();
      }
    });
  };

  each("input, output and exit code of a script", async ({ ssh, target }) => {
    const input = "one\ntwo \\n three\n\n";
    const echoed = await ssh.run(target, call(contractScripts.cat, { input }), never());
    assert.deepEqual(echoed, { code: 0, stdout: input, stderr: "" });
    const failed = await ssh.run(target, call(contractScripts.fail), never());
    assert.deepEqual(failed, { code: 7, stdout: "told\n", stderr: "why\n" });
  });

  each("arguments arrive byte for byte", async ({ ssh, target }) => {
    const args = ["", "a b", "it's", '"$HOME" `id` !! \\', "new\nline\n", "%s %b \\n", "ö 日本"];
    const { stdout } = await ssh.run(target, call(contractScripts.args, { args }), never());
    assert.equal(stdout, args.map((arg) => `<${arg}>`).join(""));
  });

  each("a stream takes input and gives output, and ends with the code", async (world) => {
    const { ssh, target } = world;
    const stream = await ssh.open(target, call(contractScripts.cat), never());
    stream.stdin.end("much");
    assert.equal(await text(stream.stdout), "much");
    assert.deepEqual(await stream.ended, { code: 0, stderr: "" });
  });

  each("who gives up is told at once", async ({ ssh, target }) => {
    await ssh.run(target, call(contractScripts.cat), never());
    const control = new AbortController();
    const running = ssh.run(target, call(contractScripts.wait), control.signal);
    control.abort();
    await assert.rejects(running, (error) => isSkyError(error, "core/cancelled"));
    const { stdout } = await ssh.run(target, call(contractScripts.cat, { input: "x" }), never());
    assert.equal(stdout, "x");
  });

  each("a host that nobody is at is unreachable, and may be tried again", async (world) => {
    const { ssh, absent } = world;
    await assert.rejects(ssh.run(absent, call(contractScripts.cat), never()), (error) => {
      return isSkyError(error, "ssh/unreachable") && error.remedy === "retry";
    });
  });

  each("a stranger gets nothing until its key is trusted", async ({ ssh, stranger }) => {
    const run = () => ssh.run(stranger, call(contractScripts.cat, { input: "x" }), never());
    await assert.rejects(run(), (error) => isSkyError(error, "ssh/host-key-unknown"));
    const key = await ssh.hostKey(stranger, never());
    assert.match(key.fingerprint, /^SHA256:[\w+/]{43}$/);
    assert.equal(key.type, "ED25519");
    await ssh.trust(key);
    await ssh.trust(key);
    assert.equal((await run()).stdout, "x");
  });

  each(
    "a cut ends what goes over the connection, and the next call has a new one",
    async (world) => {
      const { ssh, target, cut } = world;
      await ssh.run(target, call(contractScripts.cat), never());
      const running = ssh.run(target, call(contractScripts.wait), never());
      const lost = assert.rejects(running, (error) => isSkyError(error, "ssh/unreachable"));
      await cut();
      await lost;
      const { stdout } = await ssh.run(target, call(contractScripts.cat, { input: "x" }), never());
      assert.equal(stdout, "x");
    },
  );

  each("a tunnel tells when its connection has ended", async ({ ssh, target, cut, local }) => {
    const remote = { host: "127.0.0.1", port: 1 };
    const tunnel = await ssh.tunnel(target, { local, remote }, never());
    await cut();
    assert.notEqual(await tunnel.ended, "");
    await tunnel.close();
    const again = await ssh.tunnel(target, { local, remote }, never());
    await again.close();
    await again.close();
  });

  each(
    "a host that is left can be called again; what goes over its connection goes on",
    async (world) => {
      const { ssh, target, local } = world;
      const said = () => ssh.run(target, call(contractScripts.cat, { input: "x" }), never());
      await ssh.leave(target);
      await said();
      await ssh.leave(target);
      await ssh.leave(target);
      assert.equal((await said()).stdout, "x");
      const tunnel = await ssh.tunnel(
        target,
        { local, remote: { host: "127.0.0.1", port: 1 } },
        never(),
      );
      let ended = false;
      void tunnel.ended.then(() => {
        ended = true;
      });
      await ssh.leave(target);
      assert.equal((await said()).stdout, "x");
      assert.equal(ended, false);
      await tunnel.close();
    },
  );

  each("after close there are no calls", async ({ ssh, target }) => {
    await ssh.run(target, call(contractScripts.cat), never());
    await ssh.close();
    await assert.rejects(ssh.run(target, call(contractScripts.cat), never()), (error) =>
      isSkyError(error, "core/cancelled"),
    );
  });
}
