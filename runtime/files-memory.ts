// The files port in memory, for tests and simulations.
//
// It has files and folders; no links, and modes are taken and forgotten, because nobody can ask for
// them through the port. A tree is a value of its own and outlives a restart.

import { basename, dirname, normalize } from "node:path/posix";
import { SkyError } from "../model/errors.ts";
import type { Files } from "./files.ts";

/** What outlives a restart: absolute paths to contents; a folder is `undefined`. */
export type MemoryTree = Map<string, Uint8Array | undefined>;

/** `root` exists from the start; nothing outside it is ever removed, nor the root itself. */
export function createMemoryFiles(root: string, tree: MemoryTree = new Map()): Files {
  const { watch, changed } = watchersOf(tree);
  const at = (path: string): Uint8Array | undefined => tree.get(normalize(path));
  const put = (verb: string, path: string, content: Uint8Array): void => {
    const place = normalize(path);
    if (!isFolder(tree, dirname(place))) throw failed(verb, path, "no such file or directory");
    if (isFolder(tree, place)) throw failed(verb, path, "it is a folder");
    tree.set(place, content);
    changed([place]);
  };
  tree.set("/", undefined);
  makeDir(tree, normalize(root));

  return {
    read: async (path) => at(path)?.slice(),
    readAt: async (path, offset, length) =>
      at(path)?.slice(offset, offset + length) ?? new Uint8Array(0),
    size: async (path) => at(path)?.length,
    replace: async (path, content) => put("replace", path, content.slice()),
    append: async (path, content) =>
      put("append to", path, Buffer.concat([at(path) ?? new Uint8Array(0), content])),
    list: async (dir) =>
      [...tree.keys()]
        .filter((path) => path !== "/" && dirname(path) === normalize(dir))
        .map((path) => basename(path))
        .sort(),
    makeDir: async (dir) => makeDir(tree, normalize(dir)),
    remove: async (path) => {
      const outside = !normalize(path).startsWith(`${normalize(root)}/`);
      if (outside) throw failed("remove", path, `it is outside ${root}`);
      const gone = treeAt(tree, normalize(path));
      for (const one of gone) tree.delete(one);
      changed(gone);
    },
    copyTree: async (from, to) => {
      makeDir(tree, dirname(normalize(to)));
      changed(copyTree(tree, normalize(from), normalize(to)));
    },
    watch,
  };
}

/** Whoever watches a path hears of it, or of what is in it, in a microtask. */
function watchersOf(tree: MemoryTree): {
  readonly watch: Files["watch"];
  readonly changed: (paths: readonly string[]) => void;
} {
  const watching = new Set<{ readonly path: string; readonly hear: () => void }>();
  return {
    watch: (path, hear) => {
      const place = normalize(path);
      if (!isFolder(tree, dirname(place))) throw failed("watch", path, "no such folder");
      const watcher = { path: place, hear };
      watching.add(watcher);
      return () => {
        watching.delete(watcher);
      };
    },
    changed: (paths) => {
      const near = (place: string): boolean =>
        paths.some((path) => path === place || dirname(path) === place);
      for (const watcher of watching) {
        if (!near(watcher.path)) continue;
        queueMicrotask(() => {
          if (watching.has(watcher)) watcher.hear();
        });
      }
    },
  };
}

function isFolder(tree: MemoryTree, path: string): boolean {
  return tree.has(path) && tree.get(path) === undefined;
}

function makeDir(tree: MemoryTree, dir: string): void {
  if (isFolder(tree, dir)) return;
  if (tree.has(dir)) throw failed("make", dir, "it is a file");
  makeDir(tree, dirname(dir));
  tree.set(dir, undefined);
}

/** A path and all that is below it, as far as it exists. */
function treeAt(tree: MemoryTree, place: string): readonly string[] {
  return [...tree.keys()].filter((path) => path === place || path.startsWith(`${place}/`));
}

/** The paths that it wrote. */
function copyTree(tree: MemoryTree, from: string, to: string): readonly string[] {
  if (!tree.has(from)) throw failed("copy", from, "no such file or directory");
  if (to === from || to.startsWith(`${from}/`)) throw failed("copy", from, `${to} is inside it`);
  return treeAt(tree, from).map((path) => {
    const copy = `${to}${path.slice(from.length)}`;
    tree.set(copy, tree.get(path)?.slice());
    return copy;
  });
}

function failed(verb: string, path: string, why: string): SkyError {
  return new SkyError("process/failed", { what: `${verb} ${path}`, why });
}
