// Paths of the machine that a task is written on, and what the validator must ask of it.

/** What the validator must ask of the machine it runs on. */
export interface TaskWorld {
  /** The folder that relative paths start from: where the command runs. */
  readonly cwd: string;
  /** What `~` stands for. */
  readonly home: string;
  kindOf(path: string): "directory" | "file" | "missing";
}

/** `text` from `cwd`, with `~` expanded and dots resolved. */
export function absolutePath(text: string, { cwd, home }: Pick<TaskWorld, "cwd" | "home">): string {
  const expanded = /^~(?=\/|$)/.test(text) ? `${home}${text.slice(1)}` : text;
  const joined = expanded.startsWith("/") ? expanded : `${cwd}/${expanded}`;
  const parts: string[] = [];
  for (const part of joined.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
