"""How fast faces are rendered on one core, stage by stage, beside the floor, and what the planned data sets take.

    OMP_NUM_THREADS=1 python benchmarks/synth.py [--people 16] [--cores 8]

Renders some people of config.yaml with all their stills and clips into a shard, as `tsal render` does, in CPU time of
the whole process. A stage counts without the stages within it. The floor is a frame's two OpenCV calls alone, that
for colour and that for one light's shadow, which no other NumPy code could spare.
"""

import argparse
import math
import os
import resource
import statistics
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np

from tsal import config as configuration
from tsal.synth import frame, paint, raster, scene, shards, stage
from tsal.synth.plan import Person, Shot, SynthSettings, plan
from tsal.synth.shading import SHADOW_PX

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATIONS = ("config.yaml", "config/large.yaml")
PERSON, STILL, CLIP = "person", "still", "clip"
REST = "the rest"
# What is timed: its stage, and where it is looked up when it is called.
STAGES: dict[str, list[tuple[object, str]]] = {
    "person: shape": [(stage, "draw_person")],
    "person: hair": [(stage, "grow")],
    "person: paint": [(paint, "paint")],
    "shot: compose": [
        (scene, "compose"),
        *((stage.Stage, name) for name in ("parts", "triangles", "finish", "texels", "tint", "incidence")),
        *((stage.Stage, name) for name in ("solid", "casts", "hides", "neck")),
    ],
    "frame: pose": [(frame.Frame, "__init__")],
    "frame: rasterise, NumPy": [(raster, "in_sight"), (raster, "rasterise")],
    "frame: rasterise, OpenCV": [(cv2, "triangleRasterize")],
    "frame: surface": [(frame, "surface_of")],
    "frame: shadows, NumPy": [(frame, "cast_shadow")],
    "frame: shadows, OpenCV": [(cv2, "triangleRasterizeDepth")],
    "frame: shade": [(frame, "shade")],
    "frame: background, lenses, size": [(scene, "picture")],
    "frame: sensor, JPEG": [(scene, "exposure"), (scene, "expose"), (scene, "compress")],
    "frame: landmarks, visibility": [(frame.Frame, "points"), (frame.Frame, "visible")],
    "frame: flow": [(scene, "optical_flow")],
    "files": [(shards, "_add"), (shards, "_pack_flow"), (shards, "_npz")],
}


@dataclass(frozen=True)
class Amounts:
    """How much of each kind of work a data set is, and in how many shards."""

    people: int
    stills: int
    clips: int
    clip_frames: int
    shards: int

    @property
    def frames(self) -> int:
        return self.stills + self.clip_frames


class Stopwatch:
    """CPU seconds of every (kind of work, stage), without those of the stages within it."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self.count: Counter[str] = Counter()  # people, stills and frames of clips
        self.kind = PERSON
        self._running = [REST]
        self._since = time.process_time()

    def _charge(self) -> None:
        now = time.process_time()
        self.seconds[self.kind, self._running[-1]] += now - self._since
        self._since = now

    def timed(self, stage: str, function: Callable) -> Callable:
        """The function, its time charged to a stage."""

        def call(*args, **kwargs):
            self._charge()
            self._running.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self._charge()
                self._running.pop()

        return call

    def begin(self, kind: str, count: int) -> None:
        """From now on it is another kind of work: so many people, stills or frames of a clip."""
        self._charge()
        self.kind = kind
        self.count[kind] += count

    def total(self, kind: str) -> float:
        return sum(seconds for (of, _), seconds in self.seconds.items() if of == kind)

    def each(self, kind: str, stage: str | None = None) -> float:
        """Seconds a person, still or frame of a clip, of one stage or of all."""
        seconds = self.total(kind) if stage is None else self.seconds[kind, stage]
        return seconds / self.count[kind]

    def mix(self, amounts: Amounts, stage: str | None = None) -> float:
        """Seconds that so much of everything takes, of one stage or of all."""
        person, still, clip = (self.each(kind, stage) for kind in (PERSON, STILL, CLIP))
        return amounts.people * person + amounts.stills * still + amounts.clip_frames * clip


@contextmanager
def watched(watch: Stopwatch):
    """While it lasts, the renderer's stages are timed."""
    draw_look, render_shot = scene.draw_look, scene.render_shot

    def look(*args):
        watch.begin(PERSON, 1)
        return draw_look(*args)

    def shot(seed: int, look: stage.Look, shot: Shot, image_px: int):
        watch.begin(CLIP if shot.frames > 1 else STILL, shot.frames)
        return render_shot(seed, look, shot, image_px)

    patches = [patch.object(scene, "draw_look", look), patch.object(scene, "render_shot", shot)]
    for part, places in STAGES.items():
        for owner, name in places:
            found = vars(owner)[name]
            if hasattr(found, "func"):  # a cached property
                patches.append(patch.object(found, "func", watch.timed(part, found.func)))
            else:
                patches.append(patch.object(owner, name, watch.timed(part, found)))
    for item in patches:
        item.start()
    try:
        yield
    finally:
        for item in patches:
            item.stop()


@dataclass(frozen=True)
class Sizes:
    """Bytes in a shard of a still, of a frame of a clip, of its flow to the next, and of a face's truth."""

    still: float
    clip: float
    flow: float
    truth: float


def sizes_of(path: Path, settings: SynthSettings) -> Sizes:
    """What the members of a shard take, with their entries in the archive."""
    frames_of = {name: shot.frames for shot in shards.all_shots(settings) for name in shot.frame_names()}
    members: dict[str, list[int]] = defaultdict(list)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            size = member.compress_size + 76 + 2 * len(member.filename)
            name = member.filename.removeprefix(shards.IMAGES).removesuffix(".jpg")
            if name in frames_of:
                members[STILL if frames_of[name] == 1 else CLIP].append(size)
            else:
                members[name.partition("/")[0]].append(size)
    pairs = len(members["flow"]) * (settings.clip_frames - 1)
    faces = len(members[STILL]) + len(members[CLIP])
    mean = {kind: statistics.fmean(members[kind]) for kind in (STILL, CLIP)}
    return Sizes(mean[STILL], mean[CLIP], sum(members["flow"]) / pairs, sum(members["faces.npz"]) / faces)


def bare_calls(settings: SynthSettings, people: list[int], repeats: int = 5) -> tuple[float, float]:
    """Mean CPU seconds of OpenCV's calls for the colour of one frame and for one shadow, each the best of some."""
    chosen = [person for person in plan(settings) if person.number in people]
    best: dict[str, list[float]] = {"triangleRasterize": [], "triangleRasterizeDepth": []}

    def measuring(name: str) -> Callable:
        function = getattr(cv2, name)

        def call(*args):
            times = []
            for _ in range(repeats):  # pictures are drawn into: each time into a new one
                fresh = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
                start = time.process_time()
                function(*fresh)
                times.append(time.process_time() - start)
            found.setdefault(name, min(times))  # the first: lenses come later
            return function(*args)

        return call

    with (
        patch.object(cv2, "triangleRasterize", measuring("triangleRasterize")),
        patch.object(cv2, "triangleRasterizeDepth", measuring("triangleRasterizeDepth")),
    ):
        for index, person in enumerate(chosen):
            look, shot = scene.draw_look(settings.seed, person.number), person.shots[index % len(person.shots)]
            random = np.random.default_rng((settings.seed, 2, shot.person, shot.number))
            found: dict[str, float] = {}
            scene.compose(look, shot, settings.image_px, random).light(0)
            for name, seconds in found.items():
                best[name].append(seconds)
    colour, shadow = (statistics.fmean(times) for times in best.values())
    return colour, shadow


def amounts_of(people: list[Person], count: int) -> Amounts:
    """All that is rendered of these people, in so many shards."""
    shown = [person for person in people if person.shots]
    frames = [shot.frames for person in shown for shot in person.shots]
    clips = [of_one for of_one in frames if of_one > 1]
    return Amounts(len(shown), len(frames) - len(clips), len(clips), sum(clips), count)


def read_configuration(name: str) -> tuple[SynthSettings, Amounts]:
    """What a configuration renders, laid over config.yaml."""
    files = [ROOT / file for file in dict.fromkeys(("config.yaml", name))]
    config = configuration.read_config(files, ROOT / "config")
    settings = SynthSettings(**configuration.render_settings(config, "synth"))
    return settings, amounts_of(plan(settings), configuration.shards(config, "synth"))


def warm_up(settings: SynthSettings, people: list[Person]) -> tuple[Amounts, float]:
    """Render what needs all that a process makes only once; how much it was, and CPU seconds since its start."""
    people = [replace(p, shots=tuple(replace(shot, challenging=True) for shot in p.shots)) for p in people[:3]]
    for person in people:
        for _ in scene.render_person(settings.seed, person.number, person.shots, settings.image_px):
            pass
    return amounts_of(people, 0), time.process_time()


def print_rates(watch: Stopwatch, amounts: Amounts) -> None:
    person, still, clip = (watch.each(kind) for kind in (PERSON, STILL, CLIP))
    mixed = watch.mix(amounts) / amounts.frames
    print("| what | measured | ms each | a second and core |")
    print("|---|---:|---:|---:|")
    for name, kind, seconds in (("people", PERSON, person), ("stills", STILL, still), ("frames of clips", CLIP, clip)):
        print(f"| {name} | {watch.count[kind]} | {1000 * seconds:.1f} | {1 / seconds:.1f} |")
    print(f"| frames as config.yaml mixes them, with their people | | {1000 * mixed:.1f} | {1 / mixed:.1f} |\n")


def print_stages(watch: Stopwatch, amounts: Amounts) -> None:
    total = watch.mix(amounts)
    print("| stage | ms a person | ms a still | ms a frame of a clip | ms a frame as mixed | share |")
    print("|---|---:|---:|---:|---:|---:|")
    for part in [*STAGES, REST]:
        each = [watch.each(kind, part) for kind in (PERSON, STILL, CLIP)]
        mixed = watch.mix(amounts, part)
        cells = " | ".join(f"{1000 * seconds:.2f}" if seconds > 5e-6 else "" for seconds in each)
        print(f"| {part} | {cells} | {1000 * mixed / amounts.frames:.2f} | {100 * mixed / total:.1f} % |")
    cells = " | ".join(f"{1000 * watch.each(kind):.2f}" for kind in (PERSON, STILL, CLIP))
    print(f"| all | {cells} | {1000 * total / amounts.frames:.2f} | 100.0 % |\n")


def print_floor(watch: Stopwatch, amounts: Amounts, image_px: int, colour: float, shadow: float) -> None:
    floor = colour + shadow
    mixed = watch.mix(amounts) / amounts.frames
    print("| floor of a frame | ms | a frame as mixed, over the floor | a frame of a clip | a still |")
    print("|---|---:|---:|---:|---:|")
    print(f"| colour, {image_px * frame.SAMPLES} px | {1000 * colour:.2f} | | | |")
    print(f"| one shadow, {SHADOW_PX} px | {1000 * shadow:.2f} | | | |")
    ratios = " | ".join(f"{seconds / floor:.1f}" for seconds in (mixed, watch.each(CLIP), watch.each(STILL)))
    print(f"| both | {1000 * floor:.2f} | {ratios} |\n")


def print_memory(sizes: Sizes, start: float, peak: int) -> None:
    print("| of a process | |")
    print("|---|---:|")
    print(f"| peak memory, MB | {peak / 1e6:.0f} |")
    print(f"| CPU s once, before the first person | {start:.2f} |\n")
    print("| bytes in a shard | |")
    print("|---|---:|")
    print(f"| a still | {sizes.still:.0f} |")
    print(f"| a frame of a clip | {sizes.clip:.0f} |")
    print(f"| flow of a pair of frames | {sizes.flow:.0f} |")
    print(f"| landmarks and camera of a face | {sizes.truth:.0f} |\n")


def print_plans(watch: Stopwatch, sizes: Sizes, start: float, cores: int) -> None:
    print(
        f"| configuration | people | stills | clips | frames | shards | CPU min | min on {cores} cores "
        "| shards, MB | pictures unpacked, MB |"
    )
    print("|---|" + "---:|" * 9)
    for name in CONFIGURATIONS:
        _, amounts = read_configuration(name)
        seconds = watch.mix(amounts) + amounts.shards * start
        rounds = math.ceil(amounts.shards / cores)
        pictures = amounts.stills * sizes.still + amounts.clip_frames * sizes.clip
        in_shards = pictures + (amounts.clip_frames - amounts.clips) * sizes.flow + amounts.frames * sizes.truth
        print(
            f"| {name} | {amounts.people:,} | {amounts.stills:,} | {amounts.clips:,} | {amounts.frames:,} "
            f"| {amounts.shards} | {seconds / 60:.1f} | {seconds / 60 / amounts.shards * rounds:.1f} "
            f"| {in_shards / 1e6:.0f} | {pictures / 1e6:.0f} |"
        )


def peak_memory() -> int:
    """Greatest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=16, help="people to render (default 16)")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="of the planned time (default: all)")
    arguments = parser.parse_args()
    settings, amounts = read_configuration("config.yaml")
    every = settings.people // min(max(arguments.people, 1), settings.people)
    shown = [person for person in plan(settings) if person.number % every == 0]
    if {shot.frames > 1 for person in shown for shot in person.shots} != {False, True}:
        parser.error("these people have no still or no clip; take more by --people")
    cv2.setNumThreads(1)
    warm, seconds = warm_up(settings, shown)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder, watched(watch):
        path = Path(folder) / "shard.zip"
        shards.write_shard(settings, 0, every, path)
        sizes = sizes_of(path, settings)
    peak = peak_memory()
    start = max(seconds - watch.mix(warm), 0)
    colour, shadow = bare_calls(settings, [person.number for person in shown if person.shots])
    print_rates(watch, amounts)
    print_stages(watch, amounts)
    print_floor(watch, amounts, settings.image_px, colour, shadow)
    print_memory(sizes, start, peak)
    print_plans(watch, sizes, start, arguments.cores)


if __name__ == "__main__":
    main()
