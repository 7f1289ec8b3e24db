"""Data sets: from the raw layout in which each is published to a table of faces.

Every module of this package that defines `DATASET` is one data set; adding one is adding such a file, here or to
`FOLDER/datasets` of a folder that the environment variable TSAL_PLUGINS names.
"""

import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tsal.data.download import untrusted
from tsal.data.landmarks import Scheme, scheme_of
from tsal.datasets.reading.published import Published, download_published
from tsal.errors import InputError
from tsal.settings.models import NoOptions
from tsal.settings.plugins import ByModule
from tsal.settings.released import RELEASED
from tsal.settings.section import Section, read_section

FOUND = "found"  # what `boxes` of a benchmark is where a face detector finds them


@dataclass(frozen=True)
class Renderer:
    """How the images of a data set are made, of one that has no raw data.

    Attributes:
        version: another one makes other images of the same settings.
        missing: () -> why it cannot render here, with what to do about it, in one line; None where it can.
        render: (settings_yaml, shard, shards, out_zip) -> None; the same faces whatever the number of shards.
        index: (shards, images_dir, out_parquet) -> None; see `Dataset.index`.
    """

    version: int
    missing: Callable[[], str | None]
    render: Callable[[Path, int, int, Path], None]
    index: Callable[[Sequence[Path], Path, Path], None]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What the workflow knows of a data set. Its images come from archives, or are rendered.

    Attributes:
        name: as in config.yaml, file names and wildcards: lower-case letters and digits.
        title: for tables and reports.
        archives: file name of each archive that a user drops under `<raw_dir>/<name>/`, with the files and folders by
            which its unpacked content is known instead; without any, it is taken as it is alone.
        wanted: options, complete -> those of the archives that they need; None: all, whatever they are.
        part: what a configuration can say where a user has a part of the archives alone, for errors; empty: nothing.
        urls: public addresses of the archives that can simply be downloaded.
        published: what is publicly known of the file at an address. Where no digest is, the one that a first download
            had is demanded of later ones.
        how_to_get: where a user gets the others by hand.
        indexer: (sources, images_dir, out_parquet, options) -> None, see `index`; sources: where the content of each
            archive is, the archive itself or the folder that it was unpacked into.
        options: the model of what a configuration may say of its faces; of one that is rendered, of its pictures.
        renderer: of a data set that is rendered, which has none of these.
        scheme: of its landmarks: the name of a built-in one, a key of tsal.data.landmarks.SCHEMES, or one of its own.
        normalisers: those of the scheme by which the data set is scored.
        subsets: the subsets of test faces that are scored, in the order of the table.
        is_video: whether jitter is reported.
        has_clips: whether there are frames that follow one another, between which flow can be found.
        labels_by_machine: whether no person made or corrected the labels; their noise is named beside errors.
    """

    name: str
    title: str
    scheme: str | Scheme
    normalisers: tuple[str, ...]
    archives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wanted: Callable[[Mapping[str, Any]], Collection[str]] | None = None
    part: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, Published] = field(default_factory=dict)
    how_to_get: str = ""
    indexer: Callable[[Mapping[str, Path], Path, Path, Mapping[str, Any]], None] | None = None
    options: type[Section] = NoOptions
    renderer: Renderer | None = None
    subsets: tuple[str, ...] = ("full",)
    is_video: bool = False
    has_clips: bool = True
    labels_by_machine: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z0-9]+", self.name):
            raise InputError(f"data set {self.name!r}: expected a name of lower-case letters and digits")
        unknown = [name for name in self.normalisers if name not in self.landmarks.normalisers]
        if unknown or not self.normalisers:
            raise InputError(
                f"data set {self.name}: normalisers: found {', '.join(map(repr, unknown)) or 'none'}; expected some of "
                f"its scheme's: {', '.join(self.landmarks.normalisers)}"
            )

    @property
    def landmarks(self) -> Scheme:
        """The scheme of its landmarks."""
        return scheme_of(self.scheme)

    def with_options(self, options: Mapping[str, Any]) -> "Dataset":
        """The data set as options need it, all of which are given: of its archives only those that they want."""
        return self if self.wanted is None else self.only(self.wanted(options))

    def only(self, archives: Collection[str]) -> "Dataset":
        """The data set without its other archives.

        Raises:
            InputError: it has no such archive.
        """
        for name in archives:
            if name not in self.archives:
                raise InputError(f"{self.name}: found no archive {name!r}, expected some of {', '.join(self.archives)}")
        return replace(self, archives={name: known for name, known in self.archives.items() if name in archives})

    def folder(self, raw_dir: str | Path) -> Path:
        """The folder under which a user drops this data set's raw data."""
        return Path(raw_dir) / self.name

    def source(self, raw_dir: str | Path, archive: str) -> Path | None:
        """Where the content of an archive is: the archive, or the folder that holds its unpacked content.

        That folder is searched at most two levels below folder(raw_dir).
        """
        folder = self.folder(raw_dir)
        if (folder / archive).is_file():
            return folder / archive
        levels = ([folder], folder.glob("*"), folder.glob("*/*"))
        candidates = (path for level in levels for path in sorted(level))
        contents = self.archives[archive]
        return next(
            (path for path in candidates if contents and all((path / name).exists() for name in contents)), None
        )

    def sources(self, raw_dir: str | Path) -> dict[str, Path]:
        """`source` of those archives that are there."""
        found = {archive: self.source(raw_dir, archive) for archive in self.archives}
        return {archive: path for archive, path in found.items() if path}

    def missing(self, raw_dir: str | Path) -> list[str]:
        """The archives that are not there."""
        return [archive for archive in self.archives if not self.source(raw_dir, archive)]

    def status(self, raw_dir: str | Path) -> str:
        """'present', 'downloadable' (public addresses are known) or 'missing' (the user has to bring something).

        A data set that is rendered is present where it can be rendered.
        """
        if self.renderer:
            return "missing" if self.renderer.missing() else "present"
        missing = self.missing(raw_dir)
        if not missing:
            return "present"
        return "downloadable" if all(self._is_safe(archive) for archive in missing) else "missing"

    def _is_safe(self, archive: str) -> bool:
        """Whether an archive can be downloaded so that nobody on the way can change it."""
        url = self.urls.get(archive)
        return url is not None and untrusted(url, self.published.get(url, Published()).sha256) is None

    def missing_message(self, raw_dir: str | Path) -> str:
        """One line for the user: what is missing, where to get it and where to put it."""
        if self.renderer:
            return f"{self.name}: {self.renderer.missing()}"
        missing = self.missing(raw_dir)
        by_hand = [archive for archive in missing if archive not in self.urls]
        where = [
            f"download {archive} from {self.urls[archive]}"
            + ("" if self._is_safe(archive) else " by hand (its way is not encrypted, and nobody publishes its digest)")
            for archive in missing
            if archive in self.urls
        ]
        where += [f"for {', '.join(by_hand)}, {self.how_to_get}"] if by_hand else []
        return (
            f"{self.name}: {', '.join(missing)} not found in {self.folder(raw_dir)}/; {'; '.join(where)}; "
            f"then put it there as it is{self._or_part}"
        )

    @property
    def _or_part(self) -> str:
        return f"; or, where a part of it is enough, {self.part}" if self.part else ""

    def download(self, raw_dir: str | Path) -> list[Path]:
        """Get the archives from their public addresses, where the raw data is not there already; returns where it is.

        What comes first is opened as an archive of its kind, and checked by what is `published` of it. Its size and
        digest are kept in a lock file beside it and are demanded of every later one.

        Raises:
            InputError: an archive is missing that has no public address, or see tsal.data.download.
        """
        if self.renderer:
            raise InputError(f"{self.name}: there is nothing to download; its images are made by tsal render")
        if self.status(raw_dir) == "missing":
            raise InputError(self.missing_message(raw_dir))
        return [
            self._download(archive, self.source(raw_dir, archive) or self.folder(raw_dir) / archive)
            for archive in self.archives
        ]

    def _download(self, archive: str, path: Path) -> Path:
        url = self.urls.get(archive)
        try:
            return download_published(url, path, self.published.get(url, Published()))
        except InputError as error:
            raise InputError(f"{error}{self._or_part}") from error

    def index(
        self,
        raw_dir: str | Path | None,
        images_dir: str | Path,
        out_parquet: str | Path,
        options: Mapping[str, Any] | None = None,
        add: Callable[[Path], None] | None = None,
    ) -> None:
        """Write the face table of the raw data, and unpack the images that it names into `images_dir`.

        Args:
            options: those of the data set's model that are not at their defaults.
            add: changes the table, once it is there.

        Raises:
            InputError: the raw data is missing, or not as its owners publish it; an option is unknown; the faces have
                another number of landmarks than the scheme, or there are none to train on.
        """
        if self.indexer is None:
            raise InputError(f"{self.name}: has no raw data, it is rendered; expected --shards, made by tsal render")
        if raw_dir is None:
            raise InputError(f"{self.name}: --raw-dir is missing; expected the folder that holds {self.name}/")
        complete = read_section(self.options, options or {}, self.name).model_dump()
        needed = self.with_options(complete)
        if needed.status(raw_dir) != "present":
            raise InputError(needed.missing_message(raw_dir))
        sources, images, out = needed.sources(raw_dir), Path(images_dir), Path(out_parquet)
        self._write(lambda: self.indexer(sources, images, out, complete), images, out, add)

    def _write(
        self, write: Callable[[], None], images_dir: Path, table: Path, add: Callable[[Path], None] | None
    ) -> None:
        """Write the face table; should it not do, nothing is left."""
        with _nothing_left(images_dir):
            write()
            images_dir.mkdir(parents=True, exist_ok=True)  # empty where the pictures stay where they are
            try:
                self._check(table)
                if add is not None:
                    add(table)
            except BaseException:
                table.unlink(missing_ok=True)
                raise

    def _check(self, table: Path) -> None:
        """Refuse a face table of which no training would come."""
        import pandas as pd  # here, since plans of the workflow look at data sets only
        from pyarrow import parquet

        from tsal.data.faces import SPLITS, n_points

        found = n_points(pd.DataFrame(columns=parquet.read_schema(table).names))
        splits, expected = pd.read_parquet(table, columns=["split"])["split"], self.landmarks.n_points
        if found != expected:
            raise InputError(f"{self.name}: found faces of {found} landmarks, expected {expected}, as its scheme has")
        counts = {split: int((splits == split).sum()) for split in SPLITS}
        if not counts["train"]:
            each = ", ".join(f"{count} {split}" for split, count in counts.items())
            raise InputError(f"{self.name}: found {each} faces, expected some to train on: tell make_faces their split")

    def index_shards(self, shards: Sequence[str | Path], images_dir: str | Path, out_parquet: str | Path) -> None:
        """As `index`, of a data set that is rendered, from all its shards.

        Raises:
            InputError: it is not rendered; or a shard is missing or damaged.
        """
        with _nothing_left(Path(images_dir)):
            self._need_renderer().index([Path(shard) for shard in shards], Path(images_dir), Path(out_parquet))

    def render(self, settings: str | Path, shard: int, shards: int, out_zip: str | Path) -> None:
        """Render one of `shards` parts of the data set.

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


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Remove a folder that was not there before, should the block end with an error."""
    existed = folder.exists()
    try:
        yield
    except BaseException:
        if not existed:
            shutil.rmtree(folder, ignore_errors=True)
        raise


# What data sets share; every other module of this folder is one, called as its DATASET says, such as 300w.
_SHARED = ("own", "readers", "reading")
_registry = ByModule(
    __name__, "DATASET", Dataset, "tsal.datasets.Dataset", "data set", _SHARED, name_of=lambda dataset: dataset.name
)
_declared: dict[str, Dataset] = {}


def declare(declared: Sequence[Dataset]) -> None:
    """Make data sets known that a configuration says all of, in the place of those that were declared before.

    Raises:
        InputError: there is a data set of that name already.
    """
    for dataset in declared:
        if dataset.name in (*_registry.names(), RELEASED):
            raise InputError(f"there is a data set or detector {dataset.name!r} already; expected another name")
    _declared.clear()
    _declared.update({dataset.name: dataset for dataset in declared})


def names() -> list[str]:
    """The names of all data sets, sorted.

    Raises:
        InputError: a plug-in cannot be used; names its file.
    """
    return sorted([*_registry.names(), *_declared])


def get(name: str) -> Dataset:
    """The data set of that name: one of those, or one of one's own of which data/NAME/index.yaml tells.

    Raises:
        InputError: there is none; names those that there are. Or see `names`.
    """
    if name in _registry.names():
        return _registry.get(name)
    if name in _declared:
        return _declared[name]
    from tsal.datasets.own.dataset import recorded  # which imports this module

    own = recorded(name) if re.fullmatch("[a-z0-9]+", name) else None
    if own is None:
        raise InputError(f"unknown benchmark {name!r}; expected one of {', '.join(names())}")
    return own
