#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed manifests of schema 1 over HTTP: taken where that is asked for, served in any case, each way
of being wrong with its code, and what registries of other versions leave."""

import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import registry
import stowage
import tap

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vectors/schema1")
PRETTY = "application/vnd.docker.distribution.manifest.v1+prettyjws"
VECTORS = {v["id"]: v for v in json.load(open(f"{FOLDER}/vectors.json"))["vectors"]}
LAYERS = json.load(open(f"{FOLDER}/layers.json"))

taking = stowage.Server(env={"STOWAGE_MANIFESTS_SCHEMA1": "yes",
                             "STOWAGE_DELETE_ENABLED": "yes"}).start()
client = registry.Client(taking)
V2 = os.path.join(taking.data, "docker/registry/v2")


def file(vector):
    with open(f"{FOLDER}/{VECTORS[vector]['file']}", "rb") as f:
        return f.read()


def push_layers(vector, to=client):
    for digest in VECTORS[vector]["from_payload"]["layers"]:
        to.push_blob(VECTORS[vector]["repository"], LAYERS[digest].encode(), digest)


def put(vector, reference=None, media_type=PRETTY, expect=201, to=client, name=None):
    v = VECTORS[vector]
    return to.put_manifest(name or v["repository"], reference or v["from_payload"]["tag"], file(vector),
                           media_type, expect)


def codes(answer):
    return [e["code"] for e in json.loads(answer.body)["errors"]]


@tap.test
def pushed_and_pulled():
    v = VECTORS["ok-two-ec"]
    tap.equal(codes(put("ok-two-ec", expect=400)), ["MANIFEST_BLOB_UNKNOWN"] * 2)
    push_layers("ok-two-ec")
    for media_type in (PRETTY, "application/json", "application/json; charset=utf-8", ""):
        answer = put("ok-two-ec", media_type=media_type)
        tap.equal(answer.headers["Docker-Content-Digest"], v["payload_sha256"])
    for reference in ("ecec", v["payload_sha256"]):
        answer = client.manifest(v["repository"], reference)
        tap.equal(answer.body, file("ok-two-ec"))
        tap.equal(answer.headers["Content-Type"], PRETTY)
        tap.equal(answer.headers["Docker-Content-Digest"], v["payload_sha256"])
        head = client.request("HEAD", f"/v2/{v['repository']}/manifests/{reference}", expect=200)
        tap.equal(head.headers["Content-Length"], str(len(answer.body)))


@tap.test
def signatures_are_merged():
    v = VECTORS["merge-a"]
    push_layers("merge-a")
    for vector, count in (("merge-a", 1), ("merge-b", 2), ("merge-x5c", 3), ("merge-a", 3)):
        put(vector)
        got = json.loads(client.manifest(v["repository"], "latest").body)
        tap.equal(len(got["signatures"]), count)
    put("merge-rsa", v["payload_sha256"])
    got = json.loads(client.manifest(v["repository"], v["payload_sha256"]).body)
    tap.equal(len(got["signatures"]), 4)
    client.request("DELETE", f"/v2/{v['repository']}/manifests/{v['payload_sha256']}", expect=202)
    client.manifest(v["repository"], "latest", expect=404)
    put("merge-a")
    got = json.loads(client.manifest(v["repository"], "latest").body)
    tap.equal(len(got["signatures"]), 4)


@tap.test
def each_wrong_one_has_its_code():
    push_layers("bad-payload-tag-p384")
    for vector in ("bad-payload-tag-p384", "bad-payload-tag-rsa2048"):
        tag = VECTORS[vector]["from_payload"]["tag"]
        tap.equal(codes(put(vector, tag, expect=400)), ["MANIFEST_UNVERIFIED"])
    push_layers("store-name-prefix")
    tap.equal(codes(put("store-name-prefix", expect=400)), ["NAME_INVALID"])
    push_layers("ok-two-ec")
    tap.equal(codes(put("ok-two-ec", "other", expect=400)), ["TAG_INVALID"])
    tap.equal(codes(put("ok-two-ec", "sha256:" + 64 * "0", expect=400)), ["DIGEST_INVALID"])
    digest = VECTORS["ok-two-ec"]["payload_sha256"]
    for query in ("tag=other", "tag=ecec&tag=other", "tag=other&tag=ecec"):
        tap.ok(set(codes(put("ok-two-ec", f"{digest}?{query}", expect=400))) == {"TAG_INVALID"}, query)
    tap.equal(put("ok-two-ec", f"{digest}?tag=ecec").headers["OCI-Tag"], "ecec")
    tap.equal(codes(put("ok-two-ec", expect=400, name="some/other")),
              ["NAME_INVALID", "MANIFEST_BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"])
    answer = client.put_manifest("foo/multi", "x", b"{}", PRETTY, 400)
    tap.equal(codes(answer), ["MANIFEST_UNVERIFIED"])


@tap.test
def not_taken_unless_asked_for_but_served():
    v = VECTORS["ok-p384"]
    push_layers("ok-p384")
    put("ok-p384")
    plain = stowage.Server(folder=taking.data).start()
    other = registry.Client(plain)
    answer = put("ok-p384", expect=400, to=other)
    tap.equal(codes(answer), ["MANIFEST_INVALID"])
    tap.ok(b"[manifests] schema1" in answer.body, answer.body)
    tap.equal(other.manifest(v["repository"], v["from_payload"]["tag"]).body, file("ok-p384"))
    plain.stop()


@tap.test
def what_other_versions_leave():
    """No signatures, as 2.5 and later; linked as a layer, as 2.1.0."""
    v = VECTORS["ok-p521"]
    name, hexadecimal = v["repository"], v["payload_sha256"].split(":")[1]
    push_layers("ok-p521")
    put("ok-p521")
    room = f"{V2}/repositories/{name}/_manifests/revisions/sha256/{hexadecimal}"
    shutil.move(f"{room}/signatures", f"{taking.data}/aside")
    answer = client.manifest(name, v["payload_sha256"], expect=404)
    tap.ok("schema 1" in json.loads(answer.body)["errors"][0]["message"], answer.body)
    tap.ok("no signature is stored" in taking.log(), "said in the log")
    os.makedirs(f"{V2}/repositories/{name}/_layers/sha256/{hexadecimal}", exist_ok=True)
    shutil.move(f"{room}/link", f"{V2}/repositories/{name}/_layers/sha256/{hexadecimal}/link")
    taking.restart()
    answer = client.manifest(name, v["from_payload"]["tag"], expect=404)
    tap.ok("schema 1" in json.loads(answer.body)["errors"][0]["message"], answer.body)
    tap.ok("registry 2.1.0" in taking.log(), "said in the log")
    layer = v["from_payload"]["layers"][0]
    answer = client.manifest(name, layer, expect=404)
    tap.ok("schema 1" not in json.loads(answer.body)["errors"][0]["message"], answer.body)


if __name__ == "__main__":
    tap.main()
