# The second part of host-steps.sh: what is started, kept running, ended and taken away, and the
# choice of the step.
units=$HOME/.config/systemd/user
uid=$(id -u)
: "${XDG_RUNTIME_DIR:=/run/user/$uid}"
export XDG_RUNTIME_DIR
user=$(id -un 2>/dev/null || echo "$uid")

# ---- who starts it again after a reboot

unit_of() { echo "skylet-$folder-$1.service"; }
has_systemd() {
  has systemctl && has loginctl && [ -d "$XDG_RUNTIME_DIR" ] || return 1
  case $($limit systemctl --user is-system-running 2>/dev/null) in
    running | degraded | starting) ;;
    *) return 1 ;;
  esac
  # Without lingering all of it ends with the last login: then rather without systemd.
  lingers && return
  $limit loginctl --no-ask-password enable-linger >/dev/null 2>&1
  lingers && : >"$root/linger"
}
lingers() { [ "$($limit loginctl show-user "$user" -p Linger 2>/dev/null)" = Linger=yes ]; }
# Folders for units that were not there before us are on record.
make_units() {
  for at in "$HOME/.config" "$HOME/.config/systemd" "$units" "$units/default.target.wants"; do
    [ -d "$at" ] && continue
    mkdir "$at" && echo "$at" >>"$root/made" || return 1
  done
}
by_systemd() {
  has_systemd && make_units || return 1
  unit=$(unit_of "$1")
  quoted=$(printf '%s' "$dir" | sed 's/[%$]/&&/g')
  cat >"$units/$unit.new" <<END || return 1
[Unit]
Description=Skylet: $1 of $folder
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh "$quoted/run.sh" $1
Restart=always
RestartSec=1
RestartPreventExitStatus=0
KillMode=process
TimeoutStopSec=60

[Install]
WantedBy=default.target
END
  mv "$units/$unit.new" "$units/$unit" &&
    $limit systemctl --user daemon-reload >/dev/null 2>&1 &&
    $limit systemctl --user enable "$unit" >/dev/null 2>&1 &&
    $limit systemctl --user --no-block restart "$unit" >/dev/null 2>&1
}

mark_of() { echo "# skylet $folder $1"; }
# Says the crontab; fails where it cannot be told from one that is not there.
crontab_now() {
  has crontab || return 1
  table=$($limit crontab -l 2>/dev/null </dev/null) && return
  table=
  why=$($limit crontab -l 2>&1 </dev/null)
  case $why in *'no crontab'* | *'No such file'*) ;; *) return 1 ;; esac
}
# Others may write theirs at the same moment: it is looked at again.
by_cron() {
  case $dir in *%* | *\'*) return 1 ;; esac
  tries=0
  while crontab_now; do
    case $table in *"$(mark_of "$1")"*) return ;; esac
    tries=$((tries + 1))
    [ "$tries" -lt 5 ] || return 1
    {
      [ -z "$table" ] || printf '%s\n' "$table"
      echo "@reboot sh '$dir/run.sh' $1 >/dev/null 2>&1 $(mark_of "$1")"
    } | $limit crontab - || return 1
  done
  return 1
}
no_cron() {
  tries=0
  while crontab_now; do
    case $table in *"$(mark_of "$1")"*) ;; *) return ;; esac
    tries=$((tries + 1))
    [ "$tries" -lt 5 ] || fail 'its line in the crontab cannot be taken away'
    rest=$(printf '%s\n' "$table" | grep -v -F "$(mark_of "$1")")
    if [ -n "$rest" ]; then printf '%s\n' "$rest" | $limit crontab -
    else $limit crontab -r
    fi
  done
}

# In a session of its own, which outlives this login.
detach() {
  if has setsid; then
    setsid sh "$dir/run.sh" "$1" </dev/null >/dev/null 2>&1 &
  else
    "$dir/bundle/bin/node" -e 'require("child_process").spawn("sh", process.argv.slice(1),
      { detached: true, stdio: "ignore" }).unref()' "$dir/run.sh" "$1" </dev/null >/dev/null 2>&1
  fi
}

# ---- start

# What the supervisor gives its program; see host-run.sh. Nothing else of this login goes on.
write_env() {
  {
    echo "mask=$mask"
    for pair in "HOME=$HOME" "USER=$user" "SHELL=${SHELL:-/bin/sh}" "PATH=$path"; do
      printf "%s='%s'\n" "${pair%%=*}" "$(printf '%s' "${pair#*=}" | sed "s/'/'\\\\''/g")"
    done
  } >"$dir/env.next"
}
# Puts a file in place; says whether it is another one than before.
settle() {
  if [ -e "$1" ] && [ "$(cat "$1")" = "$(cat "$1.next")" ]; then rm -f "$1.next"; return 1; fi
  mv -f "$1.next" "$1" || fail "$1 cannot be written"
}
start() {
  role=$1 hash=$2 nats=$3
  make_place
  bundle=$bundles/$hash
  [ -x "$bundle/bin/node" ] || fail 'the bundle is not there'
  file=$dir/host.json
  [ "$role" = head ] && file=$dir/head.json
  cat >"$file.next" && [ -s "$file.next" ] || fail "$file cannot be written"
  other=
  settle "$file" && other=1
  write_env && cp "$bundle/host-run.sh" "$dir/run.sh.next" || fail "no file can be written in $dir"
  settle "$dir/env"
  settle "$dir/run.sh"
  [ -z "$nats" ] || point "$dir/nats" "../../bundles/nats-$nats"
  if [ "$(readlink "$dir/bundle" 2>/dev/null)" != "../../bundles/$hash" ]; then
    other=1
    ln -s "../../bundles/$hash" "$dir/bundle.$$" &&
      "$bundle/bin/node" -e 'require("fs").renameSync(process.argv[1], process.argv[2])' \
        "$dir/bundle.$$" "$dir/bundle" || fail 'the bundle cannot be linked'
  fi
  rm -f "$dir/ended"
  if [ -z "$other" ] && alive "$dir/run.$role.pid"; then return; fi
  begin "$role"
  # Of before an upgrade.
  remove_bundles
}
begin() {
  end_roles "$1"
  rm -f "$dir/run.$1.off"
  if by_systemd "$1"; then say keeper systemd
  elif by_cron "$1"; then say keeper cron; detach "$1"
  else say keeper none; detach "$1"
  fi
  tries=0
  until alive "$dir/run.$1.pid" && alive "$dir/run.$1.child"; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "its $1 does not start: $(tail -n 1 "$dir/run.$1.log" 2>/dev/null)"
    nap
  done
}

# ---- end

# Nobody starts these again.
unkeep() {
  for role in "$@"; do
    unit=$(unit_of "$role")
    if [ -e "$units/$unit" ]; then
      $limit systemctl --user --no-block disable --now "$unit" >/dev/null 2>&1
      rm -f "$units/$unit" "$units/default.target.wants/$unit"
      $limit systemctl --user daemon-reload >/dev/null 2>&1
      $limit systemctl --user reset-failed "$unit" >/dev/null 2>&1
    fi
    no_cron "$role"
  done
}
# Ends the supervisors and what they started: asked first, and made to after a while. Each is asked
# by us, as its supervisor may have been killed. Who was asked is remembered until it is gone: a
# supervisor takes its mark away while it still runs.
end_roles() {
  tries=0
  asked=
  while :; do
    for role in "$@"; do
      for what in pid child watch; do
        alive "$dir/run.$role.$what" || continue
        case " $asked " in *" $mark "*) continue ;; esac
        asked="$asked $mark"
        kill -TERM "$pid" 2>/dev/null
      done
    done
    left=
    for mark in $asked; do
      lives || continue
      left="$left $pid"
      [ "$tries" -lt 200 ] || kill -KILL "$pid" 2>/dev/null
    done
    [ -n "$left" ] || break
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "these processes cannot be ended:$left"
    nap
  done
  for role in "$@"; do
    rm -f "$dir/run.$role.pid" "$dir/run.$role.child" "$dir/run.$role.watch"
  done
}
stop() {
  unkeep head node
  [ -d "$dir" ] || return 0
  # Whoever is about to start one of them again finds that it should not.
  : >"$dir/run.head.off"
  : >"$dir/run.node.off"
  end_roles head node
  # A nats-server whose head was killed lives on.
  end_members in_bus
}

# ---- who is still there

bus_folder() { cat "$dir/bus-folder" 2>/dev/null || echo "/var/lib/skylet/$folder"; }
# Says "pid folder" of every process whose working directory can be seen.
places() {
  ls -l /proc/[0-9]*/cwd 2>/dev/null | while read -r line; do
    link=${line#*/proc/}
    echo "${link%%/*} ${link#* -> }"
  done
}
in_bus() {
  bus=$(bus_folder)
  places | while read -r pid at; do
    case $at in "$dir/head" | "$dir/head/"* | "$bus" | "$bus/"*) echo "$pid" ;; esac
  done
}
# By our mark in their environment, or by where they are.
in_folder() {
  for found in $(grep -l -F "SKYLET_HOST=$dir/" /proc/[0-9]*/environ 2>/dev/null); do
    found=${found#/proc/}
    echo "${found%%/*}"
  done
  bus=$(bus_folder)
  places | while read -r pid at; do
    case $at in "$dir" | "$dir/"* | "$dir (deleted)" | "$bus" | "$bus/"*) echo "$pid" ;; esac
  done
}
# Ends those that `$1` names, and looks again until it names none.
end_members() {
  tries=0
  while :; do
    left=
    for member in $("$1" | sort -u); do
      [ "$member" != $$ ] && [ -n "$(start_of "$member")" ] || continue
      left="$left $member"
      if [ "$tries" -lt 20 ]; then kill -TERM "$member" 2>/dev/null
      else kill -KILL "$member" 2>/dev/null
      fi
    done
    [ -n "$left" ] || return 0
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "these processes cannot be ended:$left"
    nap
  done
}

# ---- status

role_status() {
  if [ ! -e "$dir/$2" ]; then say "$1" absent
  elif alive "$dir/run.$1.pid"; then say "$1" running
  elif [ -e "$dir/ended" ] || [ -e "$dir/run.$1.off" ]; then say "$1" absent
  else say "$1" dead
  fi
}
status() {
  say boot "$boot"
  [ -d "$dir" ] || { say folder absent; return; }
  say folder present
  role_status head head.json
  role_status node host.json
  target=$(readlink "$dir/bundle" 2>/dev/null) && say bundle "${target##*/}"
  [ -e "$dir/ended" ] && say ended "$(cat "$dir/ended")"
  return 0
}

# ---- remove

# A bundle that no cluster's folder names, and from which nothing runs. It goes away whole, and
# comes back if a folder came to name it just now.
remove_bundles() {
  remove_parts
  programs=$(ls -l /proc/[0-9]*/exe 2>/dev/null)
  for found in "$bundles"/*; do
    [ -d "$found" ] || continue
    is_used "${found##*/}" && continue
    mv "$found" "$found.part.0.0.$$" 2>/dev/null || continue
    if is_used "${found##*/}" && [ ! -e "$found" ]; then mv "$found.part.0.0.$$" "$found"
    else rm -rf "$found.part.0.0.$$"
    fi
  done
}
is_used() {
  case $programs in *"$bundles/$1/"*) return ;; esac
  for link in "$root"/clusters/*/bundle "$root"/clusters/*/next "$root"/clusters/*/nats; do
    [ "$(readlink "$link" 2>/dev/null)" = "../../bundles/$1" ] && return
  done
  return 1
}
# What else was made for the first cluster here goes with the last.
remove_root() {
  rmdir "$root/clusters" "$claims" "$bundles" 2>/dev/null
  if [ -d "$root/clusters" ]; then return 0; fi
  [ ! -e "$root/linger" ] || $limit loginctl --no-ask-password disable-linger >/dev/null 2>&1
  if [ -e "$root/made" ]; then
    sed '1!G;h;$!d' "$root/made" | while read -r at; do rmdir "$at" 2>/dev/null; done
  fi
  rm -f "$root/linger" "$root/made"
  rmdir "$root" 2>/dev/null
  return 0
}
# One of whom the client was cut off goes on, and the client asks again: they would end each other's
# programs. The second one waits, and finds nothing left to do.
wait_for_removal() {
  me=$$.$(start_of $$).$boot
  tries=0
  until ln -s "$me" "$dir/run.remove" 2>/dev/null; do
    [ -d "$dir" ] || return 0
    alive "$dir/run.remove" || rm -f "$dir/run.remove"
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || fail 'an earlier removal does not end'
    nap
  done
}
remove() {
  [ ! -d "$dir" ] || wait_for_removal
  stop
  [ -d "$root" ] || return 0
  # The agent knows what it laid out, and which processes are whose.
  if [ -x "$dir/bundle/bin/node" ] && [ -e "$dir/host.json" ]; then
    agent=$dir/bundle/skylet.js
    if kept=$(SKY_HOME=$dir "$dir/bundle/bin/node" "$agent" remove "$dir" \
      2>"$dir/remove.log"); then
      say kept "$(printf '%s' "$kept" | tail -n 1)"
    else
      code=$?
      said=$(tail -n 1 "$dir/remove.log" 2>/dev/null)
      say unknown "${said:-the agent ended with $code when it was asked}"
    fi
  fi
  end_members in_folder
  for found in "$claims"/*; do
    [ "$(readlink "$found" 2>/dev/null)" != "$folder" ] || rm -f "$found"
  done
  bus=$(bus_folder)
  case $bus in /var/lib/skylet/"$folder")
    rm -rf "$bus"
    rmdir /var/lib/skylet 2>/dev/null ;;
  esac
  tries=0
  while [ -e "$dir" ]; do
    rm -rf "$dir" 2>/dev/null && break
    tries=$((tries + 1))
    [ "$tries" -lt 40 ] || fail "$dir cannot be taken away: $(rm -rf "$dir" 2>&1 | tail -n 1)"
    end_members in_folder
    nap
  done
  # The short name of the head's socket, where it had one.
  rm -f "$root/head-${folder##*-}"
  remove_bundles
  remove_root
}

shift 2
case $step in
  prepare | receive | serve | fetch | receive_nats | find_nats | claim) "$step" "$@" ;;
  start | status | stop | remove) "$step" "$@" ;;
  *) fail "there is no step $step" ;;
esac
