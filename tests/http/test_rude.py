#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rude clients, each kind by itself and then all at once beside polite ones: nobody else is
stopped, nothing that was hidden takes effect and nothing is left behind.  STOWAGE_TEST_SEED repeats
what the printed number began."""

import json
import os
import random
import re
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import raw
import registry
import rude
import stowage
import tap

SEED = int(os.environ.get("STOWAGE_TEST_SEED") or random.randrange(1 << 32))
TIMES = 4 if stowage.SAN else 8  # each kind by itself
CROWD, SECONDS = (12, 3) if stowage.SAN else (40, 3)  # of a storm
MIB = 1 << 20
LARGE = random.Random(SEED).randbytes(3 * MIB)
CONFIG = b"{}"
MANIFEST = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": {
    "mediaType": images.CONFIG, "digest": images.digest(CONFIG), "size": len(CONFIG)},
    "layers": []})

print(f"# seed {SEED}")
# what only idletimeout would end is left behind, and is to be seen
server = stowage.Server(env={"STOWAGE_HTTP_IDLETIMEOUT": "120s",
                             "STOWAGE_DELETE_ENABLED": "yes"}).start()
client = registry.Client(server)
for name in ("a", rude.CANARIES):
    client.push_blob(name, CONFIG)
    client.put_manifest(name, "t", MANIFEST, images.MANIFEST)
client.push_blob("a", LARGE)
client.blob("a", images.digest(LARGE))
place = rude.Place(server, LARGE, MANIFEST, "t")


def open_files():
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def figure(name):
    with open(f"/proc/{server.pid}/status", encoding="ascii") as f:
        return int(re.search(rf"{name}:\s+(\d+)", f.read()).group(1))


def tags(repository):
    return json.loads(raw.ask(server, "GET", f"/v2/{repository}/tags/list").body)["tags"]


def unfinished():
    return [p for p in raw.tree(server.data) if "_stowage/uploads" in p or "tmp" in p]


def no_canary_has_sung():
    tap.equal(tags(rude.CANARIES), ["t"])
    tap.equal(raw.ask(server, "GET", place.upload).status, 204)


FILES, THREADS = open_files(), figure("Threads")


@tap.test
def canaries_that_are_no_secret_sing():
    """Each has its effect where it is a request; the next test could not fail otherwise."""
    target = place.begun_upload()
    with raw.Connection(server) as c:
        tap.equal(c.send(place.giving("open")).reply().status, 201)
        tap.equal(tags(rude.CANARIES), ["open", "t"])
        c.send(place.taking(f"/v2/{rude.CANARIES}/manifests/open"))
        tap.equal(c.reply().status, 202)
        tap.equal(c.send(place.taking(target)).reply().status, 204)
    tap.equal(raw.ask(server, "GET", target).status, 404)
    no_canary_has_sung()


def alone(name):
    chance = random.Random(f"{SEED} {name}")
    for _ in range(TIMES):
        rude.play(name, place, chance)
        tap.equal(raw.ask(server, "GET", "/v2/").status, 200)
    no_canary_has_sung()


for _name in rude.KINDS:
    tap.cases(**{_name: _name})(alone)


def polite(number, over, errors, counts):
    own, chance = registry.Client(server, timeout=60), random.Random(f"{SEED} polite {number}")
    try:
        while not over.is_set():
            data = chance.randbytes(chance.choice((100, 70_000, 2 * MIB)))
            own.push_blob(f"polite/{number}", data)
            if own.blob(f"polite/{number}", images.digest(data)).body != data:
                raise AssertionError("other bytes")
            manifest = MANIFEST[:-1] + b',"annotations":{"n":"%d"}}' % counts[number]
            own.push_blob(f"polite/{number}", CONFIG)
            own.put_manifest(f"polite/{number}", "t", manifest, images.MANIFEST)
            if own.manifest(f"polite/{number}", "t").body != manifest:
                raise AssertionError("another manifest")
            counts[number] += 1
    except Exception as e:  # whatever it is, it is the test's
        errors.append(f"polite {number}: {e!r}")


def rough(number, storm, over, errors, counts):
    chance = random.Random(f"{SEED} {storm} {number}")
    while not over.is_set():
        name = chance.choice(sorted(rude.KINDS))
        try:
            rude.play(name, place, chance)
        except Exception as e:  # likewise
            errors.append(f"{name}: {e!r}")
            return
        counts[number] += 1


def blow(storm):
    """How many rude ones there were, and rounds of polite ones."""
    over, errors, played, rounds = threading.Event(), [], [0] * CROWD, [0] * 2
    threads = [threading.Thread(target=rough, args=(n, storm, over, errors, played))
               for n in range(CROWD)]
    threads += [threading.Thread(target=polite, args=(n, over, errors, rounds)) for n in range(2)]
    for t in threads:
        t.start()
    over.wait(SECONDS)
    over.set()
    for t in threads:
        t.join(120)
        tap.ok(not t.is_alive(), "somebody is stopped")
    tap.equal(errors[:5], [])
    tap.ok(min(rounds) > 0, f"{rounds}")
    return sum(played), sum(rounds)


@tap.test
def storms():
    resident = []
    for storm in range(3):
        played, rounds = blow(storm)
        tap.until(lambda: open_files() <= FILES)
        resident.append(figure("VmRSS") / 1024)
        print(f"# {played} rude clients, {rounds} polite rounds, {resident[-1]:.0f} MiB resident")
    tap.equal(figure("Threads"), THREADS, "threads")
    no_canary_has_sung()
    tap.equal(raw.ask(server, "GET", "/livez").status, 200)
    if not stowage.SAN:
        tap.ok(resident[-1] < resident[0] + 48, f"{resident}")


@tap.test
def nothing_is_left():
    tap.equal(raw.ask(server, "DELETE", place.upload).status, 204)
    tap.until(lambda: not unfinished())
    client.push_blob("after", LARGE)
    tap.ok(client.blob("after", images.digest(LARGE)).body == LARGE, "the blob")
    server.process.send_signal(signal.SIGTERM)
    tap.equal(server.process.wait(60), 0, server.log()[-2000:])
    server._gone()


if __name__ == "__main__":
    tap.main()
