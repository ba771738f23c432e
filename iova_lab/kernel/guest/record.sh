# Runs in the guest, by busybox's sh, after common.sh: arms the probes, creates every domain anew
# under them, does I/O, writes what was recorded.
#
# $scale multiplies the I/O, $jobs share it: both are set above.

echo mono > $trace/trace_clock
echo 131072 > $trace/buffer_size_kb
arm_probes
echo 1 > $trace/events/iova/enable
echo "iova_lab: step probes"

renew_devices

# The disks come in any order: their serial numbers tell them apart.
nvme() {
	for disk in /sys/block/nvme*; do
		[ "$(cat $disk/device/serial 2> /dev/null | tr -d ' ')" = $1 ] && echo /dev/${disk##*/}
	done
}

# $1 device, $2 block size in KiB, $3 blocks, $4 block to begin at
io() {
	dd if=/dev/zero of=$1 bs=${2}k count=$3 seek=$4 oflag=direct 2> /dev/null
	dd if=$1 of=/dev/null bs=${2}k count=$3 skip=$4 iflag=direct 2> /dev/null
}

virtio=$(ls /sys/bus/pci/devices/0000:00:0[0-9a-f].0/virtio*/block 2> /dev/null | grep vd)
for size in 4 16 64 128 512; do
	blocks=$((scale * 4096 / (size + 12) / jobs))
	for device in $(nvme n0) /dev/$virtio /dev/sda /dev/sdb; do
		[ -b $device ] || continue
		for job in $(seq $jobs); do
			io $device $size $blocks $((job % 2 * 64)) &
		done
		wait
	done
	echo "iova_lab: step ${size}k"
done

if [ "$(nvme n1)" ]; then
	mount -t ext4 $(nvme n1) /mnt || echo "iova_lab: no ext4 on $(nvme n1)"
	for i in 1 2 3 4; do
		dd if=/dev/zero of=/mnt/$i bs=64k count=$((8 * scale)) 2> /dev/null
		sync
	done
	echo 3 > /proc/sys/vm/drop_caches
	cat /mnt/* > /dev/null
	rm /mnt/1 /mnt/3
	umount /mnt
	echo "iova_lab: step ext4"
fi

if join_cards; then
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
