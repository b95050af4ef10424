"""An event loop with a clock and threads that a test moves by hand, to create any order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_MOST_TURNS = 10_000


class Call:
    """Work that the code under test passed to a thread.

    It is queued until its pool has a free thread. Then it waits for `land`, which does the work,
    and for `reply`, which returns the result to the loop; in between, the loop does not know.
    """

    def __init__(
        self, loop: Turns, name: str, pool: Executor | None, work: Callable[[], Any]
    ) -> None:
        self.loop, self.name, self.pool, self._work = loop, name, pool, work
        self.future: asyncio.Future[Any] = loop.create_future()
        self.begun = self.landed = False
        self._result: Any = None
        self._error: BaseException | None = None

    def land(self) -> None:
        """Does the work; in a thread while the loop turns, if it may wait for the loop."""
        assert self.begun
        assert not self.landed
        if self.name in self.loop.waiting:
            thread = threading.Thread(target=self._run)
            thread.start()
            while thread.is_alive():
                self.loop.turn()
                thread.join(0.0001)
        else:
            self._run()
        self.landed = True

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error

    def reply(self) -> None:
        """Returns the result to the loop; a cancelled task ignores it."""
        assert self.landed
        self.loop.calls.remove(self)
        if not self.future.done():
            if self._error is None:
                self.future.set_result(self._result)
            else:
                self.future.set_exception(self._error)
        self.loop.begin()


class Turns(asyncio.SelectorEventLoop):
    """A loop that turns only by `turn`; `calls` is the work of its threads, oldest first.

    Args:
        waiting: names of functions that wait for the loop while they run in a thread.
    """

    def __init__(self, *waiting: str) -> None:
        self.now, self.waiting = 1000.0, waiting
        self.calls: list[Call] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._planned: dict[str, BaseException] = {}
        self._stirred = False
        super().__init__()

    def time(self) -> float:
        return self.now

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self._stirred = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._timers.append(super().call_at(when, callback, *args, context=context))
        return self._timers[-1]

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        name = func.__name__

        def work() -> Any:
            if name in self._planned:
                raise self._planned.pop(name)
            return func(*args)

        call = Call(self, name, executor, work)
        self.calls.append(call)
        self.begin()
        return call.future

    def fail_next(self, name: str, error: BaseException) -> None:
        """Makes the next call of a name raise instead of doing its work."""
        self._planned[name] = error

    def begin(self) -> None:
        """Gives waiting calls to free threads; calls cancelled before are never made."""
        self.calls = [c for c in self.calls if c.begun or not c.future.cancelled()]
        for call in self.calls:
            busy = sum(c.begun for c in self.calls if c.pool is call.pool)
            if not call.begun and busy < getattr(call.pool, "_max_workers", 1):
                call.begun = True

    def turn(self) -> bool:
        """Runs one turn; returns whether anything is left to do."""
        super().call_soon(self.stop)
        self._stirred = False
        self.run_forever()
        return self._stirred

    def rest(self) -> None:
        """Turns until the loop only waits for calls or for the clock."""
        quiet = 0
        for _ in range(_MOST_TURNS):
            quiet = 0 if self.turn() else quiet + 1
            if quiet == 2:
                self.begin()
                return
        raise AssertionError("the loop never comes to rest")

    def advance(self, seconds: float) -> None:
        """Advances the clock."""
        self.now += seconds
        self.rest()

    def alarm(self) -> float | None:
        """Time of the next timer, or None."""
        self._timers = [t for t in self._timers if not t.cancelled() and t.when() > self.now]
        return min((t.when() for t in self._timers), default=None)

    def open(self, *names: str) -> list[Call]:
        """Calls that a thread has started, of those names or all, oldest first."""
        self.begin()
        return [c for c in self.calls if c.begun and (not names or c.name in names)]

    def land(self, name: str) -> Call:
        """Does the work of the oldest open call of a name without returning its result."""
        call = next(c for c in self.open(name) if not c.landed)
        call.land()
        return call

    def finish(self, name: str) -> None:
        """Ends the oldest open call of a name."""
        call = self.open(name)[0]
        if not call.landed:
            call.land()
        call.reply()
        self.rest()

    def do(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a task and runs it as far as possible."""
        task = self.create_task(work)
        self.rest()
        return task
