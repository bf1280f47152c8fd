"""A network in a process: a link of its own, of limited bandwidth and with a delay, for each of several ranks.

    python3 bench/machines_links.py RANKS MBIT_PER_SECOND DELAY_MS

Makes the TUN devices dft0, dft1, … (root, Linux), which the caller moves into a network namespace each, says "there", and
hands every IPv4 packet for 10.77.0.<rank + 1> to that rank: as late as the link of its sender needs for it and for what the
sender sent before, and the delay. Nothing is lost. Kernels without netem have no other way to a delay.
"""

import fcntl
import heapq
import os
import selectors
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
NETWORK = bytes([10, 77, 0])


def device(name: str) -> int:
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return file


def main() -> None:
    ranks, bits_per_second, delay = int(sys.argv[1]), float(sys.argv[2]) * 1e6, float(sys.argv[3]) / 1e3
    files = [device(f"dft{rank}") for rank in range(ranks)]
    ready = selectors.SelectSelector()  # Its timeouts are of microseconds, not of milliseconds.
    for rank, file in enumerate(files):
        ready.register(file, selectors.EVENT_READ, rank)
    print("there", flush=True)
    free = [0.0] * ranks  # When each link has sent what it was given.
    due: list[tuple[float, int, int, bytes]] = []
    count = 0
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        for key, _ in ready.select(wait):
            sender = key.data
            try:
                while True:
                    packet = os.read(files[sender], 65536)
                    if packet[0] >> 4 != 4 or packet[16:19] != NETWORK or not 0 < packet[19] <= ranks:
                        continue
                    free[sender] = max(time.monotonic(), free[sender]) + 8 * len(packet) / bits_per_second
                    count += 1
                    heapq.heappush(due, (free[sender] + delay, count, packet[19] - 1, packet))
            except BlockingIOError:
                pass
        while due and due[0][0] <= time.monotonic():
            _, _, receiver, packet = heapq.heappop(due)
            os.write(files[receiver], packet)


main()
