"""Fixtures that several test modules use."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from archives import ytf_raw_dir
from matplotlib.figure import Figure
from together import Together, together

from tsal import datasets, methods
from tsal.data.crops import write_crops
from tsal.data.faces import SPLITS, read_faces
from tsal.training import flops
from tsal.training.flops import VARIABLE, counting

COUNTED = pytest.StashKey[tuple[Path, int]]()  # the file with what was computed, and its length before the tests
SO_FAR = pytest.StashKey[int]()  # operations that this process had counted at the last report


def pytest_configure(config: pytest.Config) -> None:
    """Processes that the tests start add what they train to the same file as the tests themselves."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = str(Path(tempfile.mkdtemp(prefix="tsal-")) / "flops")
        config.add_cleanup(lambda: shutil.rmtree(Path(os.environ.pop(VARIABLE)).parent))
    path = Path(os.environ[VARIABLE])
    config.stash[COUNTED] = path, path.stat().st_size if path.exists() else 0


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests compute with one thread: on tensors this small a second one waits more than it works."""
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start


@pytest.fixture(scope="session", autouse=True)
def counted() -> Iterator[None]:
    """All that the tests compute with PyTorch is counted: training, evaluation and single operations."""
    with counting("tests"):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Generator[None, pytest.TestReport]:
    """Reports say how much was computed in their phase: making fixtures, the test itself, tidying up."""
    report = yield
    now = flops.counted_so_far() or item.session.stash.get(SO_FAR, 0)  # after the last test nothing is counted
    report.user_properties = [("TFLOP", (now - item.session.stash.get(SO_FAR, 0)) / 1e12)]
    item.session.stash[SO_FAR] = now
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    path, before = config.stash[COUNTED]
    lines = path.read_bytes()[before:].decode().splitlines() if path.exists() else []
    tflop = sum(float(line.split()[0]) for line in lines)
    terminalreporter.write_line(f"trained and predicted: {tflop:.2f} TFLOP, most of all by")
    # What was deselected is among them, too, as tests rather than reports.
    reports = [
        report for kind in terminalreporter.stats.values() for report in kind if isinstance(report, pytest.TestReport)
    ]
    shares = [(dict(report.user_properties).get("TFLOP", 0), report.when, report.nodeid) for report in reports]
    for share, when, name in sorted(shares, reverse=True)[:10]:
        terminalreporter.write_line(f"  {share:.2f} {when:5} {name}")


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    """Two processes that train together, on the CPU."""
    with together(2, tmp_path_factory.mktemp("together")) as group:
        yield group


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    """A raw_dir that holds a small ytf archive: 12 people with 5 frames each, one of them unlabelled."""
    return ytf_raw_dir(tmp_path / "raw")


@pytest.fixture(scope="session")
def ytf_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the indexed small ytf archive: images/, faces.parquet, crops/{train,validation,test}.json.

    Crops are 64 px, of which the network sees 48. The folder is shared: read it only.
    """
    folder = tmp_path_factory.mktemp("ytf")
    datasets.get("ytf").index(ytf_raw_dir(folder / "raw"), folder / "images", folder / "faces.parquet")
    return crop_all(folder, folder / "faces.parquet", 48)


@pytest.fixture(scope="session")
def ytf_tiny(ytf_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same faces.parquet and crops, for a network that sees 32 px: for whole trainings. It is shared too."""
    folder = tmp_path_factory.mktemp("tiny")
    shutil.copy(ytf_data / "faces.parquet", folder)
    return crop_all(folder, folder / "faces.parquet", 32)


def crop_all(folder: Path, table: Path, input_px: int) -> Path:
    faces = read_faces(table)
    for split in SPLITS:
        of_split = faces[faces["split"] == split]
        write_crops(of_split, folder / "crops" / f"{split}.json", input_px=input_px, expand=0.2, margin=4 / 3)
    return folder


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of plug-ins, which TSAL_PLUGINS names; what is found in it is forgotten after the test."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    known = set(sys.modules)
    monkeypatch.setenv("TSAL_PLUGINS", str(folder))
    for package in (datasets, methods):
        monkeypatch.setattr(package, "__path__", list(package.__path__))
        package._registry.cache_clear()
    yield folder
    for package in (datasets, methods):
        package._registry.cache_clear()
    for name in set(sys.modules) - known:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def drawn(monkeypatch):
    """The figures instead of their files: each twice, for PNG and PDF."""
    figures = []

    def savefig(figure, path, **_):
        figures.append(figure)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[None]]:
    """A training within `with interrupted(10):` is killed in step 10, saved after every step before, and ends by it."""
    from tsal.training import run as training_run

    original = training_run.Run.finish_step

    @contextmanager
    def within(killed_in: int) -> Iterator[None]:
        def finish_step(self, step, **figures):
            if step == killed_in:
                raise KeyboardInterrupt
            original(self, step, **figures)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(training_run.Run, "finish_step", finish_step)
            patch.setattr(training_run.Run, "_is_time_to_save", lambda run: True)
            yield

    return within
