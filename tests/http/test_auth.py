#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Users and their passwords: who is asked for one, who is let through, and what is told to whom."""

import json
import os
import re
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib")]

import images
import passwords
import raw
import registry
import stowage
import tap

USERS = {"alice": "wonder land", "bob": "b:uilder", "zoë": "größe"}
BLOB = b"a blob"
DIGEST = images.digest(BLOB)
CHALLENGE = 'Basic realm="a registry"'


class Client(registry.Client):
    """As one of the users, or as nobody."""

    def __init__(self, server, user=None, password=None):
        super().__init__(server)
        self.user, self.password = user, password

    def request(self, method, path, body=None, headers=None, expect=None):
        headers = dict(headers or {})
        if self.user:
            headers["Authorization"] = passwords.basic(self.user,
                                                       self.password or USERS[self.user])
        return super().request(method, path, body, headers, expect)


def serve(access=None, cost=4, **env):
    folder = stowage.temporary("auth")
    path = os.path.join(folder, "users")
    passwords.write(path, USERS, cost)
    server = stowage.Server(env={
        "STOWAGE_AUTH_HTPASSWD": path, "STOWAGE_AUTH_REALM": "a registry",
        "STOWAGE_DELETE_ENABLED": "yes",
        **{f"STOWAGE_ACCESS_{k.upper()}": v for k, v in (access or {}).items()},
        **{f"STOWAGE_{k}": v for k, v in env.items()}})
    server.users = path
    server.start()
    tap.defer(server.kill)
    return server


def refused(answer, challenge=CHALLENGE):
    tap.equal((answer.status, answer.code, answer.headers.get("WWW-Authenticate")),
              (401, "UNAUTHORIZED", challenge), answer)


# ---- who is asked ----

@tap.test
def nobody_gets_in_unasked():
    server = serve()
    nobody, alice = Client(server), Client(server, "alice")
    refused(nobody.request("GET", "/v2/"))
    tap.equal(alice.request("GET", "/v2/").status, 200)
    alice.push_blob("a", BLOB)
    before = raw.tree(server.data)
    for method, path in (("GET", "/v2/_catalog"), ("GET", "/v2/a/tags/list"),
                         ("GET", f"/v2/a/blobs/{DIGEST}"), ("GET", "/v2/none/manifests/x"),
                         ("GET", f"/v2/a/referrers/{DIGEST}"), ("PUT", "/v2/a/manifests/x"),
                         ("POST", "/v2/a/blobs/uploads/"), ("PATCH", "/v2/a/blobs/uploads/x"),
                         ("GET", "/v2/a/blobs/uploads/x"), ("DELETE", f"/v2/a/blobs/{DIGEST}"),
                         ("POST", f"/v2/a/blobs/uploads/?mount={DIGEST}&from=b"),
                         ("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}")):
        refused(nobody.request(method, path, BLOB if method[0] == "P" else None))
    tap.equal(raw.tree(server.data), before)
    for path in ("/livez", "/readyz"):
        tap.equal(nobody.request("GET", path).status, 200)


@tap.test
def head_is_refused_without_a_body():
    server = serve()
    with raw.Connection(server) as c:
        c.head("HEAD", f"/v2/a/blobs/{DIGEST}")
        answer = c.reply("HEAD")
        tap.equal((answer.status, answer["WWW-Authenticate"]), (401, CHALLENGE))
        c.head("GET", "/livez")
        tap.equal(c.reply().status, 200, "the connection goes on")


@tap.cases(unknown=("mallory", "wonder land"), wrong=("alice", "wonderland"), empty=("alice", ""),
           longer=("alice", "wonder land "), hash_=("alice", None), case=("Alice", "wonder land"))
def who_is_let_through(user, password):
    server = serve()
    if password is None:
        with open(server.users, encoding="utf-8") as f:
            password = f.readline().rstrip("\n").split(":", 1)[1]
    header = f"Authorization: {passwords.basic(user, password)}"
    for _ in range(2):
        answer = raw.ask(server, "GET", "/v2/", None, header)
        tap.equal((answer.status, answer["WWW-Authenticate"]), (401, CHALLENGE))
    for good in USERS:
        tap.equal(Client(server, good).request("GET", "/v2/").status, 200, good)


@tap.cases(scheme=("Digest abc",), no_base64=("Basic !!!",), no_colon=("Basic YWxpY2U=",),
           nothing=("Basic",), bearer=("Bearer abc",), two=(passwords.basic("alice", "wonder land"),
                                                           passwords.basic("bob", "b:uilder")),
           long=("Basic " + "QUFB" * 5000,))
def bad_headers_are_nobodys(*values):
    server = serve()
    answer = raw.ask(server, "GET", "/v2/", None, *[f"Authorization: {v}" for v in values])
    tap.ok(answer.status in (400, 401), answer)
    if answer.status == 401:
        tap.equal(answer["WWW-Authenticate"], CHALLENGE)


@tap.test
def empty_names_are_anonymous():
    """Some clients send an empty name and password where they have none."""
    server = serve({"anonymouspull": "yes"})
    alice = Client(server, "alice")
    alice.push_blob("a", BLOB)
    header = "Authorization: Basic Og=="
    answer = raw.ask(server, "GET", f"/v2/a/blobs/{DIGEST}", None, header)
    tap.equal((answer.status, answer.body), (200, BLOB))
    tap.equal(raw.ask(server, "GET", "/v2/", None, header).status, 401)


# ---- bodies of those that are not let through ----

@tap.test
def no_leave_to_send_before_it_is_known():
    server = serve()
    with raw.Connection(server) as c:
        c.head("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}", "Content-Length: 6",
               "Expect: 100-continue")
        tap.equal(c.reply().status, 401, "no 100 before it")
    with raw.Connection(server) as c:
        c.head("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}", "Content-Length: 6",
               "Expect: 100-continue",
               f"Authorization: {passwords.basic('alice', USERS['alice'])}")
        tap.equal(c.reply().status, 100)
        c.send(BLOB)
        tap.equal(c.reply().status, 201)


@tap.test
def a_body_goes_where_it_is_not_taken():
    """The connection serves the next request all the same."""
    server = serve()
    with raw.Connection(server) as c:
        c.head("PUT", "/v2/a/manifests/x", "Content-Length: 100000")
        c.send(b"x" * 100000)
        tap.equal(c.reply().status, 401)
        c.head("GET", "/v2/", f"Authorization: {passwords.basic('bob', USERS['bob'])}")
        tap.equal(c.reply().status, 200)


# ---- the file ----

@tap.test
def users_change_with_the_file():
    server = serve()
    tap.equal(Client(server, "alice").request("GET", "/v2/").status, 200)
    passwords.write(server.users + ".new", {"alice": "another", "carol": "new"})
    os.rename(server.users + ".new", server.users)
    tap.until(lambda: Client(server, "carol", "new").request("GET", "/v2/").status == 200)
    tap.equal(Client(server, "alice").request("GET", "/v2/").status, 401)
    tap.equal(Client(server, "alice", "another").request("GET", "/v2/").status, 200)
    tap.equal(Client(server, "bob").request("GET", "/v2/").status, 401)
    # one that cannot be read leaves those that there are, and a line
    os.unlink(server.users)
    server.process.send_signal(signal.SIGHUP)
    tap.until(lambda: "users" in server.log())
    tap.equal(Client(server, "carol", "new").request("GET", "/v2/").status, 200)


@tap.cases(none=(None, "htpasswd"), damaged=("alice\n", "line 1"))
def a_bad_file_ends_the_start(content, text):
    folder = stowage.temporary("auth")
    path = os.path.join(folder, "users")
    if content:
        with open(path, "w", encoding="ascii") as f:
            f.write(content)
    try:
        stowage.Server(env={"STOWAGE_AUTH_HTPASSWD": path}).start().kill()
    except OSError as e:
        tap.ok(path in str(e) and text in str(e), e)
    else:
        tap.ok(False, "it started")


# ---- rules ----

RULES = {"anonymouspull": "no", "pull": "public/** : anonymous; team/* : alice bob; own/** : alice",
         "push": "team/* : alice; public/** : bob", "delete": "team/* : alice"}


@tap.test
def rules_hold():
    server = serve(RULES)
    nobody, alice, bob = Client(server), Client(server, "alice"), Client(server, "bob")
    alice.push_blob("team/a", BLOB)
    bob.push_blob("public/b/c", BLOB)
    tap.equal(nobody.blob("public/b/c", DIGEST).body, BLOB)
    tap.equal(bob.blob("team/a", DIGEST).body, BLOB)
    refused(nobody.request("GET", f"/v2/team/a/blobs/{DIGEST}"))
    for who, method, path in (
            (bob, "POST", "/v2/team/a/blobs/uploads/"), (bob, "GET", "/v2/own/x/tags/list"),
            (bob, "DELETE", f"/v2/team/a/blobs/{DIGEST}"),
            (alice, "POST", "/v2/public/b/blobs/uploads/"),
            (alice, "POST", "/v2/team/a/b/blobs/uploads/"),
            (alice, "DELETE", f"/v2/public/b/c/blobs/{DIGEST}")):
        answer = who.request(method, path, b"" if method == "POST" else None)
        tap.equal((answer.status, answer.code), (403, "DENIED"), path)
        tap.ok("own" not in answer.body.decode() and "team" not in answer.body.decode(), answer)
    tap.equal(alice.request("DELETE", f"/v2/team/a/blobs/{DIGEST}").status, 202)


@tap.test
def a_mount_asks_for_the_source():
    """What may not be pulled there is not mounted from there, and is not said to be there."""
    server = serve({"pull": "open/** : *; secret/** : alice", "push": "** : *"},
                   UPLOADS_ANONYMOUSMOUNT="yes")
    alice, bob = Client(server, "alice"), Client(server, "bob")
    alice.push_blob("secret/a", BLOB)

    def mount(who, source):
        source = f"&from={source}" if source else ""
        return who.request("POST", f"/v2/open/b/blobs/uploads/?mount={DIGEST}{source}", b"")

    there, absent = mount(bob, "secret/a"), mount(bob, "secret/none")
    tap.equal((there.status, absent.status), (202, 202))
    tap.equal(sorted(there.headers), sorted(absent.headers))
    tap.equal(mount(bob, None).status, 202, "of any repository")
    tap.equal(bob.request("GET", f"/v2/open/b/blobs/{DIGEST}").status, 404)
    tap.equal(mount(alice, "secret/a").status, 201)


@tap.test
def the_catalog_is_ones_own():
    server = serve({"pull": "a/** : alice; b/** : bob; c : *; c/* : anonymous",
                    "push": "** : *"})
    alice = Client(server, "alice")
    names = [f"{top}/{n}" for top in "abc" for n in range(3)] + ["c"]
    for name in names:
        alice.push_blob(name, b"{}")
        data = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST,
                            "config": {"mediaType": "x/y", "size": 2,
                                       "digest": images.digest(b"{}")}, "layers": []})
        alice.put_manifest(name, "x", data, images.MANIFEST)

    def catalog(who, n=2):
        found, path, pages = [], f"/v2/_catalog?n={n}", 0
        while path:
            answer = who.request("GET", path, expect=200)
            page = json.loads(answer.body)["repositories"]
            tap.ok(len(page) <= n, page)
            found += page
            link = answer.headers.get("Link")
            path = link and re.search("<([^>]*)>", link).group(1)
            pages += 1
        return found

    tap.equal(catalog(alice), ["a/0", "a/1", "a/2", "c", "c/0", "c/1", "c/2"])
    tap.equal(catalog(Client(server, "bob")), ["b/0", "b/1", "b/2", "c", "c/0", "c/1", "c/2"])
    tap.equal(catalog(Client(server)), ["c/0", "c/1", "c/2"])


@tap.test
def rules_change_by_a_signal():
    folder = stowage.temporary("rules")
    users, path = os.path.join(folder, "users"), os.path.join(folder, "plugin.conf")
    passwords.write(users, USERS)

    def write(rule):
        with open(path, "w", encoding="ascii") as f:
            f.write(f"[auth]\nhtpasswd = {users}\n[access]\npull = {rule}\n")

    write("a : alice")
    server = stowage.Server(config=path).start()
    tap.defer(server.kill)
    bob = Client(server, "bob")
    tap.equal(bob.request("GET", f"/v2/a/blobs/{DIGEST}").status, 403)
    write("a : alice bob")
    server.process.send_signal(signal.SIGHUP)
    tap.until(lambda: bob.request("GET", f"/v2/a/blobs/{DIGEST}").status == 404)
    write("a alice bob")
    server.process.send_signal(signal.SIGHUP)
    tap.until(lambda: "[access] pull" in server.log())
    tap.equal(bob.request("GET", f"/v2/a/blobs/{DIGEST}").status, 404)
    # what is wrong elsewhere keeps no right that was taken away, and no user
    write("a : alice\n[log]\nlevel = loud")
    server.process.send_signal(signal.SIGHUP)
    tap.until(lambda: bob.request("GET", f"/v2/a/blobs/{DIGEST}").status == 403)
    write("a : alice\n[nonsense]")
    passwords.write(users, {"alice": "one"})
    server.process.send_signal(signal.SIGHUP)
    tap.until(lambda: bob.request("GET", f"/v2/a/blobs/{DIGEST}").status == 401)


@tap.test
def rules_need_users():
    try:
        stowage.Server(env={"STOWAGE_ACCESS_PULL": "** : alice"}).start().kill()
    except OSError as e:
        tap.ok("[access]" in str(e) and "[auth]" in str(e), e)
    else:
        tap.ok(False, "it started")


# ---- the log ----

@tap.test
def the_log_knows_who_and_no_secret():
    server = serve(LOG_LEVEL="debug")
    Client(server, "alice").request("GET", "/v2/_catalog", expect=200)
    Client(server, "alice", "a wrong secret").request("GET", "/v2/_catalog", expect=401)
    tap.until(lambda: server.log().count("path=/v2/_catalog") == 2)
    tap.equal(server.stop(), 0)
    log = server.log()
    tap.ok(re.search("user=alice method=GET path=/v2/_catalog status=200", log), log)
    tap.ok(not re.search("user=alice method=GET path=/v2/_catalog status=401", log), log)
    tap.ok("alice" in "".join(line for line in log.splitlines() if "component=auth" in line), log)
    for secret in ("wonder", "a wrong secret", passwords.basic("alice", USERS["alice"])[6:], "$2y$"):
        tap.ok(secret not in log, secret)


# ---- many ----

@tap.test
def one_login_many_times():
    """As the nodes of a cluster come: one hash does for all."""
    server = serve(cost=12)
    connections = [raw.Connection(server, timeout=60) for _ in range(50)]
    for user, status in (("alice", 200), ("bob", 401)):
        header = f"Authorization: {passwords.basic(user, USERS['alice'])}"
        for c in connections:
            c.head("GET", "/v2/", header)
        tap.equal({c.reply().status for c in connections}, {status}, user)
    for c in connections:
        c.close()


@tap.test
def who_is_refused_is_named():
    """However quickly it is told."""
    server = serve({"push": "a : alice"})
    bob = Client(server, "bob")
    for _ in range(3):
        tap.equal(bob.request("POST", "/v2/a/blobs/uploads/", b"").status, 403)
    tap.until(lambda: server.log().count("status=403") == 3)
    tap.equal(len(re.findall("user=bob method=POST .*status=403", server.log())), 3, server.log())


@tap.test
def passwords_are_compared_beside_all_else():
    """Slow hashes hold up none but those that wait for them."""
    server = serve(cost=12)
    tap.equal(Client(server, "alice").request("GET", "/v2/").status, 200)
    with raw.Connection(server) as slow:
        for _ in range(10):
            slow.head("GET", "/v2/", f"Authorization: {passwords.basic('bob', 'wrong')}")
        for _ in range(20):
            tap.equal(Client(server, "alice").request("GET", "/v2/").status, 200)
            tap.equal(raw.ask(server, "GET", "/livez").status, 200)
        for _ in range(10):
            tap.equal(slow.reply().status, 401)


if __name__ == "__main__":
    tap.main()
