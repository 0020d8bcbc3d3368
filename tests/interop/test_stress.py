#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A thousand workers on one s3 driver before MinIO, through a proxy on which connections stall, break
and are reset: every byte that is read is right, every deadline is heeded, memory stays bounded,
and nothing is left behind.

STRESS_SECONDS, STRESS_WORKERS and STRESS_SEED in the environment make it longer, wider, another."""

import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import chaos
import stowage
import tap

MIB = 1 << 20
SECONDS = int(os.environ.get("STRESS_SECONDS") or 20)
WORKERS = int(os.environ.get("STRESS_WORKERS") or 1000)
SEED = int(os.environ.get("STRESS_SEED") or 1)
CONNECTIONS = 64
PART = 5 * MIB
MEMORY = 256 * MIB
# the driver's own, for each worker its piece, its stack and some of a reader's ring outside of it
RSS = MEMORY + WORKERS * 192 * 1024 + 64 * MIB
if stowage.SAN:
    RSS = 16384 * MIB  # a sanitizer's own is no driver's
STORE = 512 * MIB
LATE = 3  # writes that take effect when all is over
LAST_LOOK = 240  # seconds for all behind the storm


def stress(minio, bucket, storm):
    """Runs the program; its exit status."""
    options = {"bucket": bucket, "region": "us-east-1", "regionendpoint": storm.endpoint,
               "accesskey": minio.accesskey, "secretkey": minio.secretkey,
               "maxconnections": CONNECTIONS, "memory": MEMORY, "chunksize": PART,
               "multipartcopythresholdsize": PART, "multipartcopychunksize": PART,
               "connecttimeout": "2s", "readtimeout": "5s"}
    numbers = {"--threads": WORKERS, "--seconds": SECONDS, "--seed": SEED, "--part": PART,
               "--store": STORE, "--rss": RSS}
    command = [os.path.join(stowage.BUILD, "tests/driver/stress"),
               os.path.join(stowage.BUILD, "drivers/s3.so"), "--talk"]
    command += [str(word) for pair in numbers.items() for word in pair]
    command += [f"{name}={value}" for name, value in options.items()]
    process = subprocess.Popen(stowage.sanitized(command), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    late = threading.Timer(SECONDS + LAST_LOOK, process.kill)
    late.start()
    try:
        for line in process.stdout:
            print(line, end="")
            if line == "# storm\n":
                storm.on()
            elif line == "# calm\n":
                storm.off()
                process.stdin.write("\n")
                process.stdin.flush()
        return process.wait()
    finally:
        late.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


class Sockets:
    """How many connections to a port this machine holds at most, looked at now and then."""

    def __init__(self, port):
        self.want, self.most, self.ended = f":{port:04X}", 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def count(self):
        with open("/proc/net/tcp", encoding="ascii") as f:
            columns = [line.split() for line in f]
        # established, or closed by the other side alone
        return sum(c[2].endswith(self.want) and c[3] in ("01", "08") for c in columns)

    def look(self):
        while not self.ended.wait(0.2):
            # the list is no snapshot: it may have one that is closed and the one in its place
            self.most = max(self.most, min(self.count() for _ in range(3)))

    def end(self):
        self.ended.set()
        self.thread.join()


@tap.test
def a_thousand_workers_in_a_storm():
    minio = stowage.Minio().start()
    bucket = minio.new_bucket()
    storm = chaos.Chaos(minio, seed=SEED).start()
    tap.defer(storm.stop)
    began = time.monotonic()

    sockets = Sockets(storm.port)
    status = stress(minio, bucket, storm)
    sockets.end()
    print(f"{time.monotonic() - began:.1f} s, {storm.connections} connections, at most {sockets.most} "
          f"at once, fates {storm.counts}")
    tap.equal(status, 0, "exit status")
    tap.ok(0 < sockets.most <= CONNECTIONS, f"{sockets.most} connections at once")
    for fate, times in storm.counts.items():
        tap.ok(times > 0, f"no connection met its fate by {fate}")
    left = list(minio.s3.list(bucket)) + minio.s3.uploads(bucket)
    print(f"left: {left}")
    # what was given up may come to the store even now, and be a rare thing
    tap.ok(len(left) <= LATE, f"objects and unfinished uploads left: {left}")


if __name__ == "__main__":
    tap.main()
