#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists of tags and repositories in large buckets: order, pages, and how many requests they cost."""

import json
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake-s3")]

import registry
import stowage
import tap
from fake_s3 import FakeS3

PAGE = 1000  # keys a LIST
fake = FakeS3().start()
tap.after(fake.stop)
ROOT = "docker/registry/v2/repositories/"


class Bucket:
    """One that was filled behind the server's back."""

    def __init__(self):
        self.name, self.keys = fake.new_bucket(), 0
        self.server = stowage.Server("s3", minio=fake, bucket=self.name).start()
        tap.defer(self.server.kill)
        self.client = registry.Client(self.server)

    def put(self, key, digest):
        fake.put(self.name, ROOT + key, digest.encode())
        self.keys += 1

    def put_tag(self, repository, tag, number):
        hexadecimal = f"{number:064x}"
        room = f"{repository}/_manifests/tags/{tag}"
        self.put(f"{room}/current/link", "sha256:" + hexadecimal)
        self.put(f"{room}/index/sha256/{hexadecimal}/link", "sha256:" + hexadecimal)

    def put_links(self, repository, room, count):
        for number in range(count):
            self.put(f"{repository}/{room}/sha256/{number:064x}/link", f"sha256:{number:064x}")

    def get(self, path):
        """(answer, number of LISTs)"""
        fake.script.clear()
        answer = self.client.request("GET", path, expect=200)
        calls = fake.calls()
        tap.equal({c.operation for c in calls}, {"ListObjectsV2"}, "nothing but LISTs")
        return answer, len(calls)

    def pages(self, path, member, n):
        """All that is listed page by page, and the LISTs of each page."""
        found, costs, query = [], [], f"?n={n}"
        while query:
            answer, cost = self.get(path + query)
            page = json.loads(answer.body)[member]
            tap.ok(len(page) <= n, f"{len(page)} at once")
            found, costs = found + page, costs + [cost]
            link = answer.headers["Link"]
            query = "?" + link.partition("?")[2].partition(">")[0] if link else None
        return found, costs


def tag_names():
    """5,000, many of which are the beginnings of others."""
    chance = random.Random(7)
    names = {"latest", "1.2", "1.2-rc", "1.2.1", "1", "1-", "1.", "_", "v", "V"}
    while len(names) < 5000:
        names.add(f"v{chance.randrange(20)}" + "".join(
            chance.choice(".-_") + str(chance.randrange(30)) for _ in range(chance.randrange(4))))
    return sorted(names)


@tap.test
def five_thousand_tags():
    bucket, names = Bucket(), tag_names()
    for number, tag in enumerate(names):
        bucket.put_tag("large/one", tag, number)
    answer, lists = bucket.get("/v2/large/one/tags/list")
    found = json.loads(answer.body)["tags"]
    tap.equal(lists, bucket.keys // PAGE, "LISTs")
    if answer.headers["Link"]:  # a page of its own is as long as the server likes
        found = bucket.pages("/v2/large/one/tags/list", "tags", 1000)[0]
    tap.equal(found, names)
    for n in (1000, 777):
        found, costs = bucket.pages("/v2/large/one/tags/list", "tags", n)
        tap.equal(found, names, f"by {n}")
        tap.equal(costs, sorted(costs, reverse=True), "a page costs what lies behind it")
        tap.ok(costs[-1] <= 3, f"the last page: {costs}")
    for last, first in (("1", "1-"), ("1.2", "1.2-rc"), ("1.2-rc", "1.2.1"), ("1.2,", "1.2-rc")):
        answer, _ = bucket.get(f"/v2/large/one/tags/list?n=1&last={last}")
        tap.equal(json.loads(answer.body)["tags"], [first], f"after {last}")


def catalog(bucket, names, most):
    answer, lists = bucket.get("/v2/_catalog?n=1000")
    tap.equal(json.loads(answer.body)["repositories"], sorted(names))
    tap.ok(lists <= most, f"{lists} LISTs for {bucket.keys} keys, {len(names)} repositories")


@tap.test
def a_catalog_of_many_small_repositories():
    bucket, names = Bucket(), [f"team{n % 7}/app-{n}" for n in range(400)]
    for name in names:
        bucket.put_links(name, "_layers", 7)
        bucket.put_tag(name, "v1", 1)
        bucket.put_links(name, "_manifests/revisions", 3)
    catalog(bucket, names, -(-bucket.keys // PAGE))


@tap.test
def a_catalog_of_few_large_repositories():
    bucket, names = Bucket(), ["x", "x/1", "x-a", "x.a", "y"]
    for name in names:
        bucket.put_links(name, "_layers", 3700)
        bucket.put_links(name, "_manifests/revisions", 2900)
        bucket.put_tag(name, "v1", 1)
        bucket.put_links(name, "_stowage/referrers", 1800)
        bucket.put_links(name, "_uploads", 1500)
    bucket.put_links("emptied", "_layers", 2500)
    # its layers, and its manifests: what lies behind them is jumped over
    catalog(bucket, names, 2 * len(names) + 2)
    tap.equal(bucket.pages("/v2/_catalog", "repositories", 2)[0], sorted(names))


if __name__ == "__main__":
    tap.main()
