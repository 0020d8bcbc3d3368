# SPDX-License-Identifier: Apache-2.0
"""A reader of RFC 9112: which requests the bytes of a connection are, and how they end.

It is strict about all that says where a request ends, and takes what the document lets a recipient
take elsewhere: LF alone at the end of a line of a head (section 2.2), any whitespace in the request
line (section 3), an empty line before it.  A loose one takes, beside that, what the library does
(docs/design/http.md): LF alone for the end of a chunk's line, whatever the lines of a trailer hold,
a line without a name behind another one for their end, a colon and LF alone for the end of a head, a
line that begins with a NUL for an empty one outside of heads, a NUL in the method, and one before an
LF.  Both know HTTP/1.1 alone."""

import re

DONE, PARTIAL, BROKEN = "done", "partial", "broken"
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
PLAIN = re.compile(rb"%s [!-~]+ HTTP/1\.1" % TOKEN)
LINE = re.compile(rb"\s*([^\s\0]+)\s+([^\0\n]*?)\s+HTTP/1\.1\s*")
LOOSE_LINE = re.compile(rb"\s*([^\s]+)\s+([^\0\n]*?)\s+HTTP/1\.1\s*")
FIELD = re.compile(rb"(%s):[ \t]*([^\r\n\0]*?)[ \t]*" % TOKEN)
CHUNK = re.compile(rb"([0-9a-fA-F]+)(;[^\0\r\n]*)?")
LOOSE_CHUNK = re.compile(rb"([0-9a-fA-F]+)(;[^\n]*)?")
LARGEST = 1 << 63


class Broken(Exception):
    pass


class Partial(Exception):
    pass


class Request:
    """plain: its line is as a sender has to write it."""

    def __init__(self, line, method, target, fields):
        self.method, self.target, self.fields, self.body = method, target, fields, b""
        self.plain = PLAIN.fullmatch(line) is not None

    def values(self, name):
        return [v for n, v in self.fields if n.lower() == name]


class _Input:
    def __init__(self, data, loose):
        self.data, self.at, self.loose = data, 0, loose

    def line(self, alone):
        """Without its end; alone: LF alone may be it."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise Partial
        line, self.at = self.data[self.at:end], end + 1
        if line.endswith(b"\r"):
            return line[:-1]
        if not alone:
            raise Broken
        return line[:-1] if self.loose and line.endswith(b"\0") else line

    def take(self, size):
        if len(self.data) - self.at < size:
            raise Partial
        self.at += size
        return self.data[self.at - size:self.at]

    def behind(self, data):
        return self.data.endswith(data, 0, self.at)

    def left(self):
        return self.data[self.at:]


def _fields(source):
    found = []
    while line := source.line(True):
        if source.loose and found and source.behind(b"\n:\n"):
            break
        field = FIELD.fullmatch(line)
        if not field:
            raise Broken
        found.append(field.groups())
    return found


def _chunks(source):
    body, pattern = b"", LOOSE_CHUNK if source.loose else CHUNK
    while True:
        chunk = pattern.fullmatch(source.line(source.loose))
        size = int(chunk.group(1), 16) if chunk else LARGEST
        if size >= LARGEST:
            raise Broken
        if not size:
            break
        body += source.take(size)
        if source.line(source.loose):
            raise Broken
    if not source.loose:
        _fields(source)
        return body
    line = source.line(True)
    while line and not line.startswith(b"\0"):
        line = source.line(True)
        if line.startswith(b":"):
            break
    return body


def _request(source):
    line = source.line(True)
    while not line or (source.loose and line.startswith(b"\0")):
        line = source.line(True)
    first = (LOOSE_LINE if source.loose else LINE).fullmatch(line)
    if not first:
        raise Broken
    request = Request(line, *first.groups(), _fields(source))
    lengths, codings = request.values(b"content-length"), request.values(b"transfer-encoding")
    if len(request.values(b"host")) != 1 or len(lengths) + len(codings) > 1:
        raise Broken
    if codings:
        if codings[0].lower() != b"chunked":
            raise Broken
        request.body = _chunks(source)
    elif lengths:
        if not re.fullmatch(rb"[0-9]+", lengths[0]) or int(lengths[0]) >= LARGEST:
            raise Broken
        request.body = source.take(int(lengths[0]))
    return request


def read(data, loose=False):
    """([requests], how it ends)"""
    source, requests = _Input(data, loose), []
    while source.left().strip(b"\r\n"):
        try:
            requests.append(_request(source))
        except Broken:
            return requests, BROKEN
        except Partial:
            return requests, PARTIAL
    return requests, DONE
