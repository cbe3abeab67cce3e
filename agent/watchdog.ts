// The node's watchdog: a small shell that ends ranks whose lease is over, as a text that the
// bundled agent carries. It is all that enforces leases while the agent is dead, stopped or stuck.
//
// One loop, once a second, and nothing is forked in it. For each rank on a lease there is a file
// `leases/<rank>`: where its lease is counted from, how long it is, and what is needed to find
// everything of the rank. `lease-base` is the newest moment that the head has confirmed, for all of
// them, twice: it is written over in place, and one that is read half old and half new is none.
// Times are hundredths of a second since the boot as /proc/uptime has them, so time in which
// the machine slept counts. An empty file is a lease that has been dealt with.
//
// What must always hold: it marks a rank before it kills it, so that nobody takes the kill for
// something else; it leaves a lease only when a look finds nothing more of its rank. It ends when
// there was no lease for a minute, or another watchdog has written itself into the file `watchdog`,
// and looks at the leases once more after it has struck itself out: whoever lays down a lease first
// and then finds a watchdog there can rely on it.

/** The script for ranks whose directories are in this folder. It runs in the agent's own folder. */
export function watchdogScript(ranksDir: string): string {
  return `# skylet: this node's watchdog. Ends ranks whose lease is over.
ranks=${shellQuoted(ranksDir)}
${watchdogBody}`;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const watchdogBody = `umask 077
trap : TERM INT HUP QUIT
shopt -s nullglob
read -r boot </proc/sys/kernel/random/boot_id

# stat_of PID: state, parent, session and start of a process.
stat_of() {
  local line
  read -r line <"/proc/$1/stat" || return
  set -- \${line##*) }
  state=$1 parent=$2 session=$4 start=\${20}
}

now() { # in hundredths of a second
  local up
  read -r up _ </proc/uptime
  now=$((10#\${up/./}))
}

rest() { read -r -t "$1" -u 3; }

# marked PID TOKEN: whether its environment at exec names the rank.
marked() {
  local -a variables
  local variable
  mapfile -d '' -t variables <"/proc/$1/environ" || return
  for variable in "\${variables[@]}"; do
    [ "$variable" = "SKYLET_RANK=$2" ] && return
  done
  return 1
}

# shim_of LEADER LEADER-START PID…: the rank's keeper and logger, older than its leader, and what
# they run beside it, in the array shim.
shim_of() {
  local leader=$1 since=$2 pid child
  local -a children
  shift 2
  shim=()
  for pid; do
    stat_of "$pid" && [ "$start" -le "$since" ] || continue
    shim[$pid]=1 children=()
    read -r -a children <"/proc/$pid/task/$pid/children"
    for child in "\${children[@]}"; do shim[$child]=1; done
  done
  unset "shim[$leader]"
}

# members TOKEN LEADER LEADER-START: what lives of a rank, in the array found.
members() {
  local pid child added true_session=1
  local -A parents=() inside=()
  found=()
  stat_of "$2" && [ "$start" != "$3" ] && true_session=
  for pid in /proc/[0-9]*; do
    pid=\${pid##*/}
    stat_of "$pid" || continue
    case $state in Z | X | x) continue ;; esac
    [ "$start" -ge "$3" ] && [ -z "\${shim[$pid]}" ] || continue
    if [ -n "$true_session" ] && [ "$session" = "$2" ] || marked "$pid" "$1"; then
      inside[$pid]=1
    else
      parents[$pid]=$parent
    fi
  done
  added=1
  while [ -n "$added" ]; do
    added=
    for child in "\${!parents[@]}"; do
      [ -n "\${inside[\${parents[$child]}]}" ] || continue
      inside[$child]=1 added=1
      unset "parents[$child]"
    done
  done
  unset "inside[$$]"
  found=("\${!inside[@]}")
}

# doomed LEAF: who is in a cgroup and is not of the shim, in the array found.
doomed() {
  local -a pids=()
  local pid
  found=()
  mapfile -t pids <"$1/cgroup.procs"
  for pid in "\${pids[@]}"; do
    [ -n "\${shim[$pid]}" ] || found+=("$pid")
  done
}

# kill_leaf LEAF: all of a cgroup, without a race against fork. Fails while something lives in it.
kill_leaf() {
  local freezer=$1/cgroup.freeze freeze=1 thaw=0
  doomed "$1"
  [ \${#found[@]} -gt 0 ] || return 0
  [ ! -e "$1/freezer.state" ] || freezer=$1/freezer.state freeze=FROZEN thaw=THAWED
  echo "$freeze" >"$freezer"
  doomed "$1"
  kill -KILL "\${found[@]}"
  echo "$thaw" >"$freezer"
  return 1
}

# end RANK TOKEN LEADER LEADER-START KEEPER LOGGER LEAF
end() {
  local round left code
  local -a shim
  read -r code <"$ranks/$1/exit"
  [ -n "$code" ] || printf '%s\\n' "$now" >"$ranks/$1/lease-expired"
  for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    left=
    shim_of "$3" "$4" "$5" "$6"
    [ -z "$7" ] || kill_leaf "$7" || left=1
    members "$2" "$3" "$4"
    [ \${#found[@]} -eq 0 ] || { left=1; kill -KILL "\${found[@]}"; }
    [ -n "$left" ] || { : >"leases/$1"; return; }
    rest 0.05
  done
}

enter() { printf '%s %s\\n' "$$" "$self" >watchdog; }

stat_of $$
self=$start
exec 3<> <(:)
enter
printf 'd watchdog\\n' >&6
exec 6>&-
base=0 idle=0
while :; do
  owner=
  read -r owner _ <watchdog
  [ "$owner" = "$$" ] || exit 0
  now
  one= two= of=
  read -r one two of <lease-base
  if [ "$of" = "$boot" ] && [ "$one" = "$two" ] && [ $((10#$one)) -gt "$base" ]; then
    base=$((10#$one))
  fi
  left=
  for file in leases/*; do
    token=
    read -r from length of token leader leader_start keeper logger leaf <"$file"
    [ -n "$token" ] || continue
    [ "$of" = "$boot" ] || { : >"$file"; continue; }
    left=1
    [ "$from" -ge "$base" ] || from=$base
    [ "$now" -ge $((from + length)) ] || continue
    end "\${file##*/}" "$token" "$leader" "$leader_start" "$keeper" "$logger" "$leaf"
  done
  idle=$((idle + 1))
  [ -z "$left" ] || idle=0
  if [ "$idle" -gt 60 ]; then
    : >watchdog
    for file in leases/*; do [ ! -s "$file" ] || left=1; done
    [ -n "$left" ] || exit 0
    idle=0
    enter
  fi
  rest 1
done
`;
