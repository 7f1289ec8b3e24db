"""Places of the mesh that things are fitted to: ears, temples, cheeks, chin, and the outermost skin all round."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from tsal.synth.anatomy import load

ELEVATIONS = np.arange(-60, 91, 4.0)  # degrees
AZIMUTHS = np.arange(-180, 181, 4.0)  # from the face towards the person's left; both ends are the same
_CENTRE = np.array([0.0, 7.2, 0.45])  # of the template, from which it is seen in these directions


@dataclass(frozen=True)
class Places:
    """Rows of the mesh that things are fitted to.

    shells: rows and weights, (E, A, 3) each, of the outermost skin in every direction, without and with ears.
    pupils: rows of the person's right and left eyeball. temples: rows between eyes and ears, of both sides.
    ear: (2,) rows of the ears' tops; above, behind: (2,) rows of the skull there, and lower down behind the ears;
    lobe: (2,) of the ears' lowest points. chin: the row of its middle.
    halfway: (2,) rows of the cheeks that move half as far as the chin when the jaw opens, to the right and left.
    solid: (F, 3) triangles that lie behind everything worn: skin, eyes, lashes. low: rows of neck and shoulders.
    """

    shells: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    pupils: tuple[np.ndarray, np.ndarray]
    temples: tuple[np.ndarray, np.ndarray]
    ear: np.ndarray
    above: np.ndarray
    lobe: np.ndarray
    behind: np.ndarray
    halfway: np.ndarray
    chin: int
    solid: np.ndarray
    low: np.ndarray


@cache
def find_places() -> Places:
    anatomy = load()
    place = anatomy.vertices.astype(np.float64)
    skin = anatomy.triangles[anatomy.faces_of("skin")]
    on_skin = np.zeros(len(place), bool)
    on_skin[skin] = True
    ears, tops, above, lobes, behind, temples, halfway = [], [], [], [], [], [], []
    opening = anatomy.morphs[anatomy.names["face/jawOpen"]]
    smile = np.linalg.norm(
        sum(anatomy.morphs[anatomy.names[f"face/mouth{n}"]] for n in ("SmileLeft", "SmileRight", "Pucker", "Left")),
        axis=1,
    )
    chin = _nearest(place, np.array([0.0, 6.4, 1.5]), on_skin)
    half = np.linalg.norm(opening - 0.5 * opening[chin], axis=1) + 0.3 * smile
    for side, sign in (("r", -1), ("l", 1)):
        pinna = np.linalg.norm(anatomy.morphs[anatomy.names[f"ears/{side}-ear-wing-incr"]], axis=1)
        ear = pinna > 0.3 * pinna.max()
        ears.append(ear)
        tops.append(int(np.where(ear, place[:, 1], -np.inf).argmax()))
        lobes.append(int(np.where(ear, place[:, 1], np.inf).argmin()))
        bare = on_skin & (pinna == 0) & (place[:, 0] * sign > 0.4)
        above.append(_nearest(place, place[tops[-1]] + [-0.08 * sign, 0.04, -0.03], bare))
        behind.append(_nearest(place, place[tops[-1]] + [-0.1 * sign, -0.1, -0.22], bare))
        side_x = place[:, 0] * sign
        inside = (side_x > 0.4) & (place[:, 2] > 0.1) & (place[:, 2] < 1.45) & (np.abs(place[:, 1] - 7.35) < 0.3)
        temples.append(np.flatnonzero(on_skin & ~ear & inside))
        cheek = on_skin & (side_x > 0.3) & (place[:, 2] > 0.9)
        halfway.append(int(np.where(cheek, half, np.inf).argmin()))
    is_ear = ears[0] | ears[1]
    head = skin[(place[skin][..., 1].min(1) > 5.95)]
    eyes = [np.unique(anatomy.triangles[anatomy.faces_of(part)]) for part in ("right_eye", "left_eye")]
    return Places(
        shells=(_cast(place, head[~is_ear[head].any(1)]), _cast(place, head)),
        pupils=(eyes[0], eyes[1]),
        temples=(temples[0], temples[1]),
        ear=np.array(tops),
        above=np.array(above),
        lobe=np.array(lobes),
        behind=np.array(behind),
        halfway=np.array(halfway),
        chin=chin,
        solid=anatomy.triangles[anatomy.faces_of("skin", "left_eye", "right_eye", "lashes")],
        low=np.flatnonzero(on_skin & (place[:, 1] < 6.1)),
    )


def _nearest(place: np.ndarray, point: np.ndarray, allowed: np.ndarray) -> int:
    return int(np.where(allowed, ((place - point) ** 2).sum(1), np.inf).argmin())


def _cast(place: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and weights (E, A, 3) of the outermost points in all directions; gaps take the nearest direction's."""
    elevation, azimuth = np.radians(np.meshgrid(ELEVATIONS, AZIMUTHS, indexing="ij"))
    directions = np.stack(
        [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], -1
    ).reshape(-1, 3)
    corners = place[triangles] - _CENTRE
    middle = corners.mean(1)
    near = directions @ (middle / np.linalg.norm(middle, axis=1, keepdims=True)).T > np.cos(np.radians(15))
    ray, triangle = np.nonzero(near)
    a, b, c = (corners[triangle, k] for k in range(3))
    along = directions[ray]
    weights = np.stack([(np.cross(p, q) * along).sum(1) for p, q in ((b, c), (c, a), (a, b))], 1)
    total = weights.sum(1)
    weights /= np.where(np.abs(total) < 1e-12, 1, total)[:, None]
    distance = ((weights[:, :, None] * corners[triangle]).sum(1) * along).sum(1)
    hit = (weights >= -1e-6).all(1) & (distance > 0)
    ray, triangle, weights, distance = ray[hit], triangle[hit], weights[hit], distance[hit]
    order = np.argsort(distance)  # so that the farthest hit is written last
    best = np.full(len(directions), -1)
    best[ray[order]] = order
    known = np.flatnonzero(best >= 0)
    for lost in np.flatnonzero(best < 0):
        best[lost] = best[known[(directions[known] @ directions[lost]).argmax()]]
    shape = (len(ELEVATIONS), len(AZIMUTHS), 3)
    return triangles[triangle[best]].reshape(shape), weights[best].reshape(shape)
