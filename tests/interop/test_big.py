#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A blob of 2 GiB pushed in chunks to MinIO and pulled back, with [s3] memory = 64M: the process
never holds more than 128 MiB."""

import hashlib
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import registry
import stowage
import tap

MIB = 1 << 20
SIZE = 2048 * MIB
MOST = 128 * MIB


class Bytes:
    """A run of bytes that differ from MiB to MiB, made as they are read and hashed once."""

    block = random.Random("big").randbytes(MIB - 8)

    def __init__(self):
        self.hash, self.at = hashlib.sha256(), 0

    def next(self, size):
        """An iterator of size bytes, in MiB."""
        for _ in range(size // MIB):
            piece = (self.at // MIB).to_bytes(8, "big") + self.block
            self.hash.update(piece)
            self.at += MIB
            yield piece


@tap.test
def two_gib_in_128_mib():
    minio = stowage.Minio().start()
    srv = stowage.Server("s3", minio=minio, env={"STOWAGE_S3_MEMORY": "64M"}).start()
    client = registry.Client(srv, timeout=600)
    data = Bytes()
    began = time.monotonic()

    location = client.begin_upload("big").headers["Location"]
    sizes = [(100 * MIB, True), (3 * MIB, True), (701 * MIB, False)]
    sizes.append((SIZE - sum(s for s, _ in sizes), True))
    for size, known in sizes:
        headers = {"Content-Type": "application/octet-stream"}
        if known:
            headers["Content-Length"] = str(size)
        # without a length http.client sends chunks
        location = client.request("PATCH", location, data.next(size), headers,
                                  expect=202).headers["Location"]
        print(f"{data.at // MIB} MiB, {time.monotonic() - began:.1f} s, "
              f"peak {srv.peak_rss() // MIB} MiB")
    digest = "sha256:" + data.hash.hexdigest()
    client.close_upload(location, digest)
    pushed = time.monotonic()
    print(f"pushed in {pushed - began:.1f} s, peak {srv.peak_rss() // MIB} MiB")

    connection = client.open()
    connection.request("GET", f"/v2/big/blobs/{digest}")
    response = connection.getresponse()
    tap.equal(response.status, 200)
    tap.equal(response.headers["Content-Length"], str(SIZE))
    found, size = hashlib.sha256(), 0
    while True:
        piece = response.read(MIB)
        if not piece:
            break
        found.update(piece)
        size += len(piece)
    connection.close()
    print(f"pulled in {time.monotonic() - pushed:.1f} s, peak {srv.peak_rss() // MIB} MiB")
    tap.equal(size, SIZE)
    tap.equal("sha256:" + found.hexdigest(), digest)
    peak = srv.peak_rss()
    tap.ok(peak <= MOST, f"peak RSS {peak // MIB} MiB, at most {MOST // MIB}")
    tap.equal(srv.stop(), 0, "exit status")
    left = [k for k in minio.s3.list(srv.bucket) if "/_stowage/uploads/" in k]
    tap.equal(left, [], "segments left")
    tap.equal(minio.s3.uploads(srv.bucket), [], "open multipart uploads")


if __name__ == "__main__":
    tap.main()
