# SPDX-License-Identifier: Apache-2.0
"""A registry's client made of http.client: what docker does, step by step, and a whole pull."""

import http.client
import json
import os
import threading
import urllib.parse

import images

ACCEPT = ", ".join([images.MANIFEST, images.INDEX, images.DOCKER_MANIFEST, images.DOCKER_LIST])


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def code(self):
        """The first OCI error code of the body."""
        return json.loads(self.body)["errors"][0]["code"]

    def __repr__(self):
        return f"<{self.status} {dict(self.headers.items())} {self.body[:500]!r}>"


class Client:
    """One connection at a time to HOST:PORT; made anew where the server has closed it."""

    def __init__(self, server, timeout=120):
        self.server, self.timeout = server, timeout

    def open(self):
        return http.client.HTTPConnection(self.server.host, timeout=self.timeout)

    def request(self, method, path, body=None, headers=None, expect=None):
        """path may be a whole Location: its host is left out."""
        if "://" in path:
            parts = urllib.parse.urlsplit(path)
            path = parts.path + ("?" + parts.query if parts.query else "")
        connection = self.open()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            answer = Answer(response, response.read())
        finally:
            connection.close()
        if expect is not None and answer.status != expect:
            raise AssertionError(f"{method} {path}: want {expect}, got {answer!r}")
        return answer

    def begin_upload(self, name):
        return self.request("POST", f"/v2/{name}/blobs/uploads/", b"", expect=202)

    def patch(self, location, data, start=None, expect=202):
        headers = {"Content-Type": "application/octet-stream"}
        if start is not None:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        return self.request("PATCH", location, data, headers, expect)

    def close_upload(self, location, digest, data=b"", expect=201):
        mark = "&" if "?" in location else "?"
        return self.request("PUT", f"{location}{mark}digest={urllib.parse.quote(digest)}", data,
                            {"Content-Type": "application/octet-stream"}, expect)

    def push_blob(self, name, data, digest=None):
        location = self.begin_upload(name).headers["Location"]
        if data:
            location = self.patch(location, data).headers["Location"]
        return self.close_upload(location, digest or images.digest(data))

    def blob(self, name, digest, expect=200):
        return self.request("GET", f"/v2/{name}/blobs/{digest}", expect=expect)

    def manifest(self, name, reference, expect=200):
        return self.request("GET", f"/v2/{name}/manifests/{reference}",
                            headers={"Accept": ACCEPT}, expect=expect)

    def put_manifest(self, name, reference, data, media_type, expect=201):
        return self.request("PUT", f"/v2/{name}/manifests/{reference}", data,
                            {"Content-Type": media_type}, expect)

    def push(self, name, image, tag):
        """Blobs, then manifests, the tagged one last."""
        for data in image.blobs.values():
            self.push_blob(name, data)
        for digest, data in image.manifests.items():
            if digest != image.digest:
                media_type = json.loads(data)["mediaType"]
                self.put_manifest(name, digest, data, media_type)
        self.put_manifest(name, tag, image.manifests[image.digest], image.media_type)

    def pull(self, name, reference):
        """{digest: bytes} of all that the reference stands on."""
        answer = self.manifest(name, reference)
        digest = answer.headers["Docker-Content-Digest"]
        if images.digest(answer.body) != digest:
            raise AssertionError(f"{name}:{reference}: content is not {digest}")
        found = {digest: answer.body}
        value = json.loads(answer.body)
        for child in value.get("manifests", []):
            found.update(self.pull(name, child["digest"]))
        for part in [value[k] for k in ("config",) if k in value] + value.get("layers", []):
            found[part["digest"]] = self.blob(name, part["digest"]).body
        return found


def side_by_side(client, server, count):
    """So many clients push a blob each and pull it again, at once; what went wrong.  client makes one
    of the server."""
    wrong = []

    def work(i):
        data = os.urandom(200_000 + i * 1000)
        try:
            one = client(server)
            one.push_blob(f"many/x{i % 3}", data)
            if one.blob(f"many/x{i % 3}", images.digest(data)).body != data:
                wrong.append(i)
        except Exception as e:  # whatever it is, it is the test's
            wrong.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return wrong
