#!/bin/sh
# Keeps one program of a cluster running on this host: `sh DIR/run.sh head|node`.
#
# There is one for each role; a second one leaves at once. It starts its program again whenever that
# ends, after growing waits, but not while `ended` or `run.ROLE.off` is there. TERM goes on to the
# program, and this ends with it. Ranks are nobody's children here and run on.
#
# What must always hold: nothing of the environment that started this reaches the program but what
# the file `env` names; who runs is on record (`run.ROLE.pid`, `.child` and `.watch`: links whose
# target is pid, start and boot) before it does anything; this ends after all that it started.
dir=${0%/*}
role=$1
if [ "${SKYLET_HOST-}" != "$dir/" ]; then
  . "$dir/env" || exit 1
  exec env -i HOME="$HOME" USER="$USER" LOGNAME="$USER" SHELL="$SHELL" PATH="$PATH" \
    SKY_HOME="$dir" SKYLET_HOST="$dir/" SKYLET_UMASK="$mask" MALLOC_ARENA_MAX=2 sh "$0" "$role"
fi
mask=$SKYLET_UMASK
unset SKYLET_UMASK
umask 077
cd "$dir" || exit 1
log=$dir/run.$role.log
read -r boot </proc/sys/kernel/random/boot_id

# When a process started, in ticks; nothing if there is none.
start_of() {
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  case $1 in Z | X) return 1 ;; esac
  echo "${20}"
}
# Whether the process that a link names lives; $pid is it.
alive() {
  mark=$(readlink "$1") || return 1
  pid=${mark%%.*}
  rest=${mark#*.}
  [ "${rest#*.}" = "$boot" ] && [ "$(start_of "$pid")" = "${rest%%.*}" ]
}
# Puts a subshell on record, where `$$` is the one above: itself, also once it becomes a program.
record() {
  read -r self rest </proc/self/stat
  rm -f "run.$role.$1"
  ln -s "$self.$(start_of "$self").$boot" "run.$role.$1"
}
now() {
  read -r up rest </proc/uptime
  echo "${up%.*}"
}
say() { echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $role: $1" >>"$log"; }

# ---- one at a time
me=$$.$(start_of $$).$boot
until ln -s "$me" "run.$role.pid" 2>/dev/null; do
  alive "run.$role.pid" && exit 0
  # Of one that was killed. Whoever moves it away looks again at what was moved.
  mv "run.$role.pid" "run.$role.old.$$" 2>/dev/null || continue
  found=$(readlink "run.$role.old.$$")
  rm -f "run.$role.old.$$"
  [ "$found" = "$mark" ] || { ln -s "$found" "run.$role.pid" 2>/dev/null; exit 0; }
done

rotate() {
  set -- $(ls -ln "$log" 2>/dev/null)
  if [ "${5:-0}" -gt 16777216 ]; then cp "$log" "$log.1" && : >"$log"; fi
}
# Of one that was killed.
alive "run.$role.watch" && kill -TERM "$pid" 2>/dev/null
# The program keeps its log open for as long as it lives, so somebody else looks. `$!` is its nap
# from the moment there is one, and a nap that is only about to become `sleep` may miss a TERM.
(
  trap 'trap "" TERM; kill -KILL "$!" 2>/dev/null; wait; exit' TERM
  record watch || exit
  while [ "$(readlink "run.$role.pid")" = "$me" ] && [ -n "$(start_of $$)" ]; do
    rotate
    sleep 300 &
    wait "$!"
  done
) </dev/null >/dev/null 2>&1 &
watch=$!

ending=
child=
trap 'ending=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT
finish() {
  trap '' TERM INT
  kill "$watch" 2>/dev/null
  wait
  [ "$(readlink "run.$role.pid")" = "$me" ] &&
    rm -f "run.$role.pid" "run.$role.child" "run.$role.watch"
  exit 0
}

# ---- what an earlier one left, when it was killed
tries=0
while alive "run.$role.child"; do
  [ "$tries" = 0 ] && say "an earlier program, $pid, is ended" && kill -TERM "$pid"
  [ "$tries" -gt 100 ] && kill -KILL "$pid"
  tries=$((tries + 1))
  sleep 0.1 2>/dev/null || sleep 1
done

program() {
  bundle=$(cd bundle && pwd -P) || return 1
  case $role in
    head) set -- "$bundle/skyhead.js" --hosted "$dir" ;;
    *)
      # See skylet-process.ts for what these save.
      set -- --max-semi-space-size=1 --v8-pool-size=1 --no-maglev "$bundle/skylet.js" host "$dir" ;;
  esac
  trap - TERM INT
  record child || return 1
  umask "$mask"
  exec "$bundle/bin/node" "$@"
}

delay=0.1
is_wanted() { [ -z "$ending" ] && [ ! -e ended ] && [ ! -e "run.$role.off" ]; }
while is_wanted; do
  begun=$(now)
  program </dev/null >>"$log" 2>&1 &
  child=$!
  # TERM may have come before there was anybody to pass it on to.
  [ -z "$ending" ] || kill -TERM "$child" 2>/dev/null
  while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  child=
  is_wanted || break
  [ $(($(now) - begun)) -lt 10 ] || delay=0.1
  say "the program ended with $code; the next one starts in $delay s"
  sleep "$delay" 2>/dev/null & child=$!
  wait "$child" || [ -n "$ending" ] || sleep 1
  child=
  case $delay in
    0.1) delay=0.2 ;;
    0.2) delay=0.5 ;;
    0.5) delay=1 ;;
    1) delay=2 ;;
    *) delay=5 ;;
  esac
done
finish
