"""Benchmarks: from the raw layout in which each is published to a table of faces.

Every module of this package that defines `BENCHMARK` is one benchmark; adding one is adding such a file.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tsal.download import MismatchError, download
from tsal.errors import InputError
from tsal.files import atomic_path, sha256


@dataclass(frozen=True)
class Renderer:
    """How the images of a benchmark are made, of one that has no raw data.

    Attributes:
        version: another one makes other images of the same settings.
        missing: () -> why it cannot render here, with what to do about it, in one line; None where it can.
        render: (settings_yaml, shard, shards, out_zip) -> None; the same faces whatever the number of shards.
        index: (shards, images_dir, out_parquet) -> None; see `Benchmark.index`.
    """

    version: int
    missing: Callable[[], str | None]
    render: Callable[[Path, int, int, Path], None]
    index: Callable[[Sequence[Path], Path, Path], None]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What the workflow knows of a benchmark. Its images come from archives, or are rendered.

    Attributes:
        name: as in config.yaml, file names and wildcards.
        title: for tables and reports.
        archives: file names that a user may drop under `<raw_dir>/<name>/`.
        contents: files by which the archives' unpacked content is known under that folder.
        indexer: (raw, images_dir, out_parquet, max_people) -> None; see `index`.
        renderer: of a benchmark that is rendered, which has no archives, contents and indexer.
        scheme: name of the landmark scheme, a key of tsal.landmarks.SCHEMES.
        normalisers: those of the scheme by which the benchmark is scored.
        subsets: the subsets of test faces that are scored, in the order of the table.
        url: public address of the archive; None where it cannot simply be downloaded.
        size, sha256: of the archive at that address, where they are known.
        how_to_get: where a user gets the data by hand.
        is_video: whether jitter is reported.
    """

    name: str
    title: str
    scheme: str
    normalisers: tuple[str, ...]
    archives: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    indexer: Callable[[Path, Path, Path, int | None], None] | None = None
    renderer: Renderer | None = None
    subsets: tuple[str, ...] = ("full",)
    url: str | None = None
    size: int | None = None
    sha256: str | None = None
    how_to_get: str = ""
    is_video: bool = False

    def folder(self, raw_dir: str | Path) -> Path:
        """The folder under which a user drops this benchmark's raw data."""
        return Path(raw_dir) / self.name

    def unpacked(self, raw_dir: str | Path) -> Path | None:
        """The folder that holds the unpacked content, at most two levels below folder(raw_dir)."""
        folder = self.folder(raw_dir)
        levels = ((), ("*",), ("*", "*"))
        candidates = (path for level in levels for path in sorted(folder.glob("/".join(level)) if level else [folder]))
        return next((path for path in candidates if all((path / name).exists() for name in self.contents)), None)

    def status(self, raw_dir: str | Path) -> str:
        """'present', 'downloadable' (a public address is known) or 'missing' (the user has to bring it).

        A benchmark that is rendered is present where it can be rendered.
        """
        if self.renderer:
            return "missing" if self.renderer.missing() else "present"
        if self.unpacked(raw_dir) or all((self.folder(raw_dir) / name).is_file() for name in self.archives):
            return "present"
        return "downloadable" if self.url else "missing"

    def raw_input(self, raw_dir: str | Path) -> Path:
        """The archive, or else the unpacked folder, to index; the archive's path also where neither is there.

        Of several archives, this is the folder that holds them.
        """
        folder = self.folder(raw_dir)
        archive = folder / self.archives[0] if len(self.archives) == 1 else folder
        present = all((folder / name).is_file() for name in self.archives)
        return archive if present else self.unpacked(raw_dir) or archive

    def missing_message(self, raw_dir: str | Path) -> str:
        """One line for the user: what is missing, where to get it and where to put it."""
        if self.renderer:
            return f"{self.name}: {self.renderer.missing()}"
        names = ", ".join(self.archives)
        where = self.how_to_get or f"download it from {self.url}"
        return f"{self.name}: {names} not found in {self.folder(raw_dir)}/; {where} and put it there as it is"

    def download(self, raw_dir: str | Path) -> Path:
        """Get the archive from its public address, unless the raw data is there already; returns its path.

        The size and digest that the first download had are kept in a lock file beside the archive and are
        demanded of every later one, as `size` and `sha256` are where the benchmark states them.

        Raises:
            InputError: there is no public address, or see tsal.download.
        """
        if self.renderer:
            raise InputError(f"{self.name}: there is nothing to download; its images are made by tsal render")
        raw = self.raw_input(raw_dir)
        if self.status(raw_dir) == "missing":
            raise InputError(self.missing_message(raw_dir))
        if raw.is_dir() or self.url is None:
            return raw
        lock = raw.with_name(raw.name + ".lock")
        known = _read_lock(lock, self.url)
        size, digest = self.size or known.get("size"), self.sha256 or known.get("sha256")
        if raw.exists() and size is None and digest is None:
            return raw  # the user's own file: there is nothing to check it against
        try:
            download(self.url, raw, size, digest)
        except MismatchError as error:
            hint = f". If the owners have published a new version, delete {lock}" if known else ""
            raise InputError(f"{error}{hint}") from error
        if not known:
            entry = {"url": self.url, "size": raw.stat().st_size, "sha256": sha256(raw)}
            with atomic_path(lock) as temporary:
                temporary.write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
        return raw

    def index(
        self,
        raw_dir: str | Path,
        images_dir: str | Path,
        out_parquet: str | Path,
        max_people: int | None = None,
    ) -> None:
        """Write the face table of the raw data, and unpack the images that it names into `images_dir`.

        Args:
            max_people: keep only the first so many people of the alphabetical list, for short runs.

        Raises:
            InputError: the raw data is missing, or not as its owners publish it.
        """
        if self.indexer is None:
            raise InputError(f"{self.name}: has no raw data, it is rendered; expected --shards, made by tsal render")
        if self.status(raw_dir) != "present":
            raise InputError(self.missing_message(raw_dir))
        self.indexer(self.raw_input(raw_dir), Path(images_dir), Path(out_parquet), max_people)

    def index_shards(self, shards: Sequence[str | Path], images_dir: str | Path, out_parquet: str | Path) -> None:
        """As `index`, of a benchmark that is rendered, from all its shards.

        Raises:
            InputError: it is not rendered; or a shard is missing or damaged.
        """
        self._need_renderer().index([Path(shard) for shard in shards], Path(images_dir), Path(out_parquet))

    def render(self, settings: str | Path, shard: int, shards: int, out_zip: str | Path) -> None:
        """Render one of `shards` parts of the benchmark.

        Args:
            settings: index.yaml, in which `settings` says what to render.
            shard: 0 to shards - 1.

        Raises:
            InputError: it is not rendered, or cannot be here; see its renderer.
        """
        renderer = self._need_renderer()
        if renderer.missing():
            raise InputError(self.missing_message(""))
        renderer.render(Path(settings), shard, shards, Path(out_zip))

    def _need_renderer(self) -> Renderer:
        if self.renderer is None:
            raise InputError(f"{self.name}: is not rendered; its images come from raw data, see tsal index --raw-dir")
        return self.renderer


def _read_lock(lock: Path, url: str) -> dict[str, int | str]:
    """The size and digest that the file at `url` had when it was first downloaded; empty if it never was."""
    if not lock.is_file():
        return {}
    try:
        entry = json.loads(lock.read_text(encoding="utf-8"))
        return {"size": int(entry["size"]), "sha256": str(entry["sha256"])} if entry["url"] == url else {}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{lock}: damaged lock file ({error}); delete it and run the same command again") from error


@cache
def _registry() -> dict[str, Benchmark]:
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    found = [module.BENCHMARK for module in modules if hasattr(module, "BENCHMARK")]
    return {benchmark.name: benchmark for benchmark in sorted(found, key=lambda benchmark: benchmark.name)}


def names() -> list[str]:
    """The names of all benchmarks, sorted."""
    return list(_registry())


def get(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        InputError: there is none; names those that there are.
    """
    try:
        return _registry()[name]
    except KeyError:
        raise InputError(f"unknown benchmark {name!r}; expected one of {', '.join(names())}") from None
