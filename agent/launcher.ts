// The shell side of a rank: the launcher, the shims that it forks, and the shell that becomes the
// user's program, as texts that the bundled agent carries. Why bash: `docs/decisions/launcher.md`.
// One rank is one *slot*: a keeper (a fork of the launcher) that starts a logger for the output and
// `setsid bash` in the foreground, and writes the exit code. Slots are made ahead of time and wait
// on the FIFO of a *gate*; nothing is forked between the order and a rank's first act. A slot lives
// and claims in a directory of its own, `<slots>/<token>`, to which all its processes name their
// files relative. The agent lays the rank's spec into the gate, renames the directory to the
// rank's, which succeeds for one slot only, and says `p` (prepare). `g` (go) follows, or end of
// file: the agent is gone, and what has not started never will.
// What must always hold: whoever claims a directory first has it for ever; nothing of ours reaches
// the user's program; a report that nobody reads kills nobody; a full disk ends no rank: its logger
// waits for room, and the rank, whose pipe is full by then, with it.

/** Reports of the slots, as `<letter> <token>` lines on the report FIFO. */
export const slotReports = {
  /** The batch of gates that begins with this name exists. */
  g: "gates-made",
  /** Warm; a third word says whether it could enter its cgroup (`+` or `-`). */
  w: "warm",
  r: "ready",
  s: "started",
  /** The exit code is on disk; the output may still have a writer. */
  x: "ended",
  /** The output is closed too. Nothing follows. */
  e: "closed",
} as const;

/** How much room a logger waits for. */
const roomBytes = 1_048_576;
/** What stands in a log where bytes are missing. A pipe of Linux holds 64 KiB. */
export const shortSentence = "[skylet: the disk was full: up to 64 KiB of output are missing here]";

/**
 * `launcher SLOTS UMASK`. Job control is on so that background jobs keep the default dispositions
 * of INT and QUIT (a shell without it starts them with both ignored, for ever).
 */
export const launcherScript = `# skylet: this node's launcher. Ends when its standard input does.
cd -- "$1" || exit 1
slots=$PWD
mask=$2
umask 077
set -m
trap : TERM INT HUP QUIT
# No descriptor of whoever started the agent may reach a rank; 255 is this shell's own.
for fd in /proc/$$/fd/*; do
  case \${fd##*/} in 0 | 1 | 2 | 255) ;; *) eval "exec \${fd##*/}<&-" ;; esac
done
[ -p report ] || mkfifo report || exit 1
exec 6<>report 2>/dev/null
printf 'ready\\n'
exec >/dev/null

# write: the logger of a slot, from its standard input to descriptor 8. A cat that found no room has
# lost what it had read, at most a pipe of it: log-short keeps where, and the log itself says so.
# Where there is room and still nothing can be written, the disk is broken and the logger ends.
write() {
  local code size last=- tries=0
  trap '' TERM INT HUP QUIT
  exec 6>&-
  while cat >&8 8>&-; code=$?; [ $code -eq 1 ] && [ $tries -lt 5 ]; do
    until head -c ${roomBytes} /dev/zero >room; do
      : >room || [ -e script ] || exit $code
      sleep 0.5
    done
    rm -f room
    size=$(stat -c %s log)
    [ "$size" = "$last" ] && tries=$((tries + 1)) || tries=0
    printf '%s\n' "$size" >>log-short
    printf '\n${shortSentence}\n' >&8
    last=$(stat -c %s log)
  done
  exit $code
}

# end_logger: with the cat that it may be waiting for.
end_logger() {
  local -a children
  read -r -a children <"/proc/$logger/task/$logger/children"
  kill -KILL "$logger" "\${children[@]}"
}

# keep TOKEN GATE LEAF: one slot. Its signals are caught, not ignored, and reach nobody below.
# The output is a pipe that has no name; the keeper holds it open as long as the runner lives.
keep() {
  trap : TERM INT HUP QUIT
  local token=$1 logger code lost claim
  cd -- "$1" && exec 8>>log && : >script || { printf 'e %s\\n' "$1" >&6; return; }
  coproc { write; }
  logger=$!
  eval "exec 7>&\${COPROC[1]} 8>&- \${COPROC[0]}<&- \${COPROC[1]}>&-"
  SKYLET_RANK=$1 setsid bash -c '. "$1"' bash "$slots/../runner.sh" \\
    "$1" "$logger" "$mask" warm "$3" "$slots/$2.spec" \\
    4<>"../$2.go" 3<"../$2.go" 4>&- >&7 2>&1 7>&-
  code=$?
  exec 7>&-
  mapfile -t claim <claim
  if [ \${#claim[@]} -eq 3 ]; then
    # On a full disk the end waits to be on record, as long as there is a place for it.
    until printf '%s\\n' "$code" >exit || [ ! -e script ]; do sleep 0.5; done
    printf 'x %s\\n' "$token" >&6
  else
    end_logger
  fi
  # A signal interrupts the wait; only a process that is gone ends it.
  while wait "$logger"; kill -0 "$logger"; do :; done
  wait "$logger"
  lost=$?
  [ $lost -eq 0 ] || [ \${#claim[@]} -ne 3 ] || printf '%s\\n' "$lost" >log-lost
  printf 'e %s\\n' "$token" >&6
}

while :; do
  read -r verb first second rest || { [ $? -gt 128 ] && continue; break; }
  case $verb in
    gates) mkfifo -- "$first" $second $rest; printf 'g %s\\n' "$first" >&6 ;;
    slot) keep "$first" "$second" "$rest" </dev/null 2>/dev/null & ;;
  esac
done
`;

/**
 * Sourced by the rank's own shell: `runner TOKEN LOGGER-PID UMASK STAGE LEAF SPEC`, in the
 * directory that is its slot's and will be its rank's. With a `.bashrc` in HOME the shell is
 * replaced by an interactive one, whose two job-control warnings go to /dev/null with everything
 * else that it says before its first command; nothing else is lost.
 * TERM ends an interactive shell only by a trap, since bash ignores it there.
 */
export const runnerScript = `# skylet: a rank's shell, until the user's script takes over.
__skylet_start() {
  local __skylet_stat
  read -r __skylet_stat <"/proc/$1/stat" || return
  set -- \${__skylet_stat##*) }
  REPLY=\${20}
}

__skylet_become() { # STAGE ARGUMENTS: the shell that this HOME wants, if it is not this one
  case $- in
    *i*) [ -e "$HOME/.bashrc" ] || exec bash -c '. "$1"' bash "\${@:2:4}" "$1" "\${@:7}" ;;
    *) [ ! -e "$HOME/.bashrc" ] ||
      exec bash --norc --noprofile -i -c '. "$1"' bash "\${@:2:4}" "$1" "\${@:7}" \\
        9>&2 2>/dev/null ;;
  esac
}

__skylet_claim() { # TOKEN LOGGER-PID ENTERED
  local __skylet_keeper __skylet_self __skylet_boot
  __skylet_start "$PPID" && __skylet_keeper=$REPLY
  __skylet_start "$$" && __skylet_self=$REPLY
  __skylet_start "$2" || REPLY=0
  read -r __skylet_boot </proc/sys/kernel/random/boot_id
  printf '%s\\n' "$1 $__skylet_boot $PPID $__skylet_keeper $$ $__skylet_self $2 $REPLY $3" >claim
}

__skylet_stand() { # RUNNER TOKEN LOGGER-PID UMASK STAGE LEAF SPEC
  local __skylet_word __skylet_entered=-
  local -a __skylet_spec
  if [ "$5" = warm ]; then
    __skylet_become warm "$@"
    { echo 500 >/proc/$$/oom_score_adj; } 2>/dev/null
    [ -n "$6" ] && { echo 0 >"$6/cgroup.procs"; } 2>/dev/null && __skylet_entered=+
    __skylet_claim "$2" "$3" "$__skylet_entered" 2>/dev/null || exit 0
    printf 'w %s %s\\n' "$2" "$__skylet_entered" >&6
    read -r __skylet_word <&3 || exit 0
  fi
  mapfile -d '' -t __skylet_spec <"$7"
  [ \${#__skylet_spec[@]} -ge 3 ] || exit 0
  HOME=\${__skylet_spec[2]}
  __skylet_become claimed "$@"
  printf 'r %s\\n' "$2" >&6
  read -r __skylet_word <&3 || exit 0
  exec 3<&-
  SHLVL=1
  [ \${#__skylet_spec[@]} -eq 3 ] || export -- "\${__skylet_spec[@]:3}"
  printf '%s\\n' "$EPOCHREALTIME" >>claim
  printf 's %s\\n' "$2" >&6
  exec 6>&-
  umask "$4"
  cd -- "\${__skylet_spec[1]}" || exit 1
  unset OLDPWD REPLY
  printf -v __skylet_script %q "\${__skylet_spec[0]}/script"
  __skylet_env=
  [ \${#__skylet_spec[@]} -eq 3 ] || printf -v __skylet_env '%q ' "\${__skylet_spec[@]:3}"
}

case $- in *i*) exec 2>&9 9>&- ;; esac
__skylet_stand "$@"
set --
case $- in
  *i*)
    trap 'exit 143' TERM
    . "$HOME/.bashrc"
    [ -z "$__skylet_env" ] || eval "export -- $__skylet_env"
    ;;
esac
unset -f __skylet_start __skylet_become __skylet_claim __skylet_stand
eval "unset __skylet_script __skylet_env; . $__skylet_script"
`;
