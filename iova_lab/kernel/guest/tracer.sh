# Runs in the guest, by busybox's sh, after common.sh: a tool of tracing records what drivers ask
# while every domain is created anew and a little I/O is done.
#
# $tool records (bpftrace has probes of its own): it is set above.

mount -t tmpfs tmpfs /tmp
mkdir -p /var/run /run
export LD_LIBRARY_PATH=/tools HOME=/tmp
ulimit -l unlimited

[ $tool = bpftrace ] || arm_probes
case $tool in
trace-cmd) /tools/ld.so /tools/trace-cmd record -C mono -b 16384 -e iova -o /tmp/data sleep 100000 ;;
perf) /tools/ld.so /tools/perf record -k mono -m 4096 -e 'iova:*' -aR -o /tmp/data sleep 100000 ;;
bpftrace) BPFTRACE_PERF_RB_PAGES=4096 /tools/ld.so /tools/bpftrace /iova.bt > /tmp/text ;;
esac 2> /tmp/said &

# It is recording once something of it is switched on.
for i in $(seq 120); do
	sleep 1
	case $tool in
	trace-cmd) grep -q 1 $trace/events/iova/enable && break ;;
	perf) [ -s /tmp/data ] && sleep 3 && break ;;
	bpftrace) grep -q Attaching /tmp/text && sleep 10 && break ;;
	esac
done
echo "iova_lab: step probes"

renew_devices
for size in 4 64 512; do
	dd if=/dev/zero of=/dev/nvme0n1 bs=${size}k count=4 oflag=direct 2> /dev/null &
	dd if=/dev/nvme1n1 of=/dev/null bs=${size}k count=4 iflag=direct 2> /dev/null &
	wait %2 %3 2> /dev/null
	sleep 1
done
echo "iova_lab: step io"

killall -INT sleep $tool ld.so 2> /dev/null
pkill -INT -f /tools/ 2> /dev/null
for i in $(seq 60); do
	sleep 1
	pidof ld.so > /dev/null || break
done
case $tool in
trace-cmd) /tools/ld.so /tools/trace-cmd report -i /tmp/data > /tmp/text 2>> /tmp/said ;;
perf) /tools/ld.so /tools/perf script -i /tmp/data > /tmp/text 2>> /tmp/said ;;
esac
tail -n 3 /tmp/said | sed 's/^/iova_lab said: /'
dd if=/tmp/text of=$out bs=1M conv=sync 2> /dev/null
sync
echo "iova_lab: step written"
