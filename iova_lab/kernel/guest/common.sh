# Runs in the guest, by busybox's sh, before record.sh or tracer.sh; the text that these make goes to
# the disk at PCI address 00:1e.0.
#
# $probe_file takes the probes, $disks are what drivers find: both are set above.

trace=/sys/kernel/tracing
out=/dev/$(ls /sys/bus/pci/devices/0000:00:1e.0/virtio*/block)

arm_probes() {
	while read -r probe; do
		echo "$probe" >> $trace/$probe_file || echo "iova_lab: refused: $probe"
	done < /probes
}

# A device that comes back gets a new domain: what is reserved in it is recorded too.
renew_devices() {
	for device in /sys/bus/pci/devices/*; do
		case $(cat $device/class):${device##*/} in
		*:0000:00:1e.0) ;;
		0x01*|0x02*|0x0c03*) echo 1 > $device/remove ;;
		esac
	done
	echo 1 > /sys/bus/pci/rescan
	for module in /later/*.ko; do insmod "$module"; done
	for i in 1 2 3 4 5 6 7 8 9 10; do
		missing=
		for disk in $disks; do [ -b $disk ] || missing=$disk; done
		[ "$missing" ] || break
		sleep 1
	done
	echo "iova_lab: step drivers"
}
