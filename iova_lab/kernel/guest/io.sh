# Runs in the guest, by busybox's sh, after livepatch.sh: does the I/O that the lines of /phases name.
#
# $crowd ("" or NUMBER HOLES HIGH) is set above.

# QEMU's AHCI reads the list of a command's segments only where it lies in pages that follow each
# other in memory.  A list of eight never crosses a page: 32 KiB, in pages.
for limit in /sys/block/sd*/queue/max_sectors_kb; do
	[ -e $limit ] && echo 32 > $limit
done

join_cards
# A card that knows its peer asks for it again after seconds, in a phase that may be of a disk.
day=86400000
echo $day > /proc/sys/net/ipv4/neigh/$wire/base_reachable_time_ms
nsenter -t $peer -n sh -c "echo $day > /proc/sys/net/ipv4/neigh/$virt/base_reachable_time_ms"
mount -t ext4 /dev/nvme1n1 /mnt
sleep 4
echo "iova_lab: step ready"

[ -n "$crowd" ] && { echo "$crowd" > /sys/module/iova_io/parameters/crowd ||
	echo "iova_lab: failed: no memory for what others hold"; }
/io_load spin /tmp/spun &
spinner=$!
while read -r name loads; do
	echo "iova_lab: begin $name"
	/io_load phase $name /tmp/spun $(echo "$loads" | sed "s/PEER/$peer/g")
done < /phases
kill $spinner $peer
echo "iova_lab: step loads"

umount /mnt
wait
[ -n "$crowd" ] && echo > /sys/module/iova_io/parameters/crowd
# What a driver gives back waits in a flush queue, for 10 ms; what still waits when the domain goes
# is not given back one by one.
for device in /sys/bus/pci/devices/*/driver; do
	pci=${device%/driver}
	case $(cat $pci/class) in
	0x01*|0x02*) echo ${pci##*/} > $device/unbind ;;
	esac
done
sleep 2
for_each_device remove
sleep 1
[ -n "$arguments" ] && echo end > /sys/module/iova_io/parameters/phase
echo "iova_lab: step removed"
