"""One still or clip from its seed: a person, what they wear, how they move, the light, the camera; and the truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import cv2
import numpy as np

from tsal.synth import paint, raster
from tsal.synth.anatomy import load
from tsal.synth.attachment import FINISH_NUMBERS, FINISHES, Attachment
from tsal.synth.hair import grow
from tsal.synth.landmarks import landmark_map
from tsal.synth.motion import Motion, draw_motion, rotation
from tsal.synth.people import Person, draw_person, linear
from tsal.synth.plan import Shot
from tsal.synth.props import hold, wear
from tsal.synth.sensor import Sensor, compress, draw_sensor, expose, exposure
from tsal.synth.shading import Light, Surface, Surroundings, cast_shadow, shade

BACKGROUND_PX = 224  # the background is mostly out of focus
SAMPLES = 2  # a pixel's side in rays: so many squared
_TEETH = np.array([0.88, 1, 0.95], np.float32)
# dm by which something must be nearer than a landmark to hide it. Of the skin itself more: contour points lie where it
# turns away, others in folds.
_BEFORE = np.full(68, 0.04)
_BEFORE_SKIN = np.r_[np.full(17, 0.45), np.full(51, 0.08)]


@dataclass(frozen=True)
class Rendered:
    """A shot of T frames of P x P pixels.

    jpegs: T encoded pictures. points: (T, 68, 2) float64 px, pixel centres at integers. points_3d: (T, 68, 3)
    float64 dm in the camera's frame. cameras: (T, 4) focal length, c_x, c_y in px, and 0: a point is seen at
    (c_x + f x / -z, c_y - f y / -z). visible: (T, 68) bool. flow: (T - 1, P, P, 2) float16 px (x, y) to where each
    pixel's surface is in the next frame. occluded: (T - 1, P, P) bool, not seen there.
    """

    jpegs: list[bytes]
    points: np.ndarray
    points_3d: np.ndarray
    cameras: np.ndarray
    visible: np.ndarray
    flow: np.ndarray
    occluded: np.ndarray


@dataclass(frozen=True)
class Look:
    """What a person brings to every shot."""

    person: Person
    atlas: paint.Atlas
    hair: Attachment
    lashes: bool


@dataclass(frozen=True)
class _Body:
    """What every person's mesh shares: its triangles' finish and texels, ambient occlusion (V,)."""

    finish: np.ndarray
    tint: np.ndarray
    texels: np.ndarray
    open: np.ndarray
    eye_rows: tuple[np.ndarray, np.ndarray]
    teeth: np.ndarray
    triangles: np.ndarray


def render_person(seed: int, person: int, shots: Sequence[Shot], image_px: int) -> Iterator[Rendered]:
    """Render shots of one person, one after the other; each is a function of (seed, shot, image_px) alone."""
    look = draw_look(seed, person)
    for shot in shots:
        yield render_shot(seed, look, shot, image_px)


def draw_look(seed: int, number: int) -> Look:
    """The person of that number, with hair and painted skin."""
    person = draw_person(seed, number)
    random = np.random.default_rng((seed, 3, number))
    hair = grow(person, random)
    atlas = paint.paint(person, hair.scalp, hair.stubble, random)
    return Look(person, atlas, hair.worn, random.uniform() < 0.8 - 0.5 * person.male)


@cache
def _body() -> _Body:
    anatomy = load()
    names = anatomy.parts
    finish = np.array([FINISH_NUMBERS[name] for name in names])[anatomy.part]
    corners = anatomy.vertices[anatomy.triangles]
    skin = anatomy.faces_of("skin")
    inside = paint.vertex_mask("inside-mouth")[anatomy.triangles].min(1) > 0.5
    mouth = skin & inside
    # Clothes begin at the collar; the triangles that it crosses are divided pixel by pixel.
    dressed = skin & (collar(corners) < 0.02).any(1)
    finish[mouth] = FINISH_NUMBERS["tongue"]
    finish[dressed] = FINISH_NUMBERS["cloth"]
    tint = np.ones((len(finish), 3), np.float32)
    tint[anatomy.faces_of("teeth")] = linear(np.array([0.66, 0.62, 0.55]))
    tint[anatomy.faces_of("tongue")] = linear(np.array([0.72, 0.36, 0.36]))
    tint[mouth] = linear(np.array([0.42, 0.16, 0.15]))
    tint[anatomy.faces_of("lashes")] = 0.02
    uv = paint.skin_uv(corners)
    uv[dressed] = np.clip(0.5 + 0.2 * (corners[dressed][..., :2] - [0, 5.2]), 0, 1)
    eyes = []
    for side in ("left_eye", "right_eye"):
        rows = np.unique(anatomy.triangles[anatomy.faces_of(side)])
        centre = anatomy.vertices[rows].mean(0)
        faces = anatomy.faces_of(side)
        outwards = corners[faces] - centre
        outwards /= np.linalg.norm(outwards, axis=-1, keepdims=True)
        angle = np.arccos(np.clip(outwards[..., 2], -1, 1))
        across = outwards[..., :2] / (np.linalg.norm(outwards[..., :2], axis=-1, keepdims=True) + 1e-9)
        uv[faces] = np.clip(0.5 + 0.5 * (angle / paint.EYE_ANGLE)[..., None] * across, 0, 1)
        eyes.append(rows)
    return _Body(
        finish, tint, _texels(finish, uv), _ambient_occlusion(), (eyes[0], eyes[1]),
        np.unique(anatomy.triangles[anatomy.faces_of("teeth")]), anatomy.triangles,
    )  # fmt: skip


@cache
def _lids() -> tuple[np.ndarray, np.ndarray]:
    """Vertex rows (2, 2, 4) of the upper and the lower lid: left and right eye, two landmarks each."""
    inner = landmark_map().inner
    return inner[np.array([[43, 44], [37, 38]]) - 17], inner[np.array([[47, 46], [41, 40]]) - 17]


@cache
def _lid_openings() -> np.ndarray:
    """(M, 2, 2) dm by which each morph parts the lids at the places of `_lids`."""
    height = load().morphs[..., 1]
    upper, lower = _lids()
    return height[:, upper].mean(-1) - height[:, lower].mean(-1)


def collar(places: np.ndarray) -> np.ndarray:
    """How far (..., ) dm places (..., 3) of the neutral mesh lie above the edge of the clothes."""
    return places[..., 1] - 5.95 + 0.1 * np.clip(places[..., 2], -1, 1)


def _texels(finish: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Texels (F, 3, 2) of the atlas for triangles' coordinates (F, 3, 2) in the slots of their finish."""
    texels = np.empty(uv.shape, np.float32)
    for name, number in FINISH_NUMBERS.items():
        rows = finish == number
        if rows.any():
            slot = FINISHES[name][0]
            inner = np.full_like(uv[rows], 0.5) if slot == "plain" else uv[rows]
            texels[rows] = paint.slot_uv(slot, inner)
    return texels


def _ambient_occlusion(directions: int = 64) -> np.ndarray:
    """(V,) share of the sky that each vertex of the neutral mesh sees, weighted by the cosine."""
    anatomy = load()
    triangles = anatomy.triangles[anatomy.faces_of("skin", "teeth", "tongue")]
    order, starts = raster.incidence(anatomy.triangles, len(anatomy.vertices))
    normals = raster.vertex_normals(anatomy.vertices, anatomy.triangles, order, starts)
    # Fibonacci's spiral: directions spread evenly over the sphere.
    k = np.arange(directions) + 0.5
    height, turn = 1 - 2 * k / directions, np.pi * (1 + 5**0.5) * k
    around = np.sqrt(1 - height**2)
    sky = np.stack([around * np.cos(turn), height, around * np.sin(turn)], 1)
    centre, seen, total = np.array([0.0, 7.0, 0.7]), np.zeros(len(normals)), np.full(len(normals), 1e-6)
    points = anatomy.vertices + 0.03 * normals
    for direction in sky:
        cosine = np.clip(normals @ direction, 0, 1)
        lit = cast_shadow(Light(direction, np.ones(3), 0.8), anatomy.vertices, triangles, centre, 2.2, points)
        seen += cosine * lit
        total += cosine
    return np.clip(seen / total, 0.08, 1).astype(np.float32)


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
        return np.concatenate([_body().triangles, self.parts.triangles + len(load().vertices)])

    @cached_property
    def finish(self) -> np.ndarray:
        return np.concatenate([_body().finish, self.parts.finish])

    @cached_property
    def texels(self) -> np.ndarray:
        return np.concatenate([_body().texels, _texels(self.parts.finish, self.parts.uv)])

    @cached_property
    def tint(self) -> np.ndarray:
        return np.concatenate([_body().tint, self.parts.tint])

    @cached_property
    def incidence(self) -> tuple[np.ndarray, np.ndarray]:
        return raster.incidence(self.triangles, len(load().vertices) + len(self.parts.anchors))

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
        teeth = _body().teeth  # narrower and farther back, lest odd lips lay them bare
        face[teeth] = (face[teeth] - self.neck) * _TEETH + self.neck
        for eye in _body().eye_rows:
            centre = self.look.person.neutral[eye].mean(0)
            turn = rotation(np.array([gaze[0], -gaze[1], 0])).astype(np.float32)
            face[eye] = (self.look.person.neutral[eye] - centre) @ turn.T + centre
        head, torso = rotation(motion.turn[frame]), rotation(motion.lean[frame])
        camera = rotation(motion.shake[frame])
        shift = self.place + motion.drift[frame]
        from_head = face - self.neck
        follow = anatomy.follow[:, None]
        body = from_head @ ((camera @ torso).T) * (1 - follow) + from_head @ ((camera @ head).T) * follow
        offset = camera @ shift
        worn = self._attached(self.parts, face)
        worn[len(self.worn.anchors) :] += self.held_motion[frame]
        vertices = np.concatenate([body, (worn - self.neck) @ (camera @ head).T]) + offset
        lenses = None
        if self.lenses is not None:
            lenses = (self._attached(self.lenses, face) - self.neck) @ (camera @ head).T + offset
        return vertices.astype(np.float32), camera @ head, lenses

    def _meet_lids(self, units: list[str], rows: list[int], weights: np.ndarray) -> None:
        """Weaken blinks, in the weights of face units and rows of their morphs, so that lids meet but never cross."""
        opening, (upper, lower) = _lid_openings(), _lids()
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
        above = hair.anchors < 0
        height = hair.offsets[:, 1]
        dropped = above & (height > (worn.hair_below if worn.hair_below is not None else -np.inf))
        hair = _without(hair, dropped)
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


def draw_light(random: np.random.Generator, dark: bool) -> tuple[list[Light], Surroundings]:
    """One to three lights and the light of the surroundings."""

    def colour(spread: float) -> np.ndarray:
        warm = random.normal(0, spread)
        return np.array([np.exp(warm), np.exp(random.normal(0, spread / 5)), np.exp(-warm)], np.float32)

    def direction(azimuth: float, height: float) -> np.ndarray:
        a, h = np.radians(azimuth), np.radians(height)
        return np.array([np.sin(a) * np.cos(h), np.sin(h), np.cos(a) * np.cos(h)], np.float32)

    key = random.uniform(0.5, 3.0) if not dark else random.uniform(0.5, 5.0)
    lights = [
        Light(direction(random.normal(0, 45), random.uniform(-5, 70)), key * colour(0.09), random.uniform(0.8, 5.0))
    ]
    if random.uniform() < 0.55:  # from the other side, softer
        azimuth = -np.sign(lights[0].direction[0]) * random.uniform(20, 110)
        lights.append(
            Light(direction(azimuth, random.uniform(-10, 60)), key * random.uniform(0.1, 0.6) * colour(0.2), None)
        )
    if random.uniform() < 0.35:  # on hair and cheek, from behind
        azimuth = random.choice([-1, 1]) * random.uniform(110, 165)
        lights.append(
            Light(direction(azimuth, random.uniform(0, 60)), key * random.uniform(0.3, 1.5) * colour(0.25), None)
        )
    level = random.uniform(0.15, 1.0)
    slope = random.normal(0, [0.15, 0.12, 0.12])[:, None] * colour(0.25) * level
    slope[1] += level * random.uniform(0.0, 0.4)  # more from above than from below
    return lights, Surroundings(np.concatenate([level * colour(0.1)[None], slope]).astype(np.float32))


@dataclass(frozen=True)
class Composition:
    """A shot before a camera has seen it: its frames, the light on them, and what is behind."""

    frames: "list[Frame]"
    lights: list[Light]
    surroundings: Surroundings
    behind: np.ndarray
    sensor: Sensor

    def light(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Linear light (P, P, 3) float32 of a frame, and that of the face's skin (N, 3)."""
        return _picture(self.frames[index], self.lights, self.surroundings, self.behind)

    def flow(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Motion (P, P, 2) float64 px from a frame to the next, and where it leads behind something, (P, P) bool."""
        return _flow(self.frames[index], self.frames[index + 1])


def compose(look: Look, shot: Shot, image_px: int, random: np.random.Generator) -> Composition:
    """Draw all that makes a shot."""
    stage, dark = draw_stage(look, shot, image_px, random)
    lights, surroundings = draw_light(random, dark)
    sensor = draw_sensor(random, dark)
    level = 2 * np.exp(random.normal(-0.2, 0.5)) * surroundings.light(np.array([[0, 0, 1.0]])).mean()
    behind = paint.background(random, BACKGROUND_PX) * np.float32(level)
    wide = round(1.3 * image_px * SAMPLES)
    behind = cv2.resize(
        behind, (wide, wide), interpolation=cv2.INTER_AREA if wide < BACKGROUND_PX else cv2.INTER_LINEAR
    )
    frames = [Frame(stage, frame, image_px) for frame in range(shot.frames)]
    return Composition(frames, lights, surroundings, behind, sensor)


def render_shot(seed: int, look: Look, shot: Shot, image_px: int) -> Rendered:
    """Render a shot with its truth; a function of its arguments only."""
    random = np.random.default_rng((seed, 2, shot.person, shot.number))
    made = compose(look, shot, image_px, random)
    focal, pairs = made.frames[0].stage.focal, shot.frames - 1
    points_3d = np.stack([frame.points for frame in made.frames])
    points = raster.project(points_3d, focal, image_px)
    flow = np.zeros((pairs, image_px, image_px, 2), np.float16)
    occluded = np.zeros((pairs, image_px, image_px), bool)
    for index in range(pairs):
        flow[index], occluded[index] = made.flow(index)
    moved = np.gradient(points.mean(1), axis=0) if pairs else random.normal(0, 0.6, (1, 2))
    jpegs, gain = [], None
    for index in range(shot.frames):
        light, face = made.light(index)
        gain = gain or exposure(face, made.sensor)
        jpegs.append(compress(expose(light, made.sensor, gain, moved[index], random), made.sensor))
    middle = (image_px - 1) / 2
    return Rendered(
        jpegs,
        points,
        points_3d,
        np.tile([focal, middle, middle, 0.0], (shot.frames, 1)),
        np.stack([frame.visible(points[index]) for index, frame in enumerate(made.frames)]),
        flow,
        occluded,
    )


class Frame:
    """A frame's geometry and what its pixels show."""

    def __init__(self, stage: Stage, frame: int, size: int) -> None:
        self.stage, self.size = stage, size
        self.vertices, self.head, self.lenses = stage.pose(frame)
        self.camera = rotation(stage.motion.shake[frame])
        self.corners = self.vertices[stage.triangles]
        if not stage.look.lashes:  # too short to be seen: folded to points
            lashes = np.flatnonzero(load().faces_of("lashes"))
            self.corners[lashes] = self.corners[lashes, :1]

    @cached_property
    def points(self) -> np.ndarray:
        """(68, 3) float64 landmarks in the camera's frame."""
        return landmark_map().points(self.vertices.astype(np.float64), self.head)

    @cached_property
    def in_sight(self) -> np.ndarray:
        """Numbers of the triangles that the picture may show."""
        return raster.in_sight(self.corners, self.stage.solid, self.stage.focal, self.size)

    @cached_property
    def fine(self) -> raster.Fragments:
        """At SAMPLES rays a pixel's side."""
        return raster.rasterise(self.corners, self.stage.focal * SAMPLES, self.size * SAMPLES, self.in_sight)

    def visible(self, pixels: np.ndarray) -> np.ndarray:
        """(68,) bool: landmarks, at `pixels` (68, 2), that lie in the picture with nothing before them."""
        inside = ((pixels > -0.5) & (pixels < self.size - 0.5)).all(1)
        hiding = self.in_sight[self.stage.hides[self.in_sight]]
        skin = self.stage.finish[hiding] == FINISH_NUMBERS["skin"]
        hidden = raster.hidden(self.points, self.corners[hiding[skin]], _BEFORE_SKIN)
        hidden |= raster.hidden(self.points, self.corners[hiding[~skin]], _BEFORE)
        return inside & ~hidden


def _flow(frame: Frame, following: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Motion (P, P, 2) float64 px of what each pixel shows to the next frame; (P, P) bool where it is hidden there.

    A pixel shows the triangle that its upper left ray meets; its motion is that of the point at the pixel's centre.
    """
    size, focal = frame.size, frame.stage.focal
    shown = np.full((size * SAMPLES, size * SAMPLES), -1)
    shown[frame.fine.rows, frame.fine.columns] = frame.fine.triangle
    shown = shown[::SAMPLES, ::SAMPLES]
    rows, columns = np.mgrid[0:size, 0:size]
    rays = raster.rays(columns.ravel(), rows.ravel(), focal, size)
    # The background is infinitely far: only the camera's turns move it.
    target = rays.astype(np.float64) @ (following.camera @ frame.camera.T).T
    depth = np.full(size * size, raster.FAR)
    seen = np.flatnonzero(shown >= 0)
    triangle = shown.ravel()[seen]
    weights = raster.barycentric(frame.corners, triangle, rays[seen], 0.5).astype(np.float64)
    moved = np.einsum("nk,nkj->nj", weights, following.corners[triangle])
    target[seen], depth[seen] = moved, -moved[:, 2]
    pixels = raster.project(target, focal, size)
    home = np.stack([columns, rows], -1)
    # Where a triangle is smaller than a pixel, the nearest point that counts as its own moves as the centre does.
    origin = raster.project(np.einsum("nk,nkj->nj", weights, frame.corners[triangle]), focal, size)
    pixels[seen] += home.reshape(-1, 2)[seen] - origin
    inside = ((pixels > -0.5) & (pixels < size - 0.5)).all(1)
    fine = np.round(pixels * SAMPLES + (SAMPLES - 1) / 2).clip(0, SAMPLES * size - 1).astype(int)
    slack = np.where(depth >= raster.FAR, 1.0, 0.08)
    hidden = ~inside | (following.fine.depth[fine[:, 1], fine[:, 0]] < depth - slack)
    return pixels.reshape(size, size, 2) - home, hidden.reshape(size, size)


def _picture(
    frame: Frame, lights: list[Light], surroundings: Surroundings, behind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Linear light (P, P, 3) float32 of a frame, and that of the face's skin (N, 3)."""
    stage, seen = frame.stage, frame.fine
    fine = frame.size * SAMPLES
    surface = _surface(frame)
    casting = stage.triangles[stage.casts]
    middle = frame.points.mean(0)
    shadows = [cast_shadow(light, frame.vertices, casting, middle, 2.3, surface.position) for light in lights]
    light = shade(surface, lights, surroundings, shadows)
    # The background turns with the camera.
    pad = (len(behind) - fine) // 2
    focal, centre = stage.focal * SAMPLES, (fine - 1) / 2
    lens = np.array([[focal, 0, centre], [0, -focal, centre], [0, 0, -1.0]])
    home = np.array([[1, 0, pad], [0, 1, pad], [0, 0, 1.0]])
    warp = home @ lens @ np.linalg.inv(frame.camera) @ np.linalg.inv(lens)
    picture = cv2.warpPerspective(
        behind, warp, (fine, fine), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    picture[seen.rows, seen.columns] = light
    if frame.lenses is not None:
        _add_lenses(picture, frame, lights, surroundings)
    skin = stage.finish[seen.triangle] == FINISH_NUMBERS["skin"]
    face = light[skin] if skin.any() else light
    return cv2.resize(picture, (frame.size, frame.size), interpolation=cv2.INTER_AREA), face


def _surface(frame: Frame) -> Surface:
    """What the pixels show, ready to be lit."""
    stage, seen = frame.stage, frame.fine
    body, parts = _body(), stage.parts
    normals = raster.vertex_normals(frame.vertices, stage.triangles, *stage.incidence)
    for eye in body.eye_rows:
        outwards = frame.vertices[eye] - frame.vertices[eye].mean(0)
        normals[eye] = outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    count = len(load().vertices)
    per_vertex = np.empty((len(frame.vertices), 4), np.float32)
    per_vertex[:, :3] = normals
    per_vertex[:count, 3] = body.open
    per_vertex[count:, 3] = 0.85
    for eye in body.eye_rows:
        per_vertex[eye, 3] = 0.6  # lids and lashes keep light from them
    values = seen.interpolate(per_vertex[stage.triangles])
    texels = seen.interpolate(stage.texels)
    finish = stage.finish[seen.triangle]
    # Bare skin above the collar, in triangles that it crosses.
    body_cloth = np.flatnonzero((finish == FINISH_NUMBERS["cloth"]) & (seen.triangle < len(body.triangles)))
    if len(body_cloth):
        corners = load().vertices[body.triangles[seen.triangle[body_cloth]]]
        places = (corners * seen.weights[body_cloth][..., None]).sum(1)
        bare = collar(places) > 0
        finish[body_cloth[bare]] = FINISH_NUMBERS["skin"]
        texels[body_cloth[bare]] = paint.slot_uv("skin", np.clip(paint.cylinder(places[bare]), 0, 1))
    atlas = stage.look.atlas
    albedo = raster.sample(atlas.albedo, texels) * stage.tint[seen.triangle]
    relief = raster.sample(atlas.relief, texels)
    table = np.array([FINISHES[name][1:] for name in FINISHES], np.float32)[finish]
    position, normal = seen.positions(stage.focal * SAMPLES), values[:, :3]
    # Ribbons and cloth have two sides: the one that is seen faces the lens.
    away = raster.dot(normal, position) > 0
    normal[away & ~stage.solid[seen.triangle]] *= -1
    up = frame.head[:, 1].astype(np.float32)
    # Tangents: along the turn round the head, and up; the normal is tilted down the slopes.
    along = raster.unit(raster.cross(up[None], normal))
    hair = np.flatnonzero(finish == FINISH_NUMBERS["hair"])
    slope = relief[:, :2]
    slope[hair] = 0
    strand = np.zeros((len(parts.anchors), 3), np.float32)
    strand[:] = parts.strand @ frame.head.T
    rows = stage.triangles[seen.triangle[hair]] - count
    along_hair = np.einsum("nk,nkj->nj", seen.weights[hair], strand[rows])
    normal = raster.unit(normal - slope[:, :1] * along - slope[:, 1:] * raster.cross(normal, along))
    return Surface(
        position,
        normal,
        albedo,
        values[:, 3],
        table[:, 0] * relief[:, 2],
        table[:, 1],
        table[:, 2],
        hair,
        raster.unit(along_hair),
    )


def _add_lenses(picture: np.ndarray, frame: Frame, lights: list[Light], surroundings: Surroundings) -> None:
    """Clear lenses: a little darker, with the reflection of the surroundings and lights."""
    stage = frame.stage
    corners = frame.lenses[stage.lenses.triangles].astype(np.float32)
    seen = raster.rasterise(corners, stage.focal * SAMPLES, frame.size * SAMPLES)
    before = seen.depth[seen.rows, seen.columns] < frame.fine.depth[seen.rows, seen.columns]
    if not before.any():
        return
    order, starts = raster.incidence(stage.lenses.triangles, len(frame.lenses))
    normals = raster.vertex_normals(frame.lenses, stage.lenses.triangles, order, starts).astype(np.float32)
    values = seen.interpolate(np.concatenate([frame.lenses, normals], 1)[stage.lenses.triangles].astype(np.float32))
    values = values[before]
    position, normal = values[:, :3], values[:, 3:]
    normal = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9)
    normal *= -np.sign((normal * position).sum(1, keepdims=True))
    view = -position / np.linalg.norm(position, axis=1, keepdims=True)
    mirrored = 2 * (normal * view).sum(1, keepdims=True) * normal - view
    shine = 0.06 * surroundings.light(mirrored)
    for light in lights:
        shine = shine + light.colour * 1.5 * np.clip(mirrored @ light.direction, 0, 1)[:, None] ** 60
    rows, columns = seen.rows[before], seen.columns[before]
    picture[rows, columns] = picture[rows, columns] * 0.93 + shine
