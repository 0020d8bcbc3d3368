#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A thousand idle connections, five hundred slow uploads and as many slow downloads, and beside them
clients that push and pull as if they were alone: the memory of docs/limits.md, and no thread for
each.  Then uploads that stop, on a bucket, with little memory.  Figures are printed."""

import os
import random
import re
import resource
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib")]

import images
import raw
import registry
import stowage
import tap

IDLE, UPLOADS, DOWNLOADS = (100, 50, 50) if stowage.SAN else (1000, 500, 500)
MIB = 1 << 20
LENGTH = MIB  # of a slow body
LARGE = os.urandom(4 * MIB)


def figures(server):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
        text = f.read()
    return (int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024,
            int(re.search(r"Threads:\s+(\d+)", text).group(1)))


class Crowd:
    """All that are idle or slow; one thread moves a few bytes of each in turn."""

    def __init__(self, server, digest):
        self.server, self.digest = server, digest
        self.idle, self.uploads, self.downloads = [], [], []
        self.stopped = threading.Event()
        self.lost = []
        self.thread = threading.Thread(target=self._move, daemon=True)

    def start(self):
        client = registry.Client(self.server)
        for _ in range(IDLE):
            c = raw.Connection(self.server, timeout=60)
            c.head("GET", "/v2/")
            tap.equal(c.reply().status, 200)
            self.idle.append(c)
        for _ in range(UPLOADS):
            target = raw.target(client.begin_upload("slow").headers["Location"])
            c = raw.Connection(self.server, timeout=60)
            c.head("PATCH", target, f"Content-Length: {LENGTH}")
            c.send(os.urandom(1000))
            self.uploads.append(c)
        for _ in range(DOWNLOADS):
            c = raw.Connection(self.server, timeout=60)
            c.head("GET", f"/v2/a/blobs/{self.digest}")
            self.downloads.append(c)
        self.thread.start()

    def _move(self):
        while not self.stopped.wait(1):
            for kind, connections in (("up", self.uploads), ("down", self.downloads)):
                for c in connections:
                    try:
                        if kind == "up":
                            c.send(b"0123456789")
                        elif not c.socket.recv(100):
                            raise OSError("ended")
                    except OSError as e:
                        self.lost.append(f"{kind}: {e}")
                        return

    def stop(self):
        self.stopped.set()
        self.thread.join()
        for c in self.idle + self.uploads + self.downloads:
            c.close()


def polite(server, number, until, errors, counts):
    """Pushes and pulls until then, each with limits of its own."""
    client = registry.Client(server, timeout=120)
    chance = random.Random(number)
    try:
        while time.monotonic() < until:
            data = chance.randbytes(chance.choice((100, 70_000, 3 * MIB)))
            digest = images.digest(data)
            client.push_blob(f"fast/{number}", data)
            if client.blob(f"fast/{number}", digest).body != data:
                raise AssertionError("other bytes")
            counts[number] += 1
    except Exception as e:  # whatever it is, it is the test's
        errors.append(f"{number}: {e!r}")


def many(server):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    if limit[1] < 2 * (IDLE + UPLOADS + DOWNLOADS) + 500:
        tap.skip("the system allows too few open files")
    tap.defer(server.kill)
    client = registry.Client(server)
    client.push_blob("a", LARGE)
    client.blob("a", images.digest(LARGE))
    rss_before, threads_before = figures(server)
    crowd = Crowd(server, images.digest(LARGE))
    crowd.start()
    errors, counts = [], [0] * 4
    until = time.monotonic() + 12
    threads = [threading.Thread(target=polite, args=(server, n, until, errors, counts))
               for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    rss, count = figures(server)
    lost = list(crowd.lost)
    crowd.stop()
    print(f"# {IDLE} idle, {UPLOADS} uploads, {DOWNLOADS} downloads: {(rss - rss_before) / MIB:.0f} "
          f"MiB more than {rss_before / MIB:.0f} MiB, {count} threads, {sum(counts)} pushed and "
          "pulled")
    tap.equal((errors, lost[:3]), ([], []))
    tap.ok(min(counts) >= 1, f"{counts}")
    tap.equal(count, threads_before, "threads")
    return rss - rss_before


def bound():
    """As docs/limits.md has it, in bytes."""
    return (IDLE * 35_000 + (UPLOADS + DOWNLOADS) * (40_000 + 2 * 131_072)
            + DOWNLOADS * 65_536 + 128 * 524_288)


@tap.test
def on_files():
    more = many(stowage.Server(env={"STOWAGE_FILESYSTEM_FSYNC": "no"}).start())
    if not stowage.SAN:
        tap.ok(more <= bound(), f"{more / MIB:.0f} MiB, {bound() / MIB:.0f} were said")


@tap.test
def on_a_bucket():
    if stowage.SAN:
        tap.skip("enough without a store beside it")
    minio = stowage.Minio().start()
    tap.defer(minio.kill)
    more = many(stowage.Server("s3", minio=minio).start())
    tap.ok(more <= bound() + 256 * MIB, f"{more / MIB:.0f} MiB, 256 MiB more were said")


def busy_for(server, seconds):
    """How often two clients pushed and pulled."""
    errors, counts = [], [0] * 2
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=polite, args=(server, n, until, errors, counts))
               for n in range(len(counts))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.equal(errors, [])
    tap.ok(min(counts) >= 1, f"{counts}")
    return sum(counts)


def stopped(server, client, count, body, sent):
    """Uploads of that body of which so much is sent."""
    uploads = []
    for _ in range(count):
        target = raw.target(client.begin_upload("slow").headers["Location"])
        c = raw.Connection(server, timeout=60)
        tap.defer(c.close)
        c.head("PATCH", target, f"Content-Length: {len(body)}")
        c.send(body[:sent])
        uploads.append((c, target))
    return uploads


def with_little_memory():
    minio = stowage.Minio().start()
    tap.defer(minio.kill)
    server = stowage.Server("s3", minio=minio, env={
        "STOWAGE_S3_MEMORY": "20M", "STOWAGE_S3_CHUNKSIZE": "5M",
        "STOWAGE_HTTP_WORKERS": "8"}).start()
    tap.defer(server.kill)
    return server, registry.Client(server)


@tap.test
def uploads_that_stop():
    """Their parts are five times the memory; what they have sent is a third of it."""
    server, client = with_little_memory()
    body = os.urandom(4 * MIB)
    uploads = stopped(server, client, 28, body, 300_000)
    print(f"# beside {len(uploads)} that stopped: {busy_for(server, 3)} pushed and pulled")
    for c, _ in uploads[:4]:
        c.send(body[300_000:])
        tap.equal(c.reply().status, 202)


@tap.test
def uploads_that_stop_for_good():
    """What they have sent is more than the memory: some lose, are told so, and may begin anew."""
    server, client = with_little_memory()
    body = os.urandom(4 * MIB)
    uploads = stopped(server, client, 24, body, 1_200_000)
    print(f"# beside {len(uploads)} that stopped: {busy_for(server, 3)} pushed and pulled")
    lost = []
    for c, target in uploads:
        c.send(body[1_200_000:])
    for c, target in uploads:
        reply = c.reply()
        if reply.status != 202:
            tap.equal((reply.status, reply["Retry-After"] is None), (503, False))
            lost.append(target)
    print(f"# {len(lost)} of {len(uploads)} lost what they had sent")
    tap.ok(4 <= len(lost) < len(uploads), f"{len(lost)}")
    c = raw.Connection(server, timeout=60)
    tap.defer(c.close)
    c.head("PATCH", lost[0], f"Content-Length: {len(body)}")
    c.send(body)
    tap.equal(c.reply().status, 202)


if __name__ == "__main__":
    tap.main()
