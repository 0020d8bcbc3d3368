#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What clients delete is gone, and nothing else: by tag, by digest, and where deletes are off."""

import functools
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import registry
import stowage
import tap
from clients import image, server


@functools.lru_cache(None)
def refusing():
    return stowage.Server().start()


def crane(srv, reference):
    clients.crane("delete", f"{srv.host}/{reference}")


def skopeo(srv, reference):
    clients.skopeo("delete", "--tls-verify=false", f"docker://{srv.host}/{reference}")


def regctl(srv, reference):
    clients.regctl(srv.host, "manifest", "delete", "--force-tag-dereference",
                   f"{srv.host}/{reference}")


def regctl_tag(srv, reference):
    clients.regctl(srv.host, "tag", "delete", f"{srv.host}/{reference}")


def oras(srv, reference):
    clients.oras("manifest", "delete", "--plain-http", "--force", f"{srv.host}/{reference}")


def tagged(srv, name):
    """One image by two tags, another by a third; the others' digest."""
    wanted, other = image("multi"), image("single")
    for tag in ("v1", "v2"):
        clients.crane_push(wanted, f"{srv.host}/{name}:{tag}")
    clients.crane_push(other, f"{srv.host}/{name}:other")
    return wanted, other


def tags(srv, name):
    answer = registry.Client(srv).request("GET", f"/v2/{name}/tags/list", expect=200)
    return json.loads(answer.body)["tags"]


# what a delete of a tag takes: the tag alone, or the manifest that it stands on
WAYS = {"crane": (crane, "tag"), "skopeo": (skopeo, "manifest"), "regctl": (regctl, "manifest"),
        "regctl_tag": (regctl_tag, "tag"), "oras": (oras, "manifest")}
EACH = {f"{way}_{driver}": (driver, way) for way in WAYS for driver in ("filesystem", "s3")}


@tap.cases(**EACH)
def by_tag(driver, way):
    srv, name = server(driver), f"tag/{way}"
    client, (delete, takes) = registry.Client(srv), WAYS[way]
    wanted, other = tagged(srv, name)
    delete(srv, f"{name}:v1")
    client.manifest(name, "v1", expect=404)
    if takes == "tag":
        clients.same(client.pull(name, "v2"), wanted)
        tap.equal(tags(srv, name), ["other", "v2"])
    else:
        client.manifest(name, "v2", expect=404)
        client.manifest(name, wanted.digest, expect=404)
        tap.equal(tags(srv, name), ["other"])
    clients.same(client.pull(name, "other"), other)
    clients.crane_push(wanted, f"{srv.host}/{name}:v1")
    clients.same(client.pull(name, "v1"), wanted)


@tap.cases(**{key: value for key, value in EACH.items() if value[1] != "regctl_tag"})
def by_digest(driver, way):
    srv, name = server(driver), f"digest/{way}"
    client = registry.Client(srv)
    wanted, other = tagged(srv, name)
    WAYS[way][0](srv, f"{name}@{wanted.digest}")
    for reference in ("v1", "v2", wanted.digest):
        client.manifest(name, reference, expect=404)
    tap.equal(tags(srv, name), ["other"])
    clients.same(client.pull(name, "other"), other)


# regctl's "tag delete" is not among them: where a registry deletes no tags it puts a manifest of its
# own under the tag, so that deleting that one would take nothing else
@tap.cases(**{way: way for way in WAYS if way != "regctl_tag"})
def where_deletes_are_off(way):
    srv, name = refusing(), f"off/{way}"
    wanted, other = tagged(srv, name)
    for reference in (f"{name}:v1", f"{name}@{wanted.digest}"):
        try:
            WAYS[way][0](srv, reference)
        except AssertionError as trouble:
            tap.ok("exit status" in str(trouble), trouble)
        else:
            tap.ok(False, f"{way} takes {reference} for deleted")
    clients.same(registry.Client(srv).pull(name, "v1"), wanted)
    tap.equal(tags(srv, name), ["other", "v1", "v2"])
    clients.same(registry.Client(srv).pull(name, "other"), other)


@tap.cases(filesystem="filesystem", s3="s3")
def blobs(driver):
    """oras and regctl, the others have no word for it."""
    srv, client = server(driver), registry.Client(server(driver))
    clients.crane_push(image("single"), f"{srv.host}/blobs:v1")
    one, two = list(image("single").blobs)[:2]
    for digest in (one, two):
        client.blob("blobs", digest)
    clients.oras("blob", "delete", "--plain-http", "--force", f"{srv.host}/blobs@{one}")
    client.blob("blobs", one, expect=404)
    client.blob("blobs", two)
    clients.regctl(srv.host, "blob", "delete", f"{srv.host}/blobs", two)
    client.blob("blobs", two, expect=404)


if __name__ == "__main__":
    tap.main()
