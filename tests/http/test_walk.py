#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every route, with every way to write a repository's name, asked by somebody who may not see it:
no answer tells a thing of it, and none differs from that of a repository that is not there, nor does
what the store is asked for it.  A table: who asks, and by which proof; where the registry lies, and
what proxies say; what is asked for."""

import json
import os
import re
import ssl
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib")]

import certificates
import images
import passwords
import raw
import registry
import stowage
import tap
import tokens
import ways
from tokens import grant
from ways import BLOB, TAG, Side

DIGEST = images.digest(BLOB)
HIDDEN, ABSENT, OPEN = "hidden/place", "vacant/place", "open/place"  # of one length, no hex
CONFIG = b"{}"
NOBODY = ("Accept: */*",)


def rules():
    """Alice may all, others what is open, and look at what is near to what they may not see."""
    near = " ".join(n for name in (HIDDEN, ABSENT) for n in ways.neighbours(name))
    return {"STOWAGE_ACCESS_PULL": f"** : alice; {near} : *; {OPEN} : * anonymous",
            "STOWAGE_ACCESS_PUSH": f"** : alice; {OPEN} : *",
            "STOWAGE_ACCESS_DELETE": f"** : alice; {OPEN} : *"}


# ---- who asks, by which proof ----
#
# Each has: env(), what the server is told; alice, headers and a context for who may all; strangers,
# {how: (headers, context)} of those who may not.

class Passwords:
    def __init__(self):
        self.users = os.path.join(stowage.temporary("walk"), "users")
        passwords.write(self.users, {"alice": "one", "bob": "two"})
        self.alice = (self.header("alice", "one"), None)
        self.strangers = {"by another user": ((self.header("bob", "two"),), None),
                          "by nobody": (NOBODY, None),
                          "by a wrong password": ((self.header("alice", "two"),), None)}

    @staticmethod
    def header(user, password):
        return f"Authorization: {passwords.basic(user, password)}"

    def env(self):
        return {"STOWAGE_AUTH_HTPASSWD": self.users, **rules()}


class Tokens:
    """Tokens of which each is for something else, however close."""

    ODD = ("{0}/", "/{0}", "./{0}", "{0}/.", " {0}", "{0} ", "{0}\t", "{0}%00", "{1}/*", "*",
           "**", "", ".*", "{1}/.*", "{2}", "{1}%2f{3}", "{1}//{3}", "{1}\\{3}", "{1}/../{0}",
           "{0},{4}", "{0}:pull", "repository:{0}")

    def __init__(self):
        self.issuer = tokens.Issuer()
        self.alice = (self.header(grant(HIDDEN, "*") + grant(ABSENT, "*") + grant(OPEN, "*")), None)
        may = grant(OPEN, "pull", "push", "delete")
        for name in (HIDDEN, ABSENT):
            first, last = name.split("/")
            for near in ways.neighbours(name):
                may += grant(near, "pull")
            for odd in self.ODD:
                may += grant(odd.format(name, first, name.upper(), last, OPEN), "*")
            may += grant(name, "Pull", "PULL", "pull,push", " pull", "", "read", "**")
            may += grant(name, "*", kind="registry") + grant(name, "*", kind="Repository")
        whole = grant(HIDDEN, "*") + grant(ABSENT, "*")
        now = int(time.time())
        self.strangers = {
            "by a token for all else": ((self.header(may),), None),
            "by nobody": (NOBODY, None),
            "by an old token": ((self.header(whole, exp=now - 3600),), None),
            "by another's token": ((self.header(whole, key=tokens.Key()),), None)}

    def header(self, access, **more):
        return "Authorization: " + tokens.bearer(self.issuer.token(access, sub="bob", **more))

    def env(self):
        return self.issuer.env()


class Certificates:
    def __init__(self):
        self.authority = certificates.Authority()
        self.server = self.authority.files("DNS:localhost,IP:127.0.0.1")
        self.alice = (None, self.context("/CN=alice"))
        self.strangers = {"by another's certificate": (NOBODY, self.context("/CN=bob")),
                          "by a name that holds alice's": (NOBODY, self.context("/CN=alice bob")),
                          "without a certificate": (NOBODY, self.context(None))}

    def context(self, subject):
        context = ssl.create_default_context(cafile=self.authority.file)
        if subject:
            context.load_cert_chain(*self.authority.files(
                subject=subject, extra="extendedKeyUsage = clientAuth"))
        return context

    def env(self):
        return {"STOWAGE_HTTP_CERTIFICATE": self.server[0], "STOWAGE_HTTP_KEY": self.server[1],
                "STOWAGE_HTTP_CLIENTCA": self.authority.file,
                "STOWAGE_HTTP_CLIENTCERTIFICATE": "optional",
                "STOWAGE_AUTH_CLIENTCERTIFICATE": "yes", **rules()}


# ---- where the registry lies ----

def said(name):
    """What a proxy says, or who would like to be taken for one; a set with each request."""
    path = f"/v2/{name}/tags/list"
    return (
        (f"X-Forwarded-Prefix: /v2/{name}",),
        ("X-Forwarded-Prefix: /registry", "X-Forwarded-Host: example.org",
         "X-Forwarded-Proto: https"),
        (f"X-Forwarded-Prefix: /..{path}", f"X-Forwarded-Host: {name}"),
        (f"Forwarded: for=127.0.0.1;host=example.org;proto=https, for={name.partition('/')[0]}",),
        (f"X-Original-URL: {path}", f"X-Rewrite-URL: {path}", f"X-Original-URI: {path}"),
        (f"X-Forwarded-Uri: {path}", f"X-Forwarded-Path: {path}", "X-Forwarded-Method: GET"),
        ("X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: GET"),
        ("X-Forwarded-User: alice", "X-Remote-User: alice", "Remote-User: alice", "From: alice"),
        ('X-Forwarded-Client-Cert: Subject="CN=alice"', "X-SSL-Client-S-DN: CN=alice"),
        ("X-Forwarded-For: 127.0.0.1, ::1", "X-Real-IP: 127.0.0.1", "Via: 1.1 alice"),
        (f"Referer: http://registry.test{path}", f"Content-Location: {path}"))


PLACES = {
    "root": ("", {}, False),
    "prefix": ("/registry", {"STOWAGE_HTTP_PREFIX": "/registry/"}, False),
    "trusted": ("", {"STOWAGE_HTTP_TRUSTEDPROXIES": "127.0.0.1"}, True),
    "untrusted": ("/registry", {"STOWAGE_HTTP_PREFIX": "/registry/",
                                "STOWAGE_HTTP_TRUSTEDPROXIES": "192.0.2.1"}, True),
}


class Alice(registry.Client):
    """Whoever may all: fills the store."""

    def __init__(self, server, kind, front):
        super().__init__(server)
        self.header, self.context = kind.alice
        self.front = front

    def open(self):
        if not self.context:
            return super().open()
        return registry.http.client.HTTPSConnection(self.server.host, timeout=self.timeout,
                                                    context=self.context)

    def request(self, method, path, body=None, headers=None, expect=None):
        headers = dict(headers or {})
        if self.header:
            name, _, value = self.header.partition(": ")
            headers[name] = value
        if path.startswith("/v2/"):
            path = self.front + path
        return super().request(method, path, body, headers, expect)


def begun(alice, name, data):
    """uuid and _state of an upload."""
    location = alice.begin_upload(name).headers["Location"]
    if data:
        location = alice.patch(location, data).headers["Location"]
    path, _, state = raw.target(location).partition("?_state=")
    return path.rpartition("/")[2], state


def start(kind, place, **more):
    """A server with what is hidden, and the two sides of it."""
    front, env, _ = PLACES[place]
    server = stowage.Server(env={
        "STOWAGE_DELETE_ENABLED": "yes", "STOWAGE_UPLOADS_ANONYMOUSMOUNT": "yes", **env,
        **more, **kind.env()}).start()
    alice = Alice(server, kind, front)
    alice.push_blob(OPEN, CONFIG)
    alice.push_blob(HIDDEN, BLOB)
    manifest = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                            "config": {"mediaType": "x/y", "size": len(BLOB), "digest": DIGEST}})
    alice.put_manifest(HIDDEN, TAG, manifest, images.MANIFEST)
    value = dict(json.loads(manifest), subject={
        "mediaType": images.MANIFEST, "size": len(manifest), "digest": images.digest(manifest)})
    alice.put_manifest(HIDDEN, "artifact", images.dump(value), images.MANIFEST)
    return server, (
        Side(HIDDEN, DIGEST, images.digest(manifest), *begun(alice, HIDDEN, b"some bytes")),
        Side(ABSENT, images.digest(b"1"), images.digest(b"2"), *begun(alice, ABSENT, b"")))


# ---- one request of each side ----

class Asker:
    """Somebody, on a connection of its own."""

    def __init__(self, server, context):
        self.server, self.context, self.connection = server, context, None

    def open(self):
        connection = raw.Connection(self.server)
        if self.context:
            connection.socket = self.context.wrap_socket(connection.socket,
                                                         server_hostname="localhost")
        return connection

    def ask(self, method, target, body, headers):
        """None where there was no answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: registry.test", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")
        self.connection = self.connection or self.open()
        try:
            answer = self.connection.send(request).reply(method)
        except OSError:
            answer = None
        if answer is None or answer["Connection"] == "close":
            self.close()
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def seen(answer, side):
    """What an answer tells, but for what was asked."""
    if answer is None:
        return "closed"
    headers = sorted((n.lower(), v) for n, v in answer.headers
                     if n.lower() not in ("x-request-id", "date"))
    text = f"{answer.status} {headers} {answer.body!r}"
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    text = re.sub(r"_state=[\w-]+", "_state=STATE", text)
    for digest in (side.blob, side.manifest):
        text = re.sub(digest.partition(":")[2], "DIGEST", text, flags=re.I)
    # in whatever case, each letter as it is or escaped, as often as it was
    word = "".join(f"(?:{c}|%(?:25)*(?:{ord(c):02x}|{ord(c.upper()):02x}))"
                   for c in side.name.partition("/")[0])
    return re.sub(word, "NAME", text, flags=re.I)


def tells(answer, target, front):
    """Has it something of what is hidden, or does it let somebody do something there?"""
    if answer is None:
        return False
    if BLOB in answer.body or (TAG.encode() in answer.body and TAG not in target):
        return True
    harmless = (f"{front}/v2/_catalog?", "/livez?")
    if "/referrers/" in target and answer["Content-Length"] == "89":  # an empty list
        return False
    return answer.status < 400 and OPEN not in target and not target.startswith(harmless)


def table(sides, front, every, walk):
    """Pairs of requests: the first way with all routes, each other with every so many."""
    both = zip(*(ways.ways(side.name, OPEN) for side in sides))
    for i, pair in enumerate(both):
        requests = zip(*(ways.asked(way, side, OPEN, front) for way, side in zip(pair, sides)))
        for j, two in enumerate(requests):
            if i == 0 or (i + j + walk) % every == 0:
                yield two


def store_requests(server, count, mark):
    """{request's id: how often the store was asked}, once all are in the log."""
    deadline = time.monotonic() + 30
    while True:
        found = dict(re.findall(rf"request=({mark}-\d+-[01]) .* store_requests=(\d+)",
                                server.log()))
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def walk_by(server, sides, place, stranger, every, number):
    front, _, says = PLACES[place]
    headers, context = stranger
    askers = [Asker(server, context) for _ in sides]
    differ, told, answered, asked = [], [], 0, {}
    for n, two in enumerate(table(sides, front, every, number)):
        answers = []
        for which, (side, asker, request) in enumerate(zip(sides, askers, two)):
            mine = [*headers, f"X-Request-Id: walk{number}-{n}-{which}"]
            if says:
                sets = said(side.name)
                mine += sets[n % len(sets)]
            answers.append(asker.ask(*request, mine))
            answered += answers[-1] is not None and answers[-1]["X-Request-Id"] is not None
        what = "{0} {1!r}".format(*two[0])
        texts = [seen(answer, side) for answer, side in zip(answers, sides)]
        if texts[0] != texts[1]:
            differ.append(f"{what}: {texts[0]}, not {texts[1]}")
        if any(tells(a, request[1], front) for a, request in zip(answers, two)):
            told.append(f"{what}: {answers!r}")
        # the catalog looks at what is there before it leaves out what is not to be seen
        if answers[0] is not None and "/_catalog?" not in two[0][1]:
            asked[n] = (two, answers[0].status)
    for asker in askers:
        asker.close()
    tap.equal(differ[:5], [])
    tap.equal(told[:5], [])
    found = store_requests(server, answered, f"walk{number}")
    tap.equal(len(found), answered, "requests in the log")
    for n, (two, status) in asked.items():
        counts = [int(found.get(f"walk{number}-{n}-{which}", -1)) for which in (0, 1)]
        if "sha256" in two[0][1].lower():
            # of what one may see the store is asked by digest, and has other data of it or none
            counts = [min(count, 1) for count in counts]
        tap.equal(counts[0], counts[1], f"requests to the store for {two[0][0]} {two[0][1]!r}")
        tap.ok(status not in (401, 403) or counts[0] == 0, f"{two[0][:2]}: the store was asked")
    return answered


def is_let_in(server, place, stranger):
    """Somebody whom nothing lets in would walk past all."""
    asker = Asker(server, stranger[1])
    digest = images.digest(CONFIG)
    answer = asker.ask("GET", f"{PLACES[place][0]}/v2/{OPEN}/blobs/{digest}", None, stranger[0])
    asker.close()
    return answer is not None and answer.body == CONFIG


def walk(kind, place, every):
    server, sides = start(kind, place)
    tap.defer(server.kill)
    first = next(iter(kind.strangers.values()))
    tap.ok(is_let_in(server, place, first), "the first of them, to what is open")
    before = raw.tree(server.data)
    for number, (how, stranger) in enumerate(kind.strangers.items()):
        # by each a part of it, each another; the most by the first
        some = every if number == 0 else max(every, 12)
        print(f"{how}: {walk_by(server, sides, place, stranger, some, number)} requests")
    after = raw.tree(server.data)
    tap.equal({p for p in after if "/hidden/" in p or "/vacant/" in p} - set(before), set())
    tap.equal([p for p in before if after.get(p) != before[p]], [], "changed or gone")
    tap.equal(server.stop(), 0)
    tap.ok("level=error" not in server.log(), server.log()[-2000:])


# Of the table one of so many is walked; of the name as it is, every route everywhere.
EVERY = {"root": 24, "prefix": 36, "trusted": 36, "untrusted": 48}


@tap.cases(**{place: place for place in PLACES})
def by_password(place):
    walk(Passwords(), place, 4 if place == "root" else EVERY[place])


@tap.cases(**{place: place for place in PLACES})
def by_token(place):
    walk(Tokens(), place, EVERY[place])


@tap.cases(**{place: place for place in PLACES})
def by_certificate(place):
    walk(Certificates(), place, 2 * EVERY[place])


# ---- what is hidden, asked for where all is open ----

def image(config=None, layers=(), **more):
    """A manifest of these blobs; without a config of the open one."""
    one = {"mediaType": images.CONFIG, "size": len(CONFIG), "digest": images.digest(CONFIG)}
    return images.dump({
        "schemaVersion": 2, "mediaType": images.MANIFEST, "config": config or one,
        "layers": [*layers], **more})


def puts(side):
    """Manifests that name what the side has, by the one who may push them there: (body, type)."""
    blob = {"mediaType": images.CONFIG, "size": len(BLOB), "digest": side.blob}
    manifest = {"mediaType": images.MANIFEST, "size": 300, "digest": side.manifest}
    yield image(blob), images.MANIFEST
    yield image(layers=[blob]), images.MANIFEST
    yield image(layers=[manifest]), images.MANIFEST
    yield image(manifest), images.MANIFEST
    yield image(dict(blob, size=1), [dict(blob, size=2), blob]), images.MANIFEST
    yield image(layers=[dict(blob, urls=["https://example.org/x"])]), images.MANIFEST
    yield image(subject=blob, layers=[blob]), images.MANIFEST
    yield image(subject=manifest, config=blob), images.MANIFEST
    yield image(subject=manifest), images.MANIFEST
    yield images.dump({"schemaVersion": 2, "mediaType": images.INDEX,
                       "manifests": [manifest]}), images.INDEX
    yield images.dump({"schemaVersion": 2, "mediaType": images.INDEX, "manifests": [],
                       "subject": dict(manifest, digest=side.blob)}), images.INDEX
    yield images.dump({"schemaVersion": 2, "mediaType": images.DOCKER_LIST,
                       "manifests": [dict(manifest, platform={})]}), images.DOCKER_LIST


def asked_in_the_open(side, own):
    """(method, target, body, headers) of each request; own is uuid and _state of an upload there."""
    base = f"/v2/{OPEN}"
    uploads, tag = f"{base}/blobs/uploads/", "t-" + side.name.partition("/")[0]
    referrers = [("GET", f"{base}/referrers/{digest}{query}", None, ())
                 for digest in (side.blob, side.manifest) for query in ("", "?artifactType=x/y")]
    for method in ("GET", "HEAD"):
        for digest in (side.blob, side.manifest):
            for tail in (f"/blobs/{digest}", f"/manifests/{digest}"):
                for header in ("Accept: */*", "Range: bytes=0-3", f'If-None-Match: "{digest}"',
                               f"Accept: {images.MANIFEST}", f'If-Range: "{digest}"'):
                    yield method, base + tail, None, (header,)
    yield from referrers
    for uuid, state in ((side.uuid, side.state), (side.uuid, own[1]), (own[0], side.state)):
        upload = f"{uploads}{uuid}?_state={state}"
        yield "GET", upload, None, ()
        yield "PATCH", upload, b"x", ()
        yield "PATCH", upload, b"x", ("Content-Range: 10-10",)
        yield "PUT", f"{upload}&digest={side.blob}", b"", ()
        yield "PUT", f"{upload}&digest={side.blob}", b"x", ()
        yield "DELETE", upload, None, ()
    for query in (f"mount={side.blob}&from={side.name}", f"mount={side.manifest}&from={side.name}",
                  f"mount={side.blob}&from={OPEN}", f"mount={side.blob}",
                  f"mount={side.manifest}", f"from={side.name}",
                  f"mount={side.blob}&from={side.name}&digest={side.blob}",
                  f"mount={images.digest(CONFIG)}&from={side.name}"):
        yield "POST", f"{uploads}?{query}", b"", ()
    yield "POST", f"{uploads}?digest={side.blob}", b"something else", ()
    for body, kind in puts(side):
        for reference in (tag, images.digest(body)):
            yield "PUT", f"{base}/manifests/{reference}", body, (f"Content-Type: {kind}",)
    yield "PUT", f"{base}/manifests/{side.manifest}", image(), (f"Content-Type: {images.MANIFEST}",)
    yield from referrers
    yield "DELETE", f"{base}/blobs/{side.blob}", None, ()
    yield "DELETE", f"{base}/manifests/{side.manifest}", None, ()


def seen_in_the_open(answer, side):
    """Likewise without the digests of manifests that are the sides' own."""
    text = seen(answer, side)
    for body, _ in puts(side):
        text = text.replace(images.digest(body).partition(":")[2], "OWN")
    return text


@tap.cases(password=(Passwords, "0"), token=(Tokens, "0"), certificate=(Certificates, "0"),
           cached=(Passwords, "1M"))
def what_is_hidden_asked_for_in_the_open(kind, cache):
    """By who may all there: each answer is the one of what is nowhere, and as dear."""
    kind = kind()
    server, (hidden, absent) = start(kind, "root", STOWAGE_CACHE_SIZE=cache)
    tap.defer(server.kill)
    alice = Alice(server, kind, "")
    own = begun(alice, OPEN, b"more bytes")
    # the first time that a thing is asked for or made may cost more, whosever it is
    first = Side(ABSENT, images.digest(b"3"), images.digest(b"4"),
                 *begun(alice, ABSENT, b""))
    headers, context = next(iter(kind.strangers.values()))
    asker = Asker(server, context)
    before, differ, statuses, count = raw.tree(server.data), [], set(), 0
    sides = (first, hidden, absent)
    tables = [list(asked_in_the_open(side, own)) for side in sides]
    for n, requests in enumerate(zip(*tables)):
        texts = []
        for which, side, (method, target, body, more) in zip((2, 0, 1), sides, requests):
            answer = asker.ask(method, target, body,
                               [*headers, *more, f"X-Request-Id: open0-{n}-{which}"])
            texts.append(seen_in_the_open(answer, side))
            statuses.add(answer and answer.status)
        if texts[1] != texts[2]:
            differ.append(f"{requests[1][:3]}: {texts[1]}, not {texts[2]}")
        count += 1
    asker.close()
    tap.equal(differ[:5], [])
    tap.ok(statuses >= {200, 201, 202, 400, 404}, f"some of all kinds: {statuses}")
    found = store_requests(server, 2 * count, "open0")
    tap.equal(len(found), 2 * count, "requests in the log")
    for n in range(count):
        costs = [int(found[f"open0-{n}-{which}"]) for which in (0, 1)]
        if cache != "0":
            # that data is there is remembered, that it is not is asked again, beside the link
            costs = [min(cost, 1) for cost in costs]
        tap.equal(costs[0], costs[1], f"requests to the store for {tables[1][n][:2]}")
    after = raw.tree(server.data)
    tap.equal([p for p in before if "/hidden/" in p and after.get(p) != before[p]], [])
    tap.equal([p for p in set(after) - set(before) if "/hidden/" in p or "/vacant/" in p], [])


if __name__ == "__main__":
    tap.main()
