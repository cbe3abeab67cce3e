// The files port in memory, for tests and simulations. It has files and folders; no links, and
// modes are taken and forgotten, because nobody can ask for them through the port.

import { basename, dirname, normalize } from "node:path/posix";
import { SkyError } from "../model/errors.ts";
import type { Files } from "./files.ts";

/** What outlives a restart: absolute paths to contents; a folder is `undefined`. */
export type MemoryTree = Map<string, Uint8Array | undefined>;

interface Watching {
  readonly path: string;
  readonly hear: () => void;
}

/** `root` exists from the start; nothing outside it is ever removed, nor the root itself. */
export function createMemoryFiles(root: string, tree: MemoryTree = new Map()): Files {
  const watching = new Set<Watching>();
  const at = (path: string): Uint8Array | undefined => tree.get(normalize(path));
  const isFolder = (path: string): boolean => tree.has(path) && tree.get(path) === undefined;

  const changed = (path: string): void => {
    for (const watch of watching) {
      if (watch.path !== path && watch.path !== dirname(path)) continue;
      queueMicrotask(() => {
        if (watching.has(watch)) watch.hear();
      });
    }
  };
  const put = (verb: string, path: string, content: Uint8Array): void => {
    const place = normalize(path);
    if (!isFolder(dirname(place))) throw failed(verb, path, "no such file or directory");
    if (isFolder(place)) throw failed(verb, path, "it is a folder");
    tree.set(place, content);
    changed(place);
  };
  const makeDir = (dir: string): void => {
    if (dir === "/" || dir === "." || isFolder(dir)) return;
    if (tree.has(dir)) throw failed("make", dir, "it is a file");
    makeDir(dirname(dir));
    tree.set(dir, undefined);
  };
  makeDir("/");
  tree.set("/", undefined);
  makeDir(normalize(root));

  return {
    read: async (path) => at(path)?.slice(),
    readAt: async (path, offset, length) =>
      at(path)?.slice(offset, offset + length) ?? new Uint8Array(0),
    size: async (path) => at(path)?.length,
    replace: async (path, content) => put("replace", path, content.slice()),
    append: async (path, content) =>
      put("append to", path, Buffer.concat([at(path) ?? new Uint8Array(0), content])),
    list: async (dir) => {
      const folder = normalize(dir);
      return [...tree.keys()]
        .filter((path) => path !== folder && dirname(path) === folder)
        .map((path) => basename(path))
        .sort();
    },
    makeDir: async (dir) => makeDir(normalize(dir)),
    remove: async (path) => {
      const place = normalize(path);
      const outside = !place.startsWith(`${normalize(root)}/`);
      if (outside) throw failed("remove", path, `it is outside ${root}`);
      for (const one of [...tree.keys()]) {
        if (one !== place && !one.startsWith(`${place}/`)) continue;
        tree.delete(one);
        changed(one);
      }
    },
    copyTree: async (from, to) => {
      makeDir(dirname(normalize(to)));
      for (const path of copyTree(tree, normalize(from), normalize(to))) changed(path);
    },
    watch: (path, hear) => {
      if (!isFolder(dirname(normalize(path)))) throw failed("watch", path, "no such folder");
      const watch = { path: normalize(path), hear };
      watching.add(watch);
      return () => {
        watching.delete(watch);
      };
    },
  };
}

/** The paths that it wrote. */
function copyTree(tree: MemoryTree, from: string, to: string): readonly string[] {
  if (!tree.has(from)) throw failed("copy", from, "no such file or directory");
  if (to === from || to.startsWith(`${from}/`)) throw failed("copy", from, `${to} is inside it`);
  const copies = [...tree]
    .filter(([path]) => path === from || path.startsWith(`${from}/`))
    .map(([path, content]) => [`${to}${path.slice(from.length)}`, content?.slice()] as const);
  for (const [path, content] of copies) tree.set(path, content);
  return copies.map(([path]) => path);
}

function failed(verb: string, path: string, why: string): SkyError {
  return new SkyError("process/failed", { what: `${verb} ${path}`, why });
}
