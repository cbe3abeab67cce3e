// A head that is loaded with its first call: who only imports the SDK pays for nothing. Pure.
//
// What it takes to speak to a head (protos, HTTP/2) is most of what the SDK loads.

import type { Head } from "./head.ts";

/** `open` is called once; its head is an object of plain functions. */
export function lateHead(open: () => Promise<Head>): Head {
  let opened: Promise<Head> | undefined;
  const head = (): Promise<Head> => {
    opened ??= open();
    return opened;
  };
  const call = <A extends readonly unknown[], R>(
    of: (head: Head) => (...args: A) => Promise<R>,
  ) => {
    return async (...args: A): Promise<R> => of(await head())(...args);
  };
  const stream = <A extends readonly unknown[], R>(
    of: (head: Head) => (...args: A) => AsyncIterable<R>,
  ) => {
    return async function* (...args: A): AsyncGenerator<R> {
      yield* of(await head())(...args);
    };
  };
  return {
    launch: stream(({ launch }) => launch),
    start: stream(({ start }) => start),
    status: call(({ status }) => status),
    refresh: call(({ refresh }) => refresh),
    stop: call(({ stop }) => stop),
    down: call(({ down }) => down),
    costReport: call(({ costReport }) => costReport),
    setAutostop: call(({ setAutostop }) => setAutostop),
    submit: call(({ submit }) => submit),
    listJobs: call(({ listJobs }) => listJobs),
    getJob: call(({ getJob }) => getJob),
    cancel: call(({ cancel }) => cancel),
    tailLogs: stream(({ tailLogs }) => tailLogs),
    watchEvents: stream(({ watchEvents }) => watchEvents),
    why: call(({ why }) => why),
    previewTransfer: call(({ previewTransfer }) => previewTransfer),
    startTransfer: call(({ startTransfer }) => startTransfer),
    listTransfers: call(({ listTransfers }) => listTransfers),
    getTransfer: call(({ getTransfer }) => getTransfer),
    transferFailures: call(({ transferFailures }) => transferFailures),
    watchTransfer: stream(({ watchTransfer }) => watchTransfer),
    cancelTransfer: call(({ cancelTransfer }) => cancelTransfer),
    resumeTransfer: call(({ resumeTransfer }) => resumeTransfer),
    profileLinks: stream(({ profileLinks }) => profileLinks),
    version: call(({ version }) => version),
    inspect: call(({ inspect }) => inspect),
    close: () => {
      // A head that could not be loaded has nothing to close; its call has said why.
      opened?.then(({ close }) => close()).catch(() => {});
    },
  };
}
