# SPDX-License-Identifier: Apache-2.0
"""Answers and the XML in them, to the byte as the protocol has it.

Keys are bytes: encoded where the request asked for it, else as they are.  It must not know where
the things that it writes down come from.
"""

import time
import urllib.parse
import xml.sax.saxutils

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Answer:
    """A status, headers [(name, value)] and a body."""

    def __init__(self, status=200, headers=(), body=b"", length=None):
        self.status, self.headers, self.body = status, list(headers), body
        self.length = length  # said in the header of an answer to HEAD, which has no body

    def set_header(self, name, value):
        self.headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))


def http_date(seconds):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))


def iso_date(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + \
        f".{int(seconds * 1000) % 1000:03d}Z"


def key_text(key, encoded, space="+"):
    """As encoding-type=url writes it, or as it is."""
    if not encoded:
        return key
    return urllib.parse.quote(key, safe="/*-._~").replace("%20", space).encode()


def element(name, content):
    """content: bytes or text of a leaf, a number, a bool, or a list of elements."""
    if isinstance(content, list):
        inner = b"".join(content)
    elif isinstance(content, bool):
        inner = b"true" if content else b"false"
    else:
        data = content if isinstance(content, bytes) else str(content).encode()
        inner = xml.sax.saxutils.escape(data.decode("utf-8", "surrogateescape"),
                                        {'"': "&quot;", "\r": "&#13;"})
        inner = inner.encode("utf-8", "surrogateescape")
    return b"<%s>%s</%s>" % (name.encode(), inner, name.encode())


def document(root, children):
    """An answer with that document."""
    body = (b'<?xml version="1.0" encoding="UTF-8"?>\n<%s xmlns="%s">%s</%s>' %
            (root.encode(), NAMESPACE.encode(), b"".join(children), root.encode()))
    return Answer(200, [("Content-Type", "application/xml")], body)


def error(status, code, message, resource="", headers=(), region=None):
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + element("Error", [
        element("Code", code), element("Message", message), element("Resource", resource),
        element("RequestId", "0"), *([element("Region", region)] if region else [])])
    return Answer(status, [("Content-Type", "application/xml"), *headers], body)
