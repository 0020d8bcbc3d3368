#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""URLs as the client sees them: with and without a proxy in front, one that is trusted or is not,
one that takes a prefix away or leaves it; escaped paths; and the headers of every answer."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import images
import passwords
import raw
import registry
import stowage
import tap

BLOB = b"a layer of some bytes"
DIGEST = images.digest(BLOB)
UPLOADS = "/v2/a/b/blobs/uploads/"


def serve(**options):
    """A server with these keys of [http]."""
    env = {f"STOWAGE_HTTP_{key.upper()}": value for key, value in options.items()}
    made = stowage.Server(env=dict(env, STOWAGE_DELETE_ENABLED="yes")).start()
    tap.after(made.stop)
    return made


plain = serve()
proxied = serve(trustedproxies="192.0.2.0/24, 127.0.0.1")


def ask(server, method, path, body=None, headers=(), host="registry.test", version="1.1"):
    """raw.ask with a Host of its own, or none."""
    lines = [f"{method} {path} HTTP/{version}"] + ([f"Host: {host}"] if host is not None else [])
    lines += [h if isinstance(h, str) else h.decode("latin-1") for h in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    with raw.Connection(server) as c:
        c.send("\r\n".join(lines) + "\r\n\r\n")
        if body:
            c.send(body)
        return c.reply(method)


def begin(server, *headers, path=UPLOADS, **more):
    reply = ask(server, "POST", path, b"", headers, **more)
    tap.equal(reply.status, 202, repr(reply))
    return reply["Location"]


def base(location, path=UPLOADS):
    """What stands in front of the path."""
    front, found, _ = location.partition(path)
    tap.ok(found, location)
    return front


# ---- who is believed ----

SAID = ("X-Forwarded-Proto: https", "X-Forwarded-Host: outside.example.org",
        "X-Forwarded-Prefix: /outer", "X-Forwarded-For: 198.51.100.7",
        "Forwarded: proto=https;host=other.example.org;for=198.51.100.7")


@tap.test
def headers_of_untrusted_peers_are_ignored():
    tap.equal(base(begin(plain, *SAID)), "http://registry.test")
    tap.ok("198.51.100" not in plain.log(), "the client's own word in the log")
    elsewhere = serve(trustedproxies="127.0.0.2, 128.0.0.0/1, ::1, 10.0.0.0/8")
    tap.equal(base(begin(elsewhere, *SAID)), "http://registry.test")


@tap.cases(
    nothing=("http://registry.test", ()),
    proto=("https://registry.test", ("X-Forwarded-Proto: https",)),
    first_proto=("https://registry.test", ("X-Forwarded-Proto: https,http",)),
    two_lines=("https://registry.test", ("X-Forwarded-Proto: https", "X-Forwarded-Proto: http")),
    upper_case=("https://registry.test", ("X-FORWARDED-PROTO: HTTPS",)),
    host=("http://a.example.org:8443", ("X-Forwarded-Host: a.example.org:8443, inner",)),
    v6=("http://[2001:db8::1]:5000", ("X-Forwarded-Host: [2001:db8::1]:5000",)),
    prefix=("http://registry.test/outer/inner", ("X-Forwarded-Prefix: /outer/, /inner",)),
    forwarded=("https://a.example.org:1", ('Forwarded: proto=HTTPS;host="a.example.org:1"',)),
    first_forwarded=("https://a.example.org",
                     ("forwarded: for=10.0.0.1;proto=https;HOST=a.example.org, proto=http",)),
    two_forwarded=("https://registry.test", ("Forwarded: proto=https", "Forwarded: proto=http")),
    forwarded_first=("https://other.example.org/outer", SAID),
    port_is_in_the_host=("https://registry.test",
                         ("X-Forwarded-Proto: https", "X-Forwarded-Port: 8443")))
def trusted_proxy(want, headers):
    location = begin(proxied, *headers)
    tap.equal(base(location), want)
    digest = urllib.parse.quote(DIGEST)
    reply = ask(proxied, "PUT", location[len(want):] + f"&digest={digest}", BLOB, headers)
    tap.equal((reply.status, reply["Location"]), (201, f"{want}/v2/a/b/blobs/{DIGEST}"))


HOSTILE = ["", "a b", "a@b", "user:pass@a", '"a"', "a'", "<a>", "a\\b", "a/b", "/a", "a?b", "a#b",
           "a:b", "a:", "a:0", "a:65536", "a:-1", "::1", "[::1", "[::1]x", "[a]", "a%0d%0a", "%",
           "a;b", "a\tb", "\xe4", "\xc3\xa4.example.org", "a\x7fb", "x" * 256, "x" * 20000, "//a",
           "http://a", "javascript:alert(1)", "a,", "*", "${jndi:ldap://a}", "a\x01b"]
# where they mean something
UNQUOTED = [("X-Forwarded-Prefix: {}", "/a"), ("Forwarded: host={}", '"a"'),
            ('Forwarded: host="{}"', "a\\b")]


@tap.test
def hostile_values_are_passed_over():
    for value in HOSTILE:
        first = value.split(",")[0]
        for header in ("X-Forwarded-Proto: {}", "X-Forwarded-Host: {}", "X-Forwarded-Prefix: {}",
                       "Forwarded: host={}", "Forwarded: proto={}", 'Forwarded: host="{}"',
                       "Forwarded: for=1.2.3.4;{}", "X-Forwarded-For: {}"):
            reply = ask(proxied, "POST", UPLOADS, b"", (header.format(value),))
            if "\x01" in value or "\x7f" in value:  # the library or we may refuse the request
                tap.ok(reply is None or reply.status in (202, 400), repr(reply))
                continue
            tap.equal(reply.status, 202, f"{header} {value!r}")
            got = base(reply["Location"])
            allowed = {"http://registry.test"}
            if re.fullmatch(r"[A-Za-z0-9.]+", first) and len(first) < 256:
                allowed.add(f"http://{first}")
            if (header, value) in UNQUOTED:
                allowed |= {"http://registry.test/a", "http://a", "http://ab"}
            tap.ok(got in allowed, f"{header} {value!r} made {got}")
    tap.equal(ask(proxied, "GET", "/v2/").status, 200)


@tap.test
def hosts_that_are_none_make_relative_urls():
    for host in ("a@b", "a/b", "a b", "[::1", "a:b", "", None):
        version = "1.0" if host is None else "1.1"
        location = begin(plain, host=host, version=version)
        tap.ok(location.startswith(UPLOADS), location)
    tap.equal(base(begin(plain, host="[::1]:5000")), "http://[::1]:5000")
    tap.equal(base(begin(plain, host=None, version="1.0", path="http://other" + UPLOADS)), "")


@tap.test
def the_configured_host_wins():
    server = serve(host="https://registry.example.org:8443/outside/", relativeurls="yes",
                   trustedproxies="127.0.0.1")
    tap.equal(base(begin(server, *SAID)), "https://registry.example.org:8443/outside")
    tap.equal(base(begin(server)), "https://registry.example.org:8443/outside")


@tap.test
def relative_urls():
    server = serve(relativeurls="yes", trustedproxies="127.0.0.1")
    tap.equal(base(begin(server)), "")
    tap.equal(base(begin(server, "X-Forwarded-Prefix: /outer", "X-Forwarded-Host: a")), "/outer")


# ---- the client's address ----

def remote_of(server, *headers):
    """What the access log calls the client; each asks for a path of its own."""
    remote_of.count += 1
    mark = f"/v2/log-{remote_of.count}/tags/list"
    ask(server, "GET", mark, None, headers)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for line in server.log().splitlines():
            if f"path={mark} " in line:
                return re.search(r"remote=(\S+)", line).group(1)
        time.sleep(0.02)
    raise AssertionError("no line in the access log")


remote_of.count = 0


@tap.test
def the_log_has_the_client():
    own = r"127\.0\.0\.1:\d+"
    for want, *headers in (
            (own,),
            (r"198\.51\.100\.7", "X-Forwarded-For: 198.51.100.7"),
            (r"198\.51\.100\.7", "X-Forwarded-For: 198.51.100.7, 192.0.2.5"),
            (r"198\.51\.100\.9", "X-Forwarded-For: 198.51.100.7, 198.51.100.9, 192.0.2.5"),
            (r"198\.51\.100\.9", "X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 198.51.100.9"),
            (r"192\.0\.2\.6", "X-Forwarded-For: 192.0.2.6, 192.0.2.5"),
            (r"\[2001:db8::1\]:80", "Forwarded: for=\"[2001:db8::1]:80\""),
            (r"2001:db8::1", "Forwarded: for=\"[2001:db8::1]\", for=192.0.2.5"),
            (own, "X-Forwarded-For: 198.51.100.7", "Forwarded: for=198.51.100.8"),
            (own, "X-Forwarded-For: evil level=error"),
            (own, "X-Forwarded-For: 198.51.100.7, unknown")):
        got = remote_of(proxied, *headers)
        tap.ok(re.fullmatch(want, got), f"{headers}: {got}")
    tap.ok(re.fullmatch(own, remote_of(plain, "X-Forwarded-For: 198.51.100.7")), "untrusted")


# ---- whole ways under a prefix ----

class Outside:
    """What a client sees: a base URL, behind which a proxy takes the prefix away or leaves it."""

    def __init__(self, server, url, strips):
        self.server, self.url, self.strips = server, url, strips
        self.parts = urllib.parse.urlsplit(url)

    def request(self, method, url, body=None):
        """url is absolute. A client that leaves the prefix does not reach the proxy's room."""
        parts = urllib.parse.urlsplit(url)
        prefix = self.parts.path
        tap.equal((parts.scheme, parts.netloc), (self.parts.scheme, self.parts.netloc), url)
        tap.ok(parts.path.startswith(prefix + "/"), f"{url} is below {self.url}")
        path = parts.path + ("?" + parts.query if parts.query else "")
        headers = [f"X-Forwarded-Proto: {parts.scheme}"]
        if self.strips:
            path = path[len(prefix):]
            headers.append(f"X-Forwarded-Prefix: {prefix}")
        return ask(self.server, method, path, body, headers, host=parts.netloc)

    # three ways in which clients go on from an answer
    def absolute(self, asked, reference):
        return urllib.parse.urljoin(asked, reference)

    def absolute_path(self, asked, reference):
        parts = urllib.parse.urlsplit(reference)
        return f"{self.parts.scheme}://{self.parts.netloc}{parts.path}?{parts.query}"

    def query_only(self, asked, reference):
        return asked.partition("?")[0] + "?" + urllib.parse.urlsplit(reference).query


kept = serve(prefix="/registry/", trustedproxies="127.0.0.1")
relative = serve(prefix="/registry/", trustedproxies="127.0.0.1", relativeurls="yes")
fixed = serve(host="https://hub.example.org/deep/er/")
WAYS = {
    "stripped": Outside(proxied, "https://hub.example.org/registry", True),
    "kept": Outside(kept, "https://hub.example.org:8443/registry", False),
    "kept_relative": Outside(relative, "http://hub.example.org/registry", False),
    "fixed": Outside(fixed, "https://hub.example.org/deep/er", True),
}
TAGS = ["1", "2.0", "_x", "a-b", "latest", "v1.a"]


def fill(way):
    """By the three steps that docker makes; the URLs as they come."""
    for style in (way.absolute, way.absolute_path):
        url = f"{way.url}/v2/a/b/blobs/uploads/"
        reply = way.request("POST", url, b"")
        tap.equal(reply.status, 202, repr(reply))
        url = style(url, reply["Location"])
        reply = way.request("PATCH", url, BLOB[:5])
        tap.equal(reply.status, 202, repr(reply))
        url = style(url, reply["Location"])
        reply = way.request("GET", url)
        tap.equal((reply.status, reply["Range"]), (204, "0-4"))
        url = style(url, reply["Location"])
        reply = way.request("PUT", f"{url}&digest={urllib.parse.quote(DIGEST)}", BLOB[5:])
        tap.equal(reply.status, 201, repr(reply))
        reply = way.request("GET", style(url, reply["Location"]).rstrip("?"))
        tap.equal(reply.body, BLOB)
    manifest = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                            "config": {"mediaType": images.CONFIG, "digest": DIGEST,
                                       "size": len(BLOB)}})
    for tag in TAGS:
        client = registry.Client(way.server)
        prefix = way.parts.path if not way.strips else ""
        reply = client.request("PUT", f"{prefix}/v2/a/b/manifests/{tag}", manifest,
                               {"Content-Type": images.MANIFEST}, expect=201)
        tap.ok(reply.headers["Location"].endswith(
            f"{prefix}/v2/a/b/manifests/{images.digest(manifest)}"), reply.headers["Location"])


def pages(way, path, member, style):
    found, url = [], f"{way.url}{path}?n=2"
    while url:
        reply = way.request("GET", url)
        tap.equal(reply.status, 200, repr(reply))
        found += json.loads(reply.body)[member]
        link = reply["Link"]
        match = re.fullmatch(r'<([^<>" ]+)>; rel="next"', link) if link else None
        tap.ok(match or not link, link)
        url = style(url, match.group(1)) if match else None
        tap.ok(len(found) < 100, "no end of pages")
    return found


@tap.cases(**{name: name for name in WAYS})
def under_a_prefix(name):
    way = WAYS[name]
    fill(way)
    for style in (way.absolute, way.absolute_path, way.query_only):
        tap.equal(pages(way, "/v2/a/b/tags/list", "tags", style), TAGS)
        tap.ok("a/b" in pages(way, "/v2/_catalog", "repositories", style), "the catalog")


@tap.test
def only_the_prefix_is_served():
    for path in ("/v2/", "/v2", "/registry/livez", "/v2/a/b/tags/list", "/registryv2/",
                 "/registry//v2/", "/other/v2/", "/registry/registry/v2/", "/registr%2579/v2/",
                 "/registry%2fv2/", "/x/../registry/v2/"):
        reply = ask(kept, "GET", path)
        tap.equal((reply.status, reply.codes), (404, ["UNSUPPORTED"]), path)
    for path in ("/registry/v2/", "/registry/v2", "http://any/registry/v2/",
                 "/registr%79/v%32/"):
        reply = ask(kept, "GET", path)
        tap.equal((reply.status, reply["Docker-Distribution-Api-Version"]), (200, "registry/2.0"))
    for path in ("/", "/livez", "/readyz", "/registry", "/registry/"):
        tap.equal(ask(kept, "GET", path).status, 200, path)


# ---- escapes ----

@tap.test
def escaped_paths_are_decoded_once():
    registry.Client(plain).push_blob("a/b", BLOB)
    hexadecimal = DIGEST.partition(":")[2]
    before = raw.tree(plain.data)
    known = {
        f"/v2/%61/b/blobs/{DIGEST}": 200,
        f"/v2/a/b/%62lobs/{DIGEST}": 200,
        f"/v2/a/b/%2562lobs/{DIGEST}": 404,
        f"/v2/a/b%2fblobs/{DIGEST}": 400,
        f"/v2/a/b/blobs/sha256%3A{hexadecimal}": 200,
        f"/v2/a/b/blobs/sha256%3a{hexadecimal}": 200,
        f"/v2/a/b/blobs/%73ha256:{hexadecimal}": 200,
        f"/v2/a/b/blobs/sha256%253A{hexadecimal}": 400,
        f"/v2/a%2Fb/blobs/{DIGEST}": 400,
        f"/v2/a%2fb/blobs/{DIGEST}": 400,
        f"/v2/a%252Fb/blobs/{DIGEST}": 400,
        f"/v2/a/../a/b/blobs/{DIGEST}": 400,
        f"/v2/a/./b/blobs/{DIGEST}": 400,
        f"/v2/a/%2e%2e/a/b/blobs/{DIGEST}": 400,
        f"/v2/../v2/a/b/blobs/{DIGEST}": 400,
        f"/v2/a//b/blobs/{DIGEST}": 400,
        f"/v2//a/b/blobs/{DIGEST}": 400,
        f"/v2/a/b//blobs/{DIGEST}": 400,
        f"//v2/a/b/blobs/{DIGEST}": 404,
        f"/v2/a/b%00/blobs/{DIGEST}": 400,
        f"/v2/a/b/blobs/{DIGEST}%00": 400,
        f"/v2/a/b/blobs/{DIGEST}/": 404,
        f"/v2/a/b/blobs/{DIGEST}%2f": 400,
        f"/v2/a/b/blobs/..%2f..%2f{DIGEST}": 400,
        f"/v2/a%5cb/blobs/{DIGEST}": 400,
        f"/v2/%ZZ/b/blobs/{DIGEST}": 400,
        f"/v2/a%/b/blobs/{DIGEST}": 400,
        f"/v2/a/b/blobs/{DIGEST}%4": 400,
        f"/v2/a/b;x=y/blobs/{DIGEST}": 400,
        f"/v2/a/%c3%a4/blobs/{DIGEST}": 400,
        f"/v2/A/b/blobs/{DIGEST}": 400,
        f"/%76%32/a/b/blobs/{DIGEST}": 200,
        f"/v2%2fa/b/blobs/{DIGEST}": 400,
        f"/v2/c/d/blobs/{DIGEST}": 404,
    }
    for path, status in known.items():
        reply = ask(plain, "GET", path)
        tap.equal(reply.status, status, f"{path}: {reply!r}")
        tap.ok(status == 200 or reply.codes, "an OCI error")
        tap.equal(ask(plain, "HEAD", path).status, status, f"HEAD {path}")
    for query, status in ((f"sha256%3A{hexadecimal}", 201), (f"sha256%253A{hexadecimal}", 400),
                          (f"sha256:{hexadecimal}%00", 400), ("%ZZ", 400)):
        reply = ask(plain, "POST", f"{UPLOADS}?digest={query}", BLOB)
        tap.equal(reply.status, status, f"{query}: {reply!r}")
    tap.equal(raw.tree(plain.data), before)


@tap.cases(root="", kept="/registry")
def one_decoding_for_routes_and_rules(front):
    """Everybody may pull from a/b, and only alice from elsewhere."""
    users = os.path.join(stowage.temporary("users"), "users")
    passwords.write(users, {"alice": "one"})
    server = stowage.Server(env={
        "STOWAGE_AUTH_HTPASSWD": users, "STOWAGE_HTTP_PREFIX": front and front + "/",
        "STOWAGE_HTTP_TRUSTEDPROXIES": "127.0.0.1",
        "STOWAGE_ACCESS_PULL": "a/b : anonymous; ** : alice"}).start()
    tap.defer(server.stop)
    alice = f"Authorization: {passwords.basic('alice', 'one')}"
    for name in ("a/b", "c/d"):
        reply = ask(server, "POST", f"{front}/v2/{name}/blobs/uploads/?digest={DIGEST}", BLOB,
                    (alice,))
        tap.equal(reply.status, 201, repr(reply))
    for name in ("a/b", "%61/b", "a/%62"):
        tap.equal(ask(server, "GET", f"{front}/v2/{name}/blobs/{DIGEST}").body, BLOB, name)
    for name in ("c/d", "%63/d", "c/%64"):
        path = f"{front}/v2/{name}/blobs/{DIGEST}"
        for prefix in ("/", "/v2/a/b", "/registry", "/a/b/../.."):
            reply = ask(server, "GET", path, None, (f"X-Forwarded-Prefix: {prefix}",))
            tap.equal(reply.status, 401, path)
        tap.equal(ask(server, "GET", path, None, (alice,)).body, BLOB, path)
    for name in ("a/b/../../c/d", "a/b/%2e%2e/%2e%2e/c/d", "a/b%2f..%2f..%2fc/d", "c%2fd",
                 "a/b%00/../c/d", "a/b//c/d", "%2e/c/d", "c%252fd", "C/d"):
        for headers in ((), (alice,)):
            reply = ask(server, "GET", f"{front}/v2/{name}/blobs/{DIGEST}", None, headers)
            tap.ok(reply.status in (400, 401), f"{name}: {reply!r}")
            tap.ok(BLOB not in reply.body and reply.codes, name)


# ---- headers of every answer ----

@tap.test
def extra_headers_are_on_every_answer():
    server = serve(headers="X-Content-Type-Options: nosniff; Strict-Transport-Security: "
                           "max-age=63072000; includeSubDomains; Cache-Control: no-store")
    for method, path, status in (("GET", "/v2/", 200), ("GET", "/", 200), ("HEAD", "/v2/", 200),
                                 ("GET", "/nothing", 404), ("DELETE", "/v2/", 405),
                                 ("GET", "/v2/%", 400), ("GET", f"/v2/a/blobs/{DIGEST}", 404),
                                 ("GET", "/v2/a/tags/list", 404), ("POST", UPLOADS, 202)):
        reply = ask(server, method, path, b"" if method == "POST" else None)
        tap.equal(reply.status, status, path)
        tap.equal(reply["X-Content-Type-Options"], "nosniff", path)
        tap.equal(reply["Strict-Transport-Security"], "max-age=63072000; includeSubDomains", path)
        # "no-cache" is the root's own: said once
        tap.equal(reply["Cache-Control"], "no-cache" if path == "/" else "no-store", path)
    reply = ask(server, "GET", "/v2/", None, ("Content-Length: 0", "Transfer-Encoding: chunked"))
    tap.equal(reply.status, 400)
    tap.equal(reply["X-Content-Type-Options"], "nosniff")


@tap.test
def extra_headers_from_a_file():
    path = os.path.join(stowage.temporary(), "headers")
    with open(path, "w", encoding="ascii") as f:
        f.write("X-One: 1; X-Two: 2\n\nX-Three: 3\n\n")
    server = serve(headers="@" + path)
    reply = ask(server, "GET", "/v2/")
    tap.equal((reply["X-One"], reply["X-Two"], reply["X-Three"]), ("1; X-Two: 2", None, "3"))


@tap.cases(
    host_scheme=("host", "registry.example.org", "host"),
    host_path=("host", "http://a/../b", "host"),
    prefix=("prefix", "registry", "prefix"),
    proxies=("trustedproxies", "localhost", "trustedproxies"),
    headers_name=("headers", "X A: b", "not a header's name"),
    headers_framing=("headers", "Content-Length: 5", "Content-Length is the server's own"),
    headers_connection=("headers", "X-A: b; connection: close", "connection is the server's own"),
    headers_none=("headers", "X-A", "expected"))
def mistakes_end_the_start(key, value, pattern):
    env = dict(os.environ, STOWAGE_HTTP_LISTEN="127.0.0.1:0", STOWAGE_STORAGE_DRIVER="memory")
    env[f"STOWAGE_HTTP_{key.upper()}"] = value
    for command in (["serve"], ["config", "--check"]):
        done = subprocess.run([os.path.join(stowage.BUILD, "stowage"), *command], env=env,
                              text=True, timeout=60, capture_output=True, check=False)
        tap.equal(done.returncode, 1, done.stderr)
        tap.equal(len(done.stderr.splitlines()), 1, done.stderr)
        tap.ok(f"[http] {key}" in done.stderr and re.search(pattern, done.stderr), done.stderr)


if __name__ == "__main__":
    tap.main()
