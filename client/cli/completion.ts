// `sky completion SHELL`: the script that makes a shell complete `sky` with Tab.
//
// The scripts know nothing: they ask `sky __complete` with what has been typed, and add names of
// files where its first line says so. So they need no update when a flag is added.
// Source of the ways: bash(1) "Programmable Completion", zshcompsys(1), fish's complete(1).

import type { CliCommand } from "./command.ts";
import { exitCodes, WrongUse } from "./exit-codes.ts";
import { wordAt } from "./flags.ts";

export const shells = ["bash", "zsh", "fish"] as const;

export type ShellName = (typeof shells)[number];

export function isShellName(name: string): name is ShellName {
  return (shells as readonly string[]).includes(name);
}

export const completion: CliCommand = {
  name: "completion",
  args: "<bash|zsh|fish>",
  about: "Print the script that completes sky in a shell.",
  examples: [
    "source <(sky completion bash)",
    "sky completion fish > ~/.config/fish/completions/sky.fish",
    "sky --install-shell-completion auto",
  ],
  flags: [],
  run: async (shell, parsed) => {
    const name = wordAt(parsed, 0) ?? "";
    if (!isShellName(name)) {
      throw new WrongUse(`there is no completion for '${name}': bash, zsh and fish have one`);
    }
    shell.print(completionScript(name).trimEnd());
    return exitCodes.done;
  },
};

export function completionScript(shell: ShellName): string {
  return scripts[shell];
}

const bash = `# Completion of sky (SkyPilot's commands) for bash.
_sky_complete() {
  local current="\${COMP_WORDS[COMP_CWORD]}" line mode path
  local -a lines=()
  COMPREPLY=()
  while IFS= read -r line; do
    lines+=("$line")
  done < <(command sky __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  mode="\${lines[0]-none}"
  for line in "\${lines[@]:1}"; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done
  # What = separates is a word of its own here.
  [ "$current" = "=" ] && current=""
  case "$mode" in
    yaml | files | dirs)
      compopt -o filenames 2>/dev/null
      while IFS= read -r path; do
        case "$mode:$path" in
          files:* | yaml:*.yaml | yaml:*.yml) COMPREPLY+=("$path") ;;
          *) [ -d "$path" ] && COMPREPLY+=("$path") ;;
        esac
      done < <(compgen -f -- "$current")
      ;;
  esac
}
complete -F _sky_complete sky
`;

const zsh = `#compdef sky
# Completion of sky (SkyPilot's commands) for zsh.
_sky() {
  local -a lines found
  local line
  lines=("\${(@f)$(command sky __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${(@)lines[2,-1]}"; do
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( \${#found} )) && _describe -V sky found
  case "\${lines[1]}" in
    yaml) _files -g '*.(yaml|yml)' ;;
    files) _files ;;
    dirs) _files -/ ;;
  esac
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _sky sky
`;

const fish = `# Completion of sky (SkyPilot's commands) for fish.
function __sky_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (command sky __complete $words[2..-1] "$current" 2>/dev/null)
    printf '%s\\n' $lines[2..-1]
    switch "$lines[1]"
        case yaml
            __fish_complete_suffix .yaml
            __fish_complete_suffix .yml
        case files
            __fish_complete_path "$current"
        case dirs
            __fish_complete_directories "$current"
    end
end
complete -c sky -f -a '(__sky_complete)'
`;

const scripts = { bash, zsh, fish } as const satisfies Record<ShellName, string>;
