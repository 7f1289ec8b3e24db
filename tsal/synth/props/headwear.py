"""What is worn on the head and at the ears: hats, scarves, bands, headphones and earrings."""

from dataclasses import replace

import numpy as np

from tsal.synth.attachment import Attachment
from tsal.synth.people import linear
from tsal.synth.props.fitting import AZIMUTHS, Face, elevation_at, find_places, on_shell
from tsal.synth.props.solids import (
    CLOTHES,
    METALS,
    PLASTICS,
    Solid,
    attach,
    ball,
    bar,
    directions,
    draw_colour,
    fan,
    grid,
    join,
    lathe,
    pipe,
    rotation,
)


def _round(face: Face, shell: tuple, front: float, side: float, back: float) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths (A,) and elevations (A,) of a line round the head with the given heights y."""
    azimuth = np.linspace(-180, 180, 49)
    turn = np.radians(azimuth)
    ends = np.where(np.abs(azimuth) < 90, front, back)
    height = side + (ends - side) * np.cos(turn) ** 2
    return azimuth, elevation_at(face, shell, azimuth, height)


def _crown(face: Face, shell: tuple, azimuth: np.ndarray, rim: np.ndarray, rows: np.ndarray, off: np.ndarray):
    """Points (R, C, 3) of a cap above a rim (C,); rows (R,) from 0 at the rim to 1 at the top, off (R,) outwards."""
    elevation = rim + (90 - rim) * rows[:, None]
    return on_shell(face, shell, np.broadcast_to(azimuth, elevation.shape), elevation, off[:, None])


def _heights(face: Face) -> tuple[float, float]:
    """y of the top of the ears and of the top of the head."""
    places = find_places()
    ears, top = places.ear, places.shells[0][0][-1, 0]
    return float(face.neutral[ears, 1].mean()), float(face.neutral[top, 1].mean())


def draw_beanie(face: Face, random: np.random.Generator) -> tuple[Attachment, float]:
    shell = face.shell(ears=True, fill=4)
    ear, _ = _heights(face)
    front = face.brow + random.uniform(0.08, 0.4)
    side = ear + random.uniform(-0.25, 0.1)
    azimuth, rim = _round(face, shell, front, side, side - 0.1)
    off = random.uniform(0.07, 0.12)
    cuff = random.uniform(0.12, 0.2) if random.uniform() < 0.7 else 0.0
    tint = draw_colour(random, CLOTHES)
    rows = np.linspace(0, 1, 11)
    points = _crown(face, shell, azimuth, rim, rows, np.r_[-0.02, np.full(10, off)])
    slouch = random.uniform(0, 0.35)
    bulge = np.clip(rows - 0.5, 0, 1)[:, None] ** 1.5 * 2
    points += bulge[..., None] * slouch * np.array([0, 0.8, -0.5])
    parts = [attach(grid(points), tint, "cloth")]
    if cuff:
        band = _crown(
            face,
            shell,
            azimuth,
            rim,
            np.array([0.0, 0.01, 0.05, cuff, cuff + 0.03]),
            off + np.array([-off - 0.02, 0.03, 0.06, 0.06, 0.0]),
        )
        band[0, :, 1] -= 0.01
        parts.append(attach(grid(band), tint * random.uniform(0.7, 1.0), "cloth"))
    if random.uniform() < 0.25:
        bobble = ball(random.uniform(0.2, 0.3)).moved(np.eye(3), points[-1].mean(0) + [0, 0.15, 0])
        parts.append(attach(bobble, draw_colour(random, CLOTHES), "cloth"))
    return Attachment.join(parts), 0.5 * (front + side)


def draw_cap(face: Face, random: np.random.Generator) -> tuple[Attachment, float]:
    shell = face.shell(ears=False, fill=4)
    ear, _ = _heights(face)
    front = face.brow + random.uniform(0.15, 0.4) * face.size
    side = max(ear + random.uniform(0.05, 0.2), front - 0.25)
    azimuth, rim = _round(face, shell, front, side, side - 0.15)
    off = random.uniform(0.08, 0.13)
    rows = np.linspace(0, 1, 10)
    points = _crown(face, shell, azimuth, rim, rows, np.r_[-0.02, np.full(9, off)])
    backwards = random.uniform() < 0.12
    if not backwards:
        # The front of a cap stands up.
        points[..., 2] += 0.06 * np.sin(np.pi * rows)[:, None] * np.clip(np.cos(np.radians(azimuth)), 0, 1)
    tint = draw_colour(random, CLOTHES)
    parts = [attach(grid(points), tint, "cloth")]
    # Half a turn about the upright axis, there and back, for a peak behind.
    turn = np.array([-1, 1, -1]) if backwards else np.ones(3)
    edge = np.concatenate([points[1, 24:], points[1, 1:25]]) if backwards else points[1]
    peak = _peak(edge * turn, face.size * random.uniform(0.6, 0.78), random.uniform(0.05, 0.28))
    peak = replace(peak, points=peak.points * turn)
    parts.append(attach(peak, tint if random.uniform() < 0.6 else draw_colour(random, CLOTHES), "cloth"))
    parts.append(attach(ball(0.05, 8).moved(np.eye(3), points[-1].mean(0)), tint, "cloth"))
    return Attachment.join(parts), 0.5 * (front + side)


def _peak(rim: np.ndarray, length: float, droop: float) -> Solid:
    """The peak of a cap at the front of a rim (49, 3), a thin closed sheet."""
    inner = rim[15:34]
    share = np.linspace(-1, 1, len(inner))
    depth = length * np.sqrt(np.clip(1 - np.abs(share) ** 2.6, 0, 1))
    outwards = np.stack([0.12 * share, -droop * np.ones_like(share), np.ones_like(share)], 1)
    steps = np.array([-0.05, 0.25, 0.5, 0.75, 0.95, 1.0])
    top = inner[None] + steps[:, None, None] * depth[:, None] * outwards
    top[0, :, 2] -= 0.04 * (1 - share**2)
    top[..., 0] -= 0.03 * share**7  # its ends go under the crown
    # Bent down on both sides.
    top[..., 1] -= 0.22 * length * share**2 * steps[:, None]
    thick = np.array([0.0, 0.03, 0.0])
    return join(grid(top[::-1]), grid(top - thick), grid(np.stack([top[-1] - thick, top[-1]])))


def draw_brimmed_hat(face: Face, random: np.random.Generator) -> tuple[Attachment, float]:
    """A hat with a brim all round: of felt or straw."""
    shell = face.shell(ears=False, fill=6)
    ear, top = _heights(face)
    front = face.brow + random.uniform(0.15, 0.4)
    side = max(ear + 0.1, front - 0.1)
    azimuth, rim = _round(face, shell, front, side, side - 0.02)
    line = _crown(face, shell, azimuth, rim, np.zeros(1), np.full(1, 0.1))[0]
    middle = 0.5 * (line.max(0) + line.min(0))
    radial = (line - middle) * [1, 0, 1]
    height = top + random.uniform(0.12, 0.35) - line[:, 1]
    taper = random.uniform(0.75, 0.92)
    shares = np.array([(1.0, 0.0), (0.99, 0.3), (0.5 * (1 + taper), 0.7), (taper, 0.93), (taper - 0.08, 1.0)])
    crown = np.stack([middle * [1, 0, 1] + radial * a + np.stack([0 * height, line[:, 1] + b * height, 0 * height], 1)
                      for a, b in shares])  # fmt: skip
    dent = random.uniform(0, 0.15)
    lid = fan(crown[-1, :-1], crown[-1, :-1].mean(0) - [0, dent, 0])
    width = random.uniform(0.35, 0.9)
    outwards = radial / np.linalg.norm(radial, axis=1, keepdims=True)
    turn = np.radians(azimuth)
    droop = random.uniform(-0.15, 0.25) + random.uniform(-0.15, 0.15) * np.cos(2 * turn)
    # From within the hair's edge, so that one does not look into the crown.
    steps = np.array([-0.18 / width, 0.0, 0.35, 0.7, 1.0])[:, None, None]
    brim = line + steps * width * outwards
    brim[..., 1] -= (droop * np.clip(steps[..., 0], 0, 1) ** 1.6) * width
    felt = random.uniform() < 0.6
    tint = draw_colour(random, CLOTHES) if felt else linear(np.array([214, 184, 132]) / 255)
    band = crown[:2] + outwards * 0.012
    under = brim - [0, 0.025, 0]
    hat = join(grid(crown), lid, grid(brim[::-1]), grid(under), grid(np.stack([under[-1], brim[-1]])))
    parts = [attach(hat, tint, "plain" if felt else "cloth")]
    parts.append(attach(grid(band), draw_colour(random, CLOTHES), "cloth"))
    return Attachment.join(parts), 0.5 * (front + side)


def draw_headband(face: Face, random: np.random.Generator) -> Attachment:
    shell = face.shell(ears=False, fill=4)
    ear, _ = _heights(face)
    front = face.brow + random.uniform(0.12, 0.5)
    azimuth, rim = _round(face, shell, front, max(ear, front - 0.25), ear - 0.05)
    width = random.uniform(8, 17)
    steps = np.array([0.0, 0.02, 0.5, 0.98, 1.0])[:, None]
    off = 0.07 + np.array([-0.07, 0.0, 0.015, 0.0, -0.07])[:, None]
    elevation = rim + steps * width
    band = on_shell(face, shell, np.broadcast_to(azimuth, elevation.shape), elevation, off)
    return attach(grid(band), draw_colour(random, CLOTHES), "cloth")


def draw_headscarf(face: Face, random: np.random.Generator) -> tuple[Attachment, float]:
    """A scarf round the face, over the ears and down to the shoulders."""
    shell = face.shell(ears=True, fill=6)
    chin = face.neutral[find_places().chin].astype(np.float64)
    chin_y = float(face.neutral[:, 1][find_places().shells[0][0][:, len(AZIMUTHS) // 2, 0]].min())
    front = face.brow + random.uniform(0.15, 0.55)
    off = random.uniform(0.05, 0.09)
    # The hood: rows from the edge, which runs beside the face and across the forehead, to the back of the head.
    angle = np.radians(np.linspace(-90, 270, 45))  # round the face, from under the chin over the forehead
    wide = random.uniform(52, 62)  # degrees from the middle of the face to the edge at the side
    upper = float(elevation_at(face, shell, np.zeros(1), np.array([front]))[0])
    under = 60.0
    edge = 1 / np.hypot(np.cos(angle) / wide, np.sin(angle) / np.where(np.sin(angle) > 0, upper, under))
    steps = np.array([0.0, 0.004, 0.06, 0.15, 0.27, 0.4, 0.53, 0.67, 0.84, 1.0])[:, None]
    polar = np.radians(edge + steps * (179 - edge))
    x, y, z = np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)
    azimuth, elevation = np.degrees(np.arctan2(x, z)), np.degrees(np.arcsin(np.clip(y, -1, 1)))
    elevation = np.maximum(elevation, -56)  # below is the neck, which the drape covers
    outside = np.r_[0.0, 0.7, 1.15, np.ones(7)][:, None] * off
    hood = on_shell(face, shell, azimuth, elevation, outside)
    # The edge lies on the skin.
    hood[0] = on_shell(face, face.shell(ears=False, fill=0), azimuth[:1], elevation[:1], np.full(1, -0.03))[0]
    # The drape: from under the chin and behind the cheeks down over the shoulders; its first row is tucked in.
    around = np.linspace(-180, 180, 49)
    turn = np.radians(around)
    ear = face.neutral[find_places().ear].mean(0).astype(np.float64)
    ahead = np.clip(np.cos(turn), 0, 1) ** 0.7
    rows = np.array([0.0, 0.0, 0.1, 0.25, 0.4, 0.6, 0.8, 1.0])[:, None]
    begin = (ear[1] - 0.4) * (1 - ahead) + (chin_y + 0.04) * ahead
    height = begin + rows * (chin_y - 1.5 - begin)
    axis = ear[2] + 0.12
    behind = axis - float(face.neutral[find_places().shells[0][0][:, 0, 0], 2].min()) + 0.1  # the back of the head
    ahead_by = max(float(chin[2]) - axis + 0.04, 0.7)
    knots = [0, 0.2, 0.45, 0.7, 1]
    cheeks = hood[np.abs(hood[..., 1] - ear[1] + 0.5) < 0.2]
    side = float(np.abs(cheeks[:, 0] - face.centre[0]).max()) + 0.02
    wide = np.interp(rows, knots, [side, 0.97 * side, 0.82, 0.95, 1.35])
    back = np.interp(rows, knots, [behind, 0.95 * behind, 0.85 * behind, 0.9 * behind, 1.1 * behind])
    ahead_by = np.interp(rows, knots, np.array([1.0, 0.94, 0.84, 0.86, 1.0]) * ahead_by)
    folds = np.sin(turn * random.integers(5, 9) + 4 * rows + random.uniform(0, 6)) * np.clip(3 * rows, 0, 1) * 0.03
    reach = np.stack([wide + folds, np.where(np.cos(turn) > 0, ahead_by, back) + folds])
    reach[:, 0] *= 0.72
    drape = np.stack(
        [face.centre[0] + reach[0] * np.sin(turn), height, axis + reach[1] * np.cos(turn) - 0.1 * rows], -1
    )[::-1]
    tint = draw_colour(random, CLOTHES)
    finish = "print" if random.uniform() < 0.3 else "cloth"
    low = find_places().low[::3]
    points = drape.reshape(-1, 3)
    nearest = low[((points[:, None] - face.neutral[low][None]) ** 2).sum(2).argmin(1)]
    anchors = np.where(points[:, 1] > chin_y - 0.4, -1, nearest)
    parts = [attach(grid(hood[:, ::-1]), tint, finish), attach(grid(drape), tint, finish, anchors, face.neutral)]
    return Attachment.join(parts), chin_y - 5.0


def draw_headphones(face: Face, random: np.random.Generator) -> Attachment:
    places = find_places()
    ears = 0.45 * face.neutral[places.ear] + 0.55 * face.neutral[places.lobe]
    _, top = _heights(face)
    tint = draw_colour(random, PLASTICS)
    parts = []
    for ear, sign in zip(ears, (-1, 1), strict=True):
        out = max(abs(float(ear[0])), 0.7) - 0.02
        profile = [(0.0, -0.02), (0.34, -0.02), (0.38, 0.05), (0.36, 0.18), (0.25, 0.24), (0.0, 0.25)]
        cup = lathe(np.array(profile), 16)
        turned = cup.moved(rotation("z", -90 * sign), np.array([sign * out, ear[1], ear[2]]))
        parts.append(attach(turned, tint, "plastic"))
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    middle = ears.mean(0)
    half = 0.5 * (ears[1, 0] - ears[0, 0]) + 0.12
    height = top + 0.16 - middle[1]
    wide = half * np.sin(angle) * (1 + 0.08 * np.cos(angle) ** 2)
    path = middle + np.stack([wide, height * np.cos(angle), 0 * angle], 1)
    forwards = np.broadcast_to([0.0, 0.0, 1.0], path.shape)
    deep = np.cross(directions(path), forwards)
    parts.append(attach(bar(path, forwards, deep, random.uniform(0.15, 0.3), 0.07, closed=False), tint, "plastic"))
    return Attachment.join(parts)


def draw_earrings(face: Face, random: np.random.Generator) -> Attachment:
    drop = random.uniform() < 0.5
    radius = random.uniform(0.06, 0.2) if drop else random.uniform(0.025, 0.045)
    angle = np.linspace(0, 2 * np.pi, 13)
    tint = draw_colour(random, METALS)
    parts = []
    for row, sign in zip(find_places().lobe, (-1, 1), strict=True):
        lobe = face.neutral[row].astype(np.float64) + [0.02 * sign, 0.03, 0.02]
        if drop:
            ring = np.stack([0 * angle, np.cos(angle) - 1, np.sin(angle)], 1) * radius
            parts.append(pipe(lobe + ring, np.full(13, 0.016), 6))
        else:
            parts.append(ball(radius, 8).moved(np.eye(3), lobe))
    return attach(join(*parts), tint, "metal")
