#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The s3 driver on scripted stores that lack something or do it in a way of their own: what the
probe finds, what is done without it, and what is refused with a line that says why."""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import contract
import stowage
import tap
from drive import Drive, pattern
from fake_s3 import FakeS3, Profile

MIB = 1 << 20
ALL = ["create", "put_if_match", "copy_if_match", "get_if_match", "remove_if_match"]


def setup(profile=None, **options):
    fake = FakeS3(profile).start()
    tap.defer(fake.stop)
    bucket = fake.new_bucket()
    return fake, bucket, Drive(fake, bucket, **options)


# ---- conditions ----

@tap.test
def all_conditions_are_found():
    fake, bucket, d = setup()
    d.must("check")
    tap.equal(sorted(d.must("caps").all("cap")), sorted(ALL))
    tap.equal(fake.objects(bucket), {}, "what the probe left")
    before = len(fake.calls())
    d.must("check")
    tap.ok(len(fake.calls()) - before <= 1, "probed once")


@tap.test
def writes_without_conditions_are_found():
    """The store takes the headers and passes them over."""
    fake, bucket, d = setup(Profile(conditions=False))
    d.must("check")
    tap.equal(sorted(d.must("caps").all("cap")),
              ["copy_if_match", "get_if_match", "remove_if_match"])
    tap.ok("create-only writes" in d.log(), d.log())
    tap.equal(fake.objects(bucket), {})


@tap.cases(create_ignored=("PutObject", 2, {"status": 200, "body": b""}, ["create"]),
           create_refused=("PutObject", 1, {"status": 501, "code": "NotImplemented"}, ["create"]),
           put_if_match=("PutObject", 3, {"status": 200, "body": b""}, ["put_if_match"]),
           get_if_match=("GetObject", 2, {"status": 200, "body": b"stowage probe"},
                         ["get_if_match"]),
           copy_if_match=("CopyObject", 1, {"status": 200, "body": b"<CopyObjectResult/>"},
                          ["copy_if_match"]),
           remove_if_match=("DeleteObject", 1, {"status": 204, "body": b""},
                            ["remove_if_match"]))
def one_condition_is_lacking(operation, nth, fault, lacking):
    fake, _, d = setup()
    fake.fault(operation=operation, nth=nth, **fault)
    d.must("check")
    tap.equal(sorted(d.must("caps").all("cap")), sorted(set(ALL) - set(lacking)),
              f"{[(c.operation, c.status) for c in fake.calls()]}")


@tap.test
def a_store_that_is_down_tells_nothing():
    """What is not known is not offered, and asked for again."""
    fake, _, d = setup(maxretries=0)
    fake.fault(operation="PutObject", nth=2, times=1, status=503, code="SlowDown")
    d("check")
    tap.equal(d.must("caps").all("cap"), [])
    d.must("check")
    tap.equal(sorted(d.must("caps").all("cap")), sorted(ALL), "probed again")


@tap.test
def nothing_is_offered_before_the_probe():
    fake, _, d = setup()
    tap.equal(d.must("caps").all("cap"), [])
    tap.equal(fake.calls(), [], "opening asks nothing")
    fake, _, d = setup(serverprofile="aws")
    tap.equal(sorted(d.must("caps").all("cap")), sorted(ALL))
    d.must("check")
    tap.equal([c.operation for c in fake.calls()], ["ListObjectsV2"], "a profile that is named")
    _, _, d = setup(serverprofile="garage")
    tap.equal(sorted(d.must("caps").all("cap")), ["copy_if_match", "get_if_match"])


@tap.test
def a_probe_is_small():
    fake, bucket, d = setup()
    d.must("check")
    tap.ok(len(fake.calls()) <= 21, f"{len(fake.calls())} requests")
    tap.equal((fake.objects(bucket), list(fake.bucket(bucket).uploads)), ({}, []))
    report = d.must("probe")
    tap.equal({name: report[name] for name in ("create", "remove-if-match", "part-copy", "list-v2",
                                               "remove-many", "sha256", "region", "profile")},
              {"create": "yes", "remove-if-match": "yes", "part-copy": "yes", "list-v2": "yes",
               "remove-many": "yes", "sha256": "yes", "region": "us-east-1", "profile": "auto"})
    tap.equal((fake.objects(bucket), list(fake.bucket(bucket).uploads)), ({}, []))


@tap.cases(copies=(Profile(copies=False), ["copy", "part-copy"]),
           version_1=(Profile(list_v2="ignored"), ["list-v2"]),
           no_version_2=(Profile(list_v2="no"), ["list-v2"]),
           singly=(Profile(remove_many=False), ["remove-many", "remove-many-if-match"]),
           removals=(Profile(remove_conditions=False), ["remove-if-match",
                                                        "remove-many-if-match"]))
def what_is_lacking_is_reported(profile, lacking):
    fake, bucket, d = setup(profile)
    d.must("clock", -100)
    report = d.must("probe")
    tap.equal(sorted(name for name, value in report.fields if value == b"no"), sorted(lacking))
    tap.ok(98 <= int(report["clock"]) <= 101, report["clock"])
    tap.equal((fake.objects(bucket), list(fake.bucket(bucket).uploads)), ({}, []))


@tap.cases(all_=("",), some=("docker/",))
def what_a_probe_leaves_is_purged(prefix):
    fake, bucket, d = setup()
    fake.fault(operation="Delete*", times=None, status=403, code="AccessDenied")
    fake.fault(operation="AbortMultipartUpload", times=None, status=403, code="AccessDenied")
    d.must("check")
    tap.equal((len(fake.objects(bucket)), len(fake.bucket(bucket).uploads)), (1, 1))
    tap.ok("stays until it is purged" in d.log(), d.log())
    tap.equal(d.must("list", "").all("key"), [])
    fake.clear()
    d.must("purge", prefix, 3600)
    tap.equal((len(fake.objects(bucket)), len(fake.bucket(bucket).uploads)), (1, 1), "young")
    fake.advance(3700)
    d.must("purge", prefix, 3600)
    tap.equal((len(fake.objects(bucket)), len(fake.bucket(bucket).uploads)), (0, 0))


@tap.test
def no_rights_to_write():
    fake, _, d = setup()
    fake.fault(operation="PutObject", times=None, status=403, code="AccessDenied")
    result = d("probe")
    tap.equal(result.status, "EDENIED")
    tap.ok("no object can be written" in result["message"], result["message"])
    d.must("check")
    tap.equal(d.must("caps").all("cap"), [])


# ---- copies ----

@tap.test
def no_copies():
    """Read and written through, whole and in parts."""
    fake, bucket, d = setup(Profile(copies=False))
    d.must("put", "small", "text")
    d.must("copy", "small", "small2")
    d.must("write", "big", 40 * MIB, MIB)
    d.must("copy", "big", "big2")
    found = fake.objects(bucket)
    tap.equal(found["small2"], b"text")
    tap.ok(found["big2"] == pattern(40 * MIB), "bytes of the big copy")
    tap.equal(list(fake.bucket(bucket).uploads), [])


# ---- ETags ----

@tap.cases(random=("random",), unquoted=("unquoted",), none=("none",))
def etags_are_opaque(kind):
    fake, bucket, d = setup(Profile(etag=kind))
    stat = d.must("put", "k", "text")
    tap.equal(d.must("stat", "k").all("etag"), stat.all("etag"))
    tap.equal(d.must("get", "k").data, b"text")
    result = d("write", "big", 25 * MIB, MIB)
    if kind == "none":  # parts cannot be named without
        tap.ok(result.status != "OK" and "ETag" in result["message"], f"{result}")
        tap.equal(list(fake.bucket(bucket).uploads), [])
        return
    tap.equal(result.status, "OK", f"{result}")
    tap.equal(d.must("read", "big", 0, -1)["read"], str(25 * MIB))
    tap.ok(fake.objects(bucket)["big"] == pattern(25 * MIB), "bytes")


# ---- multipart uploads ----

@tap.cases(exact=("exact",), never=("never",), stale=("stale",), refused=("refused",))
def uploads_that_are_not_listed(kind):
    """Going on needs no listing of uploads, and neither has the purge of what was parked."""
    fake, bucket, d = setup(Profile(uploads_listed=kind))
    d.must("park", "k", 12 * MIB, MIB)
    fake.bucket(bucket).freeze_uploads()
    tap.equal(d.must("resume", "k", 20 * MIB, MIB, "newest")["offset"], str(12 * MIB))
    tap.ok(fake.objects(bucket)["k"] == pattern(20 * MIB), "bytes")
    d.must("park", "other", 12 * MIB, MIB)
    d.must("purge", "", 0)
    tap.equal(list(fake.bucket(bucket).uploads), [])
    tap.equal(list(fake.objects(bucket)), ["k"])
    tap.equal("does not list unfinished uploads" in d.log(), kind == "refused")


@tap.test
def parts_are_of_one_size():
    """Until there are very many."""
    fake, bucket, d = setup(Profile(equal_parts=True))
    d.must("write", "k", 34 * MIB, 3 * MIB)
    sizes = sorted(len(call.body) for call in fake.calls("UploadPart"))
    tap.equal(sizes, [2 * MIB] + [8 * MIB] * 4)
    tap.ok(fake.objects(bucket)["k"] == pattern(34 * MIB), "bytes")


@tap.test
def equal_parts_after_a_park():
    """What goes on keeps to the size that it began with."""
    fake, bucket, d = setup(Profile(equal_parts=True))
    d.must("park", "k", 25 * MIB, MIB)
    d.must("resume", "k", 47 * MIB, MIB, "newest")
    tap.ok(fake.objects(bucket)["k"] == pattern(47 * MIB), "bytes")


@tap.test
def a_part_is_never_written_twice():
    """Some stores keep the first bytes of a part: what went on does not write one again."""
    fake, bucket, d = setup(Profile(first_part_wins=True))
    d.must("park", "k", 25 * MIB, MIB)
    d.must("resume", "k", 34 * MIB, MIB, "newest")
    tap.ok(fake.objects(bucket)["k"] == pattern(34 * MIB), "bytes")
    numbers = [call.target.partition("partNumber=")[2].partition("&")[0]
               for call in fake.calls("UploadPart")]
    tap.equal(len(numbers), len(set(numbers)))


@tap.cases(kept=(True,), replaced=(False,))
def a_write_that_failed_behind_a_park(kept):
    """It has sent parts that the record does not know.  Who goes on from the record sends others by
    the same numbers, and where the store would keep the first they must not count."""
    fake, bucket, d = setup(Profile(first_part_wins=kept))
    d.must("check")
    tap.equal("does not do replacement of parts" in d.log(), kept, d.log())
    d.must("park", "k", 25 * MIB, MIB)
    fake.fault(operation="CompleteMultipartUpload", status=403, code="AccessDenied")
    tap.equal(d("resume", "k", 34 * MIB, MIB, "newest").status, "EDENIED")
    again = d("resume", "k", 34 * MIB, MIB, "newest")
    tap.equal(again.status, "ENOTFOUND" if kept else "OK", again)
    if kept:
        tap.ok("keeps the first bytes" in again["message"], again["message"])
    else:
        tap.ok(fake.objects(bucket)["k"] == pattern(34 * MIB), "bytes")
    # nobody else's parts: it is asked once, and gone on with
    d.must("park", "j", 25 * MIB, MIB)
    before = len(fake.calls("ListParts"))
    d.must("resume", "j", 34 * MIB, MIB, "newest")
    tap.equal(len(fake.calls("ListParts")) - before, int(kept))
    tap.ok(fake.objects(bucket)["j"] == pattern(34 * MIB), "bytes")


# ---- uploads that left no record ----

class Hollow:
    """Bytes of which only the length matters."""

    def __init__(self, size):
        self._size = size

    def __len__(self):
        return self._size


def begun(fake, bucket, sizes, key=b"k", body=pattern):
    """An upload as another program leaves it."""
    upload = fake.bucket(bucket).begin(key, fake.now(), "a/b")
    at, data = 0, body(sum(sizes)) if body is pattern else None
    for number, size in enumerate(sizes, 1):
        part = data[at:at + size] if data is not None else b"x"
        fake.bucket(bucket).put_part(upload, number, part, fake.now())
        if data is None:
            upload.parts[number].body = Hollow(size)
        at += size
    return upload


@tap.cases(all_=("all",), exact=("exact",))
def uploads_of_others_are_gone_on_with(kind):
    fake, bucket, d = setup(Profile(uploads_listed=kind))
    fake.put(bucket, "k2", b"")
    begun(fake, bucket, [5 * MIB], b"k2")
    begun(fake, bucket, [5 * MIB, 6 * MIB])
    tap.equal(d.must("resume", "k", 25 * MIB, MIB, "newest")["offset"], str(11 * MIB))
    tap.ok(fake.objects(bucket)["k"] == pattern(25 * MIB), "bytes")
    tap.equal([u.key for u in fake.bucket(bucket).uploads.values()], [b"k2"])
    tap.equal(d("resume", "absent", MIB, MIB, "newest").status, "ENOTFOUND")


@tap.test
def a_small_last_part_is_the_last():
    fake, bucket, d = setup()
    begun(fake, bucket, [5 * MIB, MIB])
    result = d("resume", "k", 8 * MIB, MIB, "newest")
    tap.equal(result.status, "ENOTSUP")
    tap.equal(len(fake.bucket(bucket).uploads), 1, "it is left as it was")
    tap.equal(d.must("resume", "k", 6 * MIB, MIB, "newest")["offset"], str(6 * MIB))
    tap.ok(fake.objects(bucket)["k"] == pattern(6 * MIB), "bytes")


@tap.test
def parts_after_a_hole_do_not_count():
    fake, bucket, d = setup()
    upload = begun(fake, bucket, [5 * MIB, 5 * MIB, 5 * MIB, 5 * MIB])
    del upload.parts[3]
    tap.equal(d.must("resume", "k", 22 * MIB, MIB, "newest")["offset"], str(10 * MIB))
    tap.ok(fake.objects(bucket)["k"] == pattern(22 * MIB), "bytes")


@tap.cases(few=(1001,), many=(2500,))
def very_many_parts(count):
    """Pages of 1,000; each is named at the end, in order."""
    fake, bucket, d = setup()
    upload = begun(fake, bucket, [5 * MIB] * count, body=None)
    fake.fault(operation="CompleteMultipartUpload", status=200, body=b"<CompleteMultipartUpload"
               b"Result><ETag>e</ETag></CompleteMultipartUploadResult>")
    size = 5 * MIB * count
    tap.equal(d.must("resume", "k", size + MIB, MIB, "newest")["offset"], str(size))
    tap.equal(len(fake.calls("ListParts")), -(-count // 1000))
    complete, = fake.calls("CompleteMultipartUpload")
    numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)<", complete.body)]
    tap.equal(numbers, list(range(1, count + 2)))
    tap.equal(len(upload.parts[count + 1].body), MIB)


@tap.test
def lists_of_parts_that_do_not_go_on():
    fake, bucket, d = setup(Profile(page_size=2), maxretries=0)
    begun(fake, bucket, [5 * MIB] * 5)
    fake.fault(operation="ListParts", nth=2, times=None, edit=lambda a: setattr(
        a, "body", re.sub(rb"<NextPartNumberMarker>\d+", b"<NextPartNumberMarker>2", a.body)))
    result = d("resume", "k", 30 * MIB, MIB, "newest")
    tap.equal(result.status, "EIO")
    tap.ok("does not go on" in result["message"], result["message"])


# ---- parked writes whose record or upload is in trouble ----

DAY = 24 * 3600


@tap.test
def a_record_that_cannot_be_read_protects_its_upload():
    """Its upload is older than the age, its last change is not: one failure must not cost it."""
    fake, bucket, d = setup(maxretries=0)
    d.must("park", "k", 12 * MIB, MIB)
    upload, = fake.bucket(bucket).uploads.values()
    upload.begun -= 8 * DAY
    fake.fault(operation="GetObject", key="*.stowage-tmp/*", status=503, code="SlowDown")
    tap.ok(d("purge", "", 7 * DAY).status != "OK", "the purge succeeded")
    tap.equal(len(fake.bucket(bucket).uploads), 1)
    tap.equal(d.must("purge", "", 7 * DAY)["count"], "0")
    d.must("resume", "k", 20 * MIB, MIB, "newest")


@tap.test
def a_record_whose_upload_is_gone_is_forgotten():
    """Aborted by somebody, or completed by a process that died right after: going on fails once,
    then a write can begin anew."""
    fake, bucket, d = setup(maxretries=0)
    for size in (13 * MIB, 30 * MIB):  # found out at the Complete, and at a part
        d.must("park", "k", 12 * MIB, MIB)
        fake.bucket(bucket).uploads.clear()
        result = d("resume", "k", size, MIB, "newest")
        tap.ok(result.status == "EIO" and "NoSuchUpload" in result["message"], f"{result}")
        tap.equal(d("resume", "k", size, MIB, "newest").status, "ENOTFOUND")
    tap.equal(fake.objects(bucket), {})


@tap.cases(not_offered=(501, "NotImplemented"), denied=(403, "AccessDenied"))
def records_are_purged_where_uploads_are_not_listed(status, code):
    fake, bucket, d = setup(maxretries=0)
    d.must("park", "k", 12 * MIB, MIB)
    fake.fault(operation="ListMultipartUploads", times=None, status=status, code=code)
    d("purge", "", 7 * DAY)
    tap.equal(len(fake.objects(bucket)), 1, "a young record")
    tap.equal(d("purge", "", 0).status, "OK" if status == 501 else "EDENIED")
    tap.ok(status != 501 or "does not list unfinished uploads" in d.log(), d.log())
    tap.equal((fake.objects(bucket), fake.bucket(bucket).uploads), ({}, {}))


@tap.test
def a_failed_part_leaves_what_was_parked():
    fake, bucket, d = setup(maxretries=0)
    d.must("park", "k", 12 * MIB, MIB)
    fake.fault(operation="UploadPart", status=500, code="InternalError")
    tap.equal(d("resume", "k", 40 * MIB, MIB, "newest").status, "EIO")
    tap.equal(d.must("resume", "k", 40 * MIB, MIB, "newest")["offset"], str(12 * MIB))
    tap.ok(fake.objects(bucket)["k"] == pattern(40 * MIB), "bytes")


@tap.test
def parts_stay_of_one_size_where_they_must():
    fake, _, d = setup(serverprofile="r2", chunksize="5M")
    d.must("write", "k", 60 * MIB, 7 * MIB)
    tap.equal(sorted({len(c.body) for c in fake.calls("UploadPart")}), [5 * MIB])


@tap.test
def parts_of_unknown_number():
    """Where they must be of one size there is an end, which is said before the store says it."""
    if stowage.SAN:
        tap.skip("five gigabytes take too long there")
    fake, _, d = setup(serverprofile="plain", chunksize="5M", memory="20M", unsignedpayload="yes")
    fake.fault(operation="UploadPart", times=None, status=200, body=b"", headers={"ETag": '"e"'},
               forget=True)
    result = d("write", "far", 5001 * MIB, MIB)
    tap.equal(result.status, "ERANGE")
    tap.ok("fits into 1000 parts" in result["message"], result["message"])


@tap.test
def copies_in_parts_of_one_size():
    fake, bucket, d = setup(Profile(equal_parts=True), serverprofile="r2",
                            multipartcopythresholdsize="8M", multipartcopychunksize="7M")
    d.must("write", "k", 40 * MIB, MIB)
    d.must("copy", "k", "k2")
    tap.ok(fake.objects(bucket)["k2"] == pattern(40 * MIB), "bytes")
    tap.ok(len(fake.calls("UploadPartCopy")) > 1, "by the store")


# ---- listings ----

@tap.cases(refused=("no",), ignored=("ignored",))
def listings_of_version_1(how):
    fake, bucket, d = setup(Profile(list_v2=how, page_size=7, space="%20"))
    keys = sorted([f"a/{n:02}" for n in range(20)] + ["a b/c", "a+b", "a/05/x/1", "a/05/x/2"])
    for key in keys:
        fake.put(bucket, key, b"x")
    tap.equal(d.must("list", "").all("key"), keys)
    tap.equal(d.must("list", "a/", "a/07").all("key"), [k for k in keys if "a/07" < k < "a0"])
    result = d.must("list", "a/", "", "folders")
    tap.equal((result.all("folder"), len(result.all("key"))), (["a/05/"], 20))
    tap.ok(not any("encoding-type" in c.target for c in fake.calls("ListObjects")), "plain keys")
    before = len(fake.calls("ListObjectsV2"))
    d.must("list", "none/")
    tap.equal(len(fake.calls("ListObjectsV2")) - before, 0 if how == "no" else 1, "remembered")

@tap.test
def keys_that_were_not_asked_for():
    """A store that answers with keys of others: outside of the root, the prefix, or before the
    start."""
    fake, _, d = setup(rootdirectory="root")
    for key in ("a/1", "a/2", "a/3"):
        d.must("put", key, "x")

    def foreign(answer):
        answer.body = answer.body.replace(
            b"<Contents><Key>root/a/2", b"<Contents><Key>root/b/x</Key><Size>1</Size></Contents>"
            b"<Contents><Key>other/a/2</Key><Size>1</Size></Contents><Contents><Key>root/a/2")
    fake.fault(operation="ListObjectsV2", edit=foreign)
    result = d("list", "a/")
    tap.ok("b/x" not in result.all("key") and not any("other" in k for k in result.all("key")),
           f"{result}")


@tap.cases(least=(Profile(copies=False, list_v2="ignored", remove_many=False, conditions=False,
                          remove_conditions=False),),
           random_etags=(Profile(etag="random"),),
           equal_parts=(Profile(equal_parts=True), "serverprofile=r2"))
def whole_contract(profile, *options):
    fake = FakeS3(profile).start()
    tap.defer(fake.stop)
    contract.on_fake(fake, *options)


# ---- keys ----

def with_variables(**variables):
    """A drive whose keys come from there alone, on a store of temporary keys."""
    fake = FakeS3(sessiontoken="a/token+of==some length").start()
    tap.defer(fake.stop)
    return Drive(fake, fake.new_bucket(), accesskey=None, secretkey=None, sessiontoken=None,
                 environment={name: value.format(fake=fake) for name, value in variables.items()})


@tap.test
def keys_of_the_environment():
    d = with_variables(AWS_ACCESS_KEY_ID="{fake.accesskey}", AWS_SECRET_ACCESS_KEY="{fake.secretkey}",
                       AWS_SESSION_TOKEN="{fake.sessiontoken}")
    d.must("put", "k", "text")
    tap.equal(d.must("get", "k").data, b"text")


@tap.test
def keys_of_a_profile():
    folder = stowage.temporary("keys")
    path = os.path.join(folder, "credentials")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"[registry]\naws_access_key_id = {FakeS3.accesskey}\n"
                f"aws_secret_access_key = {FakeS3.secretkey}\n"
                "aws_session_token = a/token+of==some length\n")
    d = with_variables(AWS_SHARED_CREDENTIALS_FILE=path, AWS_PROFILE="registry")
    d.must("put", "k", "text")
    tap.equal(d.must("get", "k").data, b"text")


# ---- where the bucket is ----

@tap.test
def bucket_before_the_host():
    """Names below localhost lead to this machine."""
    fake = FakeS3(domain="localhost").start()
    tap.defer(fake.stop)
    port = fake.host.rpartition(":")[2]
    for word in ("put", "write", "list"):
        contract.on_fake(fake, "forcepathstyle=no", "--only", word,
                         endpoint=f"http://localhost:{port}")
    calls = fake.calls()
    tap.equal({c.header("host") for c in calls},
              {f"bucket-{n}.localhost:{port}" for n in (1, 2, 3)})
    tap.ok(not any(c.target.startswith("/bucket-") for c in calls), "and not in the path")


@tap.test
def endpoint_with_a_path():
    fake = FakeS3(prefix="/store/v1").start()
    tap.defer(fake.stop)
    for word in ("put", "write", "list"):
        contract.on_fake(fake, "--only", word, endpoint=f"{fake.endpoint}/store/v1/")
    tap.ok(all(c.target.startswith("/store/v1/bucket-") for c in fake.calls()), "all below it")


if __name__ == "__main__":
    tap.main()
