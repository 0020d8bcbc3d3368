#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stowage and CNCF Distribution on one folder and on one bucket: each serves what the other wrote,
and what they lay for the same image is the same, key by key and byte by byte."""

import functools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import images
import registry
import stowage
import tap


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


@functools.lru_cache(None)
def image(kind):
    make = images.layout if kind == "single" else images.multi
    return make(os.path.join(stowage.temporary("image"), "layout"))


class Store:
    """A folder or a bucket, and a server of each kind on it."""

    def __init__(self, kind, prefix=None):
        self.kind, self.prefix = kind, prefix
        self.folder = self.bucket = None
        if kind == "filesystem":
            self.folder = os.path.join(stowage.temporary("store"), "data")
        else:
            self.bucket = minio().new_bucket()

    def stowage(self):
        return stowage.Server(self.kind, folder=self.folder, bucket=self.bucket,
                              prefix=self.prefix,
                              minio=minio() if self.bucket else None).start()

    def distribution(self):
        return stowage.Distribution(folder=self.folder, bucket=self.bucket, prefix=self.prefix,
                                    minio=minio() if self.bucket else None).start()

    def keys(self):
        if self.bucket:
            return {key: minio().s3.get(self.bucket, key)
                    for key in minio().s3.list(self.bucket)}
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, self.folder)] = f.read()
        return found

    def modes(self):
        """{path: mode} of a folder's files and folders."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for path in [folder] + [os.path.join(folder, n) for n in names]:
                found[os.path.relpath(path, self.folder)] = oct(os.stat(path).st_mode)
        return found


def pull_all(srv, name, tag, wanted):
    for found in (registry.Client(srv).pull(name, tag),
                  images.read_layout(clients.crane_pull(f"{srv.host}/{name}:{tag}")),
                  images.read_layout(clients.skopeo_pull(f"{srv.host}/{name}:{tag}"))):
        tap.equal(sorted(found), sorted(wanted.contents), "digests")
        tap.ok(found == wanted.contents, "bytes")


def both_ways(store):
    ours, theirs = store.stowage(), store.distribution()
    tap.defer(ours.kill)
    tap.defer(theirs.kill)
    for kind in ("single", "multi"):
        clients.crane_push(image(kind), f"{ours.host}/ours/{kind}:v1")
        clients.skopeo_push(image(kind), f"{theirs.host}/theirs/{kind}:v1")
        pull_all(theirs, f"ours/{kind}", "v1", image(kind))
        pull_all(ours, f"theirs/{kind}", "v1", image(kind))
    # a tag moved by the other, and new layers beside the other's
    clients.skopeo_push(image("multi"), f"{theirs.host}/ours/single:v1")
    clients.crane_push(image("single"), f"{ours.host}/theirs/multi:v1")
    pull_all(ours, "ours/single", "v1", image("multi"))
    pull_all(theirs, "theirs/multi", "v1", image("single"))
    wanted = ["ours/multi", "ours/single", "theirs/multi", "theirs/single"]
    for srv in (ours, theirs):
        tap.equal(sorted(clients.crane("catalog", srv.host).split()), wanted, srv.name)
        tap.equal(clients.crane("ls", f"{srv.host}/ours/single").split(), ["v1"], srv.name)


@tap.test
def both_ways_on_one_folder():
    both_ways(Store("filesystem"))


@tap.test
def both_ways_on_one_bucket():
    both_ways(Store("s3"))


@tap.test
def both_ways_under_a_prefix():
    both_ways(Store("s3", prefix="some/where"))


def fill(srv):
    """The same requests to either: chunked and whole uploads, an empty blob, tags, a move."""
    client = registry.Client(srv)
    for kind in ("single", "multi"):
        client.push(f"team/app-{kind}", image(kind), "v1")
    client.push("team/app-single", image("multi"), "v1")
    client.push("team/app-single", image("single"), "a.b_c-D")
    client.push_blob("team/app-single", b"")
    big = images.tar_layer("big", 12_000_000)[1]
    location = client.begin_upload("big/one").headers["Location"]
    for start in range(0, len(big), 5_500_000):
        location = client.patch(location, big[start:start + 5_500_000],
                                start).headers["Location"]
    client.close_upload(location, images.digest(big))
    # mounted, and pushed once more
    client.request("POST", f"/v2/big/two/blobs/uploads/?mount={images.digest(big)}&from=big/one",
                   b"", expect=201)
    client.push_blob("big/three", big)


def finished(keys):
    return {k: v for k, v in keys.items() if "/_uploads/" not in k and "/_stowage/" not in k}


def laid_alike(kind):
    ours, theirs = Store(kind), Store(kind)
    for store, srv in ((ours, ours.stowage()), (theirs, theirs.distribution())):
        tap.defer(srv.kill)
        fill(srv)
        if store is ours:
            srv.stop()
    mine, other = ours.keys(), theirs.keys()
    left = [k for k in mine if "/_uploads/" in k or "/_stowage/uploads/" in k]
    tap.equal(left, [], "what finished uploads have left")
    mine, other = finished(mine), finished(other)
    tap.equal(sorted(mine), sorted(other), "keys")
    for key, data in other.items():
        tap.ok(mine[key] == data, f"{key}: {mine[key][:100]!r}, want {data[:100]!r}")
    print(f"{len(other)} keys")
    return ours, theirs


@tap.test
def laid_alike_in_a_folder():
    ours, theirs = laid_alike("filesystem")
    mine, other = finished(ours.modes()), finished(theirs.modes())
    for path, mode in other.items():
        if path in mine:
            tap.equal(mine[path], mode, f"mode of {path}")
    # no folder that neither needs; temporary files have one of their own, empty now
    extra = [p for p in set(mine) - set(other) if not p.endswith(("_stowage", ".stowage-tmp"))]
    tap.equal(extra, [], "paths of ours alone")


@tap.test
def laid_alike_in_a_bucket():
    ours, _ = laid_alike("s3")
    tap.equal(minio().s3.uploads(ours.bucket), [], "open multipart uploads")


if __name__ == "__main__":
    tap.main()
