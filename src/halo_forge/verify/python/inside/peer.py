"""One end of the line between the referee and the answer: requests, replies, and objects that stay where they are.

A request is (operation, *arguments); its reply ("value", value) or ("raise", *description). While one side waits for a
reply it serves the other's requests, so that a function of the test can be called back by the answer.
"""

import wire

LIMIT = 64 << 20
"""Bytes of one message."""


class Ended(BaseException):
    """The other side is gone. Not an Exception: no test may take it for an error of the answer's."""


class Peer:
    """`operations`: what the other side may ask for, by name. `refer` and `resolve` as in `wire`."""

    def __init__(self, read, write, operations, refer, resolve, describe, restore):
        self.read, self.write, self.operations = read, write, operations
        self.refer, self.resolve, self.describe, self.restore = refer, resolve, describe, restore
        self.ended = False
        """Whether the other side is gone: a test with a bare `except` may have swallowed the news."""

    def ask(self, operation, *arguments):
        """The value that the other side replies with; raises what it raised, restored, or Ended."""
        self._send((operation, *arguments))
        while True:
            head, *rest = self._receive()
            if head == "value":
                return rest[0]
            if head == "raise":
                raise self.restore(*rest)
            self._answer(head, rest)

    def serve(self):
        """Answer requests until the other side is gone."""
        while True:
            try:
                head, *rest = self._receive()
            except Ended:
                return
            self._answer(head, rest)

    def _answer(self, operation, arguments):
        try:
            reply = ("value", self.operations[operation](*arguments))
            data = wire.pack(reply, self.refer)
        except Ended:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the asker
            data = wire.pack(("raise", *self.describe(error)), self.refer)
        self._send_bytes(data)

    def _send(self, message):
        self._send_bytes(wire.pack(message, self.refer))

    def _send_bytes(self, data):
        try:
            wire.send(self.write, data)
        except BrokenPipeError:
            self.ended = True
            raise Ended from None

    def _receive(self):
        data = wire.receive(self.read, LIMIT)
        if data is None:
            self.ended = True
            raise Ended
        message = wire.unpack(data, self.resolve)
        if type(message) is not tuple or not message or type(message[0]) is not str:
            raise wire.Crossing("garbled: no message")
        return message
