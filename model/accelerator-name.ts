// The names of accelerators: a maker's product as people ask for it. Pure.
//
// Source: SkyPilot's names; `nvidia-smi --query-gpu=name --format=csv,noheader` for products.

/** Marketing words around the name that people use: "NVIDIA A100-SXM4-80GB" is an `A100-80GB`. */
const knownNames: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bA100.*80GB/, "A100-80GB"],
  [/\bGH200\b/, "GH200"],
  [/\bB200\b/, "B200"],
  [/\bH200\b/, "H200"],
  [/\bH100\b/, "H100"],
  [/\bA100\b/, "A100"],
  [/\bL40S\b/, "L40S"],
  [/\bL40\b/, "L40"],
  [/\bL4\b/, "L4"],
  [/\bA10G\b/, "A10G"],
  [/\bA10\b/, "A10"],
  [/\bV100.*32GB/, "V100-32GB"],
  [/\bV100\b/, "V100"],
  [/\bP100\b/, "P100"],
  [/\bT4\b/, "T4"],
  [/\bK80\b/, "K80"],
  [/\bM60\b/, "M60"],
];

/** SkyPilot's name of a device; one that nobody knows keeps its own, without vendor and spaces. */
export function acceleratorName(product: string): string {
  for (const [pattern, name] of knownNames) if (pattern.test(product)) return name;
  return product
    .replace(/^(NVIDIA|Tesla|GeForce|Quadro)\s+/g, "")
    .replace(/^GeForce\s+/, "")
    .trim()
    .replace(/\s+/g, "-");
}
