#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The s3 driver where the answer to a write is not what its status says, comes late, in pieces or
not at all; and what is planned for objects that are larger than any test can hold."""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import tap
from drive import Drive, pattern
from fake_s3 import FakeS3, Profile

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZE = 12 * MIB
COMPLETE, COPY, PART_COPY = "CompleteMultipartUpload", "CopyObject", "UploadPartCopy"


def setup(profile=None, **options):
    fake = FakeS3(profile).start()
    tap.defer(fake.stop)
    bucket = fake.new_bucket()
    return fake, bucket, Drive(fake, bucket, **options)


def uploads(fake, bucket):
    return list(fake.bucket(bucket).uploads)


# ---- an error inside a success ----

def behind(blanks):
    return lambda body: [(0, blanks), (0, body)]


def within(body):
    """Blanks between the declaration and the root, each a chunk."""
    at = body.index(b"?>") + 2
    return [(0, body[:at]), *[(0.02, b" \n")] * 5, (0, body[at:])]


@tap.cases(plain=(None,), blanks_before=(behind(b" \r\n\t "),), blanks_within=(within,),
           byte_by_byte=(lambda body: [(0, bytes([c])) for c in body],))
def complete_with_an_error_inside(pieces):
    """The root element counts: it is asked again, with the same parts."""
    fake, bucket, d = setup()
    fake.fault(operation=COMPLETE, times=2, status=200, code="InternalError", pieces=pieces)
    d.must("write", "k", SIZE, MIB)
    calls = fake.calls(COMPLETE)
    tap.equal(([c.status for c in calls], len({c.body for c in calls})), ([200] * 3, 1))
    tap.ok(fake.objects(bucket)["k"] == pattern(SIZE), "bytes")
    tap.equal(len(fake.calls("UploadPart")), 2, "no part is sent twice")


@tap.cases(blanks_before=(behind(b" \r\n\t "),), blanks_within=(within,))
def complete_behind_blanks(pieces):
    fake, bucket, d = setup(maxretries=0)
    fake.fault(operation=COMPLETE, pieces=pieces)
    result = d.must("write", "k", SIZE, MIB)
    tap.equal(result["etag"], fake.bucket(bucket).objects[b"k"].etag)
    tap.equal(len(fake.calls(COMPLETE)), 1)


@tap.cases(internal=("InternalError", "EIO"), slow=("SlowDown", "EBUSY"), new=("NewOne", "EIO"))
def complete_that_never_succeeds(code, status):
    fake, bucket, d = setup(maxretries=2)
    fake.fault(operation=COMPLETE, times=None, status=200, code=code)
    d.must("deadline", 3000)
    result = d("write", "k", SIZE, MIB)
    tap.equal((result.status, result["retryable"]), (status, "1"), f"{result}")
    tap.ok(code in result["message"], result["message"])
    tap.equal((fake.objects(bucket), uploads(fake, bucket)), ({}, []))


@tap.test
def parts_that_were_parked_outlast_a_complete_that_fails():
    fake, bucket, d = setup(maxretries=1)
    d.must("park", "k", SIZE, MIB)
    fake.fault(operation=COMPLETE, times=2, status=200, code="InternalError")
    tap.equal(d("resume", "k", 20 * MIB, MIB, "newest").status, "EIO")
    tap.equal((fake.objects(bucket).get("k"), len(uploads(fake, bucket))), (None, 1))
    d.must("resume", "k", 20 * MIB, MIB, "newest")
    tap.ok(fake.objects(bucket)["k"] == pattern(20 * MIB), "bytes")
    tap.equal(uploads(fake, bucket), [])


@tap.test
def complete_that_takes_long_and_says_so():
    """Blanks keep it alive, fewer than one a second, for longer than readtimeout."""
    fake, _, d = setup(readtimeout="4s", maxretries=0)
    fake.fault(operation=COMPLETE, pieces=lambda body: [(2.5, b" ")] * 4 + [(0, body)])
    d.must("write", "k", SIZE, MIB)


@tap.test
def complete_that_is_silent_for_too_long():
    """It was done all the same: that is found out, and nothing is written again."""
    fake, bucket, d = setup(readtimeout="1s")
    fake.fault(operation=COMPLETE, pieces=lambda body: [(4, body)])
    d.must("write", "k", SIZE, MIB)
    tap.ok(fake.objects(bucket)["k"] == pattern(SIZE), "bytes")
    tap.equal([c.code for c in fake.calls(COMPLETE)], ["", "NoSuchUpload"])
    tap.equal(len(fake.calls("UploadPart")), 2)


# ---- no answer, or half of one ----

LOST = {"no_answer": {"close": True}, "empty": {"body": b""}, "cut_at_once": {"cut": 0},
        "cut_in_the_middle": {"cut": 90}, "half_an_answer": {"edit": lambda a: halve(a)},
        "a_page": {"body": b"<html><body>OK</body></html>"},
        "another_root": {"body": b"<Done><ETag>&quot;e&quot;</ETag></Done>"}}


def halve(answer):
    answer.body = answer.body[:90]


def lost(done, **kinds):
    """Cases of each kind, where the store has done what was asked, or not."""
    return {f"{name}_{'done' if done else 'not_done'}": (what, done)
            for name, what in kinds.items() if done or not {"cut", "edit"} & set(what)}


@tap.cases(**lost(True, **LOST), **lost(False, **LOST))
def complete_whose_outcome_is_unknown(fault, done):
    """Whether it was done is looked up; where it was not, it is done now."""
    fake, bucket, d = setup()
    fake.fault(operation=COMPLETE, work=done, **fault)
    d.must("write", "k", SIZE, MIB)
    tap.ok(fake.objects(bucket)["k"] == pattern(SIZE), "bytes")
    tap.equal(uploads(fake, bucket), [])
    tap.equal(fake.calls(COMPLETE)[1].code, "NoSuchUpload" if done else "")
    tap.equal(len(fake.calls("HeadObject")), 1 if done else 0)


@tap.cases(absent=(None,), shorter=(b"short",), other_parts=("grown",))
def complete_that_was_lost_with_its_upload(found):
    """NoSuchUpload after an answer that was lost is no success where the object does not say so."""
    fake, bucket, d = setup(maxretries=1)

    def vanish(_):
        fake.bucket(bucket).uploads.clear()
        if found == "grown":
            fake.bucket(bucket).put(b"k", pattern(SIZE), fake.now(), parts=[]).etag = '"x-7"'
        elif found:
            fake.put(bucket, "k", found)
    fake.fault(operation=COMPLETE, body=b"", edit=vanish)
    result = d("write", "k", SIZE, MIB)
    tap.equal((result.status, result["maybe"]), ("EIO", "1"), f"{result}")
    tap.ok("lost the upload" in result["message"], result["message"])


@tap.cases(**lost(True, **LOST), **lost(False, **LOST), error_inside=(
    {"status": 200, "code": "SlowDown"}, False))
def copy_whose_outcome_is_unknown(fault, done):
    """CopyObject, and each part of a larger copy: made again."""
    fake, bucket, d = setup(multipartcopythresholdsize="8M", multipartcopychunksize="5M")
    d.must("put", "small", "text")
    d.must("write", "big", SIZE, MIB)
    fake.fault(operation=COPY, work=done, **fault)
    d.must("copy", "small", "small2")
    fake.fault(operation=PART_COPY, nth=2, work=done, **fault)
    d.must("copy", "big", "big2")
    found = fake.objects(bucket)
    tap.equal((found["small2"], len(fake.calls(COPY))), (b"text", 2))
    tap.ok(found["big2"] == pattern(SIZE), "bytes of the big copy")
    tap.equal((len(fake.calls(PART_COPY)), uploads(fake, bucket)), (3, []))


@tap.cases(whole=("small", COPY, "1"), in_parts=("big", PART_COPY, "0"))
def copy_that_never_succeeds(key, operation, maybe):
    """What it was to be made of stays."""
    fake, bucket, d = setup(multipartcopythresholdsize="8M", maxretries=1)
    d.must("put", "small", "text")
    d.must("write", "big", SIZE, MIB)
    before = fake.objects(bucket)
    fake.fault(operation=operation, times=None, status=200, code="InternalError")
    result = d("copy", key, "to")
    tap.equal((result.status, result["retryable"], result["maybe"]), ("EIO", "1", maybe))
    tap.ok(fake.objects(bucket) == before, "objects")
    tap.equal(uploads(fake, bucket), [])


# ---- larger than can be held ----

def sparse(size, threshold):
    """A copy of an object of which only the header says how large it is.  No memory bounds it."""
    fake, bucket, d = setup(multipartcopythresholdsize=threshold, multipartcopychunksize=threshold)
    fake.put(bucket, "k", b"")
    fake.fault(operation="HeadObject", times=None,
               edit=lambda a: setattr(a, "length", size))
    fake.fault(operation=PART_COPY, times=None, body=b"<CopyPartResult><LastModified>2026-01-01T00:"
               b"00:00.000Z</LastModified><ETag>&quot;in-xml&quot;</ETag></CopyPartResult>")
    fake.fault(operation=COMPLETE, body=b"<CompleteMultipartUploadResult><ETag>&quot;whole&quot;"
               b"</ETag></CompleteMultipartUploadResult>",
               edit=lambda _: fake.bucket(bucket).uploads.clear())
    d.must("copy", "k", "k2")
    tap.equal(uploads(fake, bucket), [])
    return fake


def ranges(fake):
    """[(part number, first, last)] in the order of numbers."""
    found = []
    for call in fake.calls(PART_COPY):
        number = int(re.search(r"partNumber=(\d+)", call.target).group(1))
        first, last = re.fullmatch(r"bytes=(\d+)-(\d+)",
                                   call.header("x-amz-copy-source-range")).groups()
        found.append((number, int(first), int(last)))
    return sorted(found)


@tap.cases(below=(5 * GIB - 1, "5G", 0), exactly=(5 * GIB, "5G", 0), above=(5 * GIB + 1, "5G", 2),
           in_pieces=(5 * GIB - 1, "32M", 160), far_above=(6 * GIB + 7, "32M", 193),
           largest=(5 << 40, "32M", None))
def copies_around_what_one_request_takes(size, threshold, count):
    """Up to 5 GiB one request, if it is told to; above, ranges that make up the whole, none too
    large and none too small, and no more of them than an upload may have."""
    fake = sparse(size, threshold)
    if count == 0:
        tap.equal((len(fake.calls(COPY)), ranges(fake)), (1, []))
        return
    found = ranges(fake)
    tap.equal([number for number, _, _ in found], list(range(1, len(found) + 1)))
    tap.equal((found[0][1], found[-1][2]), (0, size - 1))
    tap.ok(all(one[2] + 1 == other[1] for one, other in zip(found, found[1:])), "no gap, no overlap")
    lengths = [last - first + 1 for _, first, last in found]
    tap.ok(max(lengths) <= 5 * GIB and min(lengths[:-1]) >= 5 * MIB, f"{max(lengths)}")
    tap.ok(len(found) == count if count else len(found) <= 10000, f"{len(found)} parts")
    tap.equal(fake.calls(COPY), [])
    body, = [call.body for call in fake.calls(COMPLETE)]
    tap.equal(re.findall(rb"<PartNumber>(\d+)</PartNumber><ETag>&quot;in-xml&quot;</ETag>", body),
              [b"%d" % (n + 1) for n in range(len(found))], "the parts in their order")


@tap.cases(at_the_least=("5242880", [5242880, 5242880, 1514240]), larger=("6M", [6291456, 5708544]))
def parts_of_the_size_that_was_set(chunksize, sizes):
    fake, bucket, d = setup(chunksize=chunksize)
    d.must("write", "k", 12000000, 70000)
    found = sorted(fake.calls("UploadPart"), key=lambda c: c.target)
    tap.equal([len(c.body) for c in found], sizes)
    tap.ok(fake.objects(bucket)["k"] == pattern(12000000), "bytes")


@tap.test
def more_parts_than_a_page_would_list():
    """Another process goes on behind a thousand parts, and names them all."""
    fake, bucket, d = setup(chunksize="5M", unsignedpayload="yes")
    fake.fault(operation="UploadPart", times=None, forget=True, body=b"", headers={"ETag": '"e"'})
    fake.fault(operation=COMPLETE, body=b"<CompleteMultipartUploadResult><ETag>&quot;whole&quot;"
               b"</ETag></CompleteMultipartUploadResult>")
    d.must("park", "k", 5003 * MIB, 4 * MIB)
    d = Drive(fake, bucket, chunksize="5M", unsignedpayload="yes")
    result = d.must("resume", "k", 5013 * MIB, MIB, "newest")
    tap.equal((result["offset"], result["size"]), (str(5003 * MIB), str(5013 * MIB)))
    call, = fake.calls(COMPLETE)
    tap.equal(re.findall(rb"<PartNumber>(\d+)</PartNumber><ETag>&quot;e&quot;</ETag>", call.body),
              [b"%d" % n for n in range(1, 1003)])
    tap.equal(fake.calls("ListParts", "ListMultipartUploads"), [])


@tap.test
def nothing_is_written_as_one_object():
    """A write of no bytes, and one that went on with none: no upload, hence none without parts."""
    fake, bucket, d = setup()
    d.must("write", "k", 0, 1)
    d.must("park", "k2", 0, 1)
    tap.equal(d.must("resume", "k2", 0, 1)["size"], "0")
    tap.equal(fake.objects(bucket), {"k": b"", "k2": b""})
    tap.equal(d.must("stat", "k")["size"], "0")
    tap.equal(d.must("get", "k").data, b"")
    tap.equal(fake.calls("CreateMultipartUpload", COMPLETE), [])


# ---- aborts, listings of uploads ----

@tap.test
def parts_on_their_way_do_not_outlast_the_abort():
    """Aborted until the store knows the upload no more."""
    fake, bucket, d = setup()
    fake.fault(operation="UploadPart", times=None, delay=1.5)
    d.must("deadline", 500)
    tap.equal(d("write", "k", 30 * MIB, MIB).status, "ETIMEOUT")
    d.must("deadline", 0)
    tap.equal((fake.objects(bucket), uploads(fake, bucket)), ({}, []))
    aborts = fake.calls("AbortMultipartUpload")
    tap.ok(len(aborts) >= 2, f"{aborts}")
    tap.equal(aborts[-1].code, "NoSuchUpload")


def follows(key, upload_id):
    """A page that says that there is more behind this one."""
    def edit(answer):
        answer.body = re.sub(rb"<IsTruncated>.*?</IsTruncated>", b"<IsTruncated>true</IsTruncated>"
                             b"<NextKeyMarker>%s</NextKeyMarker><NextUploadIdMarker>%s"
                             b"</NextUploadIdMarker>" % (key, upload_id), answer.body)
    return edit


@tap.cases(same=([(b"k", b"1")], 2), missing=([(b"", b"")], 1),
           between_two=([(b"k", b"1"), (b"j", b"1")], 4),
           between_ids=([(b"k", b"1"), (b"k", b"2"), (b"k", b"3")], 9))
def uploads_listed_in_circles(markers, most):
    """An end, and a word about it, not an endless row of requests."""
    fake, _, d = setup(maxretries=0)
    for marker in (markers * 10)[:20]:
        fake.fault(operation="ListMultipartUploads", edit=follows(*marker))
    result = d("purge", "", 0)
    tap.equal(result.status, "EIO", f"{result}")
    tap.ok("does not go on" in result["message"], result["message"])
    tap.ok(len(fake.calls("ListMultipartUploads")) <= most, f"{fake.calls()}")


@tap.test
def uploads_on_many_pages():
    fake, bucket, d = setup(Profile(page_size=1))
    for n in range(5):
        fake.bucket(bucket).begin(b"k/%d" % (n // 2), fake.now(), None)
    tap.equal(d.must("purge", "", 0)["count"], "5")
    tap.equal(uploads(fake, bucket), [])
    tap.equal(len(fake.calls("ListMultipartUploads")), 5)


if __name__ == "__main__":
    tap.main()
