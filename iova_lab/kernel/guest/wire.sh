# Runs in the guest, by busybox's sh, before record.sh or livepatch.sh.

# Two network cards on one wire, the second in a network namespace of its own: $wire has the first,
# $peer is the process that holds the namespace.  Fails if the drivers made no two cards.
join_cards() {
	for path in /sys/class/net/eth*; do
		case $(readlink $path/device/driver) in
		*e1000e) wire=${path##*/} ;;
		*virtio_net) virt=${path##*/} ;;
		esac
	done
	[ -n "$wire" ] && [ -n "$virt" ] || return 1
	unshare -n sleep 100000 &
	peer=$!
	sleep 1
	ip link set dev $virt netns $peer
	nsenter -t $peer -n ip link set dev $virt mtu 9000 up
	nsenter -t $peer -n ip addr add 10.0.0.2/24 dev $virt
	ip link set dev $wire mtu 9000 up
	ip addr add 10.0.0.1/24 dev $wire
}
