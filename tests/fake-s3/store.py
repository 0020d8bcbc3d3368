# SPDX-License-Identifier: Apache-2.0
"""Buckets, objects and multipart uploads in memory, and the quirks of stores.

Keys are bytes and sort as bytes.  Whoever calls holds the store's lock.  It must not know requests,
signatures or XML.
"""

import bisect
import dataclasses
import hashlib
import os

from sigv4 import Refused


@dataclasses.dataclass
class Profile:
    """How this store differs from Amazon's.  The defaults are Amazon's."""

    page_size: int = 1000           # most entries of any listing
    token: str = ""                 # continuation tokens are this text and a number; "" is opaque
    encoding_type: bool = True      # False: raw keys, and no EncodingType in the answer
    space: str = "+"                # of encoding-type=url
    part_min: int = 5 << 20         # of every part but the last
    parts_max: int = 10000
    equal_parts: bool = False       # all parts but the last are of one size
    first_part_wins: bool = False   # a part number written again keeps its first bytes
    uploads_listed: str = "all"     # "refused": 501; "exact": for one whole key; "never"; "stale":
                                    # as they were
                                    # when freeze_uploads() was called
    start_after_ancestor: bool = True  # False: nothing is listed after an ancestor of the prefix
    refuse_checksums: bool = False  # x-amz-checksum-* and their kin are refused
    demand_md5: bool = False        # DeleteObjects without Content-MD5 is refused
    object_lock: bool = False       # PutObject and UploadPart without it, too
    delete_most: int = 1000         # keys of one DeleteObjects
    list_permission: bool = True    # False: no listings, and HEAD of an absent key is 403
    etag: str = "md5"               # "random", "unquoted", "none"
    dot_segments: str = "kept"      # "refused": keys with them are 400
    copies: bool = True             # False: CopyObject and UploadPartCopy are 501
    conditions: bool = True         # False: conditions on writes are passed over
    remove_conditions: bool = True  # False: those on removals are
    remove_many: bool = True        # False: DeleteObjects is 501
    list_v2: str = "yes"            # "no": 501; "ignored": answered as version 1


@dataclasses.dataclass
class Object:
    body: bytes
    etag: str
    mtime: float
    content_type: str = "binary/octet-stream"
    customer_key: str = ""          # MD5 of the key that it was encrypted with (SSE-C)
    headers: dict = dataclasses.field(default_factory=dict)  # x-amz-* that it was made with


@dataclasses.dataclass
class Upload:
    id: str
    key: bytes
    begun: float
    content_type: str
    parts: dict = dataclasses.field(default_factory=dict)  # number: Object
    customer_key: str = ""
    headers: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Page:
    entries: list    # (key, Object), or (prefix, None)
    truncated: bool
    last: bytes      # the key or prefix to go on after


class Bucket:
    def __init__(self, profile):
        self.profile = profile
        self.objects, self.uploads, self.frozen = {}, {}, []
        self._sorted = None

    # ---- objects ----

    def etag(self, body, parts=None):
        kind = self.profile.etag
        if kind == "none":
            return ""
        if kind == "random":
            return f'"{os.urandom(8).hex()}"'
        if parts:
            joined = b"".join(hashlib.md5(part.body).digest() for part in parts)
            text = f"{hashlib.md5(joined).hexdigest()}-{len(parts)}"
        else:
            text = hashlib.md5(body).hexdigest()
        return text if kind == "unquoted" else f'"{text}"'

    def get(self, key):
        if key not in self.objects:
            if not self.profile.list_permission:
                raise Refused(403, "AccessDenied", "Access Denied")
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        return self.objects[key]

    def check_write(self, key, if_match, create):
        if self.profile.dot_segments == "refused" and \
                {b".", b"..", b""} & set(key.split(b"/")):
            raise Refused(400, "InvalidArgument", "the key has an empty or a dot segment")
        if not 0 < len(key) <= 1024:
            raise Refused(400, "KeyTooLongError", "Your key is too long")
        if not self.profile.conditions:
            return
        if create and key in self.objects:
            raise Refused(412, "PreconditionFailed", "the object is there")
        if if_match is not None and self.get(key).etag != if_match:
            raise Refused(412, "PreconditionFailed", "the object is another")

    def put(self, key, body, now, content_type=None, parts=None):
        self.objects[key] = Object(body, self.etag(body, parts), now,
                                   content_type or "binary/octet-stream")
        self._sorted = None
        return self.objects[key]

    def remove(self, key):
        if self.objects.pop(key, None):
            self._sorted = None

    def list(self, prefix, delimiter, after, most, skip_group=True):
        """after: an entry of the page before, or with skip_group False a key to start after."""
        if self._sorted is None:
            self._sorted = sorted(self.objects)
        keys, entries = self._sorted, []
        if not skip_group and not self.profile.start_after_ancestor and after and \
                prefix.startswith(after):
            return Page([], False, b"")
        at = max(bisect.bisect_left(keys, prefix), bisect.bisect_right(keys, after))
        group = after if skip_group and delimiter and after.endswith(delimiter) else None
        for key in keys[at:]:
            if not key.startswith(prefix):
                break
            if group and key.startswith(group):
                continue
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if len(entries) == most:
                return Page(entries, True, entries[-1][0] if entries else after)
            if end < 0:
                group = None
                entries.append((key, self.objects[key]))
            else:
                group = key[:end + len(delimiter)]
                entries.append((group, None))
        return Page(entries, False, b"")

    # ---- uploads ----

    def begin(self, key, now, content_type):
        upload = Upload(os.urandom(12).hex(), key, now, content_type)
        self.uploads[upload.id] = upload
        return upload

    def upload(self, key, upload_id):
        upload = self.uploads.get(upload_id)
        if not upload or upload.key != key:
            raise Refused(404, "NoSuchUpload", "The specified upload does not exist.")
        return upload

    def put_part(self, upload, number, body, now):
        if not 1 <= number <= self.profile.parts_max:
            raise Refused(400, "InvalidArgument", "the part number is out of bounds")
        if not (self.profile.first_part_wins and number in upload.parts):
            upload.parts[number] = Object(body, self.etag(body), now)
        return upload.parts[number]

    def complete(self, upload, named, now):
        """named: [(number, ETag)] as the client wrote it down."""
        if not named or [number for number, _ in named] != sorted({n for n, _ in named}):
            raise Refused(400, "InvalidPartOrder", "parts are not in ascending order")
        parts = []
        for number, etag in named:
            part = upload.parts.get(number)
            if not part or part.etag.strip('"') != etag.strip('"'):
                raise Refused(400, "InvalidPart", f"part {number} is not there, or is another")
            parts.append(part)
        sizes = [len(part.body) for part in parts]
        if any(size < self.profile.part_min for size in sizes[:-1]):
            raise Refused(400, "EntityTooSmall", "a part is smaller than the minimum")
        if self.profile.equal_parts and (len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]):
            raise Refused(400, "InvalidPart", "All non-trailing parts must have the same length.")
        stored = self.put(upload.key, b"".join(part.body for part in parts), now,
                          upload.content_type, parts)
        stored.customer_key, stored.headers = upload.customer_key, upload.headers
        del self.uploads[upload.id]
        return stored

    def abort(self, upload):
        del self.uploads[upload.id]

    def freeze_uploads(self):
        """What a stale listing of uploads goes on to show."""
        self.frozen = list(self.uploads.values())

    def list_uploads(self, prefix, after, most):
        """after: (key, id); ("", "") is from the start.  (uploads, truncated)."""
        kind = self.profile.uploads_listed
        uploads = self.frozen if kind == "stale" else list(self.uploads.values())
        if kind == "never":
            uploads = []
        if kind == "exact":
            uploads = [upload for upload in uploads if upload.key == prefix]
        key, upload_id = after
        found = sorted((u for u in uploads if u.key.startswith(prefix)),
                       key=lambda u: (u.key, u.id))
        if key:
            found = [u for u in found if u.key > key or
                     upload_id and u.key == key and u.id > upload_id]
        return found[:most], len(found) > most
