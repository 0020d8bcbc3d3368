# SPDX-License-Identifier: Apache-2.0
"""What a test says of single calls in advance, and the log of all calls afterwards.

A fault waits for its call: the operation, a pattern of the key, and which one of those that match
in order.  The log holds each request that was whole, refused ones too, in the order in which they
were answered.  Neither knows how a store works.
"""

import fnmatch
import threading


class Fault:
    """What happens at one call, in this order; what is not given does not happen.

    delay    seconds before anything is done
    work     the store does what was asked, whatever is answered; else a fault that answers or
             closes leaves the store as it was
    close    the connection is closed without an answer
    status   answers that, with an <Error> of that code
    code     with status 200 an <Error> inside a success
    body     answers these bytes instead, with status or 200
    edit     a function that changes the answer (its status, headers, body) as it likes
    headers  {name: value} added or replaced; None takes one away
    cut      the connection is closed after so many bytes of the body
    pieces   a function of the body: [(seconds, bytes)], each a chunk that is sent after so long
    forget   the log keeps no body of the request
    """

    def __init__(self, operation="*", key="*", nth=1, times=1, delay=0.0, work=None, close=False,
                 status=None, code=None, message="as the test wants it", body=None, edit=None,
                 headers=None, cut=None, pieces=None, forget=False):
        self.operation, self.key, self.nth, self.times = operation, key, nth, times
        self.delay, self.close, self.status, self.code = delay, close, status, code
        self.message, self.body, self.edit, self.cut = message, body, edit, cut
        self.pieces, self.forget = pieces, forget
        self.headers = headers or {}
        self.answers = status is not None or code is not None or body is not None
        self.work = work if work is not None else not (self.answers or close)
        self.seen = self.used = 0

    def counts(self, operation, key):
        """Is it a call of those that it waits for?"""
        matches = (fnmatch.fnmatchcase(operation, self.operation) and
                   fnmatch.fnmatchcase(key, self.key))
        self.seen += matches
        return matches

    def is_due(self):
        return self.seen >= self.nth and (self.times is None or self.used < self.times)


class Call:
    """One request, as it came and as it was answered."""

    def __init__(self, request, operation, bucket, key, at):
        self.operation, self.bucket, self.key, self.time = operation, bucket, key, at
        self.method, self.target = request.method, request.target
        self.headers, self.body = request.headers, request.body
        self.connection = request.connection
        self.status, self.code, self.message, self.sent = None, "", "", 0
        self.fault = None

    def header(self, name):
        return next((value for other, value in self.headers if other.lower() == name.lower()),
                    None)

    def __repr__(self):
        return f"{self.operation} {self.method} {self.target} -> {self.status} {self.code}"


class Script:
    """The faults that wait, and the log.  For any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._faults, self._calls = [], []

    def add(self, fault):
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self):
        with self._lock:
            self._faults, self._calls = [], []

    def take(self, operation, key):
        """The first fault that is due; those behind it have seen the call, and wait."""
        with self._lock:
            matching = [fault for fault in self._faults if fault.counts(operation, key)]
            due = next((fault for fault in matching if fault.is_due()), None)
            if due:
                due.used += 1
            return due

    def note(self, call):
        with self._lock:
            self._calls.append(call)

    def calls(self, *operations):
        with self._lock:
            return [call for call in self._calls
                    if not operations or call.operation in operations]
