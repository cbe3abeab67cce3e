// The shell side of a rank: the launcher, the shims that it forks, and the shell that becomes the
// user's program. They are text here, so that the bundled agent carries them; `pool-os.ts` writes
// them into the node's state folder and starts the launcher once. The agent itself never spawns.
//
// One rank is one *slot*: a keeper (a fork of the launcher) that starts a `cat` for the output and
// `setsid bash` in the foreground, and writes the exit code. Slots are made ahead of time and wait
// on a FIFO; a rank takes a warm one, and nothing is forked between the order and its first act.
// A slot finds its rank through the link `<slots>/<token>`, which the agent points at the rank's
// directory before it says `p` (prepare). `g` (go) follows, or end of file: the agent is gone, and
// what has not started never will.
//
// What must always hold: whoever claims a directory first has it for ever; no signal disposition,
// descriptor, variable or option of ours reaches the user's program; a report that nobody reads
// kills nobody (the report FIFO is open for reading and writing at every end).

/** Reports of the slots, as `<letter> <token>` lines on the report FIFO. */
export const slotReports = {
  /** The batch of FIFOs that ends with this name exists. */
  f: "fifos-made",
  /** Warm; a third word says whether it could enter its cgroup (`+` or `-`). */
  w: "warm",
  r: "ready",
  /** Refused: the directory was claimed before. */
  c: "claimed",
  s: "started",
  /** The exit code is on disk; the output may still have a writer. */
  x: "ended",
  /** The output is closed too. Nothing follows. */
  e: "closed",
} as const;

/**
 * `launcher SLOTS UMASK`. Job control is on so that background jobs keep the default dispositions
 * of INT and QUIT (a shell without it starts them with both ignored, for ever).
 */
export const launcherScript = `# skylet: this node's launcher. Ends when its standard input does.
cd -- "$1" || exit 1
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

# keep TOKEN LEAF: one slot. Its signals are caught, not ignored, and reach nobody below.
# The logger waits until the output has a writer; nobody waits for the logger to open it but the
# runner, which sees that by the log, so no unlinked FIFO can hold anybody for ever.
keep() {
  trap : TERM INT HUP QUIT
  (trap '' TERM INT HUP QUIT; exec cat <"$1.out" >>"$1.log") 6>&- &
  SKYLET_RANK=$1 setsid bash -c '. "$1"' bash ../runner.sh "$1" "$!" "$mask" warm "$2" \\
    4<>"$1.go" 3<"$1.go" 4>&- 5<>"$1.out" >"$1.out" 5>&- 2>&1
  code=$?
  if [ -e "$1/started" ]; then
    printf '%s\\n' "$code" >"$1/exit"
    printf 'x %s\\n' "$1" >&6
  else
    kill -KILL "$!"
  fi
  # A signal interrupts the wait; only a process that is gone ends it.
  while wait "$!"; kill -0 "$!"; do :; done
  wait "$!"
  lost=$?
  [ $lost -eq 0 ] || [ ! -e "$1/started" ] || printf '%s\\n' "$lost" >"$1/log-lost"
  printf 'e %s\\n' "$1" >&6
}

while :; do
  read -r verb token rest || { [ $? -gt 128 ] && continue; break; }
  case $verb in
    fifos) mkfifo -- "$token" $rest; printf 'f %s\\n' "$token" >&6 ;;
    slot) keep "$token" "$rest" </dev/null 2>/dev/null & ;;
  esac
done
`;

/**
 * Sourced by the rank's own shell: `runner TOKEN LOGGER-PID UMASK STAGE LEAF`. With a `.bashrc` in
 * HOME the shell is replaced by an interactive one, whose two job-control warnings go to
 * /dev/null with everything else that it says before its first command; nothing else is lost.
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
  set -C
  printf '%s\\n' "$1 $__skylet_boot $PPID $__skylet_keeper $$ $__skylet_self $2 $REPLY $3" \\
    2>/dev/null >"$1/claim"
  set -- $?
  set +C
  return $1
}

__skylet_stand() { # RUNNER TOKEN LOGGER-PID UMASK STAGE LEAF
  local __skylet_word __skylet_entered=-
  local -a __skylet_spec
  if [ "$5" = warm ]; then
    __skylet_become warm "$@"
    { echo 500 >/proc/$$/oom_score_adj; } 2>/dev/null
    [ -n "$6" ] && { echo 0 >"$6/cgroup.procs"; } 2>/dev/null && __skylet_entered=+
    # A read that times out says more than 128; end of file means that the agent is gone.
    until [ -e "$2.log" ]; do
      read -r -t 0.01 <&3
      [ $? -gt 128 ] || exit 0
    done
    printf 'w %s %s\\n' "$2" "$__skylet_entered" >&6
    read -r __skylet_word <&3 || exit 0
    __skylet_claim "$2" "$3" "$__skylet_entered" || { printf 'c %s\\n' "$2" >&6; exit 0; }
  fi
  mapfile -d '' -t __skylet_spec <"$2/spec"
  HOME=\${__skylet_spec[2]}
  __skylet_become claimed "$@"
  printf 'r %s\\n' "$2" >&6
  read -r __skylet_word <&3 || exit 0
  exec 3<&-
  SHLVL=1
  [ \${#__skylet_spec[@]} -eq 3 ] || export -- "\${__skylet_spec[@]:3}"
  printf '%s\\n' "$EPOCHREALTIME" >"$2/started"
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
