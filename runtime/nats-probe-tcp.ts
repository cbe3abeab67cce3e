// A fresh connection to a nats-server, as far as one gets without being anybody: TCP, the server's
// greeting, and TLS with its certificate. It shows that the server takes connections and that it is
// the one that holds the key of that certificate; nothing is said and nothing is left behind.
//
// Source: docs.nats.io, "Client Protocol": the server sends a line `INFO {…}` before TLS begins.

import { connect, type Socket } from "node:net";
import { connect as secure } from "node:tls";
import { errorText } from "../model/errors.ts";
import type { KeyedCertificate } from "./certificates-os.ts";

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  /** Ours, which the server asks for. */
  readonly own: KeyedCertificate;
  /** PEM of the authority that signed the server's. */
  readonly authority: string;
}

export type ProbeOutcome =
  | { readonly kind: "answers" }
  /** Nobody takes the connection, or says nothing on it. */
  | { readonly kind: "silent"; readonly why: string }
  /** Somebody answers who is not it. */
  | { readonly kind: "other"; readonly why: string };

/** What comes back within `ms`. Never rejects. */
export async function probeNats(target: ProbeTarget, ms: number): Promise<ProbeOutcome> {
  const { host, port, own, authority } = target;
  const plain = connect({ host, port });
  // Once there is TLS it owns the plain socket: to destroy that beneath it crashes Node 24.
  let outer: Socket = plain;
  const late = new Error(`no answer in ${ms} ms`);
  const timer = setTimeout(() => outer.destroy(late), ms);
  try {
    await greeting(plain);
    outer = secure({
      ...{ socket: plain, ca: authority, cert: own.certificate, key: own.key },
      // An address is no server name; the name is checked all the same.
      ...{ host, rejectUnauthorized: true },
    });
    await handshake(outer);
    return { kind: "answers" };
  } catch (error) {
    const isSilent = error === late || connectionCodes.includes(codeOf(error));
    return { kind: isSilent ? "silent" : "other", why: errorText(error) };
  } finally {
    clearTimeout(timer);
    outer.destroy();
  }
}

/** Of connections that came to nothing, as opposed to certificates that are wrong. */
const connectionCodes = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "hung-up"];

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}

const greetingBytesMax = 16_384;

/** The first line. It may come in pieces, and nothing comes after it before TLS. */
function greeting(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    rejectAtEnd(socket, reject);
    let text = "";
    const take = (): void => {
      const bytes: Buffer | null = socket.read();
      text += bytes?.toString("latin1") ?? "";
      const isOurs = "INFO ".startsWith(text.slice(0, 5)) && text.length < greetingBytesMax;
      if (!isOurs) reject(new Error("it is no nats-server"));
      if (isOurs && !text.includes("\n")) return;
      socket.off("readable", take);
      resolve();
    };
    socket.on("readable", take);
  });
}

function handshake(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    rejectAtEnd(socket, reject);
    socket.once("secureConnect", () => resolve());
  });
}

/** Listens ever after: an error that comes when nobody waits any more is no news. */
function rejectAtEnd(socket: Socket, reject: (why: Error) => void): void {
  socket.on("error", reject);
  const hungUp = Object.assign(new Error("it hung up"), { code: "hung-up" });
  for (const end of ["end", "close"]) socket.once(end, () => reject(hungUp));
}
