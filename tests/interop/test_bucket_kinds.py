#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole contract on MinIO's buckets of other kinds: with versions and a lock on each object, and
encrypted by the server, with its own key or one that is named."""

import base64
import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib")]

import contract
import registry
import stowage
import tap

KEY = "a-key:" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
LOCK = (b'<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
        b"<Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>"
        b"</ObjectLockConfiguration>")


class Encrypting(stowage.Minio):
    def environment(self):
        return {**super().environment(), "MINIO_KMS_SECRET_KEY": KEY}


def on(server, bucket, *options):
    contract.contract("s3", "--loose-keys", f"bucket={bucket}", "region=us-east-1",
                      f"regionendpoint={server.endpoint}", f"accesskey={server.accesskey}",
                      f"secretkey={server.secretkey}", *options)


@tap.test
def locked():
    server = stowage.Minio().start()
    server.make_bucket("locked", {"x-amz-bucket-object-lock-enabled": "true"})
    md5 = base64.b64encode(hashlib.md5(LOCK).digest()).decode()
    status, _, body = server.s3.request("PUT", "/locked", {"object-lock": ""},
                                        {"content-md5": md5}, LOCK)
    tap.equal(status, 200, f"{body}")
    # this server lists folders of which nothing but deleted versions is left; no other case minds
    for word in ("put", "park", "write", "remove", "copy"):
        on(server, "locked", "--only", word)
    status, _, body = server.s3.request("GET", "/locked", {"versions": ""})
    tap.ok(status == 200 and b"<Version>" in body, "the versions that the lock keeps")
    tap.equal(server.s3.list("locked"), {}, "what a listing shows")


@tap.cases(by_its_own_key=("encrypt=yes",), by_one_that_is_named=("encrypt=yes", "keyid=a-key"))
def encrypted(*options):
    server = Encrypting().start()
    bucket = server.new_bucket()
    for word in ("put", "write", "copy"):
        on(server, bucket, "--only", word, *options)


@tap.test
def encrypted_objects_say_so():
    minio = Encrypting().start()
    bucket = minio.new_bucket()
    for options, want in ((["encrypt=yes"], "AES256"),
                          (["encrypt=yes", "keyid=a-key"], "aws:kms"), ([], None)):
        config = [f"STOWAGE_S3_{o.split('=')[0].upper()}={o.split('=')[1]}" for o in options]
        server = stowage.Server("s3", minio=minio, bucket=bucket,
                                env=dict(c.split("=") for c in config)).start()
        tap.defer(server.kill)
        data = os.urandom(1000)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        registry.Client(server).push_blob("r", data)
        hex_ = digest.split(":")[1]
        _, headers, _ = minio.s3.request(
            "HEAD", f"/{bucket}/docker/registry/v2/blobs/sha256/{hex_[:2]}/{hex_}/data")
        tap.equal(headers.get("x-amz-server-side-encryption"), want)


if __name__ == "__main__":
    tap.main()
