// A small HDFS for tests: a name node and a data node that speak WebHDFS.
//
// Bytes are taken and given by the data node alone, where the name node sends whoever asks; a body
// that goes to the name node is an error. Names that HDFS does not take are refused, a rename does
// not replace without its option, CONCAT takes files of one folder in. Everything is in memory.
// Source: hadoop.apache.org, "WebHDFS REST API"; FSDirConcatOp and FSDirRenameOp of Hadoop 3.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path/posix";

export interface WebHdfsEmulator {
  readonly endpoint: string;
  /** `METHOD op`, as they came to the name node. */
  readonly operations: readonly string[];
  denied: boolean;
  /** As an HttpFS, which does not know how to rename over a file. */
  isHttpFs: boolean;
  /** The next such operation is done, and its answer is cut off. */
  cutNext(op: string): void;
  paths(): readonly string[];
  close(): Promise<void>;
}

interface Entry {
  readonly isFolder: boolean;
  bytes: Uint8Array;
  modified: number;
  permission: string;
  readonly id: number;
}

interface Call {
  readonly method: string;
  readonly op: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly body?: Uint8Array | string;
  readonly location?: string;
}

class Refusal extends Error {
  readonly status: number;
  readonly exception: string;
  constructor(status: number, exception: string, message: string) {
    super(message);
    this.status = status;
    this.exception = exception;
  }
}

const batchEntries = 3;
const nameBytesMax = 255;

export async function startWebHdfsEmulator(): Promise<WebHdfsEmulator> {
  const cluster = new Cluster();
  const data = await listen((call) => cluster.data(call));
  cluster.dataOrigin = originOf(data);
  const names = await listen((call, request) => cluster.names(call, request));
  const close = async (): Promise<void> => {
    for (const server of [names, data]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  };
  return Object.assign(cluster, { endpoint: originOf(names), close });
}

type Serve = (call: Call, request: IncomingMessage) => Answer | undefined;

async function listen(serve: Serve): Promise<Server> {
  const server = createServer((request, response) => {
    answer(serve, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return server;
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function answer(
  serve: Serve,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const [at = "", search = ""] = (request.url ?? "").split("?", 2);
  const query = new URLSearchParams(search);
  const path = decodeURIComponent(at.replace(/^\/webhdfs\/v1/, ""));
  const { method = "GET" } = request;
  const op = query.get("op") ?? "";
  const call = { method, op, path, query, body: Buffer.concat(pieces) };
  let said: Answer | undefined;
  try {
    said = serve(call, request);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { exception, message, status } = error;
    said = { status, body: JSON.stringify({ RemoteException: { exception, message } }) };
  }
  if (said === undefined) {
    request.socket.destroy();
    return;
  }
  const body = Buffer.from(said.body ?? "");
  const headers = { "content-length": body.length };
  const where = said.location === undefined ? {} : { location: said.location };
  response.writeHead(said.status, { ...headers, ...where });
  response.end(body);
}

class Cluster {
  denied = false;
  isHttpFs = false;
  dataOrigin = "";
  readonly operations: string[] = [];
  readonly #entries = new Map<string, Entry>();
  #id = 16_386;
  #cut: string | undefined;

  constructor() {
    this.#add("/", true);
  }

  cutNext(op: string): void {
    this.#cut = op;
  }

  paths(): readonly string[] {
    return [...this.#entries.keys()].filter((path) => path !== "/").sort();
  }

  names(call: Call, { url }: IncomingMessage): Answer | undefined {
    const { op, path, body } = call;
    this.operations.push(`${call.method} ${op}`);
    if (call.query.get("user.name") !== "tester") {
      throw new Refusal(401, "SecurityException", "who is that?");
    }
    if (this.denied) throw new Refusal(403, "AccessControlException", "Permission denied");
    if (body.length > 0)
      throw new Refusal(400, "IllegalArgumentException", "a body for a name node");
    demandName(path);
    if (op === "CREATE" || op === "APPEND" || op === "OPEN") {
      if (op !== "CREATE") this.#file(path);
      return { status: 307, location: `${this.dataOrigin}${url}` };
    }
    const said = this.#namesOnly(call);
    if (this.#cut !== op) return said;
    this.#cut = undefined;
    return undefined;
  }

  data({ op, path, query, body }: Call): Answer {
    if (op === "CREATE") {
      this.#makeFolders(dirname(path));
      if (this.#entries.get(path)?.isFolder) {
        throw new Refusal(403, "FileAlreadyExistsException", `${path} is a directory`);
      }
      this.#add(path, false, body);
      return { status: 201 };
    }
    const file = this.#file(path);
    if (op === "APPEND") {
      file.bytes = Buffer.concat([file.bytes, body]);
      file.modified = this.#now();
      return { status: 200 };
    }
    const at = Number(query.get("offset"));
    const length = Number(query.get("length") ?? file.bytes.length);
    if (at >= file.bytes.length) throw new Refusal(403, "IOException", "Offset out of the range");
    return { status: 200, body: file.bytes.subarray(at, at + length) };
  }

  #namesOnly({ op, path, query }: Call): Answer {
    switch (op) {
      case "GETFILESTATUS":
        return json({ FileStatus: statusOf("", this.#entry(path)) });
      case "LISTSTATUS":
        return json({ FileStatuses: { FileStatus: this.#below(path) } });
      case "LISTSTATUS_BATCH":
        return json({ DirectoryListing: this.#batch(path, query.get("startAfter") ?? "") });
      case "MKDIRS":
        this.#makeFolders(path);
        return json({ boolean: true });
      case "DELETE":
        return json({ boolean: this.#delete(path, query.get("recursive") === "true") });
      case "RENAME":
        return this.#rename(path, query);
      case "CONCAT":
        this.#concat(path, (query.get("sources") ?? "").split(","));
        return { status: 200 };
      case "SETPERMISSION":
        this.#entry(path).permission = query.get("permission") ?? "";
        return { status: 200 };
      case "SETTIMES":
        this.#entry(path).modified = Number(query.get("modificationtime"));
        return { status: 200 };
      default:
        throw new Refusal(400, "IllegalArgumentException", `Invalid value for "op": ${op}`);
    }
  }

  #now(): number {
    return Date.now();
  }

  #add(path: string, isFolder: boolean, bytes: Uint8Array = new Uint8Array(0)): void {
    this.#id += 1;
    const permission = isFolder ? "755" : "644";
    const entry = { isFolder, bytes, permission, modified: this.#now(), id: this.#id };
    this.#entries.set(path, entry);
  }

  #entry(path: string): Entry {
    const found = this.#entries.get(path);
    if (found !== undefined) return found;
    throw new Refusal(404, "FileNotFoundException", `File does not exist: ${path}`);
  }

  #file(path: string): Entry {
    const found = this.#entry(path);
    if (!found.isFolder) return found;
    throw new Refusal(404, "FileNotFoundException", `Path is not a file: ${path}`);
  }

  #makeFolders(path: string): void {
    const found = this.#entries.get(path);
    if (found?.isFolder) return;
    if (found !== undefined) {
      throw new Refusal(403, "ParentNotDirectoryException", `${path} (is not a directory)`);
    }
    this.#makeFolders(dirname(path));
    this.#add(path, true);
  }

  #below(path: string): readonly Record<string, unknown>[] {
    const entry = this.#entry(path);
    if (!entry.isFolder) return [statusOf("", entry)];
    return [...this.#entries]
      .filter(([other]) => other !== "/" && dirname(other) === path)
      .map(([other, found]) => statusOf(other.slice(other.lastIndexOf("/") + 1), found))
      .sort((a, b) => Buffer.compare(nameIn(a), nameIn(b)));
  }

  #batch(path: string, after: string): unknown {
    const all = this.#below(path);
    const left = all.filter((one) => Buffer.compare(nameIn(one), Buffer.from(after)) > 0);
    const found = after === "" ? all : left;
    const FileStatus = found.slice(0, batchEntries);
    const remainingEntries = found.length - FileStatus.length;
    return { partialListing: { FileStatuses: { FileStatus } }, remainingEntries };
  }

  #delete(path: string, isRecursive: boolean): boolean {
    const entry = this.#entries.get(path);
    if (entry === undefined) return false;
    const below = [...this.#entries.keys()].filter((other) => other.startsWith(`${path}/`));
    if (below.length > 0 && !isRecursive) {
      throw new Refusal(403, "PathIsNotEmptyDirectoryException", `${path} is non empty`);
    }
    for (const one of [path, ...below]) this.#entries.delete(one);
    return true;
  }

  #rename(path: string, query: URLSearchParams): Answer {
    const to = query.get("destination") ?? "";
    demandName(to);
    const entry = this.#entry(path);
    const isOver = query.get("renameoptions") === "OVERWRITE" && !this.isHttpFs;
    const there = this.#entries.get(to);
    if (there !== undefined && !isOver) return json({ boolean: false });
    if (there?.isFolder)
      throw new Refusal(403, "FileAlreadyExistsException", `${to} is a directory`);
    this.#entry(dirname(to));
    this.#entries.delete(path);
    this.#entries.set(to, entry);
    return isOver ? { status: 200 } : json({ boolean: true });
  }

  #concat(path: string, sources: readonly string[]): void {
    const target = this.#file(path);
    if (target.bytes.length === 0)
      throw new Refusal(400, "IllegalArgumentException", "it is empty");
    const files = sources.map((source) => {
      if (dirname(source) !== dirname(path)) {
        throw new Refusal(400, "HadoopIllegalArgumentException", "not in the same directory");
      }
      return this.#file(source);
    });
    target.bytes = Buffer.concat([target.bytes, ...files.map(({ bytes }) => bytes)]);
    target.modified = this.#now();
    for (const source of sources) this.#entries.delete(source);
  }
}

/** Source: org.apache.hadoop.hdfs.DFSUtil, isValidName; dfs.namenode.fs-limits. */
function demandName(path: string): void {
  const names = path === "/" ? [] : path.slice(1).split("/");
  const odd = names.find((name) => name === "" || name === "." || name === ".." || /:/.test(name));
  if (!path.startsWith("/") || odd !== undefined) {
    throw new Refusal(400, "InvalidPathException", `Invalid path name ${path}`);
  }
  if (names.some((name) => Buffer.byteLength(name) > nameBytesMax)) {
    throw new Refusal(403, "PathComponentTooLongException", "too long");
  }
}

function statusOf(pathSuffix: string, entry: Entry): Record<string, unknown> {
  const { isFolder, bytes, modified, permission, id } = entry;
  return {
    ...{ pathSuffix, permission, fileId: id, length: bytes.length, modificationTime: modified },
    type: isFolder ? "DIRECTORY" : "FILE",
  };
}

function nameIn(status: Record<string, unknown>): Buffer {
  return Buffer.from(String(status["pathSuffix"]));
}

function json(value: unknown): Answer {
  return { status: 200, body: JSON.stringify(value) };
}
