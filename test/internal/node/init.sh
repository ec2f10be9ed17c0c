# shellcheck shell=bash
# Process 1 of a node. $1 is the node's folder.
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/netns "$1/lib" "$1/log"
# Everything that Kubernetes' parts keep at fixed places: /var/lib/kubelet, /var/lib/cni, /var/log/pods...
mount --bind "$1/lib" /var/lib
mount --bind "$1/log" /var/log
# The kubelet hands mounts on to containers.
mount --make-rshared /
hostname node
touch "$1/ready"
# bash collects orphans, which process 1 has to do.
while :; do
	sleep 3600 &
	wait
done
