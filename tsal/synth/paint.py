"""Procedural pictures: the texture atlas of a person (skin, eyes, cloth, hair strands) and the backgrounds.

The skin is unrolled as a cylinder round the head's vertical axis, of the neutral mesh: a texel has the same
place on every face, so that regions (lips, brows, beard, scalp, ...) are found once.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from tsal.synth.anatomy import load
from tsal.synth.hair import beard_area, hairline
from tsal.synth.landmarks import landmark_map
from tsal.synth.people import Person, linear
from tsal.synth.raster import rasterise

_AXIS = 0.45  # dm: depth z of the cylinder's axis
_LOW, _HIGH = 5.5, 8.7  # dm: heights y of its rims
_TURN = 640  # texels of a whole turn
_NOISE = (512, 768)  # height, width of the noise
_SKIN = (704, 352)  # texels: a turn and a tenth, so that triangles over the seam have a place
ATLAS = (1024, 640)  # width, height in texels
# Texture slots: left, top, width, height in texels of the atlas.
SLOTS = {
    "skin": (0, 0, *_SKIN),
    "cloth": (0, 360, 256, 256),
    "strands": (264, 360, 48, 256),
    "left_eye": (320, 360, 128, 128),
    "right_eye": (456, 360, 128, 128),
    "plain": (600, 360, 16, 16),
}
IRIS = 0.29  # radius of the iris on the eyes' texture, whose disc of radius 0.5 is an angle of EYE_ANGLE
EYE_ANGLE = np.radians(50.0)


@dataclass(frozen=True)
class Atlas:
    """albedo: (H, W, 3) float32 linear RGB; relief: (H, W, 3) float32: slope along u and v, and gloss (a factor)."""

    albedo: np.ndarray
    relief: np.ndarray


def slot_uv(name: str, uv: np.ndarray) -> np.ndarray:
    """Texels (..., 2) of the atlas for coordinates (..., 2) of a slot, 0 to 1, v upwards."""
    left, top, width, height = SLOTS[name]
    return np.stack([left + uv[..., 0] * (width - 1), top + (1 - uv[..., 1]) * (height - 1)], -1).astype(np.float32)


def cylinder(points: np.ndarray) -> np.ndarray:
    """Coordinates (..., 2) in the slot "skin" of points (..., 3) of the neutral mesh."""
    turn = np.arctan2(points[..., 0], points[..., 2] - _AXIS) / (2 * np.pi) + 0.5
    return np.stack([turn * _TURN / _SKIN[0], (points[..., 1] - _LOW) / (_HIGH - _LOW)], -1)


def skin_uv(corners: np.ndarray) -> np.ndarray:
    """Coordinates (F, 3, 2) in the slot "skin" of triangles (F, 3, 3) of the neutral mesh, over the seam too."""
    uv = cylinder(corners)
    turn = _TURN / _SKIN[0]
    apart = uv[..., 0].max(1) - uv[..., 0].min(1) > turn / 2
    uv[..., 0] += turn * (apart[:, None] & (uv[..., 0] < turn / 2))
    return np.clip(uv, 0, 1)


@dataclass(frozen=True)
class _SkinMap:
    """What is known of each texel of the skin.

    place: (H, W, 3) dm, the point of the neutral mesh. masks: (H, W) float32, 0 to 1, of regions by name. brows: (5, 2)
    coordinates of each brow, from inside.
    """

    place: np.ndarray
    masks: dict[str, np.ndarray]
    brows: list[np.ndarray]


def vertex_mask(name: str) -> np.ndarray:
    """(V,) 0 to 1: how far each vertex lies in a region that MPFB2 has a mask of, such as "lips"."""
    anatomy = load()
    uv = np.zeros((len(anatomy.vertices), 2))
    skin = anatomy.faces_of("skin")
    uv[anatomy.triangles[skin].ravel()] = anatomy.uv[skin].reshape(-1, 2)
    mask = anatomy.masks[name]
    rows = np.clip(((1 - uv[:, 1]) * len(mask)).astype(int), 0, len(mask) - 1)
    columns = np.clip((uv[:, 0] * len(mask)).astype(int), 0, len(mask) - 1)
    inside = np.zeros(len(uv), bool)
    inside[anatomy.triangles[skin].ravel()] = True
    return np.where(inside, mask[rows, columns] / 255.0, 0.0).astype(np.float32)


@cache
def _skin_map() -> _SkinMap:
    anatomy = load()
    triangles = anatomy.triangles[anatomy.faces_of("skin")]
    corners = anatomy.vertices[triangles]
    width, height = _SKIN
    texels = skin_uv(corners) * [width - 1, height - 1]
    radius = np.hypot(corners[..., 0], corners[..., 2] - _AXIS)
    # Seen from far away, with the outermost surface in front.
    side, far = max(width, height), 900.0
    flat = np.stack([texels[..., 0] - (side - 1) / 2, texels[..., 1] - (side - 1) / 2, radius - far], -1)
    flat[..., :2] *= -flat[..., 2:] / far
    fragments = rasterise(flat.astype(np.float32), far, side)
    lips = vertex_mask("lips")[triangles][..., None]
    values = fragments.interpolate(np.concatenate([corners, lips], -1).astype(np.float32))
    picture = np.full((side, side, 4), np.nan, np.float32)
    picture[fragments.rows, fragments.columns] = values
    picture = picture[side - height :, :width]  # v upwards
    covered = np.isfinite(picture[..., 0])
    v, u = np.mgrid[0:height, 0:width]
    turn = (u / _TURN - 0.5) * 2 * np.pi
    guess = np.stack([0.7 * np.sin(turn), _HIGH - (v / (height - 1)) * (_HIGH - _LOW), _AXIS + 0.8 * np.cos(turn)], -1)
    place = np.where(covered[..., None], picture[..., :3], guess).astype(np.float32)
    inner = landmark_map().inner
    point = {k: anatomy.vertices[inner[k - 17]].mean(0) for k in range(17, 68)}
    masks = {"lips": np.clip(1.5 * cv2.GaussianBlur(np.where(covered, picture[..., 3], 0), (0, 0), 1.6) - 0.2, 0, 1)}

    def blob(centre: np.ndarray, *spread: float) -> np.ndarray:
        return np.exp(-0.5 * (((place - centre) / np.array(spread)) ** 2).sum(-1)).astype(np.float32)

    def both(centre: np.ndarray, *spread: float) -> np.ndarray:
        return np.maximum(blob(centre, *spread), blob(centre * [-1, 1, 1], *spread))

    eye = (point[42] + point[45]) / 2
    masks["lids"] = both(eye + [0, 0.06, 0], 0.16, 0.07, 0.3)
    masks["bags"] = both(eye + [0, -0.14, 0], 0.14, 0.05, 0.3)
    masks["cheeks"] = both(np.array([0.38, 6.95, 1.3]), 0.16, 0.14, 0.4)
    masks["nose"] = blob(point[30], 0.16, 0.16, 0.3)
    masks["chin"] = blob(np.array([0.0, 6.32, 1.45]), 0.16, 0.12, 0.4)
    masks["ears"] = both(np.array([0.8, 7.1, 0.45]), 0.12, 0.3, 0.3)
    masks["freckles"] = both(np.array([0.25, 7.05, 1.4]), 0.3, 0.18, 0.5)
    x, y, z = np.abs(place[..., 0]), place[..., 1], place[..., 2]

    def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
        t = np.clip((value - low) / (high - low), 0, 1)
        return (t * t * (3 - 2 * t)).astype(np.float32)

    ears = step(masks["ears"], 0.15, 0.4)
    masks["scalp"] = step(hairline(place), -0.05, 0.06) * (1 - ears) * step(y, 6.55, 6.7)
    beard = step(beard_area(place), -0.05, 0.05) * (1 - ears) * step(y, 6.0, 6.15)
    masks["beard"] = beard * (1 - np.clip(masks["lips"] * 1.5, 0, 1))
    before_ear = step(x, 0.6, 0.66) * step(z, 0.6, 0.66) * step(0.92 - z, 0, 0.1)
    masks["sideburns"] = before_ear * step(y, 6.7, 6.9) * step(7.5 - y, 0, 0.1)
    masks["forehead"] = blob(np.array([0, 7.75, 1.45]), 0.5, 0.16, 0.5)
    masks["wrinkles"] = _wrinkles()
    brows = [cylinder(np.stack([point[k] for k in row])) for row in (range(22, 27), range(21, 16, -1))]
    return _SkinMap(place, masks, brows)


def _texels(points: np.ndarray) -> np.ndarray:
    """Texels (..., 2) of the skin's slot at points (..., 3) of the neutral mesh."""
    uv = cylinder(points)
    return np.stack([uv[..., 0] * (_SKIN[0] - 1), (1 - uv[..., 1]) * (_SKIN[1] - 1)], -1)


def _wrinkles() -> np.ndarray:
    """(H, W) float32 0 to 1: the lines of age on forehead and eyes, between the brows, from the nose to the mouth."""
    drawn = np.zeros(_SKIN[::-1], np.uint8)

    def line(points: list[tuple[float, float, float]], strength: int) -> None:
        for sign in (1, -1):
            path = _texels(np.array(points) * [sign, 1, 1])
            cv2.polylines(drawn, [np.round(path * 16).astype(np.int32)], False, strength, 1, cv2.LINE_AA, 4)

    for height in (7.62, 7.70, 7.78):
        line([(0, height, 1.5), (0.2, height + 0.015, 1.45), (0.42, height - 0.02, 1.35)], 200)
    for rise in (-0.05, 0.0, 0.05):
        line([(0.50, 7.28 + rise * 0.5, 1.3), (0.60, 7.28 + rise * 2, 1.2)], 190)
    line([(0.05, 7.42, 1.5), (0.045, 7.53, 1.5)], 180)
    line([(0.17, 6.92, 1.5), (0.24, 6.82, 1.5), (0.31, 6.68, 1.45), (0.33, 6.56, 1.4)], 255)
    line([(0.3, 6.55, 1.4), (0.3, 6.42, 1.4)], 160)
    line([(0.2, 7.15, 1.4), (0.32, 7.11, 1.4), (0.45, 7.15, 1.35)], 190)
    return cv2.GaussianBlur(drawn.astype(np.float32) / 255, (0, 0), 1.0)


@cache
def noises() -> np.ndarray:
    """(6, H, W) float32 tileable noise of unit variance: blurred by 48, 20, 8, 3, 1.2 and 0 texels."""
    random = np.random.default_rng(20201206)
    fields = []
    for blur in (48, 20, 8, 3, 1.2, 0):
        field = random.standard_normal(_NOISE).astype(np.float32)
        if blur:
            pad = int(3 * blur) + 1
            field = cv2.GaussianBlur(np.pad(field, pad, mode="wrap"), (0, 0), blur)[pad:-pad, pad:-pad]
        fields.append((field - field.mean()) / field.std())
    return np.stack(fields)


def noise(random: np.random.Generator, level: int, width: int, height: int) -> np.ndarray:
    """A random cut (height, width) of the noise of a level, see `noises`; at most as large as the skin's slot."""
    down, right = random.integers(0, 500, 2)
    top, left = -down % _NOISE[0], -right % _NOISE[1]
    cut = _wrapped_noises()[level, top : top + height, left : left + width]
    return cut[:: random.choice([-1, 1]), :: random.choice([-1, 1])]


@cache
def _wrapped_noises() -> np.ndarray:
    """The noises, going on beyond their lower and right edge as far as any cut reaches."""
    return np.pad(noises(), ((0, 0), (0, _SKIN[1]), (0, _SKIN[0])), mode="wrap")


def paint(person: Person, scalp: float, stubble: float, random: np.random.Generator) -> Atlas:
    """The texture atlas of a person.

    Args:
        scalp, stubble: 0 to 1, how densely hair is painted on the scalp and the beard's shadow on the face.
    """
    albedo = np.zeros((ATLAS[1], ATLAS[0], 3), np.float32)
    relief = np.zeros_like(albedo)
    relief[..., 2] = 1
    for name, (colour, bumps) in {
        "skin": _paint_skin(person, scalp, stubble, random),
        "cloth": _paint_cloth(random),
        "strands": _paint_strands(random),
        "left_eye": _paint_eye(person, random),
        "plain": (np.ones((16, 16, 3), np.float32), None),
    }.items():
        left, top, width, height = SLOTS[name]
        albedo[top : top + height, left : left + width] = colour
        if bumps is not None:
            relief[top : top + height, left : left + width] = bumps
    left, top, width, height = SLOTS["left_eye"]
    other = SLOTS["right_eye"]
    eye = albedo[top : top + height, left : left + width]
    albedo[other[1] : other[1] + height, other[0] : other[0] + width] = eye[:, ::-1]
    return Atlas(albedo, relief)


def _paint_skin(
    person: Person, scalp: float, stubble: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    masks, (width, height) = _skin_map().masks, _SKIN
    old = np.clip((person.age - 30) / 45, 0, 1)
    female = 1 - person.male
    light = 1 - person.tone
    coarse, middle, blotch, grain, pores = (noise(random, level, width, height) for level in range(5))
    # Logarithms of the colour's change: blood reddens, melanin darkens.
    red = masks["cheeks"] * random.uniform(0.1, 0.6) + masks["nose"] * random.uniform(0.1, 0.55) + masks["ears"] * 0.45
    red += masks["chin"] * random.uniform(0, 0.25) + masks["lids"] * random.uniform(0.1, 0.35)
    red += 0.06 * coarse + 0.07 * middle + 0.07 * blotch
    dark = -0.05 * coarse + 0.04 * middle + (0.03 + 0.05 * old) * blotch + 0.03 * grain + 0.035 * pores
    dark += masks["bags"] * random.uniform(0.05, 0.35) + masks["lids"] * random.uniform(0, 0.25)
    dark -= masks["forehead"] * random.uniform(0, 0.08)
    if random.uniform() < 0.25 * light + 0.1 * old:
        spots = np.clip((noise(random, 4, width, height) - 1.2) * 1.5, 0, 1)
        dark += spots * masks["freckles"] * random.uniform(0.3, 0.8) + spots * old * 0.3
    change = np.stack(
        [
            0.02 * red + dark * 0.8,
            0.42 * red * (0.5 + light * 0.6) + dark,
            0.38 * red * (0.5 + light * 0.6) + dark * 1.1,
        ],
        -1,
    )
    change = change.astype(np.float32)
    wrinkles = masks["wrinkles"] * (old * random.uniform(0.6, 1.4) + 0.1)
    change += 0.35 * wrinkles[..., None]
    for _ in range(random.integers(0, 4)):
        u, v = random.integers(180, 460), random.integers(90, 250)
        cv2.circle(change, (int(u), int(v)), 1, (0.8, 1.0, 1.1), -1, cv2.LINE_AA)
    colour = person.skin * np.exp(-change)
    # Lips: blood under thin skin, or colour of one's own choice.
    lips = np.clip(masks["lips"] * (1 + 0.1 * grain), 0, 1)[..., None]
    thin = person.skin * np.array([0.82, 0.52, 0.55], np.float32) ** (0.55 + 0.45 * light)
    natural = thin.astype(np.float32) * np.exp(-0.12 * middle[..., None])
    painted = linear(np.array([random.uniform(0.45, 0.85), random.uniform(0.05, 0.35), random.uniform(0.12, 0.4)]))
    wears = person.age > 14 and random.uniform() < 0.45 * female
    lip_colour = natural * 0.25 + painted * 0.75 if wears else natural
    colour = colour * (1 - lips * 0.9) + lip_colour * lips * 0.9
    if wears or (person.age > 14 and random.uniform() < 0.3 * female):
        shade = linear(random.uniform(0.1, 0.6, 3) * [1, 0.8, 0.9])
        amount = masks["lids"][..., None] * random.uniform(0.2, 0.6)
        colour = colour * (1 - amount) + shade * amount
    # Hair that lies on the skin: a beard's shadow, sideburns, the scalp.
    dots = np.clip(0.8 + 0.18 * pores + 0.08 * grain, 0, 1.3)
    shadow = masks["beard"] * stubble * dots * (1 + 0.15 * middle)
    if person.male > 0.5 and person.age > 16:
        shadow = np.maximum(shadow, masks["sideburns"] * random.uniform(0, 0.8) * dots)
    hairline = masks["scalp"] + 0.08 * blotch + 0.10 * grain
    top = np.clip((hairline - 0.35) * 3, 0, 1) * min(1.0, scalp * 1.2) * np.clip(0.9 + 0.1 * pores, 0, 1)
    cover = np.clip(np.maximum(shadow * 0.75, top), 0, 1)[..., None]
    colour = colour * (1 - cover) + person.hair * 0.8 * np.exp(0.2 * grain[..., None]) * cover
    brows = _brows(person, random)[..., None]
    tint = person.hair * random.uniform(0.45, 0.9) if person.grey < 0.5 else person.hair * 0.7
    colour = colour * (1 - brows) + tint * brows
    bumps = 0.5 * grain + 0.35 * pores + 0.3 * blotch * old - 5.0 * wrinkles + 1.5 * brows[..., 0]
    bumps = bumps.astype(np.float32)
    slope_u = cv2.Sobel(bumps, cv2.CV_32F, 1, 0, scale=0.125)
    slope_v = cv2.Sobel(bumps, cv2.CV_32F, 0, 1, scale=0.125)
    strength = 0.07 + 0.1 * old
    gloss = 0.75 + 0.25 * (masks["nose"] + masks["forehead"]) + 0.12 * blotch + lips[..., 0] * random.uniform(0, 1.2)
    gloss *= (1 - 0.8 * np.maximum(cover, brows)[..., 0]) * random.uniform(0.6, 1.4)
    relief = np.stack([slope_u * strength, -slope_v * strength, np.clip(gloss, 0, 2.5)], -1)
    return np.clip(colour, 0.003, 0.95).astype(np.float32), relief.astype(np.float32)


def _brows(person: Person, random: np.random.Generator) -> np.ndarray:
    """How densely brow hairs cover each texel of the skin, (H, W) float32 0 to 1: strokes along the brow's curve."""
    width, height = _SKIN
    scale = 2  # strokes are finer than texels
    left, top, wide, high = 200, 96, 240, 80
    canvas = np.zeros((high * scale, wide * scale), np.uint8)
    count = int(random.uniform(90, 190))
    thick = random.uniform(0.45, 1.15) * (0.8 + 0.4 * person.male)
    bushy = random.uniform(0.6, 1.4)
    trimmed = random.uniform(-1.5, 1.5)
    for curve in _skin_map().brows:
        texels = np.stack([curve[:, 0] * (width - 1), (1 - curve[:, 1]) * (height - 1)], -1)
        place = np.clip(
            np.concatenate([random.uniform(0, 1, count - count // 5), random.uniform(-0.06, 0.2, count // 5)]), -0.06, 1
        )
        index = np.clip(place * 4, 0, 3.999).astype(int)
        share = (place * 4 - index)[:, None]
        middle = texels[index] * (1 - share) + texels[index + 1] * share
        along = texels[index + 1] - texels[index]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        half = 4.2 * thick * np.clip(1.15 - place, 0.18, 1) ** 0.7
        root = middle + np.stack([np.zeros(count), random.uniform(-1, 1, count) * half + trimmed * 0.4], -1)
        lean = np.clip(1.1 - place * 1.6, -0.2, 1.1) * random.uniform(0.5, 1.2, count)
        reach = random.uniform(2.5, 5.5, count)[:, None] * bushy
        tip = root + reach * (along + np.stack([np.zeros(count), -lean * 0.8], -1))
        lines = np.stack([root, tip], 1) - [left, top]
        for line, strength in zip(
            np.round(lines * scale * 16).astype(np.int32), random.integers(110, 235, count), strict=True
        ):
            cv2.polylines(canvas, [line], False, int(strength), 1, cv2.LINE_AA, 4)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 1.2 * scale / 2)
    small = cv2.resize(canvas, (wide, high), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    result = np.zeros((height, width), np.float32)
    dense = random.uniform(0.9, 1.7) * (0.55 if person.grey > 0.6 else 1.0)
    result[top : top + high, left : left + wide] = np.clip(small * dense, 0, 0.95)
    return result


def _paint_eye(person: Person, random: np.random.Generator) -> tuple[np.ndarray, None]:
    size = SLOTS["left_eye"][2]
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    white = linear(np.array([0.86, 0.82, 0.79]) * random.uniform(0.85, 1.0))
    veins = np.clip(noise(random, 3, size, size) - 0.9, 0, 2) * np.clip((radius - IRIS) * 5, 0, 1)
    picture = white * np.exp(-veins[..., None] * np.array([0.05, 0.35, 0.3]) * random.uniform(0.2, 1))
    picture = picture * np.exp(-np.clip(radius - IRIS, 0, 1)[..., None] * np.array([0.6, 1.3, 1.4]))
    fibres = np.interp(
        (angle + np.pi) / (2 * np.pi) * 180, np.arange(181), np.resize(random.uniform(0.6, 1.4, 180), 181)
    )
    share = radius / IRIS
    ring = 1 - 0.75 * np.clip((share - 0.78) / 0.22, 0, 1) ** 2
    warm = np.exp(-((share - 0.45) ** 2) / 0.02)[..., None] * np.array([0.3, 0.12, -0.1])
    iris = person.eyes * (fibres * ring * (0.8 + 0.4 * share))[..., None] * np.exp(warm)
    edge = np.clip((IRIS - radius) * size / 3 + 0.5, 0, 1)[..., None]
    picture = picture * (1 - edge) + iris * edge
    pupil = random.uniform(0.28, 0.5) * IRIS
    edge = np.clip((pupil - radius) * size / 2 + 0.5, 0, 1)[..., None]
    return (picture * (1 - edge) + 0.002 * edge).astype(np.float32), None


def _paint_strands(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Grey strands from root (below) to tip, with darker gaps; the ribbons' tint colours them."""
    _, _, width, height = SLOTS["strands"]
    across = random.standard_normal(width).astype(np.float32)
    wander = cv2.GaussianBlur(random.standard_normal((height, width)).astype(np.float32), (0, 0), sigmaX=0.6, sigmaY=24)
    wander /= wander.std()
    value = np.exp(0.25 * across[None] + 0.25 * wander)
    value *= np.linspace(1.15, 0.75, height)[:, None]  # row 0 is the tip: darker at the root
    bumps = np.stack([0.25 * np.gradient(value, axis=1), np.zeros_like(value), np.clip(value, 0.3, 1.6)], -1)
    return np.repeat(value[..., None], 3, 2).astype(np.float32), bumps.astype(np.float32)


def random_colour(random: np.random.Generator) -> np.ndarray:
    """A linear RGB colour as cloth, walls and things have: mostly muted, some bright, some near grey."""
    value, saturation = random.beta(1.2, 1.6), random.beta(1.0, 3.0)
    hue = random.uniform(0, 360)
    bgr = cv2.cvtColor(np.array([[[hue, saturation, value]]], np.float32), cv2.COLOR_HSV2RGB)[0, 0]
    return linear(0.03 + 0.92 * bgr)


def _paint_cloth(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    _, _, width, height = SLOTS["cloth"]
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    first, second = random_colour(random), random_colour(random)
    kind = random.choice(["plain", "stripes", "check", "dots", "blotches"], p=[0.5, 0.18, 0.12, 0.08, 0.12])
    period = random.uniform(10, 40)
    turn = random.choice([0.0, np.pi / 2, random.uniform(0, np.pi)])
    along = u * np.cos(turn) + v * np.sin(turn)
    across = v * np.cos(turn) - u * np.sin(turn)
    wave = np.sin(2 * np.pi * along / period)
    if kind == "stripes":
        share = wave > random.uniform(-0.6, 0.6)
    elif kind == "check":
        share = 0.5 * (wave > 0) + 0.5 * (np.sin(2 * np.pi * across / period) > 0)
    elif kind == "dots":
        share = (wave + np.sin(2 * np.pi * across / period)) > 1.1
    elif kind == "blotches":
        share = noise(random, 2, width, height) > 0.3
    else:
        share = np.zeros_like(u)
    share = cv2.GaussianBlur(share.astype(np.float32), (0, 0), 0.8)[..., None]
    weave = 0.08 * noise(random, 5, width, height) + 0.12 * noise(random, 1, width, height)
    picture = (first * (1 - share) + second * share) * np.exp(weave)[..., None]
    folds = np.float32(3) * noise(random, 1, width, height)
    bumps = np.stack(
        [cv2.Sobel(folds, cv2.CV_32F, 1, 0, scale=0.125), -cv2.Sobel(folds, cv2.CV_32F, 0, 1, scale=0.125)], -1
    )
    return np.clip(picture, 0.005, 0.95), np.concatenate([bumps * 1.2, np.ones((height, width, 1), np.float32)], -1)


def background(random: np.random.Generator, size: int) -> np.ndarray:
    """A picture (size, size, 3) float32 linear RGB of what may be behind a person: walls, rooms, foliage, lights,
    mostly out of focus."""
    kind = random.choice(["wall", "room", "foliage", "lights", "street"], p=[0.22, 0.3, 0.2, 0.13, 0.15])
    v, u = np.mgrid[0:size, 0:size].astype(np.float32) / size
    base, other = random_colour(random), random_colour(random)
    slope = random.uniform(-1, 1, 2)
    share = np.clip(0.5 + slope[0] * (u - 0.5) + slope[1] * (v - 0.5), 0, 1)[..., None]
    picture = (base * (1 - share) + (0.5 * base + 0.5 * other) * share).astype(np.float32)
    if kind in ("room", "street"):
        for _ in range(random.integers(5, 16)):
            colour = tuple(float(c) for c in random_colour(random))
            corner = random.uniform(-0.2, 1.0, 2) * size
            extent = random.gamma(1.5, 0.15, 2) * size
            angle = random.choice([0.0, 0.0, 0.0, random.uniform(-30, 30)])
            box = cv2.boxPoints(((corner + extent / 2).tolist(), extent.tolist(), float(angle)))
            cv2.fillPoly(picture, [np.round(box * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
        for _ in range(random.integers(2, 9)):
            start, end = random.uniform(0, size, 2), random.uniform(0, size, 2)
            if random.uniform() < 0.6:
                end[random.integers(2)] = start[random.integers(2)]
            colour = tuple(float(c) for c in random_colour(random))
            cv2.line(
                picture, tuple(int(c) for c in start), tuple(int(c) for c in end), colour, int(random.integers(1, 6))
            )
    if kind in ("foliage", "lights"):
        for _ in range(random.integers(30, 90)):
            colour = np.clip(random_colour(random) * 0.5 + other * 0.7, 0, 1)
            if kind == "foliage":
                colour = colour * np.array([0.7, 1.0, 0.4]) * random.uniform(0.2, 1.3)
            centre = random.uniform(0, size, 2).astype(int)
            axes = np.maximum(random.gamma(2, 0.02, 2) * size, 1).astype(int)
            if kind == "lights":
                colour, axes = colour * random.uniform(0.2, 3.0), np.repeat(axes[:1], 2)
            cv2.ellipse(
                picture, (int(centre[0]), int(centre[1])), (int(axes[0]), int(axes[1])), float(random.uniform(0, 180)),
                0, 360, tuple(float(c) for c in colour), -1, cv2.LINE_AA,
            )  # fmt: skip
    texture = sum(random.uniform(0, 0.14) * noise(random, level, size, size) for level in (1, 2, 3, 4))
    picture = picture * np.exp(texture)[..., None] * random.uniform(0.5, 1.5)
    blur = random.choice([0.0, random.uniform(0.5, 2.0), random.uniform(2, 6)], p=[0.2, 0.35, 0.45]) * size / 256
    return cv2.GaussianBlur(picture, (0, 0), blur) if blur > 0.3 else picture.astype(np.float32)
