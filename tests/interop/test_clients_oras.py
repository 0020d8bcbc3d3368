#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""oras copies images, attaches artifacts, finds, copies and deletes them."""

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


KIND = "application/vnd.example.sbom"


def pushed(srv, kind, name):
    clients.oras("copy", "--from-oci-layout", f"{image(kind).folder}:{image(kind).tag}",
                 "--to-plain-http", f"{srv.host}/{name}:v1")


@tap.cases(single=("filesystem", "single"), multi=("filesystem", "multi"), s3=("s3", "multi"))
def there_and_back(driver, kind):
    srv, name = server(driver), f"there/{kind}"
    pushed(srv, kind, name)
    clients.same(registry.Client(srv).pull(name, "v1"), image(kind))
    folder = os.path.join(stowage.temporary("pulled"), "layout")
    clients.oras("copy", "--from-plain-http", f"{srv.host}/{name}:v1", "--to-oci-layout",
                 f"{folder}:back")
    clients.same(images.read_layout(folder), image(kind))
    tap.equal(clients.oras("repo", "tags", "--plain-http", f"{srv.host}/{name}").split(), ["v1"])
    tap.ok(name in clients.oras("repo", "ls", "--plain-http", srv.host).split(), "the catalog")


@tap.cases(filesystem="filesystem", s3="s3")
def artifact_of_files(driver):
    """Files of which one is empty, pushed and pulled by name."""
    srv, folder = server(driver), stowage.temporary("files")
    wanted = {"big": os.urandom(3_000_000), "empty": b"", "text": b"some words\n"}
    for name, data in wanted.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    clients.oras("push", "--plain-http", "--disable-path-validation", "--artifact-type", KIND,
                 f"{srv.host}/files:1", *[os.path.join(folder, n) + ":text/plain" for n in wanted])
    value = json.loads(registry.Client(srv).manifest("files", "1").body)
    tap.equal(value["artifactType"], KIND)
    for layer, data in zip(value["layers"], wanted.values()):
        tap.ok(registry.Client(srv).blob("files", layer["digest"]).body == data, layer["digest"])
        back = os.path.join(stowage.temporary("back"), "blob")
        clients.oras("blob", "fetch", "--plain-http", "--output", back,
                     f"{srv.host}/files@{layer['digest']}")
        with open(back, "rb") as f:
            tap.ok(f.read() == data, f"what oras fetched of {layer['digest']}")


def attach(srv, name, text, kind=KIND):
    """The digest of an artifact that stands on NAME:v1."""
    path = os.path.join(stowage.temporary("artifact"), "sbom.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    answer = clients.oras("attach", "--plain-http", "--disable-path-validation", "--artifact-type",
                          kind, "--format", "json", f"{srv.host}/{name}:v1",
                          path + ":application/json")
    return json.loads(answer)["digest"]


def discovered(srv, reference, *more):
    answer = clients.oras("discover", "--plain-http", "--format", "json", *more,
                          f"{srv.host}/{reference}")
    return {r["digest"] for r in json.loads(answer).get("referrers") or []}


def referrers(srv, name, digest):
    answer = registry.Client(srv).request("GET", f"/v2/{name}/referrers/{digest}", expect=200)
    return {r["digest"] for r in json.loads(answer.body)["manifests"]}


@tap.cases(filesystem="filesystem", s3="s3")
def artifacts_with_referrers(driver):
    srv, top = server(driver), image("multi").digest
    pushed(srv, "multi", "ref/from")
    one = attach(srv, "ref/from", "{}")
    two = attach(srv, "ref/from", "[1]", "application/vnd.example.signature")
    tap.equal(discovered(srv, "ref/from:v1"), {one, two})
    tap.equal(discovered(srv, "ref/from:v1", "--artifact-type", KIND), {one})
    tap.equal(referrers(srv, "ref/from", top), {one, two})
    clients.oras("copy", "--recursive", "--from-plain-http", "--to-plain-http",
                 f"{srv.host}/ref/from:v1", f"{srv.host}/ref/to:v2")
    clients.same(registry.Client(srv).pull("ref/to", "v2"), image("multi"))
    tap.equal(referrers(srv, "ref/to", top), {one, two}, "copied")
    for digest in (one, two):
        tap.equal(registry.Client(srv).pull("ref/to", digest),
                  registry.Client(srv).pull("ref/from", digest))
    clients.oras("manifest", "delete", "--plain-http", "--force", f"{srv.host}/ref/from@{one}")
    tap.equal(referrers(srv, "ref/from", top), {two}, "one deleted")
    tap.equal(discovered(srv, "ref/from:v1"), {two})
    clients.oras("manifest", "delete", "--plain-http", "--force", f"{srv.host}/ref/to:v2")
    registry.Client(srv).manifest("ref/to", "v2", expect=404)
    registry.Client(srv).manifest("ref/to", top, expect=404)
    clients.same(registry.Client(srv).pull("ref/from", "v1"), image("multi"))


@tap.test
def tags_and_blobs():
    srv = server("filesystem")
    pushed(srv, "single", "tags")
    clients.oras("tag", "--plain-http", f"{srv.host}/tags:v1", "v2", "v3")
    tap.equal(clients.oras("repo", "tags", "--plain-http", f"{srv.host}/tags").split(),
              ["v1", "v2", "v3"])
    for tag in ("v2", "v3"):
        clients.same(registry.Client(srv).pull("tags", tag), image("single"))
    data = os.urandom(70_000)
    path = os.path.join(stowage.temporary("blob"), "blob")
    with open(path, "wb") as f:
        f.write(data)
    name = f"{srv.host}/tags@{images.digest(data)}"
    clients.oras("blob", "push", "--plain-http", name, path)
    tap.ok(registry.Client(srv).blob("tags", images.digest(data)).body == data, "the blob")
    clients.oras("blob", "delete", "--plain-http", "--force", name)
    registry.Client(srv).blob("tags", images.digest(data), expect=404)


if __name__ == "__main__":
    tap.main()
