# SPDX-License-Identifier: Apache-2.0
"""A port whose connections are each served by a thread of their own:

    class Echo(Listener):
        def serve(self, connection, number): ...

    echo = Echo().start()
    echo.host, echo.port, echo.endpoint
    echo.stop()

What serve raises because the other side has gone is passed over.  It must not know protocols.
"""

import socket
import threading


class Listener:
    def __init__(self):
        self._listener, self.port, self.connections = None, None, 0

    def start(self, address="127.0.0.1", port=0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=1024)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self):
        if self._listener:
            # close alone does not wake a thread that waits in accept
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def endpoint(self):
        return f"http://{self.host}"

    def serve(self, connection, number):
        """On a thread of its own; connection, the number-th, is closed afterwards."""
        raise NotImplementedError

    def _accept(self, listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:  # stopped
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(connection, self.connections),
                             daemon=True).start()

    def _run(self, connection, number):
        with connection:
            try:
                self.serve(connection, number)
            except OSError:
                pass
