#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""containerd fetches, pulls and pushes, single- and multi-arch."""

import functools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import registry
import stowage
import tap
from clients import image, minio, server


@functools.lru_cache(None)
def containerd():
    daemon = clients.Containerd().start()
    tap.after(daemon.stop)
    return daemon


def holds(daemon, wanted):
    for digest, data in wanted.contents.items():
        tap.ok(daemon.content(digest) == data, f"what containerd has of {digest}")


@tap.cases(single=("filesystem", "single"), multi=("filesystem", "multi"), s3=("s3", "multi"))
def fetch_and_push(driver, kind):
    srv, daemon, wanted = server(driver), containerd(), image(kind)
    registry.Client(srv).push(f"cd/{kind}", wanted, "v1")
    name, other = f"{srv.host}/cd/{kind}:v1", f"{srv.host}/cd/pushed-{kind}:v2"
    # a client that has none of it, whatever ran before
    for old in daemon.ctr("images", "ls", "--quiet").split():
        daemon.ctr("images", "rm", "--sync", old)
    daemon.ctr("content", "fetch", "--plain-http", "--all-platforms", name)
    holds(daemon, wanted)
    daemon.ctr("images", "tag", name, other)
    daemon.ctr("images", "push", "--plain-http", other)
    clients.same(registry.Client(srv).pull(f"cd/pushed-{kind}", "v2"), wanted)
    # to a registry that has nothing: no mount helps
    empty = stowage.Server(driver, minio=minio() if driver == "s3" else None).start()
    tap.defer(empty.stop)
    daemon.ctr("images", "push", "--plain-http", f"{empty.host}/cd/new:v3", name)
    clients.same(registry.Client(empty).pull("cd/new", "v3"), wanted)


@tap.test
def pull_and_unpack():
    srv, daemon, wanted = server("filesystem"), containerd(), image("single")
    registry.Client(srv).push("cd/pull", wanted, "v1")
    daemon.ctr("images", "pull", "--plain-http", "--snapshotter", "native",
               f"{srv.host}/cd/pull:v1")
    holds(daemon, wanted)
    tap.ok(wanted.digest in daemon.ctr("images", "ls"), "listed by its digest")


if __name__ == "__main__":
    tap.main()
