#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""podman and buildah pull, push, copy and build from an image, single- and multi-arch."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import images
import registry
import stowage
import tap
from clients import image, server


@tap.cases(filesystem="filesystem", s3="s3")
def podman(driver):
    srv, single = server(driver), image("single")
    client = registry.Client(srv)
    client.push("pod/one", single, "v1")
    name = f"{srv.host}/pod/one:v1"
    clients.podman("pull", "--tls-verify=false", name)
    found = json.loads(clients.podman("image", "inspect", name))[0]
    tap.equal(found["Digest"], single.digest)
    tap.equal(found["RootFS"]["Layers"], clients.diff_ids(single))
    clients.podman("push", "--tls-verify=false", name, f"docker://{srv.host}/pod/pushed:v2")
    clients.holds_layers(srv, "pod/pushed", "v2", clients.diff_ids(single))
    # pulled from nothing, what it pushed is what it had
    clients.podman("image", "rm", "--all", "--force")
    clients.podman("pull", "--tls-verify=false", f"{srv.host}/pod/pushed:v2")
    found = json.loads(clients.podman("image", "inspect", f"{srv.host}/pod/pushed:v2"))[0]
    tap.equal(found["RootFS"]["Layers"], clients.diff_ids(single))
    clients.podman("image", "rm", "--all", "--force")


@tap.cases(filesystem="filesystem", s3="s3")
def podman_lists(driver):
    srv, multi = server(driver), image("multi")
    registry.Client(srv).push("pod/many", multi, "v1")
    name = f"{srv.host}/pod/many:v1"
    for architecture in ("amd64", "arm64"):
        clients.podman("pull", "--tls-verify=false", f"--arch={architecture}", name)
        found = json.loads(clients.podman("image", "inspect", name))[0]
        tap.equal(found["Architecture"], architecture)
        tap.equal(found["RootFS"]["Layers"], clients.diff_ids(multi, architecture))
    clients.podman("manifest", "create", "list")
    clients.podman("manifest", "add", "--all", "--tls-verify=false", "list", f"docker://{name}")
    clients.podman("manifest", "push", "--all", "--tls-verify=false", "list",
                   f"docker://{srv.host}/pod/list:v2")
    found = registry.Client(srv).pull("pod/list", "v2")
    tap.ok(set(multi.blobs) <= set(found), "layers and configs are the image's")
    for digest, data in found.items():
        tap.equal(images.digest(data), digest)
    clients.podman("image", "rm", "--all", "--force")


@tap.cases(filesystem="filesystem", s3="s3")
def buildah(driver):
    """An image built from one of the registry with a file more."""
    srv, single = server(driver), image("single")
    client = registry.Client(srv)
    client.push("build/base", single, "v1")
    container = clients.buildah("from", "--tls-verify=false", f"{srv.host}/build/base:v1")
    path = os.path.join(stowage.temporary("added"), "added")
    with open(path, "wb") as f:
        f.write(os.urandom(400_000))
    clients.buildah("copy", container.split()[-1], path, "/added")
    clients.buildah("commit", "--rm", container.split()[-1], "built")
    clients.buildah("push", "--tls-verify=false", "built", f"docker://{srv.host}/build/new:v2")
    found = client.pull("build/new", "v2")
    for digest, data in found.items():
        tap.equal(images.digest(data), digest)
    top = client.manifest("build/new", "v2").headers["Docker-Content-Digest"]
    layers = clients.plain_layers(found, top)
    tap.equal(layers[:-1], clients.diff_ids(single), "the layers of the base")
    clients.buildah("rmi", "--all", "--force")
    clients.buildah("pull", "--tls-verify=false", f"{srv.host}/build/new:v2")
    back = json.loads(clients.buildah("inspect", "--type", "image", f"{srv.host}/build/new:v2"))
    tap.equal(back["OCIv1"]["rootfs"]["diff_ids"], layers)
    clients.buildah("rmi", "--all", "--force")


if __name__ == "__main__":
    tap.main()
