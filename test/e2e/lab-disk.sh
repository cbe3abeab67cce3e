#!/bin/sh
# Makes the disk of one host: a tmpfs with a small /etc and empty homes, and this machine's /usr
# below a layer that hides what a bare host does not have. Runs in the lab's mount namespace, so
# that the disk lives through the host's reboots and no longer than the lab.
#
# From the environment: DIR, NAME, ADDRESS, PORT, DISK_MIB, HOME_MIB (0: no limit of its own),
# READ_ONLY_HOME, USERS (the first is the one with the key), LOGIN_SHELL, WITHOUT (paths below
# /usr), LOGIN (key or password), PASSWORD_HASH, KEY, PEERS (lines of /etc/hosts), CLOCK_OFFSET_S,
# GLIBC, CPUS, GPUS, GPU_NAME, KEEPER.
set -eu
disk=$DIR/disk
over=$DIR/over
mkdir -p "$disk" "$over"
mount -t tmpfs -o "mode=755,size=${DISK_MIB}m" disk "$disk"
mount -t tmpfs -o mode=755 over "$over"
cd "$disk"

mkdir etc home root var opt mnt proc sys dev run tmp usr
mkdir -p var/tmp var/log var/lib var/cache var/spool/cron/crontabs etc/ssh
chmod 700 root
chmod 1777 var/tmp
ln -s ../run var/run
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then
    cp -a "/$name" "$name"
  elif [ -d "/$name" ]; then
    mkdir "$name"
    mount --bind "/$name" "$name"
  fi
done

mkdir "$over/upper" "$over/work"
for path in $WITHOUT; do
  mkdir -p "$over/upper/$(dirname "$path")"
  mknod "$over/upper/$path" c 0 0
done
mount -t overlay -o "lowerdir=/usr,upperdir=$over/upper,workdir=$over/work" usr usr
mount -t tmpfs -o mode=755 local usr/local
mkdir usr/local/bin usr/local/sbin usr/local/lib usr/local/share

for name in alternatives ld.so.cache ld.so.conf ld.so.conf.d localtime debian_version \
  services protocols login.defs terminfo os-release; do
  if [ -e "/etc/$name" ]; then cp -a "/etc/$name" etc/; fi
done
echo "$NAME" >etc/hostname
{
  echo "127.0.0.1 localhost"
  echo "::1 localhost"
  echo "$PEERS"
} >etc/hosts
echo "hosts: files" >etc/nsswitch.conf
printf '/bin/sh\n/bin/bash\n' >etc/shells
cat >etc/passwd <<END
root:x:0:0:root:/root:/bin/sh
sshd:x:104:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
END
cat >etc/group <<END
root:x:0:
tty:x:5:
nogroup:x:65534:
END
printf 'root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n' >etc/shadow
cat >etc/profile <<'END'
PATH=/usr/local/bin:/usr/bin:/bin:/usr/games
export PATH
END

echo "$KEEPER" >"$DIR/keeper"
id=1000
for user in $USERS; do
  mkdir "home/$user"
  if [ "$HOME_MIB" != 0 ]; then
    mount -t tmpfs -o "mode=755,size=${HOME_MIB}m" home "home/$user"
  fi
  chmod 755 "home/$user"
  echo "$user:x:$id:$id:$user:/home/$user:$LOGIN_SHELL" >>etc/passwd
  echo "$user:x:$id:" >>etc/group
  echo "$user:$PASSWORD_HASH:19000:0:99999:7:::" >>etc/shadow
  mkdir -m 700 "home/$user/.ssh"
  if [ "$LOGIN" = key ]; then
    echo "$KEY" >"home/$user/.ssh/authorized_keys"
    chmod 600 "home/$user/.ssh/authorized_keys"
  fi
  chown -R "$id:$id" "home/$user"
  if [ "$READ_ONLY_HOME" = yes ]; then
    mount --bind "home/$user" "home/$user"
    mount -o remount,bind,ro "home/$user"
  fi
  id=$((id + 1))
done
chmod 600 etc/shadow

# What decides about logins is sshd itself; the rest is what Debian's package comes with.
yes_if() { if [ "$LOGIN" = "$1" ]; then echo yes; else echo no; fi; }
cat >etc/ssh/sshd_config <<END
Port $PORT
UsePAM no
PubkeyAuthentication $(yes_if key)
PasswordAuthentication $(yes_if password)
KbdInteractiveAuthentication no
PermitRootLogin no
X11Forwarding yes
PrintMotd no
PrintLastLog no
PidFile none
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
HostKey /etc/ssh/ssh_host_ed25519_key
END

if [ "$CLOCK_OFFSET_S" != 0 ]; then
  cat >usr/local/bin/date <<END
#!/bin/sh
exec /usr/bin/date -d "@\$((\$(/usr/bin/date +%s) + $CLOCK_OFFSET_S))" "\$@"
END
  chmod 755 usr/local/bin/date
fi
if [ "$GLIBC" != "" ]; then
  printf '#!/bin/sh\necho "ldd (GNU libc) %s"\n' "$GLIBC" >usr/local/bin/ldd
  chmod 755 usr/local/bin/ldd
fi
if [ "$CPUS" != 0 ]; then
  printf '#!/bin/sh\necho %s\n' "$CPUS" >usr/local/bin/nproc
  chmod 755 usr/local/bin/nproc
  at=0
  while [ "$at" -lt "$CPUS" ]; do
    printf 'processor\t: %s\nmodel name\t: lab\n\n' "$at"
    at=$((at + 1))
  done >"$DIR/cpuinfo"
fi
if [ "$KEEPER" = systemd ]; then
  # What logind would say of a user whose manager runs without a login.
  printf '#!/bin/sh\ncase "$*" in *show-user*) echo Linger=yes ;; esac\n' >usr/local/bin/loginctl
  chmod 755 usr/local/bin/loginctl
fi
if [ "$KEEPER" = cron ]; then
  chmod 1777 var/spool/cron/crontabs
  cat >usr/local/bin/crontab <<'END'
#!/bin/sh
user=$(id -un)
table=/var/spool/cron/crontabs/$user
case $1 in
  -l) [ -e "$table" ] || { echo "no crontab for $user" >&2; exit 1; } && cat "$table" ;;
  -r) rm "$table" ;;
  -) cat >"$table.new" && mv "$table.new" "$table" ;;
  *) exit 2 ;;
esac
END
  # It knows @reboot and nothing else, and leaves what it starts to init.
  cat >usr/local/sbin/crond <<'END'
#!/bin/sh
cd /var/spool/cron/crontabs
for user in *; do
  [ -f "$user" ] || continue
  sed -n 's/^@reboot //p' "$user" | while read -r line; do
    (setsid setpriv --reuid "$user" --regid "$user" --clear-groups \
      env -i HOME="/home/$user" LOGNAME="$user" PATH=/usr/bin:/bin sh -c "$line" </dev/null &)
  done
done
mkfifo -m 600 /run/crond
exec 9<>/run/crond
read -r _ <&9
END
  chmod 755 usr/local/bin/crontab usr/local/sbin/crond
fi
if [ "$GPUS" != 0 ]; then
  cat >usr/local/bin/nvidia-smi <<END
#!/bin/sh
at=0
while [ "\$at" -lt $GPUS ]; do
  echo "\$at, $GPU_NAME, 81920"
  at=\$((at + 1))
done
END
  chmod 755 usr/local/bin/nvidia-smi
fi
if [ "$GLIBC:$CPUS" != :0 ]; then
  cat >usr/local/bin/getconf <<END
#!/bin/sh
case "\$1:$GLIBC:$CPUS" in
  GNU_LIBC_VERSION:[0-9]*:*) echo "glibc $GLIBC" ;;
  _NPROCESSORS_*:*:[1-9]*) echo "$CPUS" ;;
  *) exec /usr/bin/getconf "\$@" ;;
esac
END
  chmod 755 usr/local/bin/getconf
fi
