#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""regctl copies images and artifacts with their referrers, lists and deletes."""

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


def pushed(srv, kind, name):
    wanted = image(kind)
    clients.regctl(srv.host, "image", "copy", f"ocidir://{wanted.folder}:{wanted.tag}",
                   f"{srv.host}/{name}:v1")


def referrers(srv, name, digest):
    answer = registry.Client(srv).request("GET", f"/v2/{name}/referrers/{digest}", expect=200)
    return {r["digest"] for r in json.loads(answer.body)["manifests"]}


@tap.cases(single=("filesystem", "single"), multi=("filesystem", "multi"), s3=("s3", "multi"))
def there_and_back(driver, kind):
    srv, name = server(driver), f"there/{kind}"
    pushed(srv, kind, name)
    clients.same(registry.Client(srv).pull(name, "v1"), image(kind))
    folder = os.path.join(stowage.temporary("pulled"), "layout")
    clients.regctl(srv.host, "image", "copy", f"{srv.host}/{name}:v1", f"ocidir://{folder}:back")
    clients.same(images.read_layout(folder), image(kind))
    tap.equal(clients.regctl(srv.host, "tag", "ls", f"{srv.host}/{name}").split(), ["v1"])
    tap.ok(name in clients.regctl(srv.host, "repo", "ls", srv.host).split(), "the catalog")
    tap.equal(clients.regctl(srv.host, "image", "digest", f"{srv.host}/{name}:v1").strip(),
              image(kind).digest)


@tap.cases(filesystem="filesystem", s3="s3")
def artifacts_with_referrers(driver):
    srv, top = server(driver), image("multi").digest
    pushed(srv, "multi", "ref/from")
    path = os.path.join(stowage.temporary("artifact"), "file")
    with open(path, "wb") as f:
        f.write(b"words of an artifact\n")
    for kind in ("application/x.one", "application/x.two"):
        clients.regctl(srv.host, "artifact", "put", "--artifact-type", kind, "--subject",
                       f"{srv.host}/ref/from:v1", "--file", path)
    both = referrers(srv, "ref/from", top)
    tap.equal(len(both), 2)
    listed = clients.regctl(srv.host, "artifact", "list", "--format", "{{json .}}",
                            "--filter-artifact-type", "application/x.one",
                            f"{srv.host}/ref/from:v1")
    one = json.loads(listed)["descriptors"]
    tap.equal([d["artifactType"] for d in one], ["application/x.one"])
    text = clients.regctl(srv.host, "artifact", "get", f"{srv.host}/ref/from@{one[0]['digest']}")
    tap.equal(text, "words of an artifact\n")
    clients.regctl(srv.host, "image", "copy", "--referrers", f"{srv.host}/ref/from:v1",
                   f"{srv.host}/ref/to:v2")
    clients.same(registry.Client(srv).pull("ref/to", "v2"), image("multi"))
    tap.equal(referrers(srv, "ref/to", top), both, "copied")
    clients.regctl(srv.host, "manifest", "delete", f"{srv.host}/ref/from@{one[0]['digest']}")
    tap.equal(referrers(srv, "ref/from", top), both - {one[0]["digest"]}, "one deleted")


@tap.cases(filesystem="filesystem", s3="s3")
def deletes(driver):
    """A tag alone, the manifest behind a tag, and a blob."""
    srv = server(driver)
    client = registry.Client(srv)
    pushed(srv, "multi", "del")
    clients.regctl(srv.host, "image", "copy", f"{srv.host}/del:v1", f"{srv.host}/del:v2")
    clients.regctl(srv.host, "tag", "rm", f"{srv.host}/del:v1")
    client.manifest("del", "v1", expect=404)
    clients.same(client.pull("del", "v2"), image("multi"))
    clients.regctl(srv.host, "manifest", "delete", "--force-tag-dereference",
                   f"{srv.host}/del:v2")
    client.manifest("del", "v2", expect=404)
    client.manifest("del", image("multi").digest, expect=404)
    gone = next(iter(image("multi").blobs))
    clients.regctl(srv.host, "blob", "delete", f"{srv.host}/del", gone)
    client.blob("del", gone, expect=404)


@tap.test
def chunked_uploads():
    """A blob in pieces, each a PATCH of its own, and of no less than an upload says is worth one."""
    srv, data = server("filesystem"), os.urandom(12_300_000)
    path = os.path.join(stowage.temporary("blob"), "blob")
    with open(path, "wb") as f:
        f.write(data)
    with open(path, "rb") as f:
        clients.regctl(srv.host, "blob", "put", f"{srv.host}/chunks", stdin=f,
                       settings=",blobChunk=1048576,blobMax=1048576")
    tap.ok(registry.Client(srv).blob("chunks", images.digest(data)).body == data, "the blob")
    pieces = [line for line in srv.log().splitlines()
              if "method=PATCH" in line and "/v2/chunks/" in line]
    tap.equal(len(pieces), 3, "pieces")


if __name__ == "__main__":
    tap.main()
