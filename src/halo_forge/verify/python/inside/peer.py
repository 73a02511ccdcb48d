"""One end of the line between the referee and the answer: requests, replies, and objects that stay where they are.

A request is (operation, *arguments); its reply ("value", value) or ("raise", error). While one side waits for a
reply it serves the other's requests, so that a function of the test can be called back by the answer. With every
message comes what has happened since the last: what was printed, warned of, logged.
"""

import _thread

import wire

LIMIT = 64 << 20
"""Bytes of one message."""


class Ended(BaseException):
    """The other side is gone. Not an Exception: no test may take it for an error of the answer's."""


class Peer:
    """`operations`: what the other side may ask for, by name. `refer` and `resolve` as in `wire`.

    `outgoing()` gives what has happened here, `incoming(events)` takes what has happened there.
    A thread of one side talks to a thread of the other, 0 to 0; of those that wait, one reads for all.
    """

    def __init__(self, read, write, operations, refer, resolve, heap, outgoing, incoming):
        self.read, self.write, self.operations = read, write, operations
        self.refer, self.resolve, self.heap = refer, resolve, heap
        self.outgoing, self.incoming = outgoing, incoming
        self.raised = None
        """What taking the other side's news raised: it is raised where that side's reply is waited for."""
        self.ended = False
        """Whether the other side is gone: a test with a bare `except` may have swallowed the news."""
        self.listens = False
        """Whether a thread of this side waits for what threads of the other's may ask at any time."""
        self.talks = {_thread.get_ident(): 0}  # thread -> number of its talk
        self.next = heap.step
        self.sending = _thread.RLock()
        self.mutex = _thread.allocate_lock()
        self.reader = None  # the thread that reads for all
        self.waiting = {}  # talk -> lock to release when there is something for it
        self.inbox = {0: []}  # talk that waits -> what has come for it

    def ask(self, operation, *arguments):
        """The value that the other side replies with; raises what it raised, or Ended."""
        me = _thread.get_ident()
        talk = self.talks.get(me)
        first = talk is None
        if first:
            with self.mutex:
                talk, self.next = self.next, self.next + self.heap.step
            self.talks[me] = talk
            self.inbox[talk] = []
        try:
            self._send(talk, (operation, *arguments))
            del arguments
            while True:
                message = self._receive(talk)
                head = message.pop(0)
                if head in ("value", "raise") and self.raised is not None:
                    raised, self.raised = self.raised, None
                    raise raised
                if head == "value":
                    return message[0]
                if head == "raise":
                    error = message.pop()
                    if not isinstance(error, BaseException):
                        raise wire.Crossing("garbled: no error")
                    raise error
                self._answer(talk, head, message)
        finally:
            if first:
                del self.talks[me], self.inbox[talk]

    def serve(self):
        """Answer requests until the other side is gone."""
        while True:
            try:
                message = self._receive(0)
            except Ended:
                return
            self._answer(0, message.pop(0), message)

    def listen(self):
        """Let a thread answer what threads of the other side ask while none of this side waits."""
        if not self.listens:
            self.listens = True
            _thread.start_new_thread(self._listen, ())

    def _listen(self):
        self.inbox[self] = []
        try:
            self._receive(self)
        except (Ended, wire.Crossing):
            return

    def _answer(self, talk, operation, arguments):
        try:
            value = self.operations[operation](*arguments)
            arguments.clear()
            self._send(talk, ("value", value))
        except Ended:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the asker
            arguments.clear()
            self._send(talk, ("raise", error))

    def _answer_beside(self, talk, message):
        """Answer for a thread of the other side that has none of its own here."""
        me = _thread.get_ident()
        before, self.talks[me] = self.talks.get(me), talk
        self.inbox[talk] = []
        try:
            self._answer(talk, message.pop(0), message)
        except Ended:
            return
        finally:
            del self.inbox[talk], self.talks[me]
            if before is not None:
                self.talks[me] = before

    def _send(self, talk, message):
        with self.sending:
            data = self.heap.pack((talk, self.outgoing(), *message), self.refer)
            try:
                wire.send(self.write, data)
            except BrokenPipeError:
                self.ended = True
                raise Ended from None

    def _receive(self, talk):
        """The next message for a talk. What comes for others meanwhile is handed to them."""
        me = _thread.get_ident()
        while True:
            with self.mutex:
                if self.inbox[talk]:
                    return self.inbox[talk].pop(0)
                nested = self.reader == me
                reads = nested or self.reader is None
                if reads:
                    self.reader = me
                else:
                    bell = self.waiting[talk] = _thread.allocate_lock()
                    bell.acquire()
            if not reads:
                bell.acquire()
                continue
            try:
                whose, message = self._read()
            finally:
                if not nested:
                    with self.mutex:
                        self.reader = None
                        for bell in self.waiting.values():
                            bell.release()
                        self.waiting.clear()
            if whose == talk:
                return message
            if whose in self.inbox:
                with self.mutex:
                    self.inbox[whose].append(message)
            elif self.heap.step > 0:
                self._answer_beside(whose, message)
            else:
                try:
                    _thread.start_new_thread(self._answer_beside, (whose, message))
                except RuntimeError:  # no more of them are allowed
                    self._answer_beside(whose, message)

    def _read(self):
        data = wire.receive(self.read, LIMIT)
        if data is None:
            self.ended = True
            raise Ended
        message = self.heap.unpack(data, self.resolve)
        if type(message) is not tuple or len(message) < 3 or type(message[2]) is not str or type(message[0]) is not int:
            raise wire.Crossing("garbled: no message")
        talk, events, *rest = message
        if events:
            try:
                self.incoming(events)
            except Exception as error:  # noqa: BLE001 - a warning that the tests turn into an error
                self.raised = error
        return talk, rest
