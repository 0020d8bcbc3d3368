#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stowage probe: what it says of a real server and of scripted ones, as a table and as JSON."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import s3servers
import stowage
import tap
from fake_s3 import FakeS3, Profile


def probe(environment, *args, expect=0):
    """(standard output, standard error)"""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("STOWAGE_", "AWS_"))}
    run = subprocess.run(stowage.sanitized([os.path.join(stowage.BUILD, "stowage"), "probe", *args]),
                         env={**clean, "STOWAGE_STORAGE_DRIVER": "s3", **environment},
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                         check=False)
    tap.equal(run.returncode, expect, run.stderr)
    return run.stdout, run.stderr


def of_fake(profile=None, **more):
    fake = FakeS3(profile).start()
    tap.defer(fake.stop)
    bucket = fake.new_bucket()
    return fake, bucket, {
        "STOWAGE_S3_REGIONENDPOINT": fake.endpoint, "STOWAGE_S3_BUCKET": bucket,
        "STOWAGE_S3_ACCESSKEY": fake.accesskey, "STOWAGE_S3_SECRETKEY": fake.secretkey, **more}


@tap.test
def scripted_store():
    fake, bucket, environment = of_fake(Profile(copies=False, remove_conditions=False),
                                        STOWAGE_S3_REGION="eu-west-1")
    found = json.loads(probe(environment, "--json")[0])
    tap.equal({name: found[name] for name in ("region", "profile", "create", "copy", "part-copy",
                                              "remove-if-match", "list-v2", "parts")},
              {"region": "us-east-1", "profile": "auto", "create": True, "copy": False,
               "part-copy": False, "remove-if-match": False, "list-v2": True, "parts": 10000})
    tap.equal((fake.objects(bucket), list(fake.bucket(bucket).uploads)), ({}, []))
    table, _ = probe(environment)
    lines = {line.split()[0]: line.split(None, 2) for line in table.splitlines()}
    tap.equal(sorted(lines), sorted(found))
    tap.equal(lines["copy"][1:], ["no", "copies of objects"])


@tap.test
def no_rights():
    fake, _, environment = of_fake()
    fake.fault(operation="PutObject", times=None, status=403, code="AccessDenied")
    out, err = probe(environment, expect=1)
    tap.equal(out, "")
    tap.ok("no object can be written" in err and "AccessDenied" in err, err)


@tap.test
def no_bucket():
    _, _, environment = of_fake(STOWAGE_S3_BUCKET="absent")
    err = probe(environment, expect=1)[1]
    tap.ok("NoSuchBucket" in err and "bucket absent" in err, err)


@tap.test
def nothing_to_ask():
    out, err = probe({"STOWAGE_STORAGE_DRIVER": "filesystem",
                      "STOWAGE_FILESYSTEM_ROOTDIRECTORY": stowage.temporary()}, expect=1)
    tap.ok("has nothing to probe" in err, err)


@tap.test
def bad_calls():
    tap.ok("unexpected" in probe({}, "more", expect=2)[1], "words")
    tap.ok("usage: stowage probe" in probe({}, "--help")[0], "help")


@tap.cases(minio=("minio",), versity=("versity",), moto=("moto",))
def servers(name):
    server = s3servers.ALL[name]().start()
    tap.defer(server.kill)
    found = json.loads(probe({
        "STOWAGE_S3_REGIONENDPOINT": server.endpoint, "STOWAGE_S3_BUCKET": server.new_bucket(),
        "STOWAGE_S3_ACCESSKEY": server.accesskey,
        "STOWAGE_S3_SECRETKEY": server.secretkey}, "--json")[0])
    # moto heeds If-Match where an object is, and makes one where none is
    tap.equal((found["create"], found["put-if-match"], found["list-v2"], found["copy"]),
              (True, name != "moto", True, True), f"{found}")
    tap.equal(found["sha256"], name != "moto", f"{found}")
    tap.ok(abs(found["clock"]) <= 2, f"{found}")


if __name__ == "__main__":
    tap.main()
