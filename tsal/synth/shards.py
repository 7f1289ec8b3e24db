"""Rendered pictures and their ground truth on disk: one zip a shard, each with a part of the people.

A shard holds:

- `images/p00012/s003_00.jpg`, ...: the pictures;
- `faces.npz`: `name` (N,) of the faces; `points` (N, 68, 2) px; `points_3d` (N, 68, 3) dm in the camera's frame;
  `cameras` (N, 4) f, cx, cy in px and 0; `visible` (N, 68) bool;
- `flow/p00012_s003.npz` of each clip of T frames of P px: `flow` (T - 1, P, P, 2) float16 px from frame t to t + 1
  (x, y); `occluded` (T - 1, ceil(P P / 8)) uint8, the bits of what of frame t is not seen in frame t + 1;
- `settings.json`: what it was made of, and which shard of how many it is.

A person is rendered as a whole and depends on nothing but the settings: the faces are the same whatever the number
of shards. A shard is byte-identical whenever it is made, and by whatever x86 processor with AVX2.
"""

import io
import json
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from tsal.bounds import NPZ_BYTES, YAML_BYTES
from tsal.bounds.archives import read_member
from tsal.bounds.arrays import read_npz
from tsal.bounds.texts import parse_json
from tsal.data.archives import open_zip
from tsal.errors import InputError
from tsal.files import atomic_path
from tsal.progress import Progress
from tsal.synth import RENDERER
from tsal.synth.plan import Shot, SynthSettings, plan

IMAGES = "images/"
_AGAIN = "run the same command again"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # no time of day in the file
_VARIABLE, _KERNELS = "OPENBLAS_CORETYPE", "Haswell"  # which round matrix products alike, given AVX2


@dataclass(frozen=True)
class Tables:
    """The ground truth of N faces, see the module: name (N,) str, points, points_3d, cameras, visible."""

    name: np.ndarray
    points: np.ndarray
    points_3d: np.ndarray
    cameras: np.ndarray
    visible: np.ndarray


_TABLES = [field.name for field in fields(Tables)]
_SHAPES = {"points": (68, 2), "points_3d": (68, 3), "cameras": (4,), "visible": (68,)}


def write_shard(settings: SynthSettings, shard: int, shards: int, path: str | Path) -> None:
    """Render the people i with i % shards == shard; the file appears only when it is complete.

    Raises:
        InputError: no such shard; what the renderer needs is not installed; the device is full.
    """
    import cv2

    from tsal.synth.scene import render_person

    if not 0 <= shard < shards:
        raise InputError(f"{path}: found shard {shard} of {shards}; expected one of 0 to {shards - 1}")
    cv2.setNumThreads(1)  # shards are rendered side by side
    path = Path(path)
    people = [person for person in plan(settings) if person.number % shards == shard and person.shots]
    frames = sum(shot.frames for person in people for shot in person.shots)
    made_of = {"renderer": RENDERER, "settings": asdict(settings), "shard": shard, "shards": shards}
    rows: dict[str, list[np.ndarray]] = {name: [] for name in _TABLES}
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        Progress(frames, f"render {path.stem}", "frame") as progress,
    ):
        _add(archive, "settings.json", json.dumps(made_of, indent=2, sort_keys=True).encode() + b"\n")
        for person in people:
            rendered = render_person(settings.seed, person.number, person.shots, settings.image_px, settings.convention)
            for shot, result in zip(person.shots, rendered, strict=True):
                for name, jpeg in zip(shot.frame_names(), result.jpegs, strict=True):
                    _add(archive, f"{IMAGES}{name}.jpg", jpeg)
                rows["name"].append(np.array(shot.frame_names()))
                for table in _SHAPES:
                    rows[table].append(getattr(result, table))
                if shot.frames > 1:
                    _add(archive, _flow_member(shot.name), _pack_flow(result.flow, result.occluded), level=1)
                progress.update(shot.frames)
        _add(archive, "faces.npz", _npz(**_joined(rows)))


def _joined(rows: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """The tables of all shots; a shard without any has tables without rows."""
    empty = {name: np.empty((0, *shape), bool if name == "visible" else float) for name, shape in _SHAPES.items()}
    empty["name"] = np.empty(0, "U1")
    return {name: np.concatenate(parts) if parts else empty[name] for name, parts in rows.items()}


def _add(archive: zipfile.ZipFile, name: str, content: bytes, level: int = 0) -> None:
    """Add a member, compressed at a level from 1 to 9, or stored as it is."""
    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = 3  # as on Unix, wherever it is made
    member.external_attr = 0o644 << 16
    archive.writestr(member, content, zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED, level or None)


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _flow_member(clip: str) -> str:
    return f"flow/{clip}.npz"


def _pack_flow(flow: np.ndarray, occluded: np.ndarray) -> bytes:
    bits = np.packbits(occluded.reshape(len(occluded), -1), axis=1)
    return _npz(flow=flow.astype(np.float16), occluded=bits)


# --- reading ------------------------------------------------------------------------------------------------


def read_shard_tables(paths: Iterable[str | Path]) -> tuple[SynthSettings, Tables]:
    """What all shards of one data set were made of, and the ground truth of their faces, in the order of the plan.

    Args:
        paths: all the shards, in any order.

    Raises:
        InputError: a shard is missing, damaged, made of other settings or given twice, or lacks a face.
    """
    paths = [Path(path) for path in paths]
    made_of, parts = {}, []
    for path in paths:
        with _open_shard(path) as archive:
            made_of[path] = _read_json(path, archive)
            parts.append(_load_npz(path, archive, "faces.npz", _TABLES))
    settings = _common_settings(made_of)
    joined = _joined({name: [part[name] for part in parts] for name in _TABLES})
    row_of = {name: row for row, name in enumerate(joined["name"].tolist())}
    wanted = [(name, shot) for shot in all_shots(settings) for name in shot.frame_names()]
    for name, shot in wanted:
        if name not in row_of:
            path = next(p for p, made in made_of.items() if shot.person % made["shards"] == made["shard"])
            raise InputError(f"{path}: holds no face {name}. Delete it and {_AGAIN}")
    rows = np.array([row_of[name] for name, _ in wanted])
    return settings, Tables(**{name: table[rows] for name, table in joined.items()})


def all_shots(settings: SynthSettings) -> Iterator[Shot]:
    """All shots of the plan, person by person."""
    return (shot for person in plan(settings) for shot in person.shots)


def read_flow(paths: str | Path | Sequence[str | Path], clip: str) -> tuple[np.ndarray, np.ndarray]:
    """The exact optical flow of a clip of T frames.

    Args:
        paths: the shard that holds it, or several to look in.
        clip: its name in the face table, such as "p00012_s003".

    Returns:
        (T - 1, P, P, 2) float32, px from frame t to t + 1 (x, y); and (T - 1, P, P) bool, what of frame t is not
        seen in frame t + 1.

    Raises:
        InputError: no shard has it, or a shard is missing or damaged.
    """
    paths = [paths] if isinstance(paths, str | Path) else paths
    for path in map(Path, paths):
        with _open_shard(path) as archive:
            if _flow_member(clip) in archive.NameToInfo:
                arrays = _load_npz(path, archive, _flow_member(clip), ["flow", "occluded"])
                flow = arrays["flow"].astype(np.float32)
                pixels = flow.shape[1] * flow.shape[2]
                occluded = np.unpackbits(arrays["occluded"], axis=1, count=pixels)
                return flow, occluded.reshape(flow.shape[:3]).astype(bool)
    found = ", ".join(path.name for path in map(Path, paths))
    raise InputError(
        f"{found}: no clip {clip!r}; expected one of the column clip of the face table, with all its shards"
    )


@contextmanager
def _open_shard(path: Path) -> Iterator[zipfile.ZipFile]:
    with open_zip(path, _AGAIN) as archive:
        yield archive


def _read_json(path: Path, archive: zipfile.ZipFile) -> dict:
    """What the shard was made of, its settings as SynthSettings."""
    try:
        made = parse_json(read_member(archive, "settings.json", YAML_BYTES, path))
        settings = SynthSettings(**made["settings"])
        if type(made["shard"]) is not int or type(made["shards"]) is not int or made["shards"] < 1:
            raise ValueError(f"found shard {made['shard']!r} of {made['shards']!r}, expected numbers")
        return {"renderer": made["renderer"], "settings": settings, "shard": made["shard"], "shards": made["shards"]}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: no shard of rendered faces (settings.json: {error}). Delete it and {_AGAIN}"
        ) from error


def _load_npz(path: Path, archive: zipfile.ZipFile, member: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        content = read_member(archive, member, NPZ_BYTES, path)
        arrays = read_npz(content, names, f"{path}: {member}")
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: {member} cannot be read ({error}). Delete {path.name} and {_AGAIN}") from error
    for name, array in arrays.items():
        expected = _SHAPES.get(name)
        if expected and (array.shape[1:] != expected or array.dtype.kind not in "fb" or array.ndim < 1):
            raise InputError(
                f"{path}: {member}: {name} is {array.dtype} {array.shape}, expected rows of {expected}. "
                f"Delete {path.name} and {_AGAIN}"
            )
    return arrays


def _common_settings(made_of: dict[Path, dict]) -> SynthSettings:
    """What all shards were made of; refuses shards that are not exactly those of one data set."""
    if not made_of:
        raise InputError("no shards; expected all those of one data set")
    first, expected = next(iter(made_of.items()))
    for path, made in made_of.items():
        if any(made[key] != expected[key] for key in ("renderer", "settings", "shards")):
            raise InputError(f"{path}: made of other settings than {first}. Delete the older of them and {_AGAIN}")
    found = sorted(made["shard"] for made in made_of.values())
    if found != list(range(expected["shards"])):
        raise InputError(f"{first.parent}: found the shards {found}; expected all {expected['shards']}, each once")
    return expected["settings"]


def round_alike() -> None:
    """Start this command again with OpenBLAS's kernels named, so that a shard is the same file whichever processor
    renders it; return if they are, or cannot be.

    NumPy's OpenBLAS would choose its kernels by the processor, and another last bit changes a few rendered pictures in
    a thousand. It reads OPENBLAS_CORETYPE once, when NumPy is first imported: too early for a verb to set, as NumPy is
    loaded by then, and not worth keeping NumPy out of all that a command line imports.

    A variable that is set is left as it is. Kernels that a processor lacks end the process: hence the look at its
    flags, which other systems than Linux do not list.
    """
    if _VARIABLE in os.environ or not has_avx2():
        return
    os.environ[_VARIABLE] = _KERNELS
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def has_avx2() -> bool:
    """Whether the processor is known to have what the kernels need."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return False
    return {"avx2", "fma"} <= flags
