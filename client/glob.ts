// Globs over names and ids, as users of SkyPilot write them: SQLite's GLOB. Pure.
//
// The command matches clusters and jobs with them, the SDK jobs.
// Source: SkyPilot 0.3.0, which asks its SQLite tables.

export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

/** SQLite's GLOB: `*`, `?`, `[a-z]`, `[^a-z]`. */
export function globMatches(glob: string, text: string): boolean {
  const source = glob.replace(/\[(\^?)([^\]]+)\]|[\s\S]/g, (part, not?: string, set?: string) => {
    if (set !== undefined) return `[${not ?? ""}${set.replace(/[\\\]^]/g, "\\$&")}]`;
    if (part === "*") return "[\\s\\S]*";
    return part === "?" ? "[\\s\\S]" : part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  });
  return new RegExp(`^${source}$`).test(text);
}
