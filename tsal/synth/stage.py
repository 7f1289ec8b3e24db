"""A shot before it is drawn: the person, what they wear and hold, how they move, and from where they are seen."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tsal.synth import paint, raster
from tsal.synth.anatomy import load
from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.body import lid_openings, lids, load_body, texels
from tsal.synth.hair import grow
from tsal.synth.landmarks import landmark_map
from tsal.synth.motion import Motion, draw_motion, rotation
from tsal.synth.people import Person, draw_person
from tsal.synth.plan import Shot
from tsal.synth.props import hold, wear

_TEETH = np.array([0.88, 1, 0.95], np.float32)


@dataclass(frozen=True)
class Look:
    """What a person brings to every shot."""

    person: Person
    atlas: paint.Atlas
    hair: Attachment
    lashes: bool


def draw_look(seed: int, number: int) -> Look:
    """The person of that number, with hair and painted skin."""
    person = draw_person(seed, number)
    random = np.random.default_rng((seed, 3, number))
    hair = grow(person, random)
    atlas = paint.paint(person, hair.scalp, hair.stubble, random)
    return Look(person, atlas, hair.worn, random.uniform() < 0.8 - 0.5 * person.male)


@dataclass(frozen=True)
class Stage:
    """Everything of a shot that does not change from frame to frame: triangles, their finish, what casts shadows."""

    look: Look
    worn: Attachment
    held: Attachment
    held_motion: np.ndarray
    lenses: Attachment | None
    motion: Motion
    focal: float
    place: np.ndarray  # (3,) where the neck's pivot is in the camera's frame at frame 0

    @cached_property
    def neck(self) -> np.ndarray:
        """(3,) pivot of the head's turn in the frame of Person.neutral."""
        follow = load().follow
        return self.look.person.neutral[(follow > 0.35) & (follow < 0.65)].mean(0)

    @cached_property
    def parts(self) -> Attachment:
        """All that is worn and held, in one."""
        return Attachment.join([self.worn, self.held])

    @cached_property
    def triangles(self) -> np.ndarray:
        return np.concatenate([load_body().triangles, self.parts.triangles + len(load().vertices)])

    @cached_property
    def finish(self) -> np.ndarray:
        return np.concatenate([load_body().finish, self.parts.finish])

    @cached_property
    def texels(self) -> np.ndarray:
        return np.concatenate([load_body().texels, texels(self.parts.finish, self.parts.uv)])

    @cached_property
    def tint(self) -> np.ndarray:
        return np.concatenate([load_body().tint, self.parts.tint])

    @cached_property
    def incidence(self) -> tuple[np.ndarray, np.ndarray]:
        """Of all triangles, see raster.incidence: the body's, known already, and then that of what is worn."""
        order, starts = load_body().incidence
        if not len(self.parts.triangles):
            return order, starts
        further, begin = raster.incidence(self.parts.triangles, len(self.parts.anchors))
        return np.concatenate([order, further + len(order) // 3]), np.concatenate([starts, begin + len(order)])

    @cached_property
    def solid(self) -> np.ndarray:
        """(F,) bool: triangles of closed surfaces, whose backs are never seen."""
        return np.isin(self.finish, [FINISH_NUMBERS[name] for name in ("skin", "left_eye", "right_eye")])

    @cached_property
    def casts(self) -> np.ndarray:
        """(F,) bool: what casts shadows."""
        small = [FINISH_NUMBERS[name] for name in ("left_eye", "right_eye", "teeth", "tongue", "lashes")]
        return ~np.isin(self.finish, small)

    @cached_property
    def hides(self) -> np.ndarray:
        """(F,) bool: what hides landmarks behind it: all but lashes, tongue, and beards, which are part of a face."""
        result = ~np.isin(self.finish, [FINISH_NUMBERS[name] for name in ("lashes", "tongue", "left_eye", "right_eye")])
        hair = np.flatnonzero(self.finish == FINISH_NUMBERS["hair"])
        anchors = self.parts.anchors[self.triangles[hair] - len(load().vertices)]
        result[hair[(anchors >= 0).all(1)]] = False
        return result

    def pose(self, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Vertices (n, 3) float32 in the camera's frame, the head's rotation (3, 3), vertices of clear lenses."""
        anatomy, motion = load(), self.motion
        gaze = motion.gaze[frame]
        units = dict(motion.units[frame])
        for side, out in (("Left", 1), ("Right", -1)):
            for name, amount in (
                ("Out", out * gaze[0]), ("In", -out * gaze[0]), ("Up", gaze[1]), ("Down", -gaze[1]),
            ):  # fmt: skip
                if amount > 0:
                    units[f"eyeLook{name}{side}"] = min(amount / 30, 1)
        rows = [anatomy.names[f"face/{name}"] for name in units]
        weights = np.array(list(units.values()), np.float32)
        self._meet_lids(list(units), rows, weights)
        face = self.look.person.neutral + np.tensordot(weights, anatomy.morphs[rows], 1)
        teeth = load_body().teeth  # narrower and farther back, lest odd lips lay them bare
        face[teeth] = (face[teeth] - self.neck) * _TEETH + self.neck
        for eye in load_body().eye_rows:
            centre = self.look.person.neutral[eye].mean(0)
            turn = rotation(np.array([gaze[0], -gaze[1], 0])).astype(np.float32)
            face[eye] = (self.look.person.neutral[eye] - centre) @ turn.T + centre
        head, torso = rotation(motion.turn[frame]), rotation(motion.lean[frame])
        camera = rotation(motion.shake[frame])
        shift = self.place + motion.drift[frame]
        from_head = face - self.neck
        follow = anatomy.follow[:, None]
        placed = from_head @ ((camera @ torso).T) * (1 - follow) + from_head @ ((camera @ head).T) * follow
        offset = camera @ shift
        worn = self._attached(self.parts, face)
        worn[len(self.worn.anchors) :] += self.held_motion[frame]
        vertices = np.concatenate([placed, (worn - self.neck) @ (camera @ head).T]) + offset
        lenses = None
        if self.lenses is not None:
            lenses = (self._attached(self.lenses, face) - self.neck) @ (camera @ head).T + offset
        return vertices.astype(np.float32), camera @ head, lenses

    def _meet_lids(self, units: list[str], rows: list[int], weights: np.ndarray) -> None:
        """Weaken blinks, in the weights of face units and rows of their morphs, so that lids meet but never cross."""
        opening, (upper, lower) = lid_openings(), lids()
        for eye, side in enumerate(("Left", "Right")):
            if f"eyeBlink{side}" in units:
                blink = units.index(f"eyeBlink{side}")
                neutral = self.look.person.neutral[..., 1]
                gap = neutral[upper[eye]].mean(-1) - neutral[lower[eye]].mean(-1)
                gap = gap + weights @ opening[rows, eye] - weights[blink] * opening[rows[blink], eye]
                shut = (gap / -opening[rows[blink], eye]).max()
                weights[blink] = np.clip(weights[blink], 0, max(shut, 0))

    @staticmethod
    def _attached(things: Attachment, face: np.ndarray) -> np.ndarray:
        hung = things.anchors >= 0
        result = things.offsets.astype(np.float32).copy()
        result[hung] += face[things.anchors[hung]]
        return result


def draw_stage(look: Look, shot: Shot, image_px: int, random: np.random.Generator) -> tuple[Stage, bool]:
    """Who wears and does what, seen from where; and whether it is dark."""
    trouble = {"pose": False, "dark": False, "held": False}
    if shot.challenging:
        while not any(trouble.values()):
            trouble = {"pose": random.uniform() < 0.5, "dark": random.uniform() < 0.3, "held": random.uniform() < 0.35}
    motion = draw_motion(random, shot.frames, trouble["pose"])
    worn = wear(look.person, random, shot.challenging)
    hair = look.hair
    if worn.hides_hair and len(hair.triangles):
        hair = _without(hair, (hair.anchors < 0) & (hair.offsets[:, 1] > worn.hair_below))
    held = hold(look.person, random, shot.frames) if trouble["held"] else None
    distance = float(np.exp(random.uniform(np.log(5.0), np.log(30.0))))
    span = random.uniform(0.50, 0.68) * image_px
    features = look.person.neutral[landmark_map().inner].mean(1)
    face = 1.45 * (features[:, 1].max() - features[:, 1].min())  # dm from brow to chin: points 17 to 67 end at the lip
    stage = Stage(
        look,
        Attachment.join([hair, worn.things]),
        held.thing if held else Attachment.join([]),
        held.motion if held else np.zeros((shot.frames, 3)),
        worn.clear_lenses,
        motion,
        span * distance / face,
        np.zeros(3),
    )
    # The middle of the face comes near the middle of the picture.
    vertices, head, _ = stage.pose(0)
    middle = landmark_map().points(vertices - [0, 0, distance], head).mean(0) + [0, 0, distance]
    target = np.array([*(random.normal(0, 0.025, 2) * image_px * distance / stage.focal), -distance])
    camera = rotation(motion.shake[0])
    place = camera.T @ (target - middle)
    return replace(stage, place=place), trouble["dark"]


def _without(things: Attachment, dropped: np.ndarray) -> Attachment:
    """The attachment without the triangles of dropped vertices (n,) bool."""
    kept = ~dropped[things.triangles].any(1)
    used, triangles = np.unique(things.triangles[kept], return_inverse=True)
    return Attachment(
        things.anchors[used], things.offsets[used], triangles.reshape(-1, 3).astype(np.int32), things.uv[kept],
        things.tint[kept], things.finish[kept], things.strand[used],
    )  # fmt: skip
