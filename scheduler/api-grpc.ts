// The head's API: what the services share, and their registration on a server.
//
// Everything goes to one of four places: reads to a cluster's board and log store, changes of jobs
// to its scheduler, changes of clusters to the fleets, histories to the store's events. What is
// about jobs of a cluster whose head runs elsewhere goes there.

import type { Server } from "@grpc/grpc-js";
import { SkyError } from "../model/errors.ts";
import { addService } from "../proto/server-grpc.ts";
import type { CallContext, HandlersOf, Service } from "../proto/services.ts";
import { clusterService, debugService, jobService, transferService } from "../proto/services.ts";
import { clusterHandlers } from "./api-clusters-grpc.ts";
import { debugHandlers } from "./api-debug-grpc.ts";
import { jobHandlers } from "./api-jobs-grpc.ts";
import type { ApiOptions } from "./api-options.ts";
import { transferHandlers } from "./api-transfers-grpc.ts";
import { forwardedJobs } from "./remote/forwarding-grpc.ts";

/** Calls at a time of all clients of a head. */
const callsMax = 16_384;

export function addHeadServices(server: Server, options: ApiOptions): void {
  const hearBug = (error: unknown, method: string) =>
    options.log.error("request failed", { method, error });
  let calls = 0;
  const enter = ({ agentSocket }: CallContext): (() => void) => {
    // Followers, watchers and those who wait for a job are calls, too.
    if (calls >= callsMax) throw new SkyError("api/busy", { count: calls });
    calls += 1;
    if (agentSocket !== undefined) options.onAgent?.(agentSocket);
    const leave = options.enter();
    return () => {
      calls -= 1;
      leave();
    };
  };
  const serve = <S extends Service>(service: S, handlers: HandlersOf<S>): void =>
    addService(server, service, { handlers: counted(handlers, enter), hearBug });
  serve(clusterService, clusterHandlers(options));
  serve(jobService, forwardedJobs(options, jobHandlers(options)));
  serve(debugService, debugHandlers(options));
  const { transfers, store } = options;
  if (transfers !== undefined) {
    serve(transferService, transferHandlers({ transfers, store }));
  }
}

type Handler = (request: never, context: CallContext) => Promise<unknown> | AsyncIterable<unknown>;

/** The same handlers, each call entered until its answer is there or its stream has ended. */
function counted<H extends object>(handlers: H, enter: (context: CallContext) => () => void): H {
  const wrapped = Object.entries(handlers).map(([name, handler]) => {
    const call: Handler = (request, context) => {
      const leave = enter(context);
      try {
        const answer = (handler as Handler)(request, context);
        return answer instanceof Promise ? answer.finally(leave) : leavingAtEnd(answer, leave);
      } catch (error) {
        leave();
        throw error;
      }
    };
    return [name, call] as const;
  });
  return Object.fromEntries(wrapped) as unknown as H;
}

async function* leavingAtEnd(stream: AsyncIterable<unknown>, leave: () => void) {
  try {
    yield* stream;
  } finally {
    leave();
  }
}
