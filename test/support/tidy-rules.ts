// The rules that `test/tidy.test.ts` applies: each takes a file and returns its violations.
//
// A violation is one line of text, `path:line: what is wrong`. The numbers are those of
// CONTRIBUTING; change them there too. Rules look at syntax where the text could deceive, and at
// the text where the syntax tree has lost what matters (comments, imports of types).

import { isNode, type Source, type SyntaxNode, walk } from "./sources.ts";

const lineColumnsMax = 100;
const fileLinesMax = 400;
const testFileLinesMax = 600;
const functionLinesMax = 60;
const parametersMax = 3;
const nestingMax = 3;
const proseLines = { min: 3, max: 16, shortFile: 100 };

/** What each folder may import, itself aside. Folders that are missing here may import all. */
const below: Readonly<Record<string, readonly string[]>> = {
  model: [],
  proto: ["model"],
  runtime: ["model", "proto"],
  catalog: ["model"],
  clouds: ["model", "proto", "runtime"],
  transfer: ["model", "proto", "runtime"],
  agent: ["model", "proto", "runtime", "transfer"],
  scheduler: ["model", "proto", "runtime", "transfer", "clouds", "catalog"],
  client: ["model", "proto", "runtime", "transfer", "clouds", "catalog"],
  bin: [
    ...["model", "proto", "runtime", "transfer", "clouds", "catalog"],
    ...["agent", "scheduler", "client"],
  ],
  examples: ["client"],
};

export function fences(source: Source): readonly string[] {
  const folder = folderOf(source.path);
  const allowed = below[folder];
  return source.imports.flatMap(({ target, line }) => {
    const other = target === undefined ? folder : folderOf(target);
    if (other === folder) return [];
    const wrong = allowed === undefined ? false : !allowed.includes(other);
    const test = other === "test" && folder !== "test";
    return wrong || test ? [`${source.path}:${line}: ${folder} may not import ${target}`] : [];
  });
}

const edges = ["actor", "nats", "grpc", "os", "sqlite", "tcp", "ssh", "local", "pino"]
  .concat(["s3", "gcs", "azblob", "aws", "gcp", "azure", "lambda", "ibm"])
  .join("|");

/** The name of a file that touches the world. */
const edge = new RegExp(`-(${edges})(-worker)?\\.ts$`);

const pureFolders = Object.keys(below).filter(
  (folder) => folder !== "bin" && folder !== "examples",
);

/** Modules of Node that compute and touch nothing. */
const pureModules = ["assert", "assert/strict", "buffer", "path", "path/posix", "util", "url"]
  .concat(["string_decoder", "events", "stream", "querystring", "punycode"])
  .map((name) => `node:${name}`);

const pureCrypto = [
  ...["createHash", "createHmac", "timingSafeEqual", "createPublicKey", "verify"],
  ...["hash", "hkdfSync", "createCipheriv", "createDecipheriv"],
];

/** What of `node:zlib` computes in place; its streams and callbacks do not. */
const pureZlib = ["crc32", "constants", "zstdCompressSync", "zstdDecompressSync"];

const edgePackages = ["@grpc/grpc-js", "@nats-io/transport-node", "pino", "esbuild"];

const impureCalls = new Set([
  ...["Date.now", "Math.random", "performance.now", "crypto.randomUUID", "crypto.getRandomValues"],
  ...["setTimeout", "setInterval", "setImmediate", "fetch", "Temporal.Now.instant"],
]);

/** Whether a file promises to be pure by its name and its place. */
export function isPure(path: string): boolean {
  if (path.startsWith("client/cli/") || path === "client/index.ts") return false;
  return pureFolders.includes(folderOf(path)) && !edge.test(path);
}

export function purity(source: Source): readonly string[] {
  if (!isPure(source.path)) return [];
  return [...impureImports(source), ...impureUses(source)];
}

function impureImports(source: Source): readonly string[] {
  const cryptoIsPure = takesOnly(source, "node:crypto", pureCrypto);
  const zlibIsPure = takesOnly(source, "node:zlib", pureZlib);
  return source.imports
    .filter((imported) => !imported.typeOnly)
    .filter(({ specifier, target }) => {
      if (target !== undefined) return edge.test(target);
      if (specifier === "node:crypto") return !cryptoIsPure;
      if (specifier === "node:zlib") return !zlibIsPure;
      if (specifier.startsWith("node:")) return !pureModules.includes(specifier);
      return edgePackages.includes(specifier);
    })
    .map(({ specifier, line }) => `${source.path}:${line}: a pure file imports ${specifier}`);
}

/** Whether all that a file imports by name from a module is among `pure`. */
function takesOnly(source: Source, module: string, pure: readonly string[]): boolean {
  const names = new RegExp(`import\\s*\\{([^}]*)\\}\\s*from\\s*"${module}"`).exec(source.text)?.[1];
  const taken = (names ?? "*").split(",").map((name) => name.trim().replace(/^type /, ""));
  return taken.every((name) => name === "" || pure.includes(name));
}

function impureUses(source: Source): readonly string[] {
  const found: string[] = [];
  const report = (node: SyntaxNode, what: string) =>
    found.push(`${source.path}:${source.lineOf(node.start)}: a pure file uses ${what}`);
  walk(source.tree, (node, ancestors) => {
    if (node.type === "NewExpression" && nameOf(node["callee"]) === "Date") {
      if (listOf(node["arguments"]).length === 0) report(node, "new Date()");
    }
    if (node.type === "CallExpression" && impureCalls.has(nameOf(node["callee"]))) {
      report(node, nameOf(node["callee"]));
    }
    const parent = ancestors.at(-1);
    const isProcess = nameOf(node) === "process" && !isDeclared("process", ancestors);
    if (isProcess && parent?.type === "MemberExpression" && parent["object"] === node) {
      report(node, nameOf(parent));
    }
  });
  return found;
}

/** Whether a parameter or a variable of an enclosing scope has that name. */
function isDeclared(name: string, ancestors: readonly SyntaxNode[]): boolean {
  return ancestors.some((scope) => {
    const statements = listOf(scope["body"]).filter(isNode);
    const declarations = [...statements, scope["left"], scope["init"]].filter(isNode);
    const variables = declarations.flatMap((d) => listOf(d["declarations"])).filter(isNode);
    const patterns = [...listOf(scope["params"]), ...variables.map((v) => v["id"])];
    return patterns.filter(isNode).some((pattern) => binds(pattern, name));
  });
}

function binds(pattern: SyntaxNode, name: string): boolean {
  if (pattern.type === "Identifier") return pattern["name"] === name;
  const parts = [pattern["left"], pattern["argument"], pattern["value"]];
  const below = [...parts, ...listOf(pattern["properties"]), ...listOf(pattern["elements"])];
  return below.filter(isNode).some((part) => binds(part, name));
}

/** Where tests get what is drawn; all other files of theirs draw from one of these. */
const drawn = { properties: "test/support/property.ts", seed: "test/support/seed.ts" };

/** A test that draws for itself cannot be had again. */
export function draws({ path, tree, imports, lineOf }: Source): readonly string[] {
  if (folderOf(path) !== "test" || path === drawn.seed) return [];
  const doors = imports
    .filter(({ specifier }) => specifier === "fast-check" && path !== drawn.properties)
    .map(({ line }) => `${path}:${line}: fast-check comes from ${drawn.properties}`);
  const found: string[] = [];
  walk(tree, (node) => {
    const key = isNode(node["property"]) ? node["property"] : undefined;
    const isSeed = key?.["value"] === "SKY_TEST_SEED" || nameOf(key) === "SKY_TEST_SEED";
    if (!isSeed && nameOf(node) !== "Math.random") return;
    found.push(`${path}:${lineOf(node.start)}: what is drawn comes from ${drawn.seed}`);
  });
  return [...doors, ...found];
}

/** Value imports only: types are gone at run time. */
export function circles(sources: readonly Source[]): readonly string[] {
  const graph = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter((i) => !i.typeOnly).flatMap((i) => i.target ?? []),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) found.push([...trail.slice(seenAt), path].join(" -> "));
    if (seenAt >= 0 || done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

export function hasLineLimit(path: string): boolean {
  return /\.(ts|mjs|sh|proto)$/.test(path);
}

export function lines(path: string, text: string): readonly string[] {
  return text.split("\n").flatMap((line, index) => {
    const columns = [...line].length;
    // A text whose parameters are typed from it cannot be broken in two.
    const isOneText = /^\s*(\w+: )?"[^"]*"[,;]?$/.test(line);
    return columns > lineColumnsMax && !isOneText
      ? [`${path}:${index + 1}: ${columns} columns`]
      : [];
  });
}

export function fileSizes({ path, lines: all }: Source): readonly string[] {
  const max = folderOf(path) === "test" ? testFileLinesMax : fileLinesMax;
  return all.length - 1 > max ? [`${path}: ${all.length - 1} lines, at most ${max}`] : [];
}

export function functionSizes(source: Source): readonly string[] {
  return functionsOf(source).flatMap(({ node, name, line }) => {
    const size = source.lineOf(node.end) - line + 1 - linesOfTests(source, node);
    return size > functionLinesMax ? [`${source.path}:${line}: ${name} has ${size} lines`] : [];
  });
}

/** Three, and then one object of options. */
export function parameters(source: Source): readonly string[] {
  return functionsOf(source).flatMap(({ node, name, line }) => {
    const given = listOf(node["params"]);
    const last = given.at(-1);
    const count = isNode(last) && isOptions(last) ? given.length - 1 : given.length;
    return count > parametersMax ? [`${source.path}:${line}: ${name} takes ${given.length}`] : [];
  });
}

function isOptions(parameter: SyntaxNode): boolean {
  const { type } = parameter;
  if (type === "AssignmentPattern")
    return isNode(parameter["left"]) && isOptions(parameter["left"]);
  return type === "ObjectPattern" || nameOf(parameter) === "options";
}

const branches = new Set([
  ...["IfStatement", "ForStatement", "ForOfStatement", "ForInStatement", "WhileStatement"],
  ...["DoWhileStatement", "SwitchStatement", "TryStatement"],
]);

/** Counts branches and loops inside each other, within one function; `else if` is no step down. */
export function nesting(source: Source): readonly string[] {
  const found: string[] = [];
  walk(source.tree, (node, ancestors) => {
    if (!branches.has(node.type)) return;
    const inside = ancestors.slice(ancestors.findLastIndex((a) => isFunction(a)) + 1);
    const chain = [...inside, node].filter((a) => branches.has(a.type));
    const depth = chain.filter((a, i) => chain[i - 1]?.["alternate"] !== a).length;
    if (depth > nestingMax)
      found.push(`${source.path}:${source.lineOf(node.start)}: ${depth} deep`);
  });
  return found;
}

export function hasBannedName(path: string): boolean {
  return /(^|[/-])(utils?|helpers?|common|misc|managers?)([/.-]|$)/.test(path);
}

export function markers(path: string, text: string): readonly string[] {
  const pattern = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);
  return matchingLines({ path, text, pattern, what: "a marker of unfinished work" });
}

export function machinePaths(path: string, text: string): readonly string[] {
  const places = ["work/(main|shared)", "tmp/", "root/\\w", "home/[a-z]+/"].map((p) => `/${p}`);
  const registries = ["registry\\.npm" + "js\\.org", '"resolved' + '":'];
  const pattern = new RegExp(`(^|[^\\w.$}/~-])(${[...places, ...registries].join("|")})`);
  return matchingLines({ path, text, pattern, what: "names a machine's path or a registry" });
}

/**
 * A file opens with sentences: what it is, why it is so, what must always hold. One is enough for a
 * short file, and for a test, whose names say the rest.
 */
export function prose({ path, lines: all }: Source): readonly string[] {
  const first = all[0]?.startsWith("#!") ? 1 : 0;
  const end = all.findIndex((line, index) => index >= first && !line.startsWith("//"));
  const count = end - first;
  const isShort = all.length <= proseLines.shortFile || folderOf(path) === "test";
  const fits = count >= (isShort ? 1 : proseLines.min) && count <= proseLines.max;
  return fits ? [] : [`${path}:1: opens with ${count} lines of prose`];
}

export function defaultExports(source: Source): readonly string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    if (node.type !== "ExportDefaultDeclaration") return;
    found.push(`${source.path}:${source.lineOf(node.start)}: a default export`);
  });
  return found;
}

/** An empty handler is allowed only with a comment, inside or just above, that says why. */
export function swallowed(source: Source): readonly string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    const handler = emptyHandler(node);
    if (handler === undefined) return;
    const line = source.lineOf(handler.start);
    const explained = source.comments.some((comment) => {
      const at = source.lineOf(comment.start);
      return at >= line - 2 && at <= source.lineOf(handler.end);
    });
    if (!explained) found.push(`${source.path}:${line}: an error is swallowed`);
  });
  return found;
}

export function links(path: string, text: string): readonly string[] {
  return [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => `${path} -> ${target}`);
}

function emptyHandler(node: SyntaxNode): SyntaxNode | undefined {
  if (node.type === "CatchClause" && isNode(node["body"])) {
    return listOf(node["body"]["body"]).length === 0 ? node : undefined;
  }
  if (node.type !== "CallExpression" || !nameOf(node["callee"]).endsWith(".catch"))
    return undefined;
  const [given] = listOf(node["arguments"]);
  if (!isNode(given) || !isFunction(given) || !isNode(given["body"])) return undefined;
  const { body } = given as { body: SyntaxNode } & SyntaxNode;
  const empty = body.type === "BlockStatement" && listOf(body["body"]).length === 0;
  return empty || nameOf(body) === "undefined" ? given : undefined;
}

interface FunctionSeen {
  readonly node: SyntaxNode;
  readonly name: string;
  readonly line: number;
}

function functionsOf(source: Source): readonly FunctionSeen[] {
  const found: FunctionSeen[] = [];
  walk(source.tree, (node, ancestors) => {
    if (!isFunction(node)) return;
    const named = [node, ...[...ancestors].reverse()].find(
      (a) => nameOf(a["id"] ?? a["key"]) !== "",
    );
    const name = nameOf(named?.["id"] ?? named?.["key"]) || "a function";
    found.push({ node, name, line: source.lineOf(node.start) });
  });
  return found;
}

/** A suite is as long as its tests; each of those is a function of its own and counted there. */
function linesOfTests(source: Source, node: SyntaxNode): number {
  const body = isNode(node["body"]) ? listOf(node["body"]["body"]) : [];
  const lengths = body.map((statement) => {
    const call = isNode(statement) ? statement["expression"] : undefined;
    const last = isNode(call) ? listOf(call["arguments"]).at(-1) : undefined;
    if (!isNode(last) || !isFunction(last)) return 0;
    return source.lineOf(last.end) - source.lineOf(last.start);
  });
  return lengths.reduce((sum, length) => sum + length, 0);
}

function isFunction(node: SyntaxNode): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

/** `Date.now`, `process.env`: the dotted name of an expression, or "". */
function nameOf(value: unknown): string {
  if (!isNode(value)) return "";
  if (value.type === "Identifier") return String(value["name"]);
  if (value.type !== "MemberExpression" || value["computed"] === true) return "";
  const object = nameOf(value["object"]);
  return `${object}.${nameOf(value["property"])}`;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function matchingLines(search: {
  readonly path: string;
  readonly text: string;
  readonly pattern: RegExp;
  readonly what: string;
}): readonly string[] {
  return search.text.split("\n").flatMap((line, index) => {
    const hit = search.pattern.exec(line);
    return hit === null ? [] : [`${search.path}:${index + 1}: ${search.what}: ${hit[0].trim()}`];
  });
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}
