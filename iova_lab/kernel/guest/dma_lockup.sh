# Runs in the guest, by busybox's sh, after livepatch.sh: maps what the network card at $card can
# reach, and refills.

for i in $(seq 30); do
	[ -e /sys/bus/pci/devices/$card/driver ] && break
	sleep 1
done
insmod /iova_dma_lockup.ko device=$card || echo "iova_lab: failed: no device, or no memory"
# It returns when every CPU is done.
rmmod iova_dma_lockup
echo "iova_lab: step refilled"
