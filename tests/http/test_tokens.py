#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens: what a client is told to fetch, which tokens count, and for what."""

import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib")]

import images
import raw
import registry
import stowage
import tap
import tokens
from tokens import REALM, SERVICE, grant

BLOB = b"a blob"
DIGEST = images.digest(BLOB)


class Client(registry.Client):
    def __init__(self, server, token=None):
        super().__init__(server)
        self.token = token

    def request(self, method, path, body=None, headers=None, expect=None):
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = tokens.bearer(self.token)
        return super().request(method, path, body, headers, expect)


def serve(issuer, auth=None, **env):
    server = stowage.Server(env={"STOWAGE_DELETE_ENABLED": "yes", **issuer.env(**(auth or {})),
                                 **{f"STOWAGE_{k}": v for k, v in env.items()}}).start()
    tap.defer(server.kill)
    return server


def challenged(answer, scope=None, error=None):
    want = f'Bearer realm="{REALM}",service="{SERVICE}"'
    want += f',scope="{scope}"' if scope else ""
    want += f',error="{error}"' if error else ""
    tap.equal((answer.status, answer.code, answer.headers.get("WWW-Authenticate")),
              (401, "UNAUTHORIZED", want), answer)


@tap.test
def what_a_client_is_told():
    server = serve(tokens.Issuer())
    nobody = Client(server)
    for method, path, scope in (
            ("GET", "/v2/", None), ("GET", "/v2/_catalog", "registry:catalog:*"),
            ("GET", "/v2/a/b/tags/list", "repository:a/b:pull"),
            ("GET", f"/v2/a/b/blobs/{DIGEST}", "repository:a/b:pull"),
            ("GET", f"/v2/a/b/referrers/{DIGEST}", "repository:a/b:pull"),
            ("GET", "/v2/a/b/manifests/x", "repository:a/b:pull"),
            ("PUT", "/v2/a/b/manifests/x", "repository:a/b:pull,push"),
            ("DELETE", "/v2/a/b/manifests/x", "repository:a/b:delete"),
            ("POST", "/v2/a/b/blobs/uploads/", "repository:a/b:pull,push"),
            ("PATCH", "/v2/a/b/blobs/uploads/x", "repository:a/b:pull,push"),
            ("DELETE", "/v2/a/b/blobs/uploads/x", "repository:a/b:pull,push"),
            ("POST", f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from=c",
             "repository:a/b:pull,push repository:c:pull"),
            ("POST", f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from=a/b",
             "repository:a/b:pull,push")):
        challenged(nobody.request(method, path, b"{}" if method[0] == "P" else None), scope)


@tap.cases(**{alg: (alg,) for alg in ("RS256", "RS512", "PS256", "ES256", "ES384", "ES512",
                                      "EdDSA")})
def every_algorithm(alg):
    issuer = tokens.Issuer(alg)
    server = serve(issuer)
    Client(server, issuer.token(grant("a", "pull", "push"))).push_blob("a", BLOB)
    tap.equal(Client(server, issuer.token(grant("a", "pull"))).blob("a", DIGEST).body, BLOB)
    bad = issuer.token(grant("a", "pull"), signature=b"x" * 64)
    challenged(Client(server, bad).request("GET", f"/v2/a/blobs/{DIGEST}"),
               "repository:a:pull", "invalid_token")


@tap.test
def tokens_that_do_not_count():
    issuer, other = tokens.Issuer(), tokens.Key()
    server = serve(issuer)
    now, access = int(time.time()), grant("a", "pull")
    good = issuer.token(access)
    header, payload, signature = good.split(".")
    bad = {
        "none": issuer.token(access, header={"alg": "none"}, signature=b""),
        "none with a signature": issuer.token(access, header={"alg": "none"}),
        "public key as secret": issuer.forged(access, issuer.key.pem),
        "public key in DER": issuer.forged(access, issuer.key.public),
        "another key": issuer.token(access, key=other),
        "another key by the good one's name": issuer.token(
            access, key=other, header={"kid": issuer.key.thumbprint()}),
        "its own key along": issuer.token(access, key=other,
                                          header={"kid": None, "jwk": other.jwk()}),
        "no key named": issuer.token(access, header={"kid": None}),
        "expired": issuer.token(access, exp=now - 120),
        "no end": issuer.token(access, exp=None),
        "not yet": issuer.token(access, nbf=now + 120),
        "another issuer": issuer.token(access, iss="https://auth.example.com"),
        "another service": issuer.token(access, aud="registry.example.com"),
        "no service": issuer.token(access, aud=None),
        "critical": issuer.token(access, header={"crit": ["b64"], "b64": True}),
        "another payload": f"{header}.{payload[:-2]}AA.{signature}",
        "four parts": good + ".x", "two parts": f"{header}.{payload}", "no parts": "token",
        "no JSON": issuer.token(access, payload="{"), "a list": issuer.token(access, payload="[]"),
    }
    for why, token in bad.items():
        answer = Client(server, token).request("GET", f"/v2/a/blobs/{DIGEST}")
        tap.equal((answer.status, 'error="invalid_token"' in
                   (answer.headers.get("WWW-Authenticate") or "")), (401, True), why)
    tap.equal(Client(server, good).request("GET", f"/v2/a/blobs/{DIGEST}").status, 404)
    for token in (issuer.token(access, exp=now - 30), issuer.token(access, nbf=now + 30),
                  issuer.token(access, aud=["x", SERVICE]), issuer.token(access, nbf=None)):
        tap.equal(Client(server, token).request("GET", f"/v2/a/blobs/{DIGEST}").status, 404)
    for token in bad.values():
        tap.ok(token.split(".")[-1] in ("", "x", "token") or token not in server.log(), "in the log")


@tap.test
def what_a_token_is_for():
    issuer = tokens.Issuer()
    server = serve(issuer)
    Client(server, issuer.token(grant("a", "*"))).push_blob("a", BLOB)
    pull = Client(server, issuer.token(grant("a", "pull"), sub="alice"))
    tap.equal(pull.request("GET", "/v2/").status, 200)
    tap.equal(pull.blob("a", DIGEST).body, BLOB)
    for method, path, scope in (("GET", f"/v2/b/blobs/{DIGEST}", "repository:b:pull"),
                                ("GET", f"/v2/a/b/blobs/{DIGEST}", "repository:a/b:pull"),
                                ("POST", "/v2/a/blobs/uploads/", "repository:a:pull,push"),
                                ("DELETE", f"/v2/a/blobs/{DIGEST}", "repository:a:delete"),
                                ("GET", "/v2/_catalog", "registry:catalog:*")):
        answer = pull.request(method, path, b"" if method == "POST" else None)
        challenged(answer, scope, "insufficient_scope")
    push = Client(server, issuer.token(grant("a", "push")))
    challenged(push.request("POST", "/v2/a/blobs/uploads/", b""), "repository:a:pull,push",
               "insufficient_scope")
    delete = Client(server, issuer.token(grant("a", "delete")))
    tap.equal(delete.request("DELETE", f"/v2/a/blobs/{DIGEST}").status, 202)
    tap.ok("user=alice" in server.log(), server.log())


@tap.test
def mounts_and_the_catalog():
    issuer = tokens.Issuer()
    server = serve(issuer, UPLOADS_ANONYMOUSMOUNT="yes")
    owner = Client(server, issuer.token(grant("a", "*") + grant("b", "*")))
    owner.push_blob("a", BLOB)
    target = f"/v2/b/blobs/uploads/?mount={DIGEST}"
    one = Client(server, issuer.token(grant("b", "pull", "push")))
    tap.equal(one.request("POST", target + "&from=a", b"").status, 202, "no leave to pull there")
    tap.equal(one.request("POST", target, b"").status, 202, "of any repository")
    listing = Client(server, issuer.token(grant("b", "pull", "push") + tokens.catalog()))
    tap.equal(listing.request("POST", target + "&from=a", b"").status, 202, "may list, not pull")
    both = Client(server, issuer.token(grant("a", "pull") + grant("b", "pull", "push")))
    tap.equal(both.request("POST", target + "&from=a", b"").status, 201)
    manifest = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                            "config": {"mediaType": "x/y", "size": len(BLOB), "digest": DIGEST}})
    for name in "ab":
        owner.put_manifest(name, "x", manifest, images.MANIFEST)
    answer = Client(server, issuer.token(tokens.catalog())).request("GET", "/v2/_catalog",
                                                                    expect=200)
    tap.equal(json.loads(answer.body), {"repositories": ["a", "b"]})


@tap.test
def rules_narrow_tokens():
    issuer = tokens.Issuer()
    server = serve(issuer, ACCESS_PULL="public/** : anonymous; ** : alice")
    access = grant("a", "pull") + grant("public/x", "pull")
    alice = Client(server, issuer.token(access, sub="alice"))
    bob = Client(server, issuer.token(access, sub="bob"))
    path = f"/v2/a/blobs/{DIGEST}"
    tap.equal((alice.request("GET", path).status, bob.request("GET", path).status), (404, 401))
    tap.equal(Client(server).request("GET", f"/v2/public/x/blobs/{DIGEST}").status, 404)
    none = Client(server, issuer.token([], sub="bob"))
    tap.equal(none.request("GET", f"/v2/public/x/blobs/{DIGEST}").status, 404, "what all may")
    tap.equal(none.request("POST", "/v2/public/x/blobs/uploads/", b"").status, 401)


@tap.test
def keys_change_by_a_signal():
    issuer, new = tokens.Issuer(), tokens.Key("EdDSA", kid="the new one")
    server = serve(issuer)

    def status(key=None):
        return Client(server, issuer.token([], key=key)).request("GET", "/v2/").status

    tap.equal((status(), status(new)), (200, 401))
    issuer.trust(new)
    server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 30
    while status(new) != 200:
        tap.ok(time.monotonic() < end, "the new key does not count")
        time.sleep(0.05)
    tap.equal(status(), 401)
    with open(issuer.jwks, "w", encoding="ascii") as f:
        f.write("{")
    server.process.send_signal(signal.SIGHUP)
    while "stays as it was" not in server.log():
        tap.ok(time.monotonic() < end, "nothing is said")
        time.sleep(0.05)
    tap.equal(status(new), 200)


@tap.test
def chains_of_certificates():
    root, middle, leaf = tokens.Key(), tokens.Key("RS256"), tokens.Key("ES384")
    stranger = tokens.Key()
    root.certify("root", ca=True)
    middle.certify("middle", issuer=root, ca=True)
    leaf.certify("leaf", issuer=middle)
    stranger.certify("stranger")
    issuer = tokens.Issuer()
    issuer.trust_certificates(root)
    server = serve(issuer)

    def status(key, chain):
        token = issuer.token([], key=key, header={"kid": None, "x5c": chain})
        return Client(server, token).request("GET", "/v2/").status

    tap.equal(status(leaf, leaf.chain(middle)), 200)
    tap.equal(status(root, root.chain()), 200)
    tap.equal(status(leaf, leaf.chain()), 401, "a part of it is lacking")
    tap.equal(status(stranger, stranger.chain()), 401)
    tap.equal(status(stranger, leaf.chain(middle)), 401, "of another key")
    tap.equal(status(stranger, stranger.chain(root)), 401)


@tap.cases(both=({"htpasswd": "/dev/null"}, "one of the two"),
           no_realm=({"realm": None}, "realm"), no_service=({"service": None}, "service"),
           no_keys=({"jwks": None}, "jwks or rootcertbundle"),
           no_file=({"jwks": "/nonexistent/keys"}, "/nonexistent/keys"),
           hmac=({"signingalgorithms": "HS256"}, "HS256"), none=({"signingalgorithms": "none"},
                                                                 "none"))
def mistakes_end_the_start(change, text):
    try:
        serve(tokens.Issuer(), change)
    except OSError as e:
        tap.ok(text in str(e) and "[auth]" in str(e), e)
    else:
        tap.ok(False, "it started")


@tap.test
def fewer_algorithms():
    issuer = tokens.Issuer("RS256")
    server = serve(issuer, {"signingalgorithms": "PS256,ES256"})
    tap.equal(Client(server, issuer.token([])).request("GET", "/v2/").status, 401)
    token = issuer.token([], header={"alg": "PS256"}, signature=b"")
    text = token.rsplit(".", 1)[0]
    signed = text + "." + tokens.encode(issuer.key.sign(text.encode(), "PS256"))
    tap.equal(Client(server, signed).request("GET", "/v2/").status, 200)
    tap.equal(raw.ask(server, "GET", "/livez").status, 200)


if __name__ == "__main__":
    tap.main()
