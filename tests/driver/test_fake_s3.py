#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The s3 driver on the scripted store: signatures, listings, removals and statuses where stores and
clients are known to differ.  The store checks each signature by its own code; a test that uses it
ends with a log in which none was refused, unless it says so."""

import http.client
import os
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import contract
import tap
from drive import Drive, pattern
from fake_s3 import FakeS3, Profile

MIB = 1 << 20
SIGNATURE_CODES = ("SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidToken",
                   "AuthorizationQueryParametersError", "RequestTimeTooSkewed",
                   "XAmzContentSHA256Mismatch", "InvalidAccessKeyId")


def setup(profile=None, sessiontoken=None, **options):
    """(fake, bucket, drive); at the end no request may have been signed wrongly."""
    fake = FakeS3(profile, sessiontoken=sessiontoken).start()
    tap.defer(fake.stop)
    bucket = fake.new_bucket()
    tap.defer(signed_rightly, fake)
    return fake, bucket, Drive(fake, bucket, **options)


def signed_rightly(fake):
    wrong = [(call, call.message) for call in fake.calls() if call.code in SIGNATURE_CODES]
    tap.equal(wrong, [], "requests that were signed wrongly")


def paths(fake):
    return [call.target.partition("?")[0] for call in fake.calls()]


def signed_headers(call):
    return call.header("authorization").split("SignedHeaders=")[1].split(",")[0].split(";")


def fetch(url, method="GET"):
    """(status, body) for a client without keys."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request(method, f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


# ---- signatures ----

@tap.test
def tilde_stays_literal():
    fake, bucket, d = setup()
    d.must("put", "r/a~b", "text")
    d.must("stat", "r/a~b")
    tap.equal(d.must("get", "r/a~b").data, b"text")
    d.must("copy", "r/a~b", "r/copy")
    d.must("remove", "r/a~b")
    tap.equal(fake.objects(bucket), {"r/copy": b"text"})
    tap.equal({p for p in paths(fake)}, {f"/{bucket}/r/a~b", f"/{bucket}/r/copy"})
    copy, = fake.calls("CopyObject")
    tap.equal(copy.header("x-amz-copy-source"), f"/{bucket}/r/a~b")


@tap.test
def punctuation_is_encoded_on_the_wire():
    fake, bucket, d = setup()
    for c in "*!'()@:$&,;=[]^ +\"<>{}|\\`":
        key = f"p/{c}{c}"
        d.must("put", key, c)
        tap.equal(d.must("get", key).data, c.encode(), key)
        d.must("copy", key, key + "2")
        put = fake.calls("PutObject")[-1]
        tap.equal(put.target, f"/{bucket}/p/" + f"%{ord(c):02X}" * 2)
        tap.ok(key in fake.objects(bucket), f"the store has {key}")
    tap.equal(len(d.must("list", "p/").all("key")), 2 * len(fake.calls("PutObject")))


@tap.test
def question_mark_and_hash_belong_to_the_path():
    fake, bucket, d = setup()
    d.must("put", "a?b:c#d", "text")
    call, = fake.calls()
    tap.equal(call.target, f"/{bucket}/a%3Fb%3Ac%23d")
    tap.equal(fake.objects(bucket), {"a?b:c#d": b"text"})


@tap.cases(empty=("", "k"), slash=("/", "k"), leading=("/x", "x/k"), trailing=("x/", "x/k"),
           both=("//x//", "x/k"))
def roots_make_no_double_slash(root, want):
    fake, bucket, d = setup(rootdirectory=root)
    d.must("put", "k", "text")
    tap.equal(fake.objects(bucket), {want: b"text"})
    tap.equal(paths(fake), [f"/{bucket}/{want}"])
    tap.equal(d.must("list", "").all("key"), ["k"])


@tap.cases(double_slash="a//b", dot="x/.", dot_dot="x/..", dot_within="x/./y", dots="../../x")
def paths_are_not_normalised(root):
    """A key has no such segments, but what lies before it may."""
    fake, bucket, d = setup(rootdirectory=root)
    d.must("put", "k", "text")
    d.must("stat", "k")
    tap.equal(d.must("get", "k").data, b"text")
    d.must("copy", "k", "k2")
    d.must("write", "big", 6 * MIB, MIB)
    tap.equal(d.must("list", "").all("key"), ["big", "k", "k2"])
    tap.equal(sorted(fake.objects(bucket)), [f"{root}/{key}" for key in ("big", "k", "k2")])
    tap.equal({p for p in paths(fake)},
              {f"/{bucket}"} | {f"/{bucket}/{root}/{key}" for key in ("big", "k", "k2")})
    status, body = fetch(d.must("presign", "k", "GET", 60)["url"])
    tap.equal((status, body), (200, b"text"), "by a URL")
    d.must("remove_many", "big", "k", "k2")
    tap.equal(fake.objects(bucket), {})


@tap.cases(double_slash="a//b", dots="x/../y/.")
def paths_of_a_bucket_in_the_host_are_not_normalised(root):
    fake = FakeS3(domain="localhost").start()
    tap.defer(fake.stop)
    tap.defer(signed_rightly, fake)
    bucket = fake.new_bucket()
    d = Drive(fake, bucket, rootdirectory=root, forcepathstyle="no",
              regionendpoint=fake.endpoint.replace("127.0.0.1", "localhost"))
    d.must("put", "k", "text")
    tap.equal(d.must("get", "k").data, b"text")
    d.must("copy", "k", "k2")
    tap.equal(sorted(fake.objects(bucket)), [f"{root}/k", f"{root}/k2"])
    tap.equal(set(paths(fake)), {f"/{root}/k", f"/{root}/k2"})


@tap.test
def keys_outside_of_the_grammar_send_nothing():
    """What others wrote under such keys is neither mistaken for another nor touched."""
    fake, bucket, d = setup()
    keys = ["/lead", "a//b", "x/.", "x/..", "x/./y"]
    for key in keys:
        fake.put(bucket, key, b"foreign")
    for key in keys:
        for words in (("get", key), ("stat", key), ("put", key, "t"), ("remove", key),
                      ("remove_many", key), ("copy", key, "k"), ("presign", key, "GET", 60)):
            tap.equal(d(*words).status, "EINVAL", f"{words}")
    tap.equal(fake.calls(), [])
    tap.equal(fake.objects(bucket), {key: b"foreign" for key in keys})


@tap.test
def names_without_value_are_signed_as_empty():
    fake, bucket, d = setup()
    d.must("write", "k", 17 * MIB, MIB)
    d.must("remove_many", "k", "absent")
    begin, = fake.calls("CreateMultipartUpload")
    remove, = fake.calls("DeleteObjects")
    tap.ok(begin.target in (f"/{bucket}/k?uploads", f"/{bucket}/k?uploads="), begin.target)
    tap.ok(remove.target in (f"/{bucket}?delete", f"/{bucket}?delete="), remove.target)
    tap.equal(fake.objects(bucket), {})


@tap.test
def keys_are_encoded_once():
    fake, bucket, d = setup()
    for key, wire in (("x%3Ay", "x%253Ay"), ("x:y", "x%3Ay"), ("x%253Ay", "x%25253Ay")):
        fake.put(bucket, key, key.encode())
        tap.equal(d.must("get", key).data, key.encode())
        tap.equal(fake.calls("GetObject")[-1].target, f"/{bucket}/{wire}")


@tap.test
def session_token_is_signed():
    fake, bucket, d = setup(sessiontoken="token/with+odd==bytes")
    d.must("put", "k", "text")
    d.must("write", "big", 9 * MIB, MIB)
    d.must("copy", "k", "k2")
    d.must("list", "")
    d.must("remove_many", "k2")
    for call in fake.calls():
        tap.ok("x-amz-security-token" in signed_headers(call), f"{call}: the token is not signed")
    url = d.must("presign", "k", "GET", 60)["url"]
    tap.ok("X-Amz-Security-Token=token%2Fwith%2Bodd%3D%3Dbytes" in url, url)
    tap.equal(fetch(url), (200, b"text"))


@tap.test
def host_is_signed_with_its_port():
    fake, bucket, d = setup(multipartcopythresholdsize="5M", multipartcopychunksize="5M")
    d.must("put", "k", "text")
    d.must("stat", "k")
    d.must("get", "k")
    d.must("read", "k", 1, 2)
    d.must("copy", "k", "k2")
    d.must("write", "big", 9 * MIB, MIB)
    d.must("copy", "big", "big2")
    d.must("list", "")
    d.must("purge", "", 0)
    d.must("remove", "k")
    d.must("remove_many", "k2", "big", "big2")
    names = {call.operation for call in fake.calls()}
    tap.equal({"PutObject", "HeadObject", "GetObject", "CopyObject", "CreateMultipartUpload",
               "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "ListObjectsV2",
               "ListMultipartUploads", "DeleteObject", "DeleteObjects"} - names, set(),
              "operations that were not made")
    for call in fake.calls():
        tap.equal([v for n, v in call.headers if n.lower() == "host"], [fake.host], f"{call}")
        tap.ok("host" in signed_headers(call), f"{call}: the host is not signed")


@tap.test
def presigned_url_has_the_port():
    fake, bucket, d = setup()
    d.must("put", "dir/a b", "text")
    url = d.must("presign", "dir/a b", "GET", 60)["url"]
    tap.ok(url.startswith(f"{fake.endpoint}/{bucket}/dir/a%20b?"), url)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    tap.equal(query["X-Amz-SignedHeaders"], ["host"])
    tap.equal(fetch(url), (200, b"text"))
    tap.equal(fetch(url.replace("/dir/", "/dir2/"))[0], 403, "of another key")
    tap.equal(fetch(url, "HEAD")[0], 403, "by another method")
    head = d.must("presign", "dir/a b", "HEAD", 60)["url"]
    tap.equal(fetch(head, "HEAD"), (200, b""))
    fake.clear()
    fake.advance(61)
    tap.equal(fetch(url)[0], 403, "after its time")
    fake.clear()


@tap.test
def clock_of_the_host_dates_signatures():
    fake, _, d = setup()
    fake.advance(86400)
    d.must("put", "k", "text")
    tap.equal([c.code for c in fake.calls()], ["RequestTimeTooSkewed", ""])
    fake.clear()
    fake, _, d = setup()
    fake.advance(86400)
    d.must("clock", 86400)
    d.must("put", "k", "text")
    tap.equal(len(fake.calls()), 1)


# ---- listings ----

@tap.test
def token_is_not_decoded():
    token = "a+b/c%2F=="
    fake, bucket, d = setup(Profile(page_size=3, token=token))
    keys = sorted(["p/a b", "p/a+b", "p/a%2Fb", "p/%41", "p/c", "p/\u00e9", "p/z&<>"],
                  key=str.encode)
    for key in keys:
        fake.put(bucket, key, b"z")
    tap.equal(d.must("list", "p/").all("key"), keys)
    calls = fake.calls("ListObjectsV2")
    tap.equal(len(calls), 3)
    for n, call in enumerate(calls[1:]):
        wire = "continuation-token=" + urllib.parse.quote(f"{token}{n}", safe="")
        tap.ok(wire in call.target.split("?")[1].split("&"), f"{wire} is not in {call.target}")


@tap.test
def token_with_plus_slash_equals():
    fake, bucket, d = setup(Profile(page_size=2, token="+/=+/="))
    keys = [f"p/{n:02}" for n in range(20)]
    for key in keys:
        fake.put(bucket, key, b"z")
    tap.equal(d.must("list", "p/").all("key"), keys)
    calls = fake.calls("ListObjectsV2")
    tap.equal(len(calls), 10)
    tap.equal(len({call.target for call in calls}), 10, "each page is asked for once")
    for call in calls[1:]:
        tap.ok("continuation-token=%2B%2F%3D%2B%2F%3D" in call.target, call.target)


@tap.cases(default=(None, 2), tiny=(Profile(page_size=7), 145))
def objects_and_folders_share_pages(profile, pages):
    fake, bucket, d = setup(profile)
    objects = [f"d/o{n:04}" for n in range(1005)]
    folders = ["d/a/", "d/o0000-/", "d/o0500.x/", "d/o1004x/", "d/z/"]
    for key in objects:
        fake.put(bucket, key, b"z")
    for folder in folders:
        for n in range(20):
            fake.put(bucket, f"{folder}{n}", b"z")
    result = d.must("list", "d/", "", "folders")
    tap.equal([value.decode() for name, value in result.fields if name in ("key", "folder")],
              sorted(objects + folders))
    tap.equal(result.all("folder"), folders)
    tap.equal(len(fake.calls("ListObjectsV2")), pages)


@tap.cases(default=(True,), ancestor_stumbles=(False,))
def start_after_is_sent_for_a_hint_only(right):
    fake, bucket, d = setup(Profile(page_size=4, start_after_ancestor=right),
                            rootdirectory="registry")
    keys = [f"repositories/{name}/link" for name in ("a", "a/b", "b", "c", "d", "e", "f")]
    for key in keys:
        fake.put(bucket, "registry/" + key, b"z")
    for after in ("", "repo", "repositories", "repositories/"):
        tap.equal(d.must("list", "repositories/", after).all("key"), sorted(keys), after)
    tap.equal([call.target for call in fake.calls() if "start-after" in call.target], [])
    tap.equal(d.must("list", "", "").all("key"), sorted(keys))
    tap.equal(d.must("list", "repositories/", "repositories/c").all("key"), sorted(keys)[3:])
    tap.ok(any("start-after=registry%2Frepositories%2Fc" in call.target for call in fake.calls()),
           "a hint is sent")


# ---- removals ----

def remove_below(d, folder):
    """As a host removes a folder."""
    keys = d.must("list", folder).all("key")
    result = d.must("remove_many", *keys)
    tap.equal(result.all("status"), ["OK"] * len(keys))
    return keys


@tap.cases(default=(None,), tiny=(Profile(page_size=1),))
def siblings_of_a_removed_folder_stay(profile):
    fake, bucket, d = setup(profile)
    tags = [f"r/tags/{tag}/{file}" for tag in ("v1", "v1-a", "v1.b", "v10", "v")
            for file in ("current/link", "index/1/link", "index/2/link")]
    for key in tags + ["r/tags/v1!x", "r/tags/v10"]:
        fake.put(bucket, key, b"z")
    before = set(fake.objects(bucket))
    gone = {key for key in tags if key.startswith("r/tags/v1/")}
    tap.equal(set(remove_below(d, "r/tags/v1/")), gone)
    tap.equal(set(fake.objects(bucket)), before - gone)


@tap.test
def names_that_begin_alike_stay():
    fake, bucket, d = setup(rootdirectory="root")
    keys = [f"root/{repository}/{rest}" for repository in ("a", "a1", "a-b", "a/b")
            for rest in ("tags/1/link", "tags/10/link", "_uploads/1/data", "_uploads/10/data",
                         "_uploads/1/startedat")]
    for key in keys + ["rootless/a/tags/1/link", "root/a", "root/a.b"]:
        fake.put(bucket, key, b"z")
    left = set(fake.objects(bucket))
    for folder in ("a/tags/1/", "a/_uploads/1/"):
        left -= {key for key in left if key.startswith("root/" + folder)}
        remove_below(d, folder)
        tap.equal(set(fake.objects(bucket)), left, folder)


@tap.test
def many_are_removed_in_batches():
    fake, bucket, d = setup()
    for n in range(2345):
        fake.put(bucket, f"d/{n:04}", b"z")
    fake.put(bucket, "d2", b"z")
    tap.equal(len(remove_below(d, "d/")), 2345)
    calls = fake.calls("DeleteObjects")
    tap.equal([call.body.count(b"<Key>") for call in calls], [700, 700, 700, 245])
    tap.equal(fake.objects(bucket), {"d2": b"z"})


@tap.cases(md5_demanded=(Profile(demand_md5=True),),
           checksums_refused=(Profile(refuse_checksums=True),))
def removals_have_md5_and_no_other_sum(profile):
    fake, bucket, d = setup(profile)
    d.must("put", "k", "text")
    d.must("write", "big", 9 * MIB, MIB)
    tap.equal(d.must("remove_many", "k", "big", "absent").all("status"), ["OK"] * 3)
    tap.equal(fake.objects(bucket), {})
    call, = fake.calls("DeleteObjects")
    tap.ok(call.header("content-md5"), "there is no Content-MD5")
    sums = [name for call in fake.calls() for name, _ in call.headers
            if "checksum" in name.lower() or name.lower() == "x-amz-trailer"]
    tap.equal(sums, [])


@tap.cases(in_the_middle=({"cut": 100},), after_the_head=({"cut": 0},),
           without_an_answer=({"close": True, "work": True},),
           before_the_work=({"close": True},), xml_cut=({"body": b"<DeleteResult><Del"},))
def removal_whose_answer_is_lost_is_made_again(fault):
    fake, bucket, d = setup()
    keys = ["k1", "k2", "k3"]
    for key in keys:
        fake.put(bucket, key, b"z")
    fake.fault(operation="DeleteObjects", **fault)
    result = d.must("remove_many", *keys)
    tap.equal(result.all("status"), ["OK"] * 3, "each key's status, once")
    first, second = fake.calls("DeleteObjects")
    tap.equal(first.body, second.body)
    tap.equal(result.requests, 2)
    tap.equal(fake.objects(bucket), {})


# ---- stat ----

@tap.test
def denied_is_not_absent():
    fake, bucket, d = setup(Profile(list_permission=False))
    fake.put(bucket, "k", b"text")
    d.must("stat", "k")
    for words in (("stat", "absent"), ("get", "absent"), ("read", "absent", 0, -1),
                  ("copy", "absent", "k2")):
        result = d(*words)
        tap.equal((result.status, result["backend"]), ("EDENIED", "403"), f"{words}")
        tap.equal(result["retryable"], "0", f"{words}")
    tap.equal(d("list", "").status, "EDENIED")
    tap.equal(fake.objects(bucket), {"k": b"text"})


@tap.test
def check_names_what_is_denied():
    fake, bucket, d = setup(Profile(list_permission=False))
    result = d("check")
    tap.equal((result.status, result["retryable"]), ("EDENIED", "0"))
    for word in (bucket, fake.endpoint, "s3:ListBucket"):
        tap.ok(word in result["message"], f"{word} is not in: {result['message']}")


@tap.test
def check_passes_where_only_reads_are_allowed():
    """Who may not write is not probed further, and nothing is made of the refusal."""
    fake, bucket, d = setup()
    fake.fault(operation="PutObject", status=403, code="AccessDenied")
    result = d.must("check")
    tap.equal([(c.operation, c.status) for c in fake.calls()],
              [("ListObjectsV2", 200), ("PutObject", 403)])
    tap.equal((result.requests, fake.objects(bucket)), (2, {}))


@tap.test
def absent_is_absent():
    fake, _, d = setup()
    for words in (("stat", "absent"), ("get", "absent")):
        result = d(*words)
        tap.equal((result.status, result.requests), ("ENOTFOUND", 1), f"{words}")
    d.must("remove", "absent")


# ---- writes, as far as listings and removals need them ----

@tap.test
def parked_writes_go_on():
    fake, bucket, d = setup()
    if d("park", "k", 20 * MIB, MIB).status == "ENOTSUP":
        tap.skip("the driver does not park")
    tap.equal(d.must("list", "").all("key"), [], "nothing is to be seen of it")
    result = d.must("resume", "k", 30 * MIB, MIB)
    tap.equal(result["offset"], str(20 * MIB))
    tap.equal(fake.objects(bucket), {"k": pattern(30 * MIB)})
    tap.equal(d.must("purge", "", 0)["count"], "0")


# ---- the whole contract ----

@tap.cases(default=(Profile(),), tiny_pages=(Profile(page_size=3),),
           raw_keys=(Profile(encoding_type=False),))
def whole_contract(profile):
    fake = FakeS3(profile).start()
    tap.defer(fake.stop)
    contract.on_fake(fake)
    wrong = [(call, call.message) for call in fake.calls() if call.code in SIGNATURE_CODES and
             call.code != "XAmzContentSHA256Mismatch"]  # the contract announces wrong hashes, too
    tap.equal(wrong, [], "requests that were signed wrongly")


if __name__ == "__main__":
    tap.main()
