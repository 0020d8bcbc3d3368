# SPDX-License-Identifier: Apache-2.0
"""Every way to write a repository's name, and every route with it, for whoever wants to walk them.

    ways("a/b", "open/c")                   # what to put where a name belongs
    asked(way, side, "open/c", "/front")    # (method, target, body) of each route with it

What everybody may see is the second name: ways begin in it, and mounts go there.
"""

import collections
import urllib.parse

# What a walk knows of one side: the repository's name; a blob and a manifest by digest, which the
# hidden side has and the other has not; uuid and _state of an upload in it.
Side = collections.namedtuple("Side", "name blob manifest uuid state")

BLOB = b"what nobody but alice may see"
TAG = "tag-of-alice"
WORDS = ("blobs", "manifests", "tags", "uploads", "referrers", "_catalog", "blobs/uploads",
         "tags/list", "manifests/x", "v2", "v2/_catalog")


def escaped(text):
    return "".join(f"%{ord(c):02x}" for c in text)


def wide(letter):
    """The same letter, to who folds what looks alike."""
    return urllib.parse.quote(chr(ord(letter) + 0xfee0))


def neighbours(name):
    """Names that one who may not see this one may pull from: not this one, but close to it."""
    first, last = name.split("/")
    return [first, name[:-1], f"{name}x", f"{name}/more", f"{first}/{last}-x", f"{first}{last}",
            last, f"{last}/{first}", f"x/{name}", f"v2/{name}",
            *(f"{name}/{w}" for w in WORDS if "_" not in w),
            *(f"{w}/{name}" for w in WORDS if "_" not in w)]


def ways(name, open_to_all):
    first, last = name.split("/")
    yield name
    # escapes: of slashes, twice, of all, cut, overlong, beyond ASCII
    yield from (
        f"{first}%2f{last}", f"{first}%2F{last}", f"{escaped(first)}/{last}",
        f"{escaped(first).upper()}/{escaped(last)}", escaped(name),
        f"{first}%252f{last}", f"{first}%25252f{last}",
        f"{escaped(first).replace('%', '%25')}/{last}",
        f"{first}%c0%af{last}", f"{first}%e0%80%af{last}", f"{first}%f0%80%80%af{last}",
        f"{first}%e2%88%95{last}", f"{first}\xc0\xaf{last}", f"{first}\xe2\x88\x95{last}",
        f"{first}%u002f{last}", f"{name}\x80", f"{name}\xff", f"\xef\xbb\xbf{name}", f"{name}%ff",
        f"{name}%", f"{name}%z", f"{name}%zz", f"{name}%u0041", f"%{name}", f"{name}%2",
        f"{first}/{last[0]}\xcc\x81{last[1:]}", f"{first}/{wide(last[0])}{last[1:]}")
    # what ends a text, or a line, or is nothing to some
    yield from (
        f"{name}%00", f"%00{name}", f"{open_to_all}%00{name}", f"{first}%00/{last}", f"{name}%00x",
        f"{name}%20", f"%20{name}", f"{name}%09", f"{name}%0d%0a", f"{name}%0aX-A:%20b",
        f"{name}+", f"{first}+/{last}", f"{name}\x01", f"{name}\x7f", f"{name}%7f", f"{name} ",
        f"{name}\t")
    # segments
    yield from (
        f"{first}//{last}", f"/{name}", f"//{name}", f"./{name}", f"{first}/./{last}", f"{name}/.",
        f"%2e/{name}", f"{first}/%2e/{last}", f"{name}/", f"{name}//",
        f"{open_to_all}/../../{name}",
        f"{open_to_all}/%2e%2e/%2e%2e/{name}", f"{open_to_all}/..%2f..%2f{name}",
        f"{open_to_all}/.%2e/%2e./{name}", f"{open_to_all}%2f..%2f..%2f{name}", f"../{name}",
        f"..;/{name}", f"{open_to_all}/..;/..;/{name}", f"{open_to_all}/..\\..\\{name}",
        f"{open_to_all}/..%5c..%5c{name}", f"{first}\\{last}", f"{first}%5c{last}", f"\\{name}",
        f"{name}/x/..", f"{name}/_manifests", f"{name}/_layers/../", f"{name}/_uploads/..",
        f"_manifests/../{name}")
    # what has a meaning elsewhere
    yield from (
        f"{name};a=b", f"{first};/{last}", f"{first};a=b/{last}", f"{name}%3ba=b", f"{name}#",
        f"{name}#/x", f"{name}%23", f"{name}%3f", f"{name}?x=/", f"{name}?/v2/{open_to_all}",
        f"{open_to_all}/{name}", f"{open_to_all}?{name}", f"{open_to_all}#{name}", f"@{name}",
        f"a:b@{name}", f"{first}.{last}", f"{first}:{last}", f"{name}:{TAG}", f"{name}@sha256",
        f"*/{last}", f"{first}/*", "**", f"{{{first}}}/{last}", f"~/{name}", f"{name}~",
        f"'{name}'", f'"{name}"', f"<{name}>", f"{first}|{last}", f"{first},{last}",
        f"{open_to_all},{name}")
    # case, which some file systems do not tell apart
    yield from (name.upper(), name.title(), f"{first.upper()}/{last}",
                f"{escaped(first.upper())}/{last}")
    # neighbours, and names with a route's own words
    yield from neighbours(name)
    yield from (f"{name}/_catalog", f"_catalog/{name}", f"{name}/v2/_catalog")


def asked(way, side, open_to_all, front=""):
    """front stands before /v2/."""
    base = f"{front}/v2/{way}"
    hexadecimal = side.blob.partition(":")[2]
    for tail in (f"/blobs/{side.blob}", f"/manifests/{TAG}", f"/manifests/{side.manifest}",
                 "/tags/list", f"/referrers/{side.manifest}",
                 f"/blobs/uploads/{side.uuid}?_state={side.state}"):
        yield "GET", base + tail, None
        yield "HEAD", base + tail, None
    # the same, written otherwise
    for tail in (f"/blobs/sha256%3a{hexadecimal}", f"/%62lobs/{side.blob}", f"/blobs//{side.blob}",
                 f"/blobs/{escaped(side.blob)}", f"/blobs/sha256%253a{hexadecimal}",
                 f"/blobs/./{side.blob}", f"/blobs/x/../{side.blob}", f"/blobs%2f{side.blob}",
                 f"/blobs;a=b/{side.blob}", f"/blobs\\{side.blob}", f"/BLOBS/{side.blob}",
                 f"/blobs/{side.blob.upper()}", f"/blobs/{side.blob}/", f"/blobs/{side.blob}%00",
                 "/tags/list?n=1", "/tags/list?n=1&last=a", "/tags/list/", "/tags/list%3fn=1",
                 "/t%61gs/lis%74", "//tags/list", "/tags//list", "/tags/./list", "/./tags/list",
                 f"/manifests/{escaped(TAG)}", f"/manifests/{TAG}#x", f"/manifests/x/../{TAG}",
                 f"/manifests/{TAG.upper()}", f"/%6danifests/{TAG}", f"/manifests/{TAG};a=b",
                 f"/referrers/{side.manifest}?artifactType=x&last=", ""):
        yield "GET", base + tail, None
    for target in (f"http://registry.test{base}/tags/list", f"http://a@b{base}/tags/list",
                   f"HTTPS://{open_to_all}{base}/tags/list", f"http:{base}/tags/list",
                   f"http://registry.test:80/{base}/tags/list",
                   f"ftp://registry.test{base}/tags/list",
                   f"//registry.test{base}/tags/list", f"{base.lstrip('/')}/tags/list",
                   f"{front}/v2{base}/tags/list", f"/{base}/tags/list",
                   f"{front}//v2/{way}/tags/list",
                   f"{front}/v2/../v2/{way}/tags/list", f"{front}/./v2/{way}/tags/list",
                   f"{front}/v2%2f{way}/tags/list", f"{front}/%762/{way}/tags/list",
                   f"{front}/V2/{way}/tags/list", f"{front}/v1/{way}/tags/list",
                   f"/v2/{open_to_all}/../..{base}/tags/list", f"/livez/..{base}/tags/list",
                   f"/livez?{base}/tags/list", f"/%6civez/..%2f{way}/tags/list"):
        yield "GET", target, None
    yield from _changes(way, side, open_to_all, front)


def _changes(way, side, open_to_all, front):
    base, elsewhere = f"{front}/v2/{way}", f"{front}/v2/{open_to_all}/blobs/uploads/"
    upload = f"{side.uuid}?_state={side.state}"
    for uploads in (f"{base}/blobs/uploads/", elsewhere):
        yield "PATCH", uploads + upload, b"x"
        yield "PUT", f"{uploads}{upload}&digest={side.blob}", b""
        yield "PUT", f"{uploads}{upload}&digest={side.blob}&digest={side.manifest}", b""
        yield "PUT", f"{uploads}{side.uuid}?_state=x&_state={side.state}&digest={side.blob}", b""
        yield "DELETE", uploads + upload, None
        yield "GET", uploads + upload, None
        yield "GET", f"{uploads}{side.uuid}", None
        yield "GET", f"{uploads}x?_state={side.state}", None
    yield "POST", f"{base}/blobs/uploads/", b""
    yield "POST", f"{base}/blobs/uploads/?digest={side.blob}", BLOB
    yield "POST", f"{base}/blobs/uploads", b""
    yield "PUT", f"{base}/manifests/{TAG}", b"{}"
    yield "PUT", f"{base}/manifests/{side.manifest}?tag={TAG}", b"{}"
    yield "DELETE", f"{base}/manifests/{TAG}", None
    yield "DELETE", f"{base}/manifests/{side.manifest}", None
    yield "DELETE", f"{base}/blobs/{side.blob}", None
    yield "OPTIONS", f"{base}/tags/list", None
    # a mount into what everybody may push to
    for source in (way, urllib.parse.quote(way, safe="", encoding="latin-1")):
        for query in (f"mount={side.blob}&from={source}", f"from={source}&mount={side.blob}",
                      f"mount={side.blob}&from={open_to_all}&from={source}",
                      f"mount={side.blob}&from={source}&from={open_to_all}",
                      f"mount={side.manifest}&mount={side.blob}&from={source}",
                      f"mount={side.blob}&digest={side.blob}&from={source}",
                      f"%6dount={side.blob}&fr%6fm={source}", f"MOUNT={side.blob}&FROM={source}",
                      f"mount={side.blob};from={source}", f"mount={side.blob}&from[]={source}"):
            yield "POST", f"{elsewhere}?{query}", b""
    # what it holds, asked for where one may see all
    for target in (f"/blobs/{side.blob}", f"/manifests/{side.manifest}",
                   f"/referrers/{side.manifest}"):
        yield "GET", f"{front}/v2/{open_to_all}{target}", None
        yield "HEAD", f"{front}/v2/{open_to_all}{target}", None
    yield "DELETE", f"{front}/v2/{open_to_all}/blobs/{side.blob}", None
    yield "DELETE", f"{front}/v2/{open_to_all}/manifests/{side.manifest}", None
    yield "POST", f"{elsewhere}?mount={side.blob}", b""
    yield "GET", f"{front}/v2/{open_to_all}/tags/list?last={way}", None
    yield "GET", f"{front}/v2/_catalog?n=100&x={way}", None
