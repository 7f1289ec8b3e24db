"""The skin's picture: regions of the face, found once on the neutral mesh, and their colours and bumps on a person.

The skin is unrolled as a cylinder round the head's vertical axis, of the neutral mesh: a texel has the same place on
every face.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from tsal.synth.anatomy import load
from tsal.synth.hair import beard_area, hairline
from tsal.synth.landmarks import landmark_map
from tsal.synth.paint.noise import noise
from tsal.synth.people import Person, linear
from tsal.synth.raster import rasterise

_AXIS = 0.45  # dm: depth z of the cylinder's axis
_LOW, _HIGH = 5.5, 8.7  # dm: heights y of its rims
_TURN = 640  # texels of a whole turn
SKIN = (704, 352)  # width, height in texels: a turn and a tenth, so that triangles over the seam have a place


def cylinder(points: np.ndarray) -> np.ndarray:
    """Coordinates (..., 2) in the slot "skin" of points (..., 3) of the neutral mesh."""
    turn = np.arctan2(points[..., 0], points[..., 2] - _AXIS) / (2 * np.pi) + 0.5
    return np.stack([turn * _TURN / SKIN[0], (points[..., 1] - _LOW) / (_HIGH - _LOW)], -1)


def skin_uv(corners: np.ndarray) -> np.ndarray:
    """Coordinates (F, 3, 2) in the slot "skin" of triangles (F, 3, 3) of the neutral mesh, over the seam too."""
    uv = cylinder(corners)
    turn = _TURN / SKIN[0]
    apart = uv[..., 0].max(1) - uv[..., 0].min(1) > turn / 2
    uv[..., 0] += turn * (apart[:, None] & (uv[..., 0] < turn / 2))
    return np.clip(uv, 0, 1)


@dataclass(frozen=True)
class SkinMap:
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
def skin_map() -> SkinMap:
    anatomy = load()
    triangles = anatomy.triangles[anatomy.faces_of("skin")]
    corners = anatomy.vertices[triangles]
    width, height = SKIN
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
    return SkinMap(place, masks, brows)


def texels_of(points: np.ndarray) -> np.ndarray:
    """Texels (..., 2) of the skin's slot at points (..., 3) of the neutral mesh."""
    uv = cylinder(points)
    return np.stack([uv[..., 0] * (SKIN[0] - 1), (1 - uv[..., 1]) * (SKIN[1] - 1)], -1)


def _wrinkles() -> np.ndarray:
    """(H, W) float32 0 to 1: the lines of age on forehead and eyes, between the brows, from the nose to the mouth."""
    drawn = np.zeros(SKIN[::-1], np.uint8)

    def line(points: list[tuple[float, float, float]], strength: int) -> None:
        for sign in (1, -1):
            path = texels_of(np.array(points) * [sign, 1, 1])
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


def paint_skin(
    person: Person, scalp: float, stubble: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The skin, (352, 704, 3) float32 linear RGB, and its bumps and gloss as of Atlas.relief; see `paint`."""
    masks, (width, height) = skin_map().masks, SKIN
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
    width, height = SKIN
    scale = 2  # strokes are finer than texels
    left, top, wide, high = 200, 96, 240, 80
    canvas = np.zeros((high * scale, wide * scale), np.uint8)
    count = int(random.uniform(90, 190))
    thick = random.uniform(0.45, 1.15) * (0.8 + 0.4 * person.male)
    bushy = random.uniform(0.6, 1.4)
    trimmed = random.uniform(-1.5, 1.5)
    for curve in skin_map().brows:
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
