// Who may join a head on a host: nobody but the node of an invitation, once and soon; and what is
// open there to other machines answers nobody without proof.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { connect, createSecureContext } from "node:tls";
import type { Invitation } from "../../../model/host-file.ts";
import { wireVersion } from "../../../model/wire.ts";
import { type ChannelSecurity, secureChannelTo } from "../../../proto/channel-grpc.ts";
import { clientOf } from "../../../proto/client-grpc.ts";
import { clusterService, hostService, joinService } from "../../../proto/services.ts";
import { homePeer, joinName, peerText } from "../../../runtime/certificates.ts";
import {
  createAuthority,
  createRequest,
  issueCertificate,
  type KeyedCertificate,
} from "../../../runtime/certificates-os.ts";
import { endpointText } from "../../../runtime/endpoint.ts";
import { createUserNkey } from "../../../runtime/nkeys-nats.ts";
import { type HostedCluster, hostedCluster } from "../../support/hosted.ts";
import { until } from "../../support/until.ts";

const hourMs = 3_600_000;

async function listening(t: TestContext): Promise<HostedCluster> {
  const cluster = hostedCluster(t);
  cluster.startHead();
  await cluster.listening();
  await cluster.host();
  return cluster;
}

/** Joins as `node`, over a connection with this proof. @returns what was said against it. */
async function joining(
  invitation: Invitation,
  node: string,
  proof: ChannelSecurity = invitation,
): Promise<string> {
  const channel = secureChannelTo(endpointText(invitation.host, invitation.port), proof);
  const { request } = await createRequest("whoever");
  const about = { cluster: "demo", node, token: invitation.token, version: "0.1.0" };
  try {
    await clientOf(channel, joinService).join(
      {
        ...{ ...about, wireVersion, wireVersionOldest: 1, capabilities: [] },
        ...{ nkeyPublic: createUserNkey().publicKey, certificateRequest: request },
      },
      { timeoutMs: 10_000 },
    );
    return "";
  } catch (error) {
    return String(error);
  } finally {
    channel.close();
  }
}

test("hosts may have addresses of IPv6", async (t) => {
  const cluster = hostedCluster(t, 2, "::1");
  await cluster.launch();
  const source = `${cluster.folder}/source`;
  mkdirSync(source);
  writeFileSync(`${source}/read`, "hello");
  const id = await cluster.submit({ numNodes: 2, workdir: source, run: "grep hello read" });
  assert.equal((await cluster.jobEnd(id)).status, "SUCCEEDED");
});

test("an invitation lets its node in, once", async (t) => {
  const cluster = await listening(t);
  const first = await cluster.invite(1);
  const newer = await cluster.invite(1);
  assert.match(await joining(first, "worker1"), /a wrong token/, "an earlier one is void");
  assert.match(await joining(newer, "head"), /the certificate of another/);
  assert.equal(await joining(newer, "worker1"), "");
  assert.match(await joining(newer, "worker1"), /the token was used before/);
  await assert.rejects(
    cluster.client.hosts.invite({ cluster: "demo", node: "worker2" }, { timeoutMs: 5_000 }),
    /worker2 is no node of demo/,
  );
});

test("the join takes nobody without a certificate that is good for it", async (t) => {
  const cluster = await listening(t);
  const invitation = await cluster.invite(1);
  const [first] = cluster.hosts;
  const kept = readFileSync(`${first?.dir}/head/head/bus/authority.json`, "utf8");
  const authority: KeyedCertificate = JSON.parse(kept);
  const name = joinName({ cluster: "demo", node: "worker1" });
  const issued = async (by: KeyedCertificate, commonName: string, ageMs = 0) => {
    const nowMs = Date.now();
    const validity = { notBeforeMs: nowMs - 2 * hourMs, notAfterMs: nowMs + hourMs - ageMs };
    const own = await issueCertificate(by, { commonName, hosts: [], nowMs, validity });
    return { ...own, authority: invitation.authority };
  };
  const stranger = await createAuthority("somebody", Date.now());
  const refused: readonly (readonly [string, ChannelSecurity])[] = [
    ["of another authority", await issued(stranger, name)],
    ["that is over", await issued(authority, name, hourMs + 60_000)],
    ["of a node that has joined", await issued(authority, "demo/worker1")],
    [
      "of another cluster's node",
      await issued(authority, joinName({ cluster: "b", node: "worker1" })),
    ],
    ["of whoever owns the clusters", await issued(authority, peerText(homePeer("demo")))],
  ];
  for (const [what, proof] of refused) {
    assert.notEqual(await joining(invitation, "worker1", proof), "", what);
  }
  // With no certificate at all there is not even a connection.
  const ended = await endOfTls(invitation);
  assert.match(ended, /certificate required|ECONNRESET|closed/i);
  assert.equal(await joining(invitation, "worker1"), "", "and the invitation is still good");
});

test("where nodes join, nothing else is served", async (t) => {
  const cluster = await listening(t);
  const invitation = await cluster.invite(1);
  const channel = secureChannelTo(endpointText(invitation.host, invitation.port), invitation);
  t.after(() => channel.close());
  const own = { cluster: "demo", node: "worker1" };
  const options = { timeoutMs: 10_000 };
  await assert.rejects(clientOf(channel, hostService).invite(own, options), /which cannot do this/);
  await assert.rejects(
    clientOf(channel, clusterService).status({}, options),
    /which cannot do this/,
  );
});

/** How a connection without a certificate ends. */
async function endOfTls({ host, port, authority }: Invitation): Promise<string> {
  let end = "";
  const socket = connect({
    ...{ host, port, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] },
    secureContext: createSecureContext({ ca: authority }),
  });
  socket.on("error", (error) => {
    end = String(error);
  });
  socket.on("close", () => {
    end ||= "closed";
  });
  socket.resume();
  return await until("the connection has ended", () => end || undefined);
}
