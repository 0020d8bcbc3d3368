#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every route, with every way to write a repository's name, asked by somebody who may not see it: no
answer tells a thing of it, and none differs from that of a repository that is not there."""

import itertools
import os
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib")]

import images
import passwords
import raw
import registry
import stowage
import tap

BLOB = b"what nobody but alice may see"
DIGEST = images.digest(BLOB)
TAG = "tag-of-alice"
HIDDEN, ABSENT, OPEN = "hidden/place", "absent/place", "open/place"
USERS = {"alice": "one", "bob": "two"}


class Alice(registry.Client):
    def request(self, method, path, body=None, headers=None, expect=None):
        headers = dict(headers or {}, Authorization=passwords.basic("alice", "one"))
        return super().request(method, path, body, headers, expect)


def start():
    folder = stowage.temporary("walk")
    passwords.write(os.path.join(folder, "users"), USERS)
    server = stowage.Server(env={
        "STOWAGE_AUTH_HTPASSWD": os.path.join(folder, "users"), "STOWAGE_DELETE_ENABLED": "yes",
        "STOWAGE_UPLOADS_ANONYMOUSMOUNT": "yes",
        "STOWAGE_ACCESS_PULL": "** : alice; open/** : * anonymous",
        "STOWAGE_ACCESS_PUSH": "** : alice; open/** : *",
        "STOWAGE_ACCESS_DELETE": "** : alice; open/** : *"}).start()
    alice = Alice(server)
    alice.push_blob(HIDDEN, BLOB)
    manifest = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                            "config": {"mediaType": "x/y", "size": len(BLOB), "digest": DIGEST}})
    alice.put_manifest(HIDDEN, TAG, manifest, images.MANIFEST)
    upload = alice.begin_upload(HIDDEN).headers["Location"]
    alice.push_blob(OPEN, b"{}")
    return server, images.digest(manifest), raw.target(upload)


def ways(name):
    """How one might write it."""
    first, last = name.split("/")
    code = "".join(f"%{ord(c):02x}" for c in first)
    yield from (
        name, f"{first}%2f{last}", f"{first}%2F{last}", f"{code}/{last}", f"{code.upper()}/{last}",
        f"{first}//{last}", f"/{name}", f"./{name}", f"{first}/./{last}", f"{OPEN}/../../{name}",
        f"open/%2e%2e/{name}", f"open/..%2f{name}", f"open%2f..%2f{name}", f"{OPEN}%00{name}",
        f"{name}%00", f"%00{name}", name.upper(), name.title(), f"{name}/", f"{name}%20",
        f"%20{name}", f"{name}%09", f"{name};a=b", f"{first};/{last}", f"{first}\\{last}",
        f"{first}%5c{last}", f"{first}%252f{last}", f"{first}%c0%af{last}", f"{first}%e2%88%95{last}",
        f"{name}%0d%0a", f"{name}#", f"{name}%23", f"{name}%3f", f"{name}?x=/", f"{OPEN}/{name}",
        f"@{name}", f"{first}.{last}", f"{name}/_manifests", f"{name}/_layers/../", f"{name}%",
        f"{name}%zz", f"{name}%u0041", f"{first}/%2e/{last}", f"%2e/{name}", f"{first}+/{last}")


def targets(way, manifest, state):
    """(method, target, body): each route with it."""
    query = urllib.parse.quote(way, safe="")
    base = f"/v2/{way}"
    for tail in (f"/blobs/{DIGEST}", f"/manifests/{TAG}", f"/manifests/{manifest}", "/tags/list",
                 f"/referrers/{DIGEST}", f"/blobs/{DIGEST.replace(':', '%3a')}", "/tags/list?n=1",
                 f"/blobs/uploads/x?_state={state}", f"/%62lobs/{DIGEST}", f"/blobs//{DIGEST}"):
        yield "GET", base + tail, None
        yield "HEAD", base + tail, None
    yield "GET", f"http://registry.test{base}/tags/list", None
    yield "GET", f"http://a@b{base}/tags/list", None
    yield "GET", f"/v2{base}/tags/list", None
    yield "GET", f"/{base}/tags/list", None
    yield "GET", f"/v2/../v2/{way}/tags/list", None
    yield "POST", f"{base}/blobs/uploads/", b""
    yield "POST", f"{base}/blobs/uploads/?digest={DIGEST}", BLOB
    yield "POST", f"{base}/blobs/uploads", b""
    yield "PATCH", f"{base}/blobs/uploads/x?_state={state}", b"x"
    yield "PUT", f"{base}/blobs/uploads/x?_state={state}&digest={DIGEST}", b""
    yield "DELETE", f"{base}/blobs/uploads/x?_state={state}", None
    yield "PUT", f"{base}/manifests/{TAG}", b"{}"
    yield "DELETE", f"{base}/manifests/{TAG}", None
    yield "DELETE", f"{base}/manifests/{manifest}", None
    yield "DELETE", f"{base}/blobs/{DIGEST}", None
    for source in (way, query):
        for mount in (f"mount={DIGEST}&from={source}", f"from={source}&mount={DIGEST}",
                      f"mount={DIGEST}&from=open/place&from={source}",
                      f"mount={DIGEST}&from={source}&from=open/place", f"mount={DIGEST}"):
            yield "POST", f"/v2/{OPEN}/blobs/uploads/?{mount}", b""


def ask(connection, method, target, body, headers):
    lines = list(headers)
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    connection.send(f"{method} {target} HTTP/1.1\r\nHost: registry.test\r\n"
                    + "".join(line + "\r\n" for line in lines) + "\r\n")
    if body:
        connection.send(body)
    return connection.reply(method)


def seen(answer, name, target):
    """What an answer tells, but for what was asked."""
    if answer is None:
        return "closed"
    headers = sorted((n.lower(), v) for n, v in answer.headers
                     if n.lower() not in ("x-request-id", "date", "location", "docker-upload-uuid"))
    text = f"{answer.status} {headers} {answer.body!r}"
    return text.replace(name, "NAME").replace(target, "TARGET")


def without(text, word):
    """A word in every way that it was written."""
    code = "".join(f"%{ord(c):02x}" for c in word)
    for way in (word, word.upper(), word.title(), code, code.upper()):
        text = text.replace(way, "WORD")
    return text


def walk(headers):
    server, manifest, upload = start()
    before = raw.tree(server.data)
    state = upload.split("_state=")[1]
    count, differ, told = 0, [], []
    connections = {}

    def one(name, method, target, body):
        connection = connections.pop(name, None) or raw.Connection(server)
        try:
            answer = ask(connection, method, target, body, headers)
        except OSError:
            answer = None
        if answer is None or answer["Connection"] == "close":
            connection.close()
        else:
            connections[name] = connection
        return answer

    pairs = zip(itertools.chain.from_iterable(targets(w, manifest, state) for w in ways(HIDDEN)),
                itertools.chain.from_iterable(targets(w, manifest, state) for w in ways(ABSENT)))
    for (method, target, body), (_, other, _) in pairs:
        count += 1
        there, absent = one(HIDDEN, method, target, body), one(ABSENT, method, other, body)
        a, b = seen(there, HIDDEN, target), seen(absent, ABSENT, other)
        if without(a, "hidden") != without(b, "absent"):
            differ.append(f"{method} {target}: {a}, not {b}")
        if there and (BLOB in there.body or TAG.encode() in there.body.replace(target.encode(), b"")
                      or (there.status < 300 and HIDDEN in target and OPEN not in target)):
            told.append(f"{method} {target}: {there!r}")
    print(f"# {count} requests")
    tap.equal(differ[:5], [])
    tap.equal(told[:5], [])
    after = raw.tree(server.data)
    tap.equal({p for p in after if "/hidden/" in p or "/absent/" in p} - set(before), set())
    tap.equal([p for p in before if after.get(p) != before[p]], [], "changed or gone")
    tap.equal(server.stop(), 0)
    tap.ok("level=error" not in server.log(), server.log()[-2000:])


@tap.test
def by_another_user():
    walk([f"Authorization: {passwords.basic('bob', 'two')}"])


@tap.test
def by_nobody():
    walk([])


@tap.test
def by_a_wrong_password():
    walk([f"Authorization: {passwords.basic('alice', 'two')}"])


if __name__ == "__main__":
    tap.main()
