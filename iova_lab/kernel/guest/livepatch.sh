# Runs in the guest, by busybox's sh, before io.sh or dma_lockup.sh: puts an allocator behind the
# kernel's API, creates every domain anew, and loads the drivers.
#
# $arguments of the livepatch ("" for none) and $disks, which the drivers find, are set above.

if [ -n "$arguments" ]; then
	insmod /iova_io.ko $arguments ||
		echo "iova_lab: failed: the livepatch was refused"
	# Until every task is past the functions that are replaced, some still call the old ones.
	for i in $(seq 120); do
		grep -qx 0 /sys/kernel/livepatch/iova_io/transition && break
		sleep 1
	done
	grep -qx 0 /sys/kernel/livepatch/iova_io/transition ||
		echo "iova_lab: failed: the livepatch did not settle"
fi
echo "iova_lab: step patched"

# $1: what to write to each disk, network card and USB controller, beside the shared memory
for_each_device() {
	for device in /sys/bus/pci/devices/*; do
		case $(cat $device/class) in
		0x01*|0x02*|0x0c03*) echo 1 > $device/$1 ;;
		esac
	done
}

# A device that comes back gets a new domain, which is the allocator's.
for_each_device remove
echo 1 > /sys/bus/pci/rescan
for module in /later/*.ko; do insmod "$module"; done
for i in $(seq 30); do
	missing=
	for disk in $disks; do [ -b $disk ] || missing="$missing $disk"; done
	[ "$missing" ] || break
	sleep 1
done
[ "$missing" ] && echo "iova_lab: failed: no disk$missing"
echo "iova_lab: step drivers"
