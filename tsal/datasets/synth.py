"""synth: rendered faces with exact landmarks, visibility and motion; nothing to download, see docs/synth.md.

Stills are of the subsets "common" or "challenging" (large pose, occlusion, low light) and of "full", in the spirit of
300W; the frames of clips are of the subset "video". A person is in one split with all stills and clips.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from tsal.bounds import PICTURE_BYTES
from tsal.data.archives import extract_zip, open_zip
from tsal.data.faces import bounds_of, make_faces, write_faces
from tsal.datasets import Dataset, Renderer
from tsal.errors import InputError
from tsal.settings.section import Section
from tsal.synth import RENDERER
from tsal.synth.convention import CONVENTIONS, SURFACE
from tsal.synth.plan import plan, read_settings
from tsal.synth.shards import IMAGES, read_shard_tables, write_shard


class Options(Section):
    """What the pictures depend on, as tsal.synth.plan.SynthSettings."""

    people: int = Field(200, ge=10, le=99999, description="20 % test, 10 % validation, the rest train")
    stills: int = Field(1200, ge=20, description="single pictures, in all")
    clips: int = Field(120, ge=10, description="videos, in all")
    clip_frames: int = Field(8, ge=3, le=100, description="of each clip, at 25 frames a second")
    image_px: int = Field(128, ge=32, le=2048, description="side of the pictures")
    challenging: float = Field(
        0.3, ge=0, le=1, description="share of stills and of clips with a large pose, occlusion or low light"
    )
    seed: int = Field(0, ge=0, description="another one shows other people")
    convention: Literal[*CONVENTIONS] = Field(
        SURFACE, description="landmarks: places on the skin (surface), or where annotators of 300W have them (ibug)"
    )


def missing() -> str | None:
    """Why nothing can be rendered here and what to do about it; None where it can be."""
    from tsal.synth.anatomy import data_folder

    try:
        data_folder()
    except InputError as error:
        return str(error)
    return None


def render(settings: Path, shard: int, shards: int, out_zip: Path) -> None:
    """Render one shard, see tsal.synth.shards; `settings` is an index.yaml.

    Raises:
        InputError: see write_shard; or the settings cannot be read.
    """
    write_shard(read_settings(settings), shard, shards, out_zip)


def index(shards: Sequence[Path], images_dir: Path, out_parquet: Path) -> None:
    """Write the face table of all shards, and unpack their pictures into `images_dir`.

    A face's box is the tight bounds of its landmarks, hidden ones too.

    Raises:
        InputError: a shard is missing, damaged or made of other settings than the others.
    """
    settings, tables = read_shard_tables(shards)
    for path in shards:
        with open_zip(path) as archive:
            pictures = [name for name in archive.namelist() if name.startswith(IMAGES)]
        extract_zip(path, images_dir, {name: name.removeprefix(IMAGES) for name in pictures}, PICTURE_BYTES)
    frames = [
        (person, shot, frame) for person in plan(settings) for shot in person.shots for frame in range(shot.frames)
    ]
    table = make_faces(
        [str(images_dir / f"{name}.jpg") for name in tables.name],
        bounds_of(tables.points),
        tables.points,
        tables.visible,
        face=tables.name.tolist(),
        video=[shot.name if shot.frames > 1 else "" for _, shot, _ in frames],
        frame=[frame if shot.frames > 1 else -1 for _, shot, frame in frames],
        clip=[shot.name for _, shot, _ in frames],
        person=[person.name for person, _, _ in frames],
        split=[person.split for person, _, _ in frames],
        subset=[shot.subset for _, shot, _ in frames],
    )
    write_faces(table, out_parquet)


DATASET = Dataset(
    name="synth",
    title="Rendered faces",
    options=Options,
    renderer=Renderer(RENDERER, missing, render, index),
    scheme="68",
    normalisers=("inter-ocular",),
    subsets=("common", "challenging", "full", "video"),
    is_video=True,
)
