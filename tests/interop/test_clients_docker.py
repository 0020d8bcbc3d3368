#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docker pulls and pushes by its daemon, single- and multi-arch."""

import functools
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import images
import registry
import stowage
import tap
from clients import image, minio, server


@functools.lru_cache(None)
def dockerd():
    daemon = clients.Dockerd().start()
    tap.after(daemon.stop)
    return daemon


def layers(daemon, name):
    return json.loads(daemon.docker("image", "inspect", name))[0]["RootFS"]["Layers"]


@tap.cases(filesystem="filesystem", s3="s3")
def pull_and_push(driver):
    srv, daemon, single = server(driver), dockerd(), image("single")
    registry.Client(srv).push("dock/one", single, "v1")
    name, other = f"{srv.host}/dock/one:v1", f"{srv.host}/dock/pushed:v2"
    tap.ok(single.digest in daemon.docker("pull", name), "says the digest")
    tap.equal(layers(daemon, name), clients.diff_ids(single))
    daemon.docker("tag", name, other)
    daemon.docker("push", other)
    found = clients.holds_layers(srv, "dock/pushed", "v2", clients.diff_ids(single))
    # mounted, so what the registry has is what went in first
    tap.ok(set(single.blobs) & set(found), "the layers are the image's")
    # to a registry that has nothing
    empty = stowage.Server(driver, minio=minio() if driver == "s3" else None).start()
    tap.defer(empty.stop)
    daemon.docker("tag", name, f"{empty.host}/new:v3")
    daemon.docker("push", f"{empty.host}/new:v3")
    clients.holds_layers(empty, "new", "v3", clients.diff_ids(single))
    daemon.docker("image", "rm", "--force", name, other, f"{empty.host}/new:v3")
    daemon.docker("pull", f"{empty.host}/new:v3")
    tap.equal(layers(daemon, f"{empty.host}/new:v3"), clients.diff_ids(single), "pulled again")


@tap.cases(filesystem="filesystem", s3="s3")
def lists(driver):
    """One platform after the other out of an index, pushed, and a list of both made of them."""
    srv, daemon, multi = server(driver), dockerd(), image("multi")
    registry.Client(srv).push("dock/many", multi, "v1")
    name, made = f"{srv.host}/dock/many:v1", []
    for architecture in ("amd64", "arm64"):
        daemon.docker("pull", f"--platform=linux/{architecture}", name)
        tap.equal(layers(daemon, name), clients.diff_ids(multi, architecture))
        made.append(f"{srv.host}/dock/list:{architecture}")
        daemon.docker("tag", name, made[-1])
        daemon.docker("push", made[-1])
        clients.holds_layers(srv, "dock/list", architecture,
                             clients.diff_ids(multi, architecture))
    both = f"{srv.host}/dock/list:both"
    daemon.docker("manifest", "create", "--insecure", both, *made)
    daemon.docker("manifest", "push", "--insecure", both)
    client = registry.Client(srv)
    answer = client.manifest("dock/list", "both")
    tap.equal(answer.headers["Content-Type"], images.DOCKER_LIST)
    tap.equal([m["digest"] for m in json.loads(answer.body)["manifests"]],
              [client.manifest("dock/list", a).headers["Docker-Content-Digest"]
               for a in ("amd64", "arm64")])


if __name__ == "__main__":
    tap.main()
