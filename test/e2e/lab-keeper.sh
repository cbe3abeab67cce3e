#!/bin/sh
# The first process of a lab, in namespaces of its own: what is not below it does not live.
#
# Mounts, links, addresses and hosts are made inside these namespaces, and the kernel ends all of
# them together with this process. It ends when its standard input does: also when whoever started
# the lab was killed and could clean up nothing.
set -eu
lab=$1
client_link=$2

mount -t proc proc /proc
echo started
read -r _
mount -t tmpfs -o mode=755 lab "$lab"
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
ip link set "$client_link" master br0
ip link set "$client_link" up
echo ready
exec 3<&0
cat <&3 >/dev/null &
wait "$!"
