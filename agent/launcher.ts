// The shell side of a rank: the launcher, the keepers that it forks, and the shell that becomes the
// user's program, as texts that the bundled agent carries. Why bash: `docs/decisions/launcher.md`.
//
// A *seat* is a keeper at the FIFO of a *gate*, in a cgroup that it enters once. One rank on it is
// one *slot*: the keeper starts a logger for the output and `setsid bash` in the foreground, and
// writes the exit code. Slots are made ahead of time, so nothing is forked between an order and its
// first act. A slot lives and claims in a directory of its own, `<slots>/<token>`. The agent lays
// the rank's spec into the gate, renames the directory to the rank's, which succeeds for one slot
// only, and says `p` (prepare). `g` (go) follows, or end of file: what has not started never will.
// What must always hold: whoever claims a directory first has it for ever; a seat serves another
// rank only when nothing is left of the one before (`docs/decisions/seats.md`); nothing of ours
// reaches the user's program; a full disk ends no rank: its logger waits for room.

/** Reports of the slots, as `<letter> <token>` lines on the report FIFO. */
export const slotReports = {
  /** The batch of gates that begins with this name exists. */
  g: "gates-made",
  /** Warm; the rest of the line is its claim. */
  w: "warm",
  r: "ready",
  /** A third word is the moment. */
  s: "started",
  /** The exit code is on disk; the output may still have a writer. */
  x: "ended",
  /** The output is closed too. A third word says whether the seat stays (`+`) or ends (`-`). */
  e: "closed",
  /** The seat of this name ends. Nothing follows. */
  o: "vacated",
  /** The node's watchdog stands (`watchdog.ts`). */
  d: "watches",
} as const;

/** How much room a logger waits for. */
const roomBytes = 1_048_576;
/** What stands in a log where bytes are missing. A pipe of Linux holds 64 KiB. */
export const shortSentence = "[skylet: the disk was full: up to 64 KiB of output are missing here]";

/** The keeper's descriptor for the pipe that is its rank's output. */
export const outputDescriptor = 7;

/**
 * `launcher SLOTS UMASK`. Job control is on so that background jobs keep the default dispositions
 * of INT and QUIT (a shell without it starts them with both ignored, for ever).
 */
export const launcherScript = `# skylet: this node's launcher. Ends when its standard input does.
cd -- "$1" || exit 1
slots=$PWD
mask=$2
read -r boot </proc/sys/kernel/random/boot_id
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

# write: the logger of a slot, from its standard input to descriptor 8. Most ranks say little: only
# one that speaks costs a cat. A cat that found no room has lost what it had read, at most a pipe of
# it: log-short keeps where, and the log itself says so. Where there is room and still nothing can
# be written, the disk is broken and the logger ends.
write() {
  local LC_ALL=C first code size last=- tries=0
  trap '' TERM INT HUP QUIT
  exec 3<&- 6>&-
  IFS= read -r -d '' -n 1 first || exit 0
  while ( first && exec cat ) >&8 8>&-; code=$?; [ $code -eq 1 ] && [ $tries -lt 5 ]; do
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
    first() { :; }
  done
  exit $code
}

# first: the byte that woke the logger; nothing after that is a NUL.
first() {
  if [ -n "$first" ]; then printf %s "$first"; else printf '\\0'; fi
}

# end_logger: with the cat that it may be waiting for.
end_logger() {
  local -a children
  read -r -a children <"/proc/$logger/task/$logger/children"
  kill -KILL "$logger" "\${children[@]}"
}

# seat NAME GATE LEAF: a keeper. Its first slot has its name; the agent names those that follow.
# Its signals are caught, not ignored, and reach nobody below.
seat() {
  trap : TERM INT HUP QUIT
  local name=$1 token=$1 gate=$2 leaf=$3 entered=- verb shim
  exec 4<>"$2.go" 3<"$2.go" 4>&-
  [ -n "$3" ] && { echo 0 >"$3/cgroup.procs"; } 2>/dev/null && entered=$1
  local -a stat before
  [ -n "$3" ] && mapfile -t before <"$3/memory.events"
  read -r -a stat <"/proc/$BASHPID/stat"
  shim="$boot $BASHPID \${stat[21]}"
  while keep "$token"; do
    # Only what is read by a trap's leave is read again.
    while read -r verb token <&3; [ $? -gt 128 ]; do :; done
    [ "$verb" = slot ] || break
  done
  exec 3<&-
  printf 'o %s\\n' "$1" >&6
}

# keep TOKEN: one slot on this seat. True if the seat is as it was: its rank succeeded, and the
# cgroup holds nobody but this shell.
# The output is a pipe that has no name; the keeper holds it open as long as the runner lives.
keep() {
  local logger code lost
  local -a claim left events
  cd -- "$slots/$1" && exec 8>>log && : >>script || { printf 'e %s -\\n' "$1" >&6; return 1; }
  coproc { write; }
  logger=$!
  eval "exec ${outputDescriptor}>&\${COPROC[1]} 8>&- \${COPROC[0]}<&- \${COPROC[1]}>&-"
  SKYLET_RANK=$1 setsid bash -c '. "$1"' bash "$slots/../runner.sh" \\
    "$1" "$logger" "$mask" warm "$entered" "$slots/$gate.spec" "$shim" >&7 2>&1 7>&-
  code=$?
  exec 7>&-
  mapfile -t claim <claim
  if [ \${#claim[@]} -eq 3 ]; then
    # On a full disk the end waits to be on record, as long as there is a place for it.
    until printf '%s\\n' "$code" 1<>exit || [ ! -e script ]; do sleep 0.5; done
    printf 'x %s\\n' "$1" >&6
  else
    end_logger
  fi
  # A signal interrupts the wait; only a process that is gone ends it.
  while wait "$logger"; kill -0 "$logger"; do :; done
  wait "$logger"
  lost=$?
  if [ "$entered/\${#claim[@]}/$code/$lost" = "$name/3/0/0" ]; then
    mapfile -t left <"$leaf/cgroup.procs"
    mapfile -t events <"$leaf/memory.events"
    if [ "\${left[*]}/\${events[*]}" = "$BASHPID/\${before[*]}" ]; then
      printf 'emptied\\n' >>claim && printf 'e %s +\\n' "$1" >&6 && return 0
    fi
  fi
  [ $lost -eq 0 ] || [ \${#claim[@]} -ne 3 ] || printf '%s\\n' "$lost" >log-lost
  # What was said to this slot and not heard goes with the descriptor.
  exec 3<&-
  printf 'e %s -\\n' "$1" >&6
  return 1
}

while :; do
  read -r verb first second rest || { [ $? -gt 128 ] && continue; break; }
  case $verb in
    gates) mkfifo -- "$first" $second $rest; printf 'g %s\\n' "$first" >&6 ;;
    seat) seat "$first" "$second" "$rest" </dev/null 2>/dev/null & ;;
    watch) (cd .. && exec setsid bash --norc ./watchdog.sh) </dev/null 2>/dev/null & ;;
  esac
done
`;

/**
 * Sourced by the rank's own shell: `runner TOKEN LOGGER-PID UMASK STAGE CGROUP SPEC SHIM`, in the
 * directory that is its slot's and will be its rank's. With a `.bashrc` in HOME the shell is
 * replaced by an interactive one, whose two job-control warnings go to /dev/null with everything
 * else that it says before its first command; nothing else is lost.
 * TERM ends an interactive shell only by a trap, since bash ignores it there.
 */
export const runnerScript = `# skylet: a rank's shell, until the user's script takes over.
__skylet_start() { # PID: of one of our shells, whose name holds no space
  local -a __skylet_stat
  read -r -a __skylet_stat <"/proc/$1/stat" || return
  REPLY=\${__skylet_stat[21]}
}

__skylet_become() { # STAGE ARGUMENTS: the shell that this HOME wants, if it is not this one
  case $- in
    *i*) [ -e "$HOME/.bashrc" ] || exec bash -c '. "$1"' bash "\${@:2:4}" "$1" "\${@:7}" ;;
    *) [ ! -e "$HOME/.bashrc" ] ||
      exec bash --norc --noprofile -i -c '. "$1"' bash "\${@:2:4}" "$1" "\${@:7}" \\
        9>&2 2>/dev/null ;;
  esac
}

__skylet_claim() { # TOKEN LOGGER-PID CGROUP SHIM
  local __skylet_self __skylet_line
  __skylet_start "$$" && __skylet_self=$REPLY
  __skylet_start "$2" || REPLY=0
  __skylet_line="$1 $4 $$ $__skylet_self $2 $REPLY $3"
  printf '%s\\n' "$__skylet_line" 1<>claim && printf 'w %s\\n' "$__skylet_line" >&6
}

__skylet_stand() { # RUNNER TOKEN LOGGER-PID UMASK STAGE CGROUP SPEC SHIM
  local __skylet_word
  local -a __skylet_spec
  if [ "$5" = warm ]; then
    __skylet_become warm "$@"
    { echo 500 >/proc/$$/oom_score_adj; } 2>/dev/null
    __skylet_claim "$2" "$3" "$6" "$8" 2>/dev/null || exit 0
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
  __skylet_word=$EPOCHREALTIME
  printf '%s\\n' "$__skylet_word" >>claim
  printf 's %s %s\\n' "$2" "$__skylet_word" >&6
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
