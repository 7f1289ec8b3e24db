"""Masks over nose, mouth and chin."""

import cv2
import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.props.colours import CLOTHES, MEDICAL, draw_colour
from tsal.synth.props.fitting import Face, elevation_at, on_shell
from tsal.synth.props.places import find_places
from tsal.synth.props.solids import attach, grid, join, strap


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
