#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rates of pushing and pulling one large blob through the registry, beside the driver's own for as
many bytes, in one run; what counts is the ratio, since the machine is in both.

  bench/blob-rate.py [--mib 1024] [--patch 100] [--runs 3] [filesystem] [s3] [memory]

s3 is a MinIO that is started here.  Push is one upload: a POST, PATCHes of --patch MiB, a PUT.
The build folder is $O, as with make; `make bench` builds what is needed.
"""

import argparse
import hashlib
import http.client
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/lib"))

import stowage

MIB = 1 << 20


class Blob:
    """Made once, in a file, so that making and hashing it is in no rate."""

    def __init__(self, mib):
        self.file = tempfile.TemporaryFile()
        self.mib, found = mib, hashlib.sha256()
        block = random.Random("rate").randbytes(MIB - 8)
        for i in range(mib):
            piece = i.to_bytes(8, "little") + block
            found.update(piece)
            self.file.write(piece)
        self.file.flush()
        self.digest = "sha256:" + found.hexdigest()


class Slice:
    """length bytes of a file from where it stands; http.client reads it in blocks."""

    def __init__(self, file, length):
        self.file, self.left = file, length

    def read(self, size=-1):
        piece = self.file.read(min(self.left, MIB) if size else 0)
        self.left -= len(piece)
        return piece


def push(srv, blob, patch_mib):
    connection = http.client.HTTPConnection(srv.host, timeout=600, blocksize=MIB)

    def ask(method, path, body, length, want):
        connection.request(method, re.sub(r"^http://[^/]*", "", path), body=body,
                           headers={"Content-Type": "application/octet-stream",
                                    "Content-Length": str(length)})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != want:
            sys.exit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return answer.headers.get("Location")

    blob.file.seek(0)
    began = time.monotonic()
    location = ask("POST", "/v2/bench/blobs/uploads/", None, 0, 202)
    for at in range(0, blob.mib, patch_mib):
        size = min(patch_mib, blob.mib - at) * MIB
        location = ask("PATCH", location, Slice(blob.file, size), size, 202)
    mark = "&" if "?" in location else "?"
    ask("PUT", f"{location}{mark}digest={blob.digest}", None, 0, 201)
    connection.close()
    return blob.mib / (time.monotonic() - began)


def pull(srv, blob):
    connection = http.client.HTTPConnection(srv.host, timeout=600)
    began, size, buffer = time.monotonic(), 0, bytearray(MIB)
    connection.request("GET", f"/v2/bench/blobs/{blob.digest}")
    answer = connection.getresponse()
    while True:
        got = answer.readinto(buffer)
        if not got:
            break
        size += got
    connection.close()
    if size != blob.mib * MIB:
        sys.exit(f"pull: {answer.status}, {size} bytes")
    return blob.mib / (time.monotonic() - began)


def forget(srv, blob):
    """The next push must not find the blob there: a new repository would still find its data."""
    if srv.driver == "s3":
        for key in srv.minio.s3.list(srv.bucket):
            srv.minio.s3.delete(srv.bucket, key)
    elif srv.driver == "filesystem":
        subprocess.run(["rm", "-rf", os.path.join(srv.data, "docker")], check=True)
    else:
        srv.restart()


def driver_rates(driver, minio, mib):
    options = []
    if driver == "filesystem":
        options = ["rootdirectory=" + stowage.temporary("bench")]
    elif driver == "memory":
        options = ["memory=16G"]
    elif driver == "s3":
        options = ["bucket=" + minio.new_bucket(), "region=us-east-1",
                   "regionendpoint=" + minio.endpoint, "accesskey=" + minio.accesskey,
                   "secretkey=" + minio.secretkey]
    text = subprocess.run([os.path.join(stowage.BUILD, "bench/driver-rate"),
                           os.path.join(stowage.BUILD, f"drivers/{driver}.so"), str(mib)] + options,
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    rates = dict(line.split() for line in text.splitlines())
    return float(rates["write"]), float(rates["read"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--patch", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("drivers", nargs="*", default=["filesystem", "s3"])
    options = parser.parse_args()
    blob = Blob(options.mib)
    print(f"{options.mib} MiB in PATCHes of {options.patch} MiB, medians of {options.runs}, MiB/s")
    print(f"{'driver':12}{'push':>9}{'write':>9}{'ratio':>8}{'pull':>11}{'read':>9}{'ratio':>8}"
          f"{'peak RSS':>12}")
    for driver in options.drivers:
        minio = stowage.Minio().start() if driver == "s3" else None
        env = {"STOWAGE_MEMORY_MEMORY": "16G"} if driver == "memory" else {}
        srv = stowage.Server(driver, minio=minio, env=env).start()
        pushed, pulled, written, read = [], [], [], []
        for _ in range(options.runs):  # turn and turn about, so that both see the same machine
            w, r = driver_rates(driver, minio, options.mib)
            written.append(w)
            read.append(r)
            pushed.append(push(srv, blob, options.patch))
            pulled.append(pull(srv, blob))
            peak = srv.peak_rss() // MIB
            forget(srv, blob)
        a, b, c, d = map(statistics.median, (pushed, written, pulled, read))
        print(f"{driver:12}{a:9.0f}{b:9.0f}{a / b:8.2f}{c:11.0f}{d:9.0f}{c / d:8.2f}"
              f"{peak:8} MiB", flush=True)
        srv.stop()
        if minio:
            minio.stop()


if __name__ == "__main__":
    main()
