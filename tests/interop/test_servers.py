#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stowage on S3 servers of three makes: an image goes in and comes out, and the table of docs/s3.md,
server by feature, is what the servers do.  What the driver relies on it says itself, by its probe;
the rest is asked of the servers with requests of our own."""

import base64
import functools
import hashlib
import os
import re
import subprocess
import sys
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import clients
import images
import registry
import s3
import s3servers
import stowage
import tap

MIB = 1 << 20
TITLES = {"minio": "MinIO", "versity": "Versity Gateway", "moto": "moto"}


@functools.lru_cache(None)
def server(name):
    return s3servers.ALL[name]().start()


@functools.lru_cache(None)
def image():
    """One layer is larger than a part of an upload."""
    return images.layout(os.path.join(stowage.temporary("image"), "layout"), "servers",
                         (9 * MIB, 3000))


@tap.cases(**{name: name for name in s3servers.ALL})
def image_in_and_out(name):
    srv = stowage.Server("s3", minio=server(name), env={"STOWAGE_DELETE_ENABLED": "yes"}).start()
    tap.defer(srv.kill)
    wanted, client = image(), registry.Client(srv)
    clients.crane_push(wanted, f"{srv.host}/on/{name}:v1")
    found = images.read_layout(clients.crane_pull(f"{srv.host}/on/{name}:v1"))
    tap.equal(sorted(found), sorted(wanted.contents), "digests")
    for digest, data in wanted.contents.items():
        tap.ok(found[digest] == data, f"{digest}: {len(found[digest])} bytes differ")
    clients.skopeo_push(wanted, f"{srv.host}/on/{name}:v2")
    tap.equal(clients.crane("ls", f"{srv.host}/on/{name}").split(), ["v1", "v2"])
    client.request("DELETE", f"/v2/on/{name}/manifests/v2", expect=202)
    tap.equal(clients.crane("ls", f"{srv.host}/on/{name}").split(), ["v1"])
    tap.equal(srv.stop(), 0, "exit status")


# ---- the table ----

class Asked:
    """One server, and what it answers."""

    def __init__(self, name):
        self.server = server(name)
        self.bucket = self.server.new_bucket()
        self.s3 = self.server.s3
        self.s3.put(self.bucket, "here/a b+c", b"0123456789")

    def call(self, method, key, query=None, headers=None, body=b""):
        return self.s3.request(method, f"/{self.bucket}/{key}", query, headers, body)

    @functools.lru_cache(None)
    def caps(self):
        run = subprocess.run(
            [os.path.join(stowage.BUILD, "tests/driver/contract"),
             os.path.join(stowage.BUILD, "drivers/s3.so"), "--caps", f"bucket={self.bucket}",
             f"regionendpoint={self.server.endpoint}", f"accesskey={self.server.accesskey}",
             f"secretkey={self.server.secretkey}"], stdout=subprocess.PIPE, check=True, text=True,
            timeout=60)
        return run.stdout.split()

    def signature(self):
        wrong = s3.S3(self.server.endpoint, self.server.accesskey, "wrong")
        return wrong.request("GET", f"/{self.bucket}/here/a b+c")[0] == 403

    def body_hash(self):
        status, _, _ = _with_hash(self.s3, "PUT", f"/{self.bucket}/sum", b"x", "0" * 64)
        return status == 400

    def copy(self):
        return self.call("PUT", "copied", headers={
            "x-amz-copy-source": f"/{self.bucket}/here/a%20b%2Bc"})[0] == 200

    def upload(self, key):
        body = self.call("POST", key, {"uploads": ""})[2]
        return xml.etree.ElementTree.fromstring(body).findtext("{*}UploadId")

    def part_copy(self):
        upload = self.upload("parts")
        status, _, body = self.call(
            "PUT", "parts", {"partNumber": "1", "uploadId": upload},
            {"x-amz-copy-source": f"/{self.bucket}/here/a%20b%2Bc",
             "x-amz-copy-source-range": "bytes=2-5"})
        self.call("DELETE", "parts", {"uploadId": upload})
        return status == 200 and b"CopyPartResult" in body

    def uploads(self, prefix):
        """Is an open upload listed for that prefix?"""
        upload = self.upload("deep/down/key")
        query = {"uploads": ""}
        if prefix:
            query["prefix"] = prefix
        body = self.call("GET", "", query)[2]
        self.call("DELETE", "deep/down/key", {"uploadId": upload})
        return b"deep/down/key" in body

    def encoding(self):
        """How the key "here/a b+c" is listed with encoding-type=url."""
        body = self.call("GET", "", {"list-type": "2", "encoding-type": "url",
                                     "prefix": "here/"})[2]
        root = xml.etree.ElementTree.fromstring(body)
        key = root.findtext("{*}Contents/{*}Key")
        said = root.findtext("{*}EncodingType") == "url"
        return f"`{key}`" + ("" if said else ", EncodingType not said")

    def delete_many(self):
        self.s3.put(self.bucket, "gone", b"")
        body = b"<Delete><Object><Key>gone</Key></Object></Delete>"
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        status, _, _ = self.call("POST", "", {"delete": ""}, {"content-md5": md5}, body)
        return status == 200 and "gone" not in self.s3.list(self.bucket)

    def line_end(self):
        return self.call("PUT", "line\nend", body=b"x")[0] == 200


def _with_hash(client, method, path, body, announced):
    """A request whose x-amz-content-sha256 is not that of its body, signed all the same."""
    sign = client._sign
    client._sign = lambda m, p, q, h, _hash: sign(m, p, q, h, announced)
    try:
        return client.request(method, path, body=body)
    finally:
        client._sign = sign


FEATURES = [
    ("looks at signatures", Asked.signature),
    ("compares a body with `x-amz-content-sha256`", Asked.body_hash),
    ("create-only PUT", lambda a: "create" in a.caps()),
    ("PUT if-match", lambda a: "put-if-match" in a.caps()),
    ("GET if-match", lambda a: "get-if-match" in a.caps()),
    ("if-match on a copy's source", lambda a: "copy-if-match" in a.caps()),
    ("CopyObject", Asked.copy),
    ("UploadPartCopy", Asked.part_copy),
    ("DeleteObjects with Content-MD5", Asked.delete_many),
    ("the key `a b+c` listed with `encoding-type=url`", Asked.encoding),
    ("lists uploads without a prefix", lambda a: a.uploads("")),
    ("lists uploads of an exact key", lambda a: a.uploads("deep/down/key")),
    ("lists uploads of a prefix", lambda a: a.uploads("deep/")),
    ("a key with a line end", Asked.line_end),
]


def table():
    asked = {name: Asked(name) for name in s3servers.ALL}
    rows = [["", *(TITLES[name] for name in asked)], ["---"] * (1 + len(asked))]
    for feature, ask in FEATURES:
        answers = (ask(a) for a in asked.values())
        rows.append([feature, *(a if isinstance(a, str) else "yes" if a else "no"
                                for a in answers)])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


@tap.test
def table_of_the_manual():
    path = os.path.join(stowage.ROOT, "docs", "s3.md")
    with open(path, encoding="utf-8") as f:
        said = re.search(r"<!-- table -->\n(.*?)<!-- end -->", f.read(), re.S)
    found = table()
    print(found)
    tap.ok(said, "docs/s3.md has no table")
    tap.equal(said.group(1), found, "docs/s3.md")


if __name__ == "__main__":
    tap.main()
