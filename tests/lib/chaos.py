# SPDX-License-Identifier: Apache-2.0
"""A proxy before an S3 server on which connections end badly: a storm that can be switched off.

It passes bytes and knows no HTTP.  Each connection has, drawn from the seed and its number, bytes
that come late and a fate that meets it after so many bytes of requests or of answers:

    close      both sides are closed in the orderly way
    reset      both sides are reset
    half       this direction ends, the other goes on
    silence    nothing passes any more, for a while, then it is reset

Which connection carries what is up to its clients, so a seed repeats the fates, not a run.
"""

import random
import select
import socket
import struct
import threading
import time

from listener import Listener

_BLOCK = 1 << 16
_LINGER_0 = struct.pack("ii", 1, 0)
_WAIT = 0.25  # how soon a connection sees that the storm is over
FATES = ("close", "reset", "half", "silence")


class _Over(Exception):
    """The connection has come to its end."""


class _Flow:
    """One direction: where bytes come from and go to, what is left of its life."""

    def __init__(self, source, target):
        self.source, self.target, self.open = source, target, True
        self.left = None  # bytes until the fate
        self.pending = b""

    def shut(self):
        self.open, self.pending = False, b""
        try:
            self.target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class _Connection:
    def __init__(self, storm, number, client, server):
        self.storm, self.client, self.server = storm, client, server
        self.random = random.Random(storm.seed * 1000003 + number)
        self.requests, self.answers = _Flow(client, server), _Flow(server, client)
        self.stormy, self.until = False, None
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(storm.patience)

    def _draw(self):
        """As soon as there is a storm."""
        if self.stormy == self.storm.raging:
            return
        self.stormy = self.storm.raging
        self.requests.left = self.answers.left = None
        if self.stormy:
            self.fate = self.random.choices(FATES, (4, 4, 2, 1))[0]
            self.delays = self.random.random() < 0.3
            flow = self.random.choice((self.requests, self.answers))
            # from the middle of a head to some parts of an upload
            flow.left = int(2 ** self.random.uniform(6, self.storm.life))

    def run(self):
        reset = False
        try:
            while self.requests.open or self.answers.open:
                self._draw()
                self._turn()
        except _Over:
            reset = self.fate in ("reset", "silence")
        except OSError:
            reset = True  # as it came from the one, so to the other
        for sock in (self.client, self.server):
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            sock.close()

    def _turn(self):
        flows = {flow.source: flow for flow in (self.requests, self.answers) if flow.open}
        for sock in select.select(list(flows), [], [], _WAIT)[0]:
            data = sock.recv(_BLOCK)
            if data:
                self._pass(flows[sock], data)
            else:
                flows[sock].shut()
        if self.until and time.monotonic() > self.until:
            raise _Over()

    def _pass(self, flow, data):
        if self.stormy and self.delays and self.random.random() < 0.1:
            time.sleep(self.random.uniform(0, 0.05))
        if flow.left is not None and self.storm.raging:
            doomed, data = len(data) >= flow.left, data[:flow.left]
            flow.left -= len(data)
            flow.target.sendall(data)
            if doomed:
                self._meet_fate(flow)
        else:
            flow.target.sendall(data)

    def _meet_fate(self, flow):
        self.storm.count(self.fate)
        if self.fate == "half":
            flow.shut()
            self.until = time.monotonic() + self.storm.silence
            return
        if self.fate == "silence":
            end = time.monotonic() + self.random.uniform(0, self.storm.silence)
            while self.storm.raging and time.monotonic() < end:
                time.sleep(0.05)
        raise _Over()


class Chaos(Listener):
    """Before a started Minio, or anything with .host (HOST:PORT).  on() and off() begin and end the
    storm; counts has how often each fate was met, most how many connections were open at once.
    life is the logarithm to base 2 of the bytes that the luckiest connection passes on, silence
    how many seconds one may stay silent."""

    patience = 60  # of a side that takes no bytes

    def __init__(self, server, seed=1, life=25, silence=3):
        super().__init__()
        self.server, self.seed, self.life, self.silence = server, seed, life, silence
        self.raging, self.most = False, 0
        self.counts = dict.fromkeys(FATES, 0)
        self._lock, self._open = threading.Lock(), 0

    def on(self):
        self.raging = True

    def off(self):
        self.raging = False

    def count(self, fate):
        with self._lock:
            self.counts[fate] += 1

    def serve(self, connection, number):
        host, _, port = self.server.host.rpartition(":")
        with self._lock:
            self._open += 1
            self.most = max(self.most, self._open)
        try:
            with socket.create_connection((host, int(port)), timeout=60) as server:
                _Connection(self, number, connection, server).run()
        finally:
            with self._lock:
                self._open -= 1
