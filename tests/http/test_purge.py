#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stowage purge: what goes, what it says, and what it refuses."""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import registry
import stowage
import tap

DAY = 24 * 3600


def purge(folder, *args, expect=0):
    """(standard output, standard error)"""
    run = subprocess.run(stowage.sanitized([os.path.join(stowage.BUILD, "stowage"), "purge", *args]),
                         env=dict(os.environ, STOWAGE_FILESYSTEM_ROOTDIRECTORY=folder),
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                         check=False)
    tap.equal(run.returncode, expect, run.stderr)
    return run.stdout, run.stderr


def make_older(folder, seconds):
    then = time.time() - seconds
    for top, _, names in os.walk(folder):
        for name in names:
            os.utime(os.path.join(top, name), (then, then))


def objects(folder):
    return sorted(os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)


@tap.test
def abandoned_uploads_go():
    server = stowage.Server().start()
    tap.defer(server.kill)
    client = registry.Client(server)
    client.push_blob("team/app", b"finished")
    before = objects(os.path.join(server.data, "docker"))
    for _ in range(2):
        location = client.begin_upload("team/app").headers["Location"]
        client.patch(location, os.urandom(100_000))
    counts = {"dryRun": False, "uploads": 0, "distribution": 0, "objects": 0, "writes": 0}
    tap.equal(json.loads(purge(server.data, "--json")[0]), counts, "they are young")
    make_older(os.path.join(server.data, "docker"), 8 * DAY)
    out, err = purge(server.data, "--dry-run")
    tap.ok("would take away 2 uploads" in out and err.count("would take away upload") == 2, out + err)
    tap.equal(len(objects(os.path.join(server.data, "docker"))), len(before) + 2)
    tap.equal(json.loads(purge(server.data, "--json", "--age", "9d")[0]), counts)
    tap.equal(json.loads(purge(server.data, "--json")[0]), dict(counts, uploads=2, objects=2))
    tap.equal(objects(os.path.join(server.data, "docker")), before)
    tap.equal(client.blob("team/app", images.digest(b"finished")).body, b"finished")


@tap.test
def mistakes_are_told():
    folder = stowage.temporary("purge")
    tap.ok("[uploads] age" in purge(folder, "--age", "1d", expect=1)[1], "younger than a token")
    tap.ok("--age" in purge(folder, "--age", "soon", expect=2)[1], "no time")
    tap.ok("--agee" in purge(folder, "--agee", "1d", expect=2)[1], "no option")
    tap.ok('"now"' in purge(folder, "now", expect=2)[1], "no argument")
    tap.ok(purge(folder, "--help")[0].startswith("usage: stowage purge"), "help")


if __name__ == "__main__":
    tap.main()
