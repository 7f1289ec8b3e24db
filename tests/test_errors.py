"""What others named is shown in messages, and does not steer the terminal."""

import os
import signal
import subprocess
import sys

import pytest

from tsal import cli
from tsal.errors import one_line, printable

STRANGE = "a\x1b]0;title\x07\x9b31m\r\u202eb\u2028\ud800"
SHOWN = r"a\x1b]0;title\x07\x9b31m\r\u202eb\u2028\ud800"


def test_control_characters_are_shown_and_all_else_stays_as_it_is():
    assert one_line(STRANGE) == printable(STRANGE) == SHOWN
    assert printable("Müller 顔 🙂\nnext") == "Müller 顔 🙂\nnext"
    assert one_line("one\nline") == r"one\nline"


@pytest.mark.parametrize(
    "arguments",
    [
        ["crop", f"{STRANGE}.parquet", "--split", "train", "--input-px", "48", "--expand", "0.2", "--margin", "1.5"],
        ["keep", f"{STRANGE}", "folder"],
        ["report", f"{STRANGE}.csv"],
    ],
)
def test_an_error_of_a_verb_is_fit_for_a_terminal(arguments, capsys, tmp_path):
    output = [] if arguments[0] == "keep" else ["-o", str(tmp_path / "out")]
    assert cli.main([*arguments, *output]) == 2
    said = capsys.readouterr().err
    assert SHOWN in said and "\x1b" not in said and said.count("\n") == 1


def test_so_is_what_is_said_of_wrong_arguments(capsys):
    with pytest.raises(SystemExit):
        cli.main(["settings", "--json", "{}", "-o", "x", STRANGE])
    assert f"unrecognized arguments: {SHOWN}\n" in capsys.readouterr().err


def test_so_is_what_is_logged_and_what_nobody_expected():
    program = f"import logging, tsal.cli as c; c._speak(); logging.getLogger('tsal').info('log %s', {STRANGE!r})\n"
    program += f"raise RuntimeError('trace ' + {STRANGE!r})"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stderr.startswith(f"log {SHOWN}\n") and f"\nRuntimeError: trace {SHOWN}\n" in process.stderr


# --- signals ---

ENDED = """
import os, signal, sys
from pathlib import Path
import tsal.cli as cli
def end(*arguments, **options):
    print(*Path(sys.argv[1]).iterdir(), file=sys.stderr, flush=True)
    os.kill(os.getpid(), int(sys.argv[2]))
    return "went on"
cli.yaml.safe_dump = end
original = cli.atomic_path
from contextlib import contextmanager
@contextmanager
def with_file(path):
    with original(path) as temporary:
        temporary.write_text("half")
        yield temporary
cli.atomic_path = with_file
sys.exit(cli.main(["settings", "--json", '{"a": 1}', "-o", sys.argv[1] + "/s.yaml"]))
"""


def ended_by(number: int, folder, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", ENDED, str(folder), str(int(number))]
    return subprocess.run(command, text=True, **options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_any_verb_with_its_number_one_line_and_no_temporary_file(tmp_path, number):
    def heed():
        signal.signal(signal.SIGINT, signal.default_int_handler)

    process = ended_by(number, tmp_path, stderr=subprocess.PIPE, preexec_fn=heed)
    assert process.returncode == 128 + number, process.stderr
    temporary, said = process.stderr.splitlines()
    assert temporary and not list(tmp_path.iterdir())
    assert said == "tsal settings: interrupted; run the same command again to go on"


def test_a_closed_terminal_to_which_nothing_can_be_said_ends_it_as_well(tmp_path):
    read, write = os.pipe()
    os.close(read)
    program = ENDED.replace("print(", "len(str(")
    program = program.replace(", file=sys.stderr, flush=True)", "))").replace("*Path", "Path")
    command = [sys.executable, "-c", program, str(tmp_path), str(int(signal.SIGHUP))]
    assert subprocess.run(command, stderr=write).returncode == 128 + signal.SIGHUP
    assert not list(tmp_path.iterdir())


def test_after_nohup_a_hangup_ends_nothing(tmp_path):
    def nohup():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = ended_by(signal.SIGHUP, tmp_path, stderr=subprocess.PIPE, preexec_fn=nohup)
    assert process.returncode == 0 and (tmp_path / "s.yaml").read_text() == "went on"
