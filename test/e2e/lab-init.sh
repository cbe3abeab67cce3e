#!/bin/sh
# The first process of a host: mounts what a boot makes anew, makes the host's disk the root, waits
# until its network is there, and then keeps sshd running.
#
# It is pid 1 of its own namespace: ending it ends all that runs on the host, and `wait` in here
# collects whoever lost its parent. All outside of the disk is gone with it: /tmp, /run, /dev.
set -eu
dir=$1
name=$2
root=$dir/disk
hostname "$name"

mount -t proc proc "$root/proc"
mount --bind "$dir/boot_id" "$root/proc/sys/kernel/random/boot_id"
if [ -e "$dir/cpuinfo" ]; then mount --bind "$dir/cpuinfo" "$root/proc/cpuinfo"; fi
mount -t sysfs -o ro sysfs "$root/sys"
if [ -e "$dir/cgroup" ]; then mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"; fi
mount -t tmpfs -o mode=755,size=1m dev "$root/dev"
for node in null zero full random urandom tty; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for at in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${at%:*}" "$root/dev/${at#*:}"; done
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
if [ -e "$dir/shared" ]; then
  { read -r shared && read -r unshared; } <"$dir/shared"
  mkdir -p "$root$shared"
  mount --bind "$shared" "$root$shared"
  mount -t tmpfs -o mode=0,size=4k none "$root$unshared"
fi
mkdir "$root/run/old" "$root/run/sshd"

exec 4>>"$dir/log"
read -r keeper <"$dir/keeper"
cd "$root"
pivot_root . run/old
cd /
umount -l /run/old
rmdir /run/old
ip link set lo up
echo mounted
read -r _
exec </dev/null >/dev/null 2>&4
if [ "$keeper" = cron ]; then (/usr/local/sbin/crond &); fi
if [ "$keeper" = systemd ]; then
  run=/run/user/1000
  group=/sys/fs/cgroup/user
  mkdir -p /run/systemd/system "$run"
  if [ ! -d "$group" ]; then mkdir "$group"; fi
  chown -R 1000:1000 "$run" "$group"
  chmod 700 "$run"
  as="setpriv --reuid 1000 --regid 1000 --clear-groups env -i XDG_RUNTIME_DIR=$run"
  as="$as HOME=$(awk -F: '$3 == 1000 { print $6 }' /etc/passwd) PATH=/usr/local/bin:/usr/bin:/bin"
  sh -c "echo 0 >$group/cgroup.procs; exec $as /lib/systemd/systemd --user" &
  until $as systemctl --user is-system-running; do sleep 0.05; done
fi
/usr/sbin/sshd -t
while :; do
  /usr/sbin/sshd -D -e -f /etc/ssh/sshd_config || echo "sshd ended with $?" >&2
done
