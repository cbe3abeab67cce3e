// A client whose calls end when its connection is found to be lost, and say whose it was. Pure.
//
// A tunnel may be gone long before anybody notices on the socket at its end. Who finds out ends
// every call with the same error, which a caller may try again; and what the transport says of a
// break names no host, so this does.

import { isSkyError, type SkyError } from "../../model/errors.ts";
import type { HeadClient } from "../../proto/client-grpc.ts";
import type { CallOptions, ClientOf, Service } from "../../proto/services.ts";
import {
  clusterService,
  debugService,
  hostService,
  jobService,
  transferService,
} from "../../proto/services.ts";

export interface CallGuard {
  readonly client: HeadClient;
  /** Ends the calls that are open, and those that come. The first reason stays. */
  cut(why: SkyError): void;
}

/** @param lost the error of a connection that broke, by what the transport says of it. */
export function guardCalls(client: HeadClient, lost: (why: string) => SkyError): CallGuard {
  const guard = new Guard(lost);
  return {
    client: {
      clusters: guard.over(client.clusters, clusterService),
      jobs: guard.over(client.jobs, jobService),
      debug: guard.over(client.debug, debugService),
      hosts: guard.over(client.hosts, hostService),
      transfers: guard.over(client.transfers, transferService),
      close: () => client.close(),
    },
    cut: (why) => guard.cut(why),
  };
}

type Call = (request: never, options: CallOptions) => Promise<unknown> | AsyncIterable<unknown>;

class Guard {
  readonly #lost: (why: string) => SkyError;
  readonly #open = new Set<AbortController>();
  #cut: SkyError | undefined;

  constructor(lost: (why: string) => SkyError) {
    this.#lost = lost;
  }

  cut(why: SkyError): void {
    this.#cut ??= why;
    for (const call of [...this.#open]) call.abort(this.#cut);
  }

  over<S extends Service>(calls: ClientOf<S>, service: S): ClientOf<S> {
    const wrapped = Object.entries(service).map(([name, method]) => {
      const call = calls[name] as Call;
      return [name, method.responseStream ? this.#stream(call) : this.#once(call)] as const;
    });
    return Object.fromEntries(wrapped) as ClientOf<S>;
  }

  #once(call: Call): Call {
    return async (request, options) => {
      const { signal, end } = this.#begin(options);
      try {
        return await call(request, { ...options, signal });
      } catch (error) {
        throw this.#seen(error, options);
      } finally {
        end();
      }
    };
  }

  #stream(call: Call): Call {
    const guarded = async function* (this: Guard, request: never, options: CallOptions) {
      const { signal, end } = this.#begin(options);
      try {
        yield* call(request, { ...options, signal }) as AsyncIterable<unknown>;
      } catch (error) {
        throw this.#seen(error, options);
      } finally {
        end();
      }
    };
    return (request, options) => guarded.call(this, request, options);
  }

  #begin({ signal }: CallOptions): { readonly signal: AbortSignal; end(): void } {
    if (this.#cut !== undefined) throw this.#cut;
    const call = new AbortController();
    const leave = (): void => call.abort(signal?.reason);
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave, { once: true });
    this.#open.add(call);
    return {
      signal: call.signal,
      end: () => {
        signal?.removeEventListener("abort", leave);
        this.#open.delete(call);
      },
    };
  }

  #seen(error: unknown, { signal }: CallOptions): unknown {
    if (signal?.aborted) return error;
    if (this.#cut !== undefined && isSkyError(error, "core/cancelled")) return this.#cut;
    return isSkyError(error, "head/unreachable") ? this.#lost(String(error.params["why"])) : error;
  }
}
