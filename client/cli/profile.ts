// `sky profile`: measures how fast nodes send to each other, and prints the grid that plans are
// made over. Each link is told as soon as it is known.
//
// `-o csv` is what `sky cp --profile FILE` reads.

import type { ProfiledLink } from "../../model/transfer.ts";
import { siteName } from "../plan-picture.ts";
import { gbpsText } from "../quantity.ts";
import { type CliCommand, yesFlag } from "./command.ts";
import { consent } from "./consent.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { numberFlag, textFlag, wordsAt } from "./flags.ts";
import { printJson } from "./output.ts";
import type { Shell } from "./shell.ts";
import { printTable } from "./table.ts";

const secondsUsual = 3;

export const profile: CliCommand = {
  name: "profile",
  args: "[CLUSTERS...]",
  about: "Measure the links between this machine and nodes of clusters, for plans of transfers.",
  examples: ["sky profile", "sky profile demo gpu --seconds 5", "sky profile -o csv > grid.csv"],
  flags: [
    { usage: "--seconds <S>", about: `How long each link is measured. Default ${secondsUsual}.` },
    yesFlag,
    {
      usage: "-o, --output <FORMAT>",
      about: "What is printed: table, csv (for sky cp --profile) or json.",
      values: ["table", "csv", "json"],
    },
  ],
  run: async (shell, parsed) => {
    const seconds = numberFlag(parsed, "seconds", { flag: "--seconds", least: 0.1 });
    const clusters = wordsAt(parsed, 0);
    const of = clusters.length === 0 ? "all clusters that are up" : clusters.join(", ");
    const time = `${seconds ?? secondsUsual} s for each link, which is full meanwhile`;
    const question = `Measuring the links between this machine and ${of}: ${time}. Proceed?`;
    await consent(shell, parsed, { question, exact: true });
    const head = await shell.head();
    const wanted = { clusters, seconds: seconds ?? secondsUsual };
    const links: ProfiledLink[] = [];
    for await (const link of head.profileLinks(wanted, shell.interrupt)) {
      links.push(link);
      if (shell.showsProgress) shell.progress(`${links.length} measured: ${linkText(link)}`);
    }
    shell.progress(undefined);
    return printGrid(shell, links, textFlag(parsed, "output") ?? "table");
  },
};

function linkText({ from, to, gbps }: ProfiledLink): string {
  return `${siteName(from)} → ${siteName(to)} ${gbpsText(gbps)}`;
}

function printGrid(shell: Shell, links: readonly ProfiledLink[], format: string): ExitCode {
  if (format === "json") printJson(shell, links);
  else if (format === "csv") for (const line of csvLines(links)) shell.print(line);
  else if (links.length === 0) shell.print("There is no link to measure: only this machine is up.");
  else printTable(shell, { ...tableOf(links) });
  return exitCodes.done;
}

/** Source: the header of Skyplane's throughput grids. */
function csvLines(links: readonly ProfiledLink[]): readonly string[] {
  const rows = links.map(({ from, to, gbps }) => `${from},${to},${Math.round(gbps * 1e9)}`);
  return ["src_region,dst_region,throughput_bits_per_s", ...rows];
}

/** Who sends stands at the left. */
function tableOf(links: readonly ProfiledLink[]) {
  const places = [...new Set(links.flatMap(({ from, to }) => [from, to]))];
  const rows = places.map((from) => {
    const rates = places.map((to) => {
      const link = links.find((one) => one.from === from && one.to === to);
      return link === undefined ? "-" : link.gbps.toFixed(2);
    });
    return [siteName(from), ...rates];
  });
  return { columns: ["Gbit/s", ...places.map(siteName)], rows };
}
