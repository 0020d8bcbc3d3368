#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Uploads whose client is cut off, asks where it stands, and goes on; requests sent twice."""

import functools
import os
import random
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import registry
import stowage
import tap

MIB = 1 << 20


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


@functools.lru_cache(None)
def server(driver):
    return stowage.Server(driver, minio=minio() if driver == "s3" else None).start()


def random_bytes(seed, size):
    return random.Random(seed).randbytes(size)


def cut(client, location, start, data, sent, reset):
    """A PATCH of data that ends after so many bytes, with FIN or with RST."""
    connection = client.open()
    connection.putrequest("PATCH", location.split(client.server.host, 1)[-1])
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Range", f"{start}-{start + len(data) - 1}")
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders()
    connection.send(data[:sent])
    if reset:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def status(client, location):
    """(where to go on, how many bytes it holds) as the registry says."""
    answer = client.request("GET", location, expect=204)
    first, _, last = answer.headers["Range"].partition("-")
    tap.equal(first, "0")
    # nothing yet is written as 0-0 by some; here the next PATCH tells
    return answer.headers["Location"], int(last) + 1 if int(last) > 0 else 0


@tap.cases(filesystem=("filesystem", False), filesystem_reset=("filesystem", True),
           s3=("s3", False), s3_reset=("s3", True))
def cut_off_and_gone_on(driver, reset):
    """Again and again, until all is there."""
    client = registry.Client(server(driver))
    data = random_bytes(f"cut {driver} {reset}", 11 * MIB + 77)
    location, at, chunk = client.begin_upload("cut").headers["Location"], 0, 3 * MIB
    while at < len(data):
        piece = data[at:at + chunk]
        cut(client, location, at, piece, len(piece) // 2, reset)
        location, now = status(client, location)
        tap.ok(at <= now <= at + len(piece) // 2, f"{now} after half of {at} + {len(piece)}")
        rest = data[now:at + len(piece)]
        answer = client.patch(location, rest, now)
        at = now + len(rest)
        tap.equal(answer.headers["Range"], f"0-{at - 1}")
        location = answer.headers["Location"]
    client.close_upload(location, images.digest(data))
    tap.ok(client.blob("cut", images.digest(data)).body == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def chunk_sent_twice(driver):
    """A client that missed the answer sends the same chunk again: refused, told where it stands,
    and nothing is in the blob twice."""
    client, data = registry.Client(server(driver)), random_bytes("twice", 4 * MIB)
    location = client.begin_upload("twice").headers["Location"]
    location = client.patch(location, data[:MIB], 0).headers["Location"]
    client.patch(location, data[:MIB], 0, expect=416)
    client.patch(location, data[2 * MIB:], 2 * MIB, expect=416)  # nor one that leaves a gap
    location, at = status(client, location)
    tap.equal(at, MIB)
    location = client.patch(location, data[at:], at).headers["Location"]
    client.close_upload(location, images.digest(data))
    tap.ok(client.blob("twice", images.digest(data)).body == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def closed_twice(driver):
    """The second PUT finds the blob there and has the same answer; another digest has not."""
    client, data = registry.Client(server(driver)), random_bytes("closed", 2 * MIB + 1)
    digest = images.digest(data)
    location = client.begin_upload("closed").headers["Location"]
    location = client.patch(location, data, 0).headers["Location"]
    client.close_upload(location, digest)
    again = client.close_upload(location, digest)
    tap.equal(again.headers["Docker-Content-Digest"], digest)
    client.close_upload(location, images.digest(b"other"), expect=404)
    head = client.request("HEAD", f"/v2/closed/blobs/{digest}", expect=200)
    tap.equal(head.headers["Content-Length"], str(len(data)))
    tap.ok(client.blob("closed", digest).body == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def closed_with_a_wrong_digest(driver):
    """Refused; a whole upload anew of the same blob is taken."""
    client, data = registry.Client(server(driver)), random_bytes("wrong", MIB)
    location = client.begin_upload("wrong").headers["Location"]
    location = client.patch(location, data, 0).headers["Location"]
    answer = client.close_upload(location, images.digest(b"other"), expect=400)
    tap.equal(answer.code, "DIGEST_INVALID")
    client.blob("wrong", images.digest(b"other"), expect=404)
    client.push_blob("wrong", data)
    client.push_blob("wrong", data)  # and once more, as one does who saw no answer
    tap.ok(client.blob("wrong", images.digest(data)).body == data, "bytes")


@tap.cases(filesystem="filesystem", s3="s3")
def answer_never_read(driver):
    """The closing PUT is sent whole and its answer never read: the client looks, and finds it."""
    client, data = registry.Client(server(driver)), random_bytes("unread", 3 * MIB)
    digest = images.digest(data)
    location = client.begin_upload("unread").headers["Location"]
    location = client.patch(location, data, 0).headers["Location"]
    path = location.split(client.server.host, 1)[-1]
    connection = client.open()
    connection.request("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", b"")
    connection.sock.shutdown(socket.SHUT_WR)
    connection.close()
    again = client.close_upload(location, digest, expect=None)
    print(f"asked again: {again.status}")
    if client.request("HEAD", f"/v2/unread/blobs/{digest}").status != 200:
        client.push_blob("unread", data)
    tap.ok(client.blob("unread", digest).body == data, "bytes")


if __name__ == "__main__":
    tap.main()
