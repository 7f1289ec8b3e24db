import io

import pytest

from tsal import progress
from tsal.progress import Progress


class Clock:
    """Stands in for time.monotonic."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


def test_a_log_gets_a_line_every_ten_seconds_and_at_the_end(clock):
    log = io.StringIO()
    with Progress(600, "train", file=log) as bar:
        for step in range(1, 601):
            clock.now = step / 8  # 8 steps a second, 75 s in all
            bar.update(loss=0.5 / step)
    lines = log.getvalue().splitlines()
    assert len(lines) == 8
    assert lines[0] == "train 80/600 (13 %) 8.0 it/s, 1:05 left, loss 0.00625"
    assert lines[-1] == "train 600/600 (100 %) 8.0 it/s, 1:15 in all, loss 0.0008333"


def test_the_speed_leaves_out_what_an_earlier_run_had_done(clock):
    log = io.StringIO()
    with Progress(100, "train", initial=50, file=log) as bar:
        clock.now = 20
        bar.update(10)
    assert log.getvalue().splitlines()[0] == "train 60/100 (60 %) 0.5 it/s, 1:20 left"


def test_bytes_are_shown_as_megabytes(clock):
    log = io.StringIO()
    with Progress(300_000_000, "download a.zip", "B", file=log) as bar:
        clock.now = 10
        bar.update(150_000_000)
    assert log.getvalue().splitlines()[0] == "download a.zip 150.0/300.0 (50 %) 15.0 MB/s, 0:10 left"


def test_an_unknown_total_leaves_out_share_and_remaining_time(clock):
    log = io.StringIO()
    with Progress(None, "read", "face", file=log) as bar:
        clock.now = 10
        bar.update(4000)
    assert log.getvalue().splitlines()[0] == "read 4000 400 face/s"


def test_times_over_an_hour_show_hours(clock):
    log = io.StringIO()
    with Progress(2, "train", file=log) as bar:
        clock.now = 3723
        bar.update(status="fine")
    assert log.getvalue().splitlines()[0].endswith("1:02:03 left, status fine")


def test_an_interrupted_step_says_where_it_stopped(clock):
    log = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Progress(10, "train", file=log) as bar:
        clock.now = 1
        bar.update(3)
        raise KeyboardInterrupt
    assert log.getvalue().splitlines() == ["train 3/10 (30 %) 3.0 it/s, 0:01 in all"]


def test_an_empty_step_has_no_share(clock):
    log = io.StringIO()
    with Progress(0, "crop", file=log):
        pass
    assert log.getvalue() == "crop 0/0 0 it/s, 0:00 in all\n"


def test_a_terminal_gets_a_bar_with_speed_figures_and_remaining_time():
    terminal = Terminal()
    with Progress(4, "train", file=terminal) as bar:
        for _ in range(4):
            bar.update(loss=0.25)
    shown = terminal.getvalue()
    assert "\r" in shown
    assert "train: 100%" in shown
    assert "4/4" in shown
    assert "it/s" in shown
    assert "loss 0.25" in shown


def test_a_label_that_others_named_is_shown_and_does_not_steer_the_terminal(clock):
    for file in (io.StringIO(), Terminal()):
        with Progress(2, "unpack a\x1b[2J\n.zip", file=file) as progress:
            progress.update(2)
        assert r"unpack a\x1b[2J\n.zip" in file.getvalue() and "\x1b[2J" not in file.getvalue()


def test_a_closed_terminal_loses_no_work(clock):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with Progress(2, "train", every=0.0, file=Closed()) as progress:
        progress.update(2)
    assert progress.done == 2
