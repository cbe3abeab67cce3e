// A head of a few lines for tests of the client: a real gRPC server on the socket of a home, with
// only those methods that the test gives it.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { connectHead } from "../../client/connect-os.ts";
import type { Head } from "../../client/head.ts";
import { headOver } from "../../client/head-grpc.ts";
import { homeAt } from "../../model/home.ts";
import { addService, createGrpcServer, listenGrpc } from "../../proto/server-grpc.ts";
import type { HandlersOf, Service } from "../../proto/services.ts";
import { clusterService, debugService, jobService, transferService } from "../../proto/services.ts";

export interface Methods {
  readonly clusters?: Partial<HandlersOf<typeof clusterService>>;
  readonly jobs?: Partial<HandlersOf<typeof jobService>>;
  readonly transfers?: Partial<HandlersOf<typeof transferService>>;
}

export interface Stage {
  /** The folder to give to `new Sky({ home })`. */
  readonly home: string;
  /** A client of it. */
  readonly head: Head;
  /** Serves anew after `cut`. */
  serve(): Promise<void>;
  /** Breaks every connection and stops listening. */
  cut(): void;
}

export async function stage(t: TestContext, methods: Methods): Promise<Stage> {
  const root = mkdtempSync(join(tmpdir(), "sky-client-"));
  const home = homeAt(root);
  mkdirSync(home.head, { recursive: true });
  let server = createGrpcServer();
  const head = headOver((signal) => connectHead({ home }, signal));
  const self: Stage = {
    ...{ home: root, head },
    serve: async () => {
      rmSync(home.socket, { force: true });
      server = createGrpcServer();
      add(server, clusterService, methods.clusters ?? {});
      add(server, jobService, methods.jobs ?? {});
      add(server, debugService, {});
      add(server, transferService, methods.transfers ?? {});
      await listenGrpc(server, `unix:${home.socket}`, ServerCredentials.createInsecure());
    },
    cut: () => server.forceShutdown(),
  };
  await self.serve();
  t.after(() => {
    head.close();
    server.forceShutdown();
    rmSync(root, { recursive: true, force: true });
  });
  return self;
}

function add<S extends Service>(
  server: ReturnType<typeof createGrpcServer>,
  service: S,
  given: Partial<HandlersOf<S>>,
): void {
  const missing = Object.keys(service).map((name) => [
    name,
    () => {
      throw new Error(`the test's head has no ${name}`);
    },
  ]);
  const handlers = { ...Object.fromEntries(missing), ...given } as HandlersOf<S>;
  addService(server, service, { handlers, hearBug: () => {} });
}
