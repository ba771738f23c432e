# Runs in the guest, by busybox's sh, after common.sh: arms the probes, creates every domain anew
# under them, does I/O, writes what was recorded.
#
# $scale multiplies the I/O: it is set above.

echo mono > $trace/trace_clock
echo 131072 > $trace/buffer_size_kb
arm_probes
echo 1 > $trace/events/iova/enable
echo "iova_lab: step probes"

renew_devices /dev/sdb

# $1 device, $2 block size in KiB, $3 blocks, $4 block to begin at
io() {
	dd if=/dev/zero of=$1 bs=${2}k count=$3 seek=$4 oflag=direct 2> /dev/null
	dd if=$1 of=/dev/null bs=${2}k count=$3 skip=$4 iflag=direct 2> /dev/null
}

virtio=$(ls /sys/bus/pci/devices/0000:00:0[0-9a-f].0/virtio*/block 2> /dev/null | grep vd)
for size in 4 16 64 128 512; do
	blocks=$((scale * 2048 / (size + 12)))
	for device in /dev/nvme0n1 /dev/$virtio /dev/sda /dev/sdb; do
		[ -b $device ] || continue
		io $device $size $blocks 0 &
		io $device $size $blocks 64 &
		wait
	done
	echo "iova_lab: step ${size}k"
done

mount -t ext4 /dev/nvme1n1 /mnt
for i in 1 2 3 4; do
	dd if=/dev/zero of=/mnt/$i bs=64k count=$((8 * scale)) 2> /dev/null
	sync
done
echo 3 > /proc/sys/vm/drop_caches
cat /mnt/* > /dev/null
rm /mnt/1 /mnt/3
umount /mnt
echo "iova_lab: step ext4"

# Two network cards on one wire, each in a network namespace of its own.
for path in /sys/class/net/eth*; do
	case $(readlink $path/device/driver) in
	*e1000e) wire=${path##*/} ;;
	*virtio_net) virt=${path##*/} ;;
	esac
done
if [ -n "$wire" ] && [ -n "$virt" ]; then
	unshare -n sleep 100000 &
	peer=$!
	sleep 1
	ip link set dev $virt netns $peer
	nsenter -t $peer -n ip link set dev $virt mtu 9000 up
	nsenter -t $peer -n ip addr add 10.0.0.2/24 dev $virt
	ip link set dev $wire mtu 9000 up
	ip addr add 10.0.0.1/24 dev $wire
	sleep 4
	nsenter -t $peer -n nc -l -p 5001 > /dev/null &
	nc -l -p 5002 > /dev/null &
	sleep 1
	dd if=/dev/zero bs=64k count=$((48 * scale)) 2> /dev/null | nc -w 5 10.0.0.2 5001
	dd if=/dev/zero bs=64k count=$((48 * scale)) 2> /dev/null |
		nsenter -t $peer -n nc -w 5 10.0.0.1 5002
	echo "iova_lab: step tcp $(cat /sys/class/net/$wire/statistics/tx_bytes) bytes"
fi

echo 0 > $trace/tracing_on
{
	for stats in $trace/per_cpu/cpu*/stats; do cat $stats; done
	cat $trace/kprobe_profile
	cat $trace/trace
} | dd of=$out bs=1M iflag=fullblock 2> /dev/null
sync
echo "iova_lab: step written"
