// The mount table of Linux, as `sky doctor` needs it: which file system a path lies on, and where
// the cgroup hierarchies are. Pure.
//
// Source: proc(5), /proc/[pid]/mountinfo.

export interface Mount {
  readonly point: string;
  readonly type: string;
  /** Of the file system; `freezer` among those of a cgroup v1 hierarchy. */
  readonly options: readonly string[];
}

/** In the order of the table: a later mount at the same place hides an earlier one. */
export function parseMounts(mountinfo: string): readonly Mount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const point = left.split(" ")[4];
    const [type, , options = ""] = right.split(" ");
    if (point === undefined || type === undefined || type === "") return [];
    return [{ point: unescaped(point), type, options: options.split(",") }];
  });
}

/** The mount that a real path lies on. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  const holds = ({ point }: Mount): boolean =>
    point === "/" || path === point || path.startsWith(`${point}/`);
  let best: Mount | undefined;
  for (const mount of mounts.filter(holds)) {
    if (best === undefined || mount.point.length >= best.point.length) best = mount;
  }
  return best;
}

export interface CgroupPlace {
  readonly kind: "v2" | "freezer";
  readonly point: string;
}

/** The hierarchies that a sweep can use, the better ones first. */
export function cgroupPlaces(mounts: readonly Mount[]): readonly CgroupPlace[] {
  const v2 = mounts.filter(({ type }) => type === "cgroup2");
  const v1 = mounts.filter(({ type, options }) => type === "cgroup" && options.includes("freezer"));
  return [
    ...v2.map(({ point }) => ({ kind: "v2", point }) as const),
    ...v1.map(({ point }) => ({ kind: "freezer", point }) as const),
  ];
}

/** Spaces and the like are octal escapes in this table. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => {
    return String.fromCharCode(Number.parseInt(digits, 8));
  });
}
