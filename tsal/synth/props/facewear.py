"""What is worn on the face: glasses and sunglasses, of seven shapes; medical and cloth masks."""

import cv2
import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.props.fitting import Face, elevation_at, find_places, on_shell
from tsal.synth.props.solids import (
    CLOTHES,
    DARK_GLASS,
    MEDICAL,
    METALS,
    PLASTICS,
    Solid,
    attach,
    bar,
    draw_colour,
    fan,
    grid,
    join,
    strap,
)

# Width and height of a lens in dm, roundness (exponent of a superellipse), how much narrower its lower part is, and
# how far its upper outer corner is pulled up.
_LENSES = {
    "round": (0.47, 0.44, 2.0, 0.0, 0.0),
    "panto": (0.48, 0.42, 2.4, 0.12, 0.0),
    "rectangular": (0.53, 0.34, 4.5, 0.06, 0.0),
    "narrow": (0.51, 0.27, 3.6, 0.04, 0.0),
    "square": (0.53, 0.43, 4.0, 0.08, 0.0),
    "aviator": (0.57, 0.50, 2.5, 0.28, 0.0),
    "cat-eye": (0.53, 0.38, 2.8, 0.12, 0.09),
}


def draw_glasses(face: Face, random: np.random.Generator, dark: bool) -> tuple[Attachment, Attachment]:
    """Frame with temples, and the lenses."""
    name = list(_LENSES)[random.integers(len(_LENSES))]
    width, height, power, narrowing, corner = _LENSES[name]
    scale = face.size**0.7 * random.uniform(0.96, 1.08) * (1.08 if dark else 1.0)
    width, height, corner = width * scale, height * scale * (1.1 if dark else 1.0), corner * scale
    metal = name == "aviator" or random.uniform() < (0.6 if name in ("round", "narrow") else 0.3)
    thick = random.uniform(0.022, 0.032) if metal else random.uniform(0.035, 0.075)
    deep = 0.025 if metal else random.uniform(0.03, 0.045)
    half_rim = name in ("rectangular", "narrow") and random.uniform() < 0.25
    tint = draw_colour(random, METALS if metal else PLASTICS)
    gap = random.uniform(0.17, 0.22) * scale  # between the lenses
    middle_x = face.pupils[:, 0].mean()
    # Lenses sit a little below the pupils.
    middle_y = face.pupils[:, 1].mean() - random.uniform(-0.02, 0.06) * scale
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    x, y = (np.sign(f) * np.abs(f) ** (2 / power) / 2 for f in (np.cos(angle), np.sin(angle)))
    outline = np.stack([x * width * (1 + narrowing * y), y * height], 1)
    outline[:, 1] += corner * np.clip(2 * x, 0, 1) ** 2 * np.clip(0.3 + 2 * y, 0, 1)
    centre_x = (gap + width) / 2
    curve = random.uniform(0.1, 0.22)

    def place(x: np.ndarray, y: np.ndarray, forwards: np.ndarray | float = 0.0) -> np.ndarray:
        """The glasses' surface: bent round the face, its lower edge nearer to the cheeks."""
        return np.stack([middle_x + x, middle_y + y, -curve * x**2 + 0.13 * y + forwards], -1)

    flat = outline + [centre_x, 0]
    grown = np.roll(flat, -1, 0) - np.roll(flat, 1, 0)
    normal = np.stack([grown[:, 1], -grown[:, 0]], 1) / np.linalg.norm(grown, axis=1, keepdims=True)
    across = np.c_[normal, 0.13 * normal[:, 1]]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    outwards = np.broadcast_to([0.0, 0.0, 1.0], across.shape)
    rim = place(*(flat + normal * thick * 0.4).T)
    shown = np.roll(np.arange(28), 3)[:20] if half_rim else slice(None)
    rims = bar(rim[shown], -across[shown], outwards[shown], thick, deep, closed=not half_rim)
    # Lenses bulge a little.
    lens = fan(place(*flat.T), place(centre_x, 0.0, 0.015))
    arch = np.linspace(-1, 1, 7)
    top = 0.25 * height
    bridges = []
    for level in (top, 0.46 * height) if name == "aviator" else (top,):
        edge = gap / 2 + thick * 0.2 + width * 0.02 * (level > top) * 6
        bridge = place(arch * edge, level + 0.04 * scale * (1 - arch**2), 0.012)
        bridges.append(strap(bridge, np.array([0.0, 1.0, 0.0]), max(thick * 0.9, 0.025), deep))
    both = [rims, lens, _mirror_x(rims, middle_x), _mirror_x(lens, middle_x)]
    # How far forwards: nothing of it may lie in the face.
    every = np.concatenate([part.points for part in (*both, *bridges)])
    forwards = float((face.front(every) - every[:, 2]).max()) + 0.015 + deep / 2
    every_part = [part.moved(np.eye(3), np.array([0, 0, forwards])) for part in (*both, *bridges)]
    rims, lens, rims_right, lens_right, *bridges = every_part
    hinge_y = 0.5 * height * (0.5 if metal else 0.6) + corner * 0.6
    outer = np.abs(flat[:, 1] - hinge_y) + 9 * (flat[:, 0] < centre_x)
    hinge_x = flat[outer.argmin(), 0] + thick * 0.8
    temples = [
        _temple(face, place(np.array(hinge_x * sign), np.array(hinge_y), forwards), side, metal, thick)
        for side, sign in ((0, -1), (1, 1))
    ]
    frame = attach(join(rims, rims_right, *bridges, *temples), tint, "metal" if metal else "plastic")
    colour = draw_colour(random, DARK_GLASS) if dark else np.array([0.03, 0.035, 0.04])
    return frame, attach(join(lens, lens_right), colour, "lens")


def _mirror_x(solid: Solid, middle: float) -> Solid:
    mirrored = solid.mirrored()
    return Solid(mirrored.points + [2 * middle, 0, 0], mirrored.triangles, mirrored.uv)


def _temple(face: Face, hinge: np.ndarray, side: int, metal: bool, thick: float) -> Solid:
    """From the frame outwards and back over the ear, then down behind it."""
    places, sign = find_places(), (-1, 1)[side]
    neutral = face.neutral.astype(np.float64)
    rest, end = neutral[places.above[side]], neutral[places.behind[side]]
    near = neutral[places.temples[side]]
    share = np.linspace(0, 1, 9)[:, None]
    wide = max(abs(hinge[0]) + 0.05, abs(rest[0]))
    # The end piece goes outwards before the temple turns back.
    turn = np.array([sign * wide, hinge[1], hinge[2] - 0.07])
    path = np.concatenate([[hinge - [0, 0, 0.01]], turn + share * (rest - [0, 0.03, 0] - turn), [end]])
    distance = np.linalg.norm(path[1:, None, 1:] - near[None, :, 1:], axis=2)
    skin = np.where(distance < 0.12, near[:, 0] * sign, -np.inf).max(1)
    path[1:, 0] = sign * np.maximum(path[1:, 0] * sign, skin + 0.025)
    height = thick * 0.8 + 0.01 if metal else min(thick * 1.3, 0.09)
    return strap(path, np.array([0.0, 1.0, 0.0]), height, 0.025 if metal else 0.035)


def draw_mask(face: Face, random: np.random.Generator) -> Attachment:
    """A medical or cloth mask over nose, mouth and chin, with loops round the ears."""
    places, neutral = find_places(), face.neutral
    shell = face.shell(ears=False, fill=1)
    medical = random.uniform() < 0.65
    low = float(face.points[:, 1][48 - 17 :].min())  # of the lower lip
    chin_y = neutral[places.chin, 1] - 0.17 * face.size
    bridge = face.landmark(28)[1] + random.uniform(-0.12, 0.04)
    if random.uniform() < 0.12:
        bridge = face.landmark(33)[1] - 0.04  # worn below the nose
    share = np.linspace(-1, 1, 23)
    azimuth = share * random.uniform(58, 66)
    top_y = bridge + (face.landmark(30)[1] + 0.02 - bridge) * np.abs(share) ** 1.3
    bottom_y = chin_y + (0.5 * (low + chin_y) + 0.12 - chin_y) * np.abs(share) ** 2
    top, bottom = (elevation_at(face, shell, azimuth, y) for y in (np.minimum(top_y, bridge), bottom_y))
    rows = np.linspace(0, 1, 15)[:, None]
    elevation = bottom + rows * (top - bottom)
    columns = np.broadcast_to(azimuth, elevation.shape)
    points = on_shell(face, shell, columns, elevation, np.zeros(1))
    distance = np.linalg.norm(points - face.centre, axis=2).astype(np.float32)
    direction = (points - face.centre) / distance[..., None]
    # Cloth spans hollows; the edges lie close.
    spanned = distance.copy()
    for _ in range(14):
        spanned = np.maximum(spanned, cv2.blur(spanned, (5, 5), borderType=cv2.BORDER_REPLICATE))
    hem = np.clip(np.minimum(rows, 1 - rows) * 6, 0, 1) * np.clip((1 - np.abs(share)) * 8, 0, 1)
    off = 0.03 + 0.035 * hem
    if medical:
        off = off + 0.012 * hem * np.abs(np.sin(np.pi * 3 * rows)) ** 0.5
    points = face.centre + direction * (distance + (spanned - distance) * (0.3 + 0.7 * hem) + off)[..., None]
    # Tucked under the chin and to the skin, so that no gap shows.
    tuck = points[:1] - 0.06 * direction[:1] + [0, -0.03, -0.12]
    points = np.concatenate([tuck, points])
    height = np.r_[0, rows[:, 0]]
    # The lower part follows the chin, the middle the cheeks, the upper part stays.
    side = places.halfway[(share > 0).astype(int)]
    anchors = np.where(height[:, None] > 0.62, -1, np.where(height[:, None] > 0.36, side, places.chin))
    if medical:
        tint, finish = draw_colour(random, MEDICAL), "plain"
    else:
        tint, finish = draw_colour(random, CLOTHES), "print" if random.uniform() < 0.4 else "cloth"
    parts = [attach(grid(points), tint, finish, anchors.ravel(), neutral)]
    loops = []
    for side_number, column, sign in ((0, 0, -1), (1, -1, 1)):
        root = neutral[places.above[side_number]].astype(np.float64) + [0.03 * sign, -0.04, 0.0]
        bare = neutral[places.temples[side_number]]
        lobe = neutral[places.lobe[side_number]].astype(np.float64)
        under = np.array([root[0], lobe[1], lobe[2] - 0.05])
        for corner, goal in ((points[-2, column], root), (points[2, column], under)):
            path = corner + np.linspace(0, 1, 7)[:, None] * (goal - corner)
            distance = ((path[:, None, 1:] - bare[None, :, 1:]) ** 2).sum(2)
            skin = np.where(distance < 0.09**2, bare[:, 0] * sign, -np.inf).max(1)
            path[:, 0] = sign * np.maximum(path[:, 0] * sign, skin + 0.02)
            loops.append(strap(path, np.array([0.0, 1.0, 0.0]), 0.03, 0.015))
    parts.append(attach(join(*loops), np.full(3, 0.7), "plain"))
    return Attachment.join(parts)
