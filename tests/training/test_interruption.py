"""Signals that end a process wait for a place where nothing is lost."""

import signal
import weakref

import pytest

from tsal.training.interruption import Interruption


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_is_put_off_and_told_once(name, capfd):
    number = getattr(signal, name)
    found = signal.signal(number, signal.default_int_handler)  # a parent may have it ignored, as a shell does with `&`
    try:
        with Interruption() as interruption:
            assert not interruption.asked
            for _ in range(3):
                signal.raise_signal(number)
            assert interruption.asked
        assert capfd.readouterr().err == f"{name}: ending after this step\n"
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, found)


def test_what_can_be_done_again_ends_at_once_also_where_the_signal_came_before():
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt), interruption.at_once():
            signal.raise_signal(signal.SIGTERM)
            raise AssertionError("went on")
        with pytest.raises(KeyboardInterrupt), interruption.at_once():
            raise AssertionError("began")
        signal.raise_signal(signal.SIGTERM)  # outside again, it waits


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGHUP)
            assert not interruption.asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_while_an_object_is_finalised_ends_at_the_end_without_a_word(capfd):
    done = []
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt), interruption.at_once():
        thing = type("Thing", (), {})()
        weakref.finalize(thing, signal.raise_signal, signal.SIGTERM)
        del thing  # Python prints what is raised here, and goes on
        done.append("measured")
    assert done and interruption.asked == signal.SIGTERM
    assert capfd.readouterr().err == "SIGTERM: ending after this step\n"
