"""Signals that end a process, put off to where nothing is lost."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Self

from tsal.detectors import parallel

# SIGTERM: schedulers, at a time limit too; SIGINT: Ctrl-C; SIGHUP: the terminal is gone.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))


class Interruption:
    """Within `with Interruption() as interruption:` signals that would end the process set `interruption.asked`.

    Whoever works looks at it where it can end without loss, and raises KeyboardInterrupt of that signal. Signals
    that are ignored (nohup, jobs in the background) stay so; outside the main thread, where none arrive, nothing
    changes.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._at_once = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not self.asked and parallel.is_first():
            with suppress(OSError):  # whoever read it may have been ended by the same signal
                print(f"{signal.Signals(number).name}: ending after this step", file=sys.stderr, flush=True)
        self.asked = signal.Signals(number)
        if self._at_once:
            self._at_once = False
            raise KeyboardInterrupt(self.asked)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it, work that can be done again, such as a measurement, ends in the middle; or at its end, where the
        signal came while an object was finalised, since Python lets no error out of there.
        """
        self._at_once, shown = True, sys.unraisablehook
        sys.unraisablehook = lambda what: None if isinstance(what.exc_value, KeyboardInterrupt) else shown(what)
        try:
            if self.asked:
                raise KeyboardInterrupt(self.asked)
            yield
            if self.asked:
                raise KeyboardInterrupt(self.asked)
        finally:
            self._at_once, sys.unraisablehook = False, shown
