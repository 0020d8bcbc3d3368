#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The configurations of docs/proxies.md, run by the proxies that they are for: a client behind one
pushes and pulls, is given URLs that it can use, and cannot say who it is."""

import functools
import http.client
import json
import os
import re
import ssl
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

import certificates
import clients
import images
import registry
import stowage
import tap

GUIDE = os.path.join(stowage.ROOT, "docs/proxies.md")
BIG = os.urandom(1 << 20) * 9
SPOOFED = {"Forwarded": "for=198.51.100.7;proto=http;host=evil.example.org",
           "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "evil.example.org",
           "X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "http"}


def snippets(language):
    with open(GUIDE, encoding="utf-8") as f:
        return re.findall(rf"^```{language}\n(.*?)^```", f.read(), re.S | re.M)


def replace(text, **pieces):
    """Each must be there: else the guide and this test have parted."""
    for old, new in pieces.values():
        tap.ok(old in text, f"{old!r} is in docs/proxies.md")
        text = text.replace(old, new)
    return text


@functools.lru_cache(None)
def certificate():
    """(certificate, key, both) as files."""
    authority = certificates.Authority()
    authority.context("IP:127.0.0.1")
    files = [os.path.join(authority.folder, f"server-1.{kind}") for kind in ("pem", "key")]
    both = os.path.join(authority.folder, "both.pem")
    with open(both, "w", encoding="ascii") as out:
        for name in files:
            with open(name, encoding="ascii") as f:
                out.write(f.read())
    return (*files, both)


class Proxy(stowage._Http):
    """A proxy in front of a server, with TLS; text(port) is its configuration."""

    def __init__(self, server):
        self.program = stowage.tool(self.name)
        super().__init__()
        self.server = server

    def start(self):
        return self.start_on_free_port()

    def write(self, text):
        path = os.path.join(self.folder, "config")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def ready(self):
        return self.listens()


class Nginx(Proxy):
    name = "nginx"

    def __init__(self, server, location=None):
        super().__init__(server)
        self.location = location

    def command(self):
        cert, key, _ = certificate()
        text = replace(
            snippets("nginx")[0], a=("127.0.0.1:5000", self.server.host),
            b=("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            c=("/etc/nginx/registry.crt", cert), d=("/etc/nginx/registry.key", key))
        if self.location:
            text = self.location(text)
        folders = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.write(f"daemon off;\nmaster_process off;\npid {self.folder}/pid;\n"
                            f"error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}"
                            f"{text}}}\n")
        return [self.program, "-p", self.folder, "-e", "stderr", "-c", config]


class Haproxy(Proxy):
    name = "haproxy"

    def __init__(self, server, strips=False):
        super().__init__(server)
        self.strips = strips

    def command(self):
        whole, strip = snippets("haproxy")
        text = replace(whole, a=("127.0.0.1:5000", self.server.host),
                       b=("bind :443", f"bind 127.0.0.1:{self.port}"),
                       c=("/etc/haproxy/registry.pem", certificate()[2]))
        if self.strips:
            text = replace(text, a=("    default_backend", strip + "    default_backend"))
        return [self.program, "-db", "-f", self.write(text)]


def nginx_strips(text):
    """As the guide says: these lines in the place of those that begin likewise."""
    text = replace(text, a=("    location /v2/ {\n", snippets("nginx")[1]))
    for twice in (r"proxy_pass +http://stowage;", r'proxy_set_header +X-Forwarded-Prefix +"";'):
        text, found = re.subn(rf"^ *{twice}.*\n", "", text, flags=re.M)
        tap.equal(found, 1, f"lines with {twice}")
    return text


def nginx_keeps(text):
    return replace(text, a=("location /v2/", "location /registry/v2/"))


class Client(registry.Client):
    def open(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(self.server.host, context=context, timeout=120)


def serve(**options):
    env = {f"STOWAGE_HTTP_{key.upper()}": value for key, value in options.items()}
    server = stowage.Server(env=dict(env, STOWAGE_HTTP_TRUSTEDPROXIES="127.0.0.1")).start()
    tap.defer(server.kill)
    return server


def start(proxy):
    proxy.start()
    tap.defer(proxy.kill)
    return proxy


def follow(proxy, prefix):
    """A large upload and a list, by the URLs that the answers give."""
    client = Client(proxy)
    url = f"https://{proxy.host}{prefix}"

    def location(answer):
        found = answer.headers["Location"]
        tap.ok(found.startswith(url + "/v2/"), f"{found} is below {url}")
        return found

    answer = client.request("POST", f"{prefix}/v2/a/blobs/uploads/", b"", SPOOFED, expect=202)
    answer = client.request("PATCH", location(answer), BIG, SPOOFED, expect=202)
    # as docker sends it, without a length
    chunks = (BIG[at:at + 100_000] for at in range(0, len(BIG), 100_000))
    answer = client.request("PATCH", location(answer), chunks, SPOOFED, expect=202)
    tap.equal(answer.headers["Range"], f"0-{2 * len(BIG) - 1}")
    digest = images.digest(BIG + BIG)
    answer = client.close_upload(location(answer), digest)
    tap.ok(client.request("GET", location(answer), expect=200).body == BIG + BIG, "the blob")
    manifest = images.dump({"schemaVersion": 2, "mediaType": images.MANIFEST, "layers": [],
                            "config": {"mediaType": images.CONFIG, "digest": digest,
                                       "size": 2 * len(BIG)}})
    for tag in "bcd":
        client.request("PUT", f"{prefix}/v2/a/manifests/{tag}", manifest,
                       {"Content-Type": images.MANIFEST}, expect=201)
    names, path = [], f"{prefix}/v2/a/tags/list?n=1"
    while path:
        answer = client.request("GET", path, expect=200)
        names += json.loads(answer.body)["tags"]
        link = answer.headers["Link"]
        path = link and urllib.parse.urljoin(path, link[1:link.index(">")])
    tap.equal(names, ["b", "c", "d"])
    escaped = client.request("GET", f"{prefix}/v2/a%2Fb/tags/list")
    log = proxy.server.log()
    tap.ok("198.51.100" not in log, "what the client says of itself is not in the log")
    tap.ok(" remote=127.0.0.1 " in log, "the client's address, which has no port then")
    return escaped


@tap.cases(nginx=Nginx, haproxy=Haproxy)
def at_the_root(kind):
    proxy = start(kind(serve()))
    tap.equal(follow(proxy, "").status, 400, "an escaped slash comes through")
    image = images.layout(os.path.join(stowage.temporary("image"), "layout"))
    clients.crane_push(image, f"{proxy.host}/team/app:v1")
    found = images.read_layout(clients.crane_pull(f"{proxy.host}/team/app:v1"))
    tap.equal(found, image.contents)


@tap.test
def nginx_takes_a_prefix_away():
    follow(start(Nginx(serve(), nginx_strips)), "/registry")


@tap.test
def nginx_leaves_a_prefix():
    proxy = start(Nginx(serve(prefix="/registry/"), nginx_keeps))
    tap.equal(follow(proxy, "/registry").status, 400, "an escaped slash comes through")


@tap.test
def haproxy_takes_a_prefix_away():
    follow(start(Haproxy(serve(), strips=True)), "/registry")


if __name__ == "__main__":
    tap.main()
