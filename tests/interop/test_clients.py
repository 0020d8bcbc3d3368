#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crane and skopeo push and pull single- and multi-arch images on filesystem and on MinIO, with a
restart and with a kill between; what comes back is what went in, byte for byte."""

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


@functools.lru_cache(None)
def minio():
    return stowage.Minio().start()


@functools.lru_cache(None)
def server(driver):
    return stowage.Server(driver, minio=minio() if driver == "s3" else None).start()


@functools.lru_cache(None)
def image(kind):
    make = images.layout if kind == "single" else images.multi
    return make(os.path.join(stowage.temporary("image"), "layout"))


def between(srv, what):
    if what == "kill":
        srv.kill()
        srv.start()
    elif what == "restart":
        tap.equal(srv.stop(), 0, "exit status after SIGTERM")
        srv.start()


PUSH = {"crane": clients.crane_push, "skopeo": clients.skopeo_push}
PULL = {"crane": clients.crane_pull, "skopeo": clients.skopeo_pull}


def round_trip(driver, client, kind, what):
    srv, wanted = server(driver), image(kind)
    name = f"team/{client}-{kind}-{what}"
    PUSH[client](wanted, f"{srv.host}/{name}:v1")
    between(srv, what)
    for puller, pull in PULL.items():
        clients.same(images.read_layout(pull(f"{srv.host}/{name}:v1")), wanted)
        print(f"pulled by {puller}")
    clients.same(registry.Client(srv).pull(name, "v1"), wanted)
    answer = registry.Client(srv).request("HEAD", f"/v2/{name}/manifests/v1",
                                          headers={"Accept": registry.ACCEPT}, expect=200)
    tap.equal(answer.headers["Docker-Content-Digest"], wanted.digest)
    tap.equal(answer.headers["Content-Type"], wanted.media_type)
    tap.equal(answer.headers["Content-Length"], str(len(wanted.contents[wanted.digest])))


@tap.cases(crane_single_restart=("crane", "single", "restart"),
           crane_multi_kill=("crane", "multi", "kill"),
           skopeo_single_kill=("skopeo", "single", "kill"),
           skopeo_multi_restart=("skopeo", "multi", "restart"))
def filesystem(client, kind, what):
    round_trip("filesystem", client, kind, what)


@tap.cases(crane_single_kill=("crane", "single", "kill"),
           crane_multi_restart=("crane", "multi", "restart"),
           skopeo_single_restart=("skopeo", "single", "restart"),
           skopeo_multi_kill=("skopeo", "multi", "kill"))
def s3(client, kind, what):
    round_trip("s3", client, kind, what)


@tap.cases(single="single", multi="multi")
def memory(kind):
    round_trip("memory", "crane", kind, "nothing")


@tap.cases(filesystem="filesystem", s3="s3")
def docker_kinds(driver):
    """skopeo turns the OCI images into Docker's schema 2 and list."""
    srv = server(driver)
    for kind, media_type in (("single", images.DOCKER_MANIFEST), ("multi", images.DOCKER_LIST)):
        name = f"docker/{kind}"
        clients.skopeo_push(image(kind), f"{srv.host}/{name}:v1", "--format=v2s2")
        between(srv, "restart")
        client = registry.Client(srv)
        tap.equal(client.manifest(name, "v1").headers["Content-Type"], media_type)
        found = client.pull(name, "v1")
        tap.ok(set(image(kind).blobs) & set(found), "the layers are the image's")
        for digest, data in found.items():
            tap.equal(images.digest(data), digest)
        pulled = images.read_layout(clients.crane_pull(f"{srv.host}/{name}:v1"))
        tap.equal(pulled, found, "what crane pulled")


@tap.cases(filesystem="filesystem", s3="s3")
def crane_append(driver):
    srv = server(driver)
    for architecture in ("amd64", "arm64"):
        layer = os.path.join(stowage.temporary("layer"), "layer.tar.gz")
        with open(layer, "wb") as f:
            f.write(images.tar_layer(f"append-{architecture}", 1_500_000)[1])
        clients.crane("append", "--oci-empty-base", "-f", layer,
                      "-t", f"{srv.host}/app/{architecture}:1")
    index = clients.crane("index", "append", "-m", f"{srv.host}/app/amd64:1",
                          "-m", f"{srv.host}/app/arm64:1", "-t", f"{srv.host}/app/all:1")
    tap.ok("sha256:" in index, f"crane index append says its digest: {index}")
    before = registry.Client(srv).pull("app/all", "1")
    tap.equal(len(before), 7, "an index, two manifests, two configs, two layers")
    between(srv, "kill")
    tap.equal(registry.Client(srv).pull("app/all", "1"), before)
    tap.equal(images.read_layout(clients.crane_pull(f"{srv.host}/app/all:1")), before)
    tap.equal(clients.crane("ls", f"{srv.host}/app/all").split(), ["1"])
    listed = set(clients.crane("catalog", srv.host).split())
    tap.ok({"app/all", "app/amd64", "app/arm64"} <= listed, f"catalog: {sorted(listed)}")


@tap.cases(filesystem="filesystem", s3="s3")
def crane_copy_mounts(driver):
    """From one repository to another of the same registry: the layers are mounted, not sent."""
    srv, wanted = server(driver), image("multi")
    clients.crane_push(wanted, f"{srv.host}/copy/from:v1")
    clients.crane("copy", f"{srv.host}/copy/from:v1", f"{srv.host}/copy/to:v2")
    clients.same(registry.Client(srv).pull("copy/to", "v2"), wanted)


@tap.test
def signed_by_skopeo():
    """An image turned into schema 1, signed by the client, pushed and pulled."""
    srv = stowage.Server(env={"STOWAGE_MANIFESTS_SCHEMA1": "on"}).start()
    tap.defer(srv.kill)
    wanted, name = image("single"), f"{srv.host}/team/old:v1"
    clients.skopeo("copy", "--format", "v2s1", "--dest-tls-verify=false",
                   f"oci:{wanted.folder}:{wanted.tag}", f"docker://{name}")
    answer = registry.Client(srv).manifest("team/old", "v1")
    tap.equal(answer.headers["Content-Type"],
              "application/vnd.docker.distribution.manifest.v1+prettyjws")
    folder = os.path.join(stowage.temporary("pulled"), "dir")
    clients.skopeo("copy", "--src-tls-verify=false", f"docker://{name}", f"dir:{folder}")
    with open(os.path.join(folder, "manifest.json"), "rb") as f:
        tap.equal(f.read(), answer.body)
    for layer in json.loads(answer.body)["fsLayers"]:
        with open(os.path.join(folder, layer["blobSum"].partition(":")[2]), "rb") as f:
            tap.ok(f.read() == wanted.blobs[layer["blobSum"]], layer["blobSum"])


if __name__ == "__main__":
    tap.main()
