#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pulls of one blob in ranges side by side, as containerd 2.1 makes them: HEAD, then a GET
a piece over several connections; one of them broken off and asked for again from where it was."""

import concurrent.futures
import functools
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import registry
import stowage
import tap

MIB = 1 << 20
SIZE = 23 * MIB + 4567


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


@functools.lru_cache(None)
def blob():
    data = random.Random("ranges").randbytes(SIZE)
    return images.digest(data), data


@functools.lru_cache(None)
def server(driver):
    srv = stowage.Server(driver, minio=minio() if driver == "s3" else None).start()
    registry.Client(srv).push_blob("big", blob()[1])
    return srv


class Fetcher:
    def __init__(self, srv, digest):
        self.client, self.path = registry.Client(srv), f"/v2/big/blobs/{digest}"
        head = self.client.request("HEAD", self.path, expect=200)
        tap.equal(head.headers["Accept-Ranges"], "bytes")
        self.size = int(head.headers["Content-Length"])

    def piece(self, first, last, broken_at=None):
        """Bytes first to last.  broken_at: the connection is closed after so many."""
        connection = self.client.open()
        try:
            connection.request("GET", self.path, headers={"Range": f"bytes={first}-{last}"})
            answer = connection.getresponse()
            tap.equal(answer.status, 206, f"{first}-{last}")
            end = min(last, self.size - 1)
            tap.equal(answer.headers["Content-Range"], f"bytes {first}-{end}/{self.size}")
            tap.equal(answer.headers["Content-Length"], str(end - first + 1))
            data = answer.read(broken_at)
        finally:
            connection.close()
        if broken_at is None or len(data) > end - first:
            return data
        return data + self.piece(first + len(data), last)

    def whole(self, chunk, connections, broken_at=None):
        with concurrent.futures.ThreadPoolExecutor(connections) as pool:
            pieces = pool.map(lambda first: self.piece(first, first + chunk - 1, broken_at),
                              range(0, self.size, chunk))
            return b"".join(pieces)


@tap.cases(filesystem=("filesystem", 4 * MIB, 3), s3=("s3", 4 * MIB, 3),
           filesystem_small=("filesystem", 333_333, 8), s3_small=("s3", 777_777, 8),
           one_piece=("filesystem", SIZE, 2), longer=("filesystem", SIZE * 2, 1))
def side_by_side(driver, chunk, connections):
    digest, data = blob()
    tap.ok(Fetcher(server(driver), digest).whole(chunk, connections) == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def broken_off(driver):
    """Each piece loses its connection once in the middle."""
    digest, data = blob()
    found = Fetcher(server(driver), digest).whole(3 * MIB, 4, broken_at=700_001)
    tap.ok(found == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def kept_connections(driver):
    """Several connections, each used for many pieces in turn."""
    digest, data = blob()
    srv, chunk = server(driver), MIB
    firsts = list(range(0, SIZE, chunk))

    def worker(mine):
        connection, found = registry.Client(srv).open(), {}
        try:
            for first in mine:
                connection.request("GET", f"/v2/big/blobs/{digest}",
                                   headers={"Range": f"bytes={first}-{first + chunk - 1}"})
                answer = connection.getresponse()
                tap.equal(answer.status, 206)
                found[first] = answer.read()
        finally:
            connection.close()
        return found

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = {}
        for part in pool.map(worker, [firsts[i::4] for i in range(4)]):
            found.update(part)
    tap.ok(b"".join(found[first] for first in firsts) == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def past_the_end(driver):
    """containerd asks whether a server takes ranges; one past the end is refused with the size."""
    digest, _ = blob()
    answer = registry.Client(server(driver)).request(
        "GET", f"/v2/big/blobs/{digest}", headers={"Range": f"bytes={SIZE}-"}, expect=416)
    tap.equal(answer.headers["Content-Range"], f"bytes */{SIZE}")


if __name__ == "__main__":
    tap.main()
