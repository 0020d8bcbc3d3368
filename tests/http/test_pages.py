#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pages of tags and of repositories where there are more than one answer holds: whatever a client
says of n and last, what it follows shows each name once, in order."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import raw
import registry
import stowage
import tap

MOST = 10000  # names of one answer
AT_ONCE = 64  # tags that one PUT takes
TAGS = sorted(f"t{n}" for n in range(MOST + 1))
NAMES = sorted(["a", "a/b", "a-b", "a.b", "b", *(f"team/app{n}" for n in range(100))])
LISTS = {"/v2/a/tags/list": ("tags", TAGS), "/v2/_catalog": ("repositories", NAMES)}
CONFIG = b"{}"
MANIFEST = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": {
    "mediaType": images.CONFIG, "digest": images.digest(CONFIG), "size": len(CONFIG)},
    "layers": []})

server = stowage.Server("memory").start()
client = registry.Client(server)


def fill():
    client.push_blob("a", CONFIG)
    for at in range(0, len(TAGS), AT_ONCE):
        query = "&".join(f"tag={tag}" for tag in TAGS[at:at + AT_ONCE])
        client.put_manifest("a", f"{images.digest(MANIFEST)}?{query}", MANIFEST, images.MANIFEST)
    for name in NAMES:
        if name != "a":
            client.request("POST", f"/v2/{name}/blobs/uploads/?mount={images.digest(CONFIG)}"
                           "&from=a", b"", expect=201)
            client.put_manifest(name, "t", MANIFEST, images.MANIFEST)


def pages(path, query):
    """The names of each page, by its Link."""
    found, target = [], path + query
    with raw.Connection(server) as c:
        while target:
            reply = c.head("GET", target).reply()
            tap.equal(reply.status, 200, f"{target}: {reply!r}")
            found.append(json.loads(reply.body)[LISTS[path][0]])
            tap.ok(len(found) <= len(TAGS) + 1, "it ends")
            link = reply["Link"]
            tap.ok(link is None or (link.startswith(f"<{path}?") and
                                    link.endswith('>; rel="next"') and link.count("<") == 1), link)
            target = link and link[1:link.index(">")]
    return found


def check(path, query, size, after=None):
    """It shows all that lies after that name, once, in pages of that size."""
    names = [name for name in LISTS[path][1] if after is None or name > after]
    found = pages(path, query)
    tap.ok(sum(found, []) == names, f"{path}{query}: {[len(page) for page in found][:10]}")
    tap.equal([len(page) for page in found[:-1]], [size] * (len(found) - 1), path + query)
    tap.ok(0 < len(found[-1]) <= size, f"{path}{query}: a last page of {len(found[-1])}")


@tap.cases(none=("", MOST), the_most=(f"?n={MOST}", MOST), one_more=(f"?n={MOST + 1}", MOST),
           all_there_are=(f"?n={len(TAGS) + 1}", MOST), huge=("?n=9223372036854775807", MOST),
           one_less=(f"?n={MOST - 1}", MOST - 1), half=("?n=5000", 5000), some=("?n=777", 777),
           first_n_counts=("?n=3334&n=5000", 3334), escaped_digits=("?n=%35%30%300", 5000),
           escaped_name=("?%6e=5000", 5000), zeros_before=("?n=0005000", 5000),
           fragments=("?x=1&n=5000&N=1&n%20=2", 5000))
def tags(query, size):
    check("/v2/a/tags/list", query, size)


@tap.cases(none=("", 100), the_most=(f"?n={MOST}", MOST), huge=("?n=9223372036854775807", MOST),
           one=("?n=1", 1), some=("?n=7", 7), first_n_counts=("?n=2&n=3", 2),
           escaped_digits=("?n=%31%30", 10), escaped_name=("?%6E=10", 10))
def repositories(query, size):
    check("/v2/_catalog", query, size)


@tap.test
def last():
    for query, size, after in (
            ("?last=t5", MOST, "t5"), ("?n=5000&last=t5", 5000, "t5"),
            ("?last=t5&last=t9", MOST, "t5"), ("?last=&last=t9", MOST, None),
            ("?last=", MOST, None), ("?last", MOST, None), ("?last=%745", MOST, "t5"),
            ("?last=t5%00", MOST, "t5%00"), ("?last=t9%2", MOST, "t9%2"),
            ("?last=t99", MOST, "t99"), ("?last=T", MOST, "T")):
        check("/v2/a/tags/list", query, size, after)
    for query, size, after in (
            ("?n=10&last=a", 10, "a"), ("?last=a/b&last=b&n=10", 10, "a/b"),
            ("?n=10&last=team%2Fapp5", 10, "team/app5"), ("?n=10&last=a%2", 10, "a%2")):
        check("/v2/_catalog", query, size, after)


@tap.test
def nothing_behind_the_last():
    for path, (member, names) in LISTS.items():
        for query in (f"?last={names[-1]}", f"?n=5&last={names[-1]}", "?last=zzzz", "?n=0",
                      "?n=000", "?n=0&n=5", "?n=0&last=a"):
            reply = raw.ask(server, "GET", path + query)
            tap.equal((reply.status, json.loads(reply.body)[member], reply["Link"]),
                      (200, [], None), path + query)


@tap.test
def what_is_no_number():
    for path in LISTS:
        for bad in ("", "-1", "-0", "+5", "a", "5a", "5%00", "5%20", "5+", "+5", "%2d1", "1e3", "0x5",
                    "5.0", "5,6", "9223372036854775808", "9" * 1000, "%ef%bc%95", "%3", "%zz"):
            for query in (f"?n={bad}", f"?n={bad}&n=5", f"?last=a&n={bad}"):
                reply = raw.ask(server, "GET", path + query)
                tap.equal((reply.status, reply.codes, reply["Link"]),
                          (400, ["PAGINATION_NUMBER_INVALID"], None), path + query)
        reply = raw.ask(server, "GET", f"{path}?n")
        tap.equal(reply.status, 400, "n without a value")


fill()

if __name__ == "__main__":
    tap.main()
