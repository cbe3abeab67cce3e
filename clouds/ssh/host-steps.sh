# What can be done to this host for one cluster, step by step, for host-steps-ssh.ts.
#
#     sh -s STEP FOLDER …     FOLDER is the cluster's, below ~/.skylet/clusters
#
# POSIX sh with coreutils or busybox: it runs before anything of ours is there. Each step may be cut
# off at any point and repeated; what others read appears by a rename. It says lines of "key value";
# when it fails, the last line on standard error is "!unfit WHY FIX" or "!failed WHY" with tabs.
mask=$(umask)
path=$PATH
umask 077
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
unset http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY CDPATH
step=$1
folder=$2
root=$HOME/.skylet
bundles=$root/bundles
claims=$root/claims
dir=$root/clusters/$folder
read -r boot </proc/sys/kernel/random/boot_id
limit=
timeout 1 true 2>/dev/null && limit='timeout 10'

say() { printf '%s %s\n' "$1" "$2"; }
unfit() { printf '!unfit\t%s\t%s\n' "$1" "$2" >&2; exit 65; }
fail() { printf '!failed\t%s\n' "$1" >&2; exit 66; }
has() { command -v "$1" >/dev/null 2>&1; }
# What is removed in the end is below its folder: no name may lead anywhere else.
case $folder in '' | .* | *[!A-Za-z0-9._-]*) fail "'$folder' is no cluster's folder" ;; esac
nap() { sleep 0.05 2>/dev/null || sleep 1; }
# When a process started, in ticks; nothing if there is none.
start_of() {
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  case $1 in Z | X) return 1 ;; esac
  echo "${20}"
}
# Whether the process that a link names lives; $pid is it. See host-run.sh.
alive() { mark=$(readlink "$1" 2>/dev/null) && lives; }
lives() {
  pid=${mark%%.*}
  rest=${mark#*.}
  [ "${rest#*.}" = "$boot" ] && [ "$(start_of "$pid")" = "${rest%%.*}" ]
}

# ---- bundles

# Makes a link say what it should. Readers may find none for a moment.
point() { [ "$(readlink "$1" 2>/dev/null)" = "$2" ] || { rm -f "$1"; ln -s "$2" "$1"; }; }
make_place() {
  mkdir -p "$bundles" "$claims" "$dir" || fail "no folder can be made in $HOME"
  # Two nodes in one folder would take each other's files and programs for their own.
  name=$(uname -n)
  ln -s "of:$name" "$dir/machine" 2>/dev/null
  owner=$(readlink "$dir/machine")
  [ "$owner" = "of:$name" ] || unfit "its home is also that of ${owner#of:}" \
    'Give every host of a pool a home of its own'
}
# Where a bundle is put together. The name tells who does it: without them it is left over.
new_part() {
  part=$bundles/$1.part.$$.$(start_of $$).$boot
  rm -rf "$part"
  mkdir "$part" || fail "no folder can be made in $bundles"
  trap 'rm -rf "$part"' EXIT
  trap 'exit 1' HUP INT TERM
}
remove_parts() {
  for found in "$bundles"/*.part.*; do
    [ -d "$found" ] || continue
    owner=${found##*.part.}
    rest=${owner#*.}
    [ "${rest#*.}" = "$boot" ] && [ "$(start_of "${owner%%.*}")" = "${rest%%.*}" ] && continue
    rm -rf "$found"
  done
}
sha256() {
  if has sha256sum; then sum=$(sha256sum <"$1"); set -- $sum; echo "$1"
  elif has openssl; then sum=$(openssl dgst -sha256 <"$1"); echo "${sum##* }"
  elif has shasum; then sum=$(shasum -a 256 <"$1"); set -- $sum; echo "$1"
  else unfit 'nothing there can compute a sha256' 'install coreutils'
  fi
}
# What came is the bundle: it is unpacked, tried, and put in place if nobody did so meanwhile.
install_part() {
  found=$(sha256 "$part/bundle.tar.gz") || exit
  [ "$found" = "$1" ] || fail 'the bundle came damaged'
  { gzip -dc <"$part/bundle.tar.gz" || echo broken >"$part/broken"; } | (cd "$part" && tar xf -) ||
    fail 'the bundle cannot be unpacked'
  [ ! -e "$part/broken" ] || fail 'the bundle cannot be unpacked'
  if [ -d "$bundles/$1" ] && [ ! -x "$bundles/$1/bin/node" ]; then
    mv "$bundles/$1" "$bundles/$1.part.0.0.$$"
  fi
  # Its own Node moves it: that shows that Node runs, and never moves into a folder that is there.
  move='require("fs").renameSync(process.argv[1], process.argv[2])'
  "$part/bin/node" -e "$move" "$part" "$bundles/$1" && return
  [ -x "$bundles/$1/bin/node" ] || fail 'Node does not run'
}
prepare() {
  make_place
  remove_parts
  point "$dir/next" "../../bundles/$1"
  if [ -x "$bundles/$1/bin/node" ]; then say bundle present; return; fi
  say bundle absent
  set -- "$2" $(df -Pk "$root" 2>/dev/null | tail -n 1)
  case ${5-} in '' | *[!0-9]*) return ;; esac
  [ "$5" -ge "$1" ] || unfit "there are $(($5 / 1024)) MB left in $HOME, of $(($1 / 1024)) needed" \
    'Make room there'
}
receive() {
  make_place
  if [ -x "$bundles/$1/bin/node" ]; then return; fi
  new_part "$1"
  cat >"$part/bundle.tar.gz" || fail 'the bundle cannot be written'
  install_part "$1"
}
serve() {
  [ -e "$bundles/$1/bundle.tar.gz" ] || fail 'there is no bundle to give'
  exec "$bundles/$1/bin/node" --max-semi-space-size=1 "$bundles/$1/serve-bundle.js" \
    "$bundles/$1/bundle.tar.gz"
}

# Runs a command that fetches; one that has got nothing after a while is ended.
patiently() {
  "$@" >"$part/came" 2>"$part/said" &
  tool=$!
  (
    trap 'kill "$nap" 2>/dev/null; exit' TERM
    sleep 4 & nap=$!
    wait "$nap"
    [ -s "$part/came" ] || kill "$tool"
  ) </dev/null >/dev/null 2>&1 &
  watch=$!
  wait "$tool"
  code=$?
  kill "$watch" 2>/dev/null
  return "$code"
}
# From another host, by what is there. The token opens one copy of a program that is no secret.
fetch() {
  hash=$1 at=$2 port=$3 token=$4
  make_place
  if [ -x "$bundles/$hash/bin/node" ]; then return; fi
  new_part "$hash"
  case $at in *:*) url=http://[$at]:$port/$token ;; *) url=http://$at:$port/$token ;; esac
  ask="GET /$token"
  if has curl; then patiently curl -q -sSf --noproxy '*' --connect-timeout 4 "$url"
  elif has wget; then patiently wget -q -T 10 -O - "$url"
  elif has bash; then
    get='exec 3<>"/dev/tcp/$1/$2" && echo "$3" >&3 && cat <&3'
    patiently bash --norc -c "$get" bash "$at" "$port" "$ask"
  elif has perl; then
    get='use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0],
      PeerPort => $ARGV[1], Timeout => 4) or die $@; print $s "$ARGV[2]\n"; $s->flush;
      binmode STDOUT; print while <$s>;'
    patiently perl -e "$get" "$at" "$port" "$ask"
  elif has python3; then
    get='import shutil, socket, sys
s = socket.create_connection(sys.argv[1:3], 4)
s.settimeout(None)
s.sendall((sys.argv[3] + "\n").encode())
shutil.copyfileobj(s.makefile("rb"), sys.stdout.buffer)'
    patiently python3 -c "$get" "$at" "$port" "$ask"
  elif has nc; then patiently from_nc "$at" "$port" "$ask"
  else fail 'nothing there can fetch'
  fi || fail "it cannot be fetched from $at: $(head -n 1 "$part/said")"
  mv "$part/came" "$part/bundle.tar.gz" || fail 'the bundle cannot be written'
  rm -f "$part/said"
  install_part "$hash"
}
# Becomes nc, so that whoever ends this ends that.
from_nc() {
  exec nc "$1" "$2" <<END
$3
END
}
# A nats-server that comes along.
receive_nats() {
  make_place
  if [ ! -x "$bundles/nats-$1/nats-server" ]; then
    new_part "nats-$1"
    cat >"$part/nats-server" || fail 'nats-server cannot be written'
    found=$(sha256 "$part/nats-server") || exit
    [ "$found" = "$1" ] || fail 'nats-server came damaged'
    chmod 700 "$part/nats-server"
    "$part/nats-server" --version >/dev/null || fail 'nats-server does not run'
    # Should somebody else have been as quick, this one goes into theirs, and goes with it.
    mv "$part" "$bundles/nats-$1" || fail 'nats-server cannot be put in place'
  fi
  point "$dir/nats" "../../bundles/nats-$1"
  say nats "$bundles/nats-$1/nats-server"
}
# That of before, then one that was sent for another cluster, then the host's own.
find_nats() {
  make_place
  before=$(readlink "$dir/nats" 2>/dev/null)
  before=$bundles/${before##*/}/nats-server
  if [ -L "$dir/nats" ] && [ -x "$before" ]; then
    say nats "$before"
    return
  fi
  if [ -n "${1-}" ] && [ -x "$bundles/nats-$1/nats-server" ]; then
    point "$dir/nats" "../../bundles/nats-$1"
    say nats "$bundles/nats-$1/nats-server"
    return
  fi
  for place in $(printf '%s' "$PATH" | tr ':' ' '); do
    [ -x "$place/nats-server" ] || continue
    say own "$place/nats-server $($limit "$place/nats-server" --version 2>&1 | head -n 1)"
    return
  done
}

# ---- claims

# Whoever makes the link has it. One of a cluster that is gone from here holds nothing.
take() {
  tries=0
  until ln -s "$folder" "$claims/$1" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "no claim can be made in $claims"
    holder=$(readlink "$claims/$1") || continue
    [ "$holder" = "$folder" ] && return
    [ -d "$root/clusters/$holder" ] && return 1
    mv "$claims/$1" "$claims/.old.$$" 2>/dev/null || continue
    moved=$(readlink "$claims/.old.$$")
    rm -f "$claims/.old.$$"
    [ "$moved" = "$holder" ] || ln -s "$moved" "$claims/$1"
  done
  taken="$taken $1"
}
holds() { [ "$(readlink "$claims/$1" 2>/dev/null)" = "$folder" ]; }
claim() {
  make_place
  taken=
  for device in "$@"; do
    take "gpu-$device" && continue
    for name in $taken; do rm -f "$claims/$name"; done
    unfit "the cluster $holder has its device $device" 'Ask for fewer, or end that cluster'
  done
  name=${folder%-*}
  # The one of before, also where a better name has become free: its jobs left their files there.
  for at in sky_workdir "sky_workdir-$name" "sky_workdir-$folder"; do
    if [ -e "$HOME/$at" ] && [ ! -d "$HOME/$at" ]; then continue; fi
    holds "workdir${at#sky_workdir}" || continue
    say workdir "$at"
    return
  done
  for at in sky_workdir "sky_workdir-$name" "sky_workdir-$folder"; do
    what=workdir${at#sky_workdir}
    # A folder that an earlier cluster left is used again, with what its jobs left in it.
    if [ -e "$HOME/$at" ] && [ ! -d "$HOME/$at" ]; then continue; fi
    holds "$what" || take "$what" || continue
    say workdir "$at"
    return
  done
  unfit "$HOME/$at is there, and no folder" 'Move it away'
}
