# What this host has and what stands against using it, for host-probe.ts: lines "@key value".
#
# It runs before anything of ours is there: POSIX sh, with coreutils or busybox. It changes nothing
# and leaves nothing: two empty folders are made to see whether they can be, and taken away again.
# A tool that is missing, that fails or that hangs costs its own line and no other.
umask 077
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Where there is no session, the user's manager is found by this.
uid=$(id -u 2>/dev/null)
XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$uid}
export XDG_RUNTIME_DIR

say() { printf '@%s %s\n' "$1" "$2"; }
# The first line of what a command says.
first() { say "$1" "$(printf '%s\n' "$2" | head -n 1 | cut -c 1-200)"; }
# Every line of its input.
each() { while IFS= read -r line || [ -n "$line" ]; do first "$1" "$line"; done; }
has() { command -v "$1" >/dev/null 2>&1; }
limit=
timeout 1 true 2>/dev/null && limit='timeout 8'
clock() {
  now=$(date +%s%N 2>/dev/null)
  case $now in '' | *[!0-9]*) now=$(date +%s) ;; esac
  say clock "$now"
}

say skylet-probe 1
clock
first system "$(uname -s 2>&1)"
first kernel "$(uname -r 2>&1)"
first machine "$(uname -m 2>&1)"
has getconf && first bits "$(getconf LONG_BIT 2>/dev/null)"
for file in /etc/os-release /usr/lib/os-release; do
  [ -r "$file" ] && grep '^PRETTY_NAME=' "$file" | each os && break
done
has getconf && first libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
has ldd && { $limit ldd --version 2>&1 | head -n 2 | each ldd; }
for file in /lib/ld-musl-*; do [ -e "$file" ] && first musl "$file"; done
for dir in /lib /lib64 /usr/lib /usr/lib64 /lib/*-linux-gnu* /usr/lib/*-linux-gnu* \
  /usr/local/lib*; do
  [ -e "$dir/libstdc++.so.6" ] && first libstdcxx "$dir" && break
done

first cpus "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null)"
[ -r /proc/meminfo ] && grep '^MemTotal:' /proc/meminfo | each memory
# The limits of each cgroup that we are in. Version 2, then version 1.
while IFS=: read -r _ kinds path; do
  case $kinds in
    '') root=/sys/fs/cgroup cpu=cpu.max memory=memory.max ;;
    *cpu*) root=/sys/fs/cgroup/cpu cpu=cpu.cfs_quota_us memory= ;;
    *memory*) root=/sys/fs/cgroup/memory cpu= memory=memory.limit_in_bytes ;;
    *) continue ;;
  esac
  case $path in *..*) path= ;; esac
  while :; do
    dir=$root${path%/}
    [ -n "$cpu" ] && [ -r "$dir/cpu.max" ] && each cpu-max <"$dir/cpu.max"
    [ -n "$cpu" ] && [ -r "$dir/cpu.cfs_quota_us" ] && [ -r "$dir/cpu.cfs_period_us" ] &&
      say cpu-max "$(cat "$dir/cpu.cfs_quota_us") $(cat "$dir/cpu.cfs_period_us")"
    [ -n "$memory" ] && [ -r "$dir/$memory" ] && each memory-max <"$dir/$memory"
    case $path in */*[!/]*) path=${path%/*} ;; *) break ;; esac
  done
done 2>/dev/null </proc/self/cgroup

# Whether a folder takes files and runs programs: nothing, or why not.
try() {
  dir=$2/.skylet-probe-$$
  if [ -z "$2" ] || [ ! -d "$2" ]; then first "$1" "there is no folder $2"; return; fi
  made=$dir
  # The folder may be there of an earlier try that was cut off.
  rm -rf "$dir" 2>/dev/null
  if ! why=$(mkdir "$dir" 2>&1); then first "$1" "${why:-it takes no folder}"; return; fi
  if ! why=$({ printf '#!/bin/sh\nexit 7\n' >"$dir/run" && [ -s "$dir/run" ]; } 2>&1); then
    first "$1" "${why:-it takes no file}"
  else
    chmod 700 "$dir/run"
    (exec "$dir/run") >/dev/null 2>&1
    [ $? = 7 ] || say "$1-runs" no
  fi
  rm -rf "$dir"
  made=
}
made=
trap '[ -z "$made" ] || rm -rf "$made"' EXIT
trap 'exit 1' HUP INT TERM
first home-path "$HOME"
try home "$HOME"
try tmp /tmp
if [ -d "$HOME" ] && room=$($limit df -Pk "$HOME" 2>/dev/null | tail -n 1); then
  first disk "$room"
  while read -r _ at type _; do
    [ "$at" = "${room##*% }" ] && kind=$type
  done </proc/self/mounts
  first home-type "$kind"
fi 2>/dev/null

if has bash; then
  first bash "$(bash --norc --noprofile -c 'echo "$BASH_VERSION"' 2>&1)"
fi
for tool in cat chmod cp cut date env find gzip head id ln ls mkdir mkfifo mv readlink rm sed \
  setsid sleep sort tail tar tr; do
  has "$tool" || say missing "$tool"
done
has sha256sum || has openssl || say missing sha256sum

if has nvidia-smi; then
  query='index,name,memory.total'
  if gpus=$($limit nvidia-smi --query-gpu="$query" --format=csv,noheader,nounits 2>&1); then
    printf '%s\n' "$gpus" | each gpu
  else
    first gpu-fault "${gpus:-it did not answer}"
  fi
fi

first address "$(set -- $SSH_CONNECTION && printf '%s' "${3-}")"
first user "$(id -un 2>/dev/null)"
first uid "$uid"
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null && first boot "$boot"

if has systemctl && has loginctl && [ -d /run/systemd/system ]; then
  # "degraded" is a manager that works; it ends with a code of its own.
  state=$($limit systemctl --user is-system-running 2>/dev/null)
  first systemd "$state"
  first linger "$($limit loginctl show-user "$uid" -p Linger 2>/dev/null)"
fi
if has crontab; then
  table=$($limit crontab -l 2>&1 </dev/null) && say crontab ok || first crontab "$table"
  for file in /proc/[0-9]*/comm; do
    { read -r name <"$file"; } 2>/dev/null || continue
    case $name in cron | crond | fcron | dcron | anacron) say crond "$name"; break ;; esac
  done
fi

for dir in $(printf '%s' "$PATH" | tr ':' ' '); do
  [ -x "$dir/nats-server" ] || continue
  first nats-server "$dir/nats-server"
  first nats-version "$($limit "$dir/nats-server" --version 2>&1)"
  break
done
for claim in "$HOME"/.skylet/claims/*; do
  [ -L "$claim" ] || continue
  holder=$(readlink "$claim")
  # One of a cluster that is gone from here holds nothing.
  [ -d "$HOME/.skylet/clusters/${holder##*/}" ] && first claim "${claim##*/} ${holder##*/}"
done
clock
say end 1
