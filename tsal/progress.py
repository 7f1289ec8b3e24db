"""Progress of a long step: a bar on a terminal, plain lines in a log file."""

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from tqdm import tqdm

from tsal.errors import one_line


class Progress:
    """Shows how far a step has come, how fast it goes and when it will be done.

    On a terminal this is a bar. Otherwise lines are written every `every` seconds and at the end::

        train 120/600 (20 %) 8.1 it/s, 0:59 left, loss 0.0123

    Args:
        total: number of units to come, or None where this is not known.
        label: what is being done.
        unit: name of one unit; "B" (bytes) is shown in MB.
        initial: units that an earlier, interrupted run has already done; the speed leaves them out.
        every: seconds between two plain lines.
        file: where to write; default sys.stderr.
        quiet: write nothing, as of several processes that do the same all but one.
    """

    def __init__(
        self,
        total: int | None,
        label: str,
        unit: str = "it",
        *,
        initial: int = 0,
        every: float = 10.0,
        file: TextIO | None = None,
        quiet: bool = False,
    ) -> None:
        self.total, self.label, self.unit, self.done, self.every = total, one_line(label), unit, initial, every
        self.figures: dict[str, float | str] = {}
        self._initial, self._file, self._quiet = initial, file or sys.stderr, quiet
        self._bar: tqdm | None = None
        self._start = self._last_line = 0.0

    def __enter__(self) -> Self:
        self._start = self._last_line = time.monotonic()
        if self._file.isatty() and not self._quiet:
            self._bar = tqdm(
                total=self.total,
                desc=self.label,
                unit=self.unit,
                unit_scale=self.unit == "B",
                initial=self._initial,
                file=self._file,
                dynamic_ncols=True,
            )
        return self

    def update(self, n: int = 1, **figures: float | str) -> None:
        """Count `n` more units; `figures` (the loss, say) are shown until they are given anew."""
        self.done += n
        self.figures.update(figures)
        if self._bar is not None:
            if figures:
                self._bar.set_postfix_str(", ".join(self._figures()), refresh=False)
            self._bar.update(n)
        elif time.monotonic() - self._last_line >= self.every:
            self._write_line()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._write_line(final=True)

    def _figures(self) -> list[str]:
        return [
            f"{name} {value}" if isinstance(value, str) else f"{name} {value:.4g}"
            for name, value in self.figures.items()
        ]

    def _write_line(self, final: bool = False) -> None:
        self._last_line = time.monotonic()
        if self._quiet:
            return
        with suppress(OSError):  # the terminal is closed, or whoever read has ended: no reason to lose work
            print(self._line(self._last_line - self._start, final), file=self._file, flush=True)

    def _line(self, seconds: float, final: bool) -> str:
        """The plain line after `seconds` of work."""
        scale, unit = (1e-6, "MB") if self.unit == "B" else (1, self.unit)
        count = f"{self.done * scale:.1f}" if unit == "MB" else f"{self.done}"
        if self.total is not None:
            total = f"{self.total * scale:.1f}" if unit == "MB" else f"{self.total}"
            count += f"/{total}" + (f" ({100 * self.done // self.total} %)" if self.total else "")
        rate = (self.done - self._initial) / seconds if seconds > 0 else 0.0
        parts = [f"{self.label} {count} {_rate(rate * scale)} {unit}/s"]
        if final:
            parts.append(f"{_clock(seconds)} in all")
        elif self.total is not None and rate > 0:
            parts.append(f"{_clock((self.total - self.done) / rate)} left")
        return ", ".join(parts + self._figures())


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _clock(seconds: float) -> str:
    """Seconds as 0:59 or 1:02:03."""
    minutes, seconds = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
