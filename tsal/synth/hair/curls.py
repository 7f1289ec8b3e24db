"""Hair that is not combed but stands off the head: curls and spikes."""

from functools import cache

import numpy as np

from tsal.synth.anatomy import load
from tsal.synth.attachment import FINISH_NUMBERS, Attachment
from tsal.synth.hair.head import Head
from tsal.synth.hair.ribbons import build_ribbons, draw_colours
from tsal.synth.hair.roots import CANDIDATES, CENTRE, hairline, on_ear, scalp_roots
from tsal.synth.hair.vectors import smooth, unit
from tsal.synth.people import Person


def grow_curls(
    random: np.random.Generator, person: Person, head: Head, volume: float, ring: float, ribbons: int
) -> Attachment:
    """Curly hair: arcs at all heights up to `volume` dm, with radii about `ring` dm, over a darker shell if high."""
    every = scalp_roots()
    chosen = random.permutation(int(min(ribbons * 1.2, CANDIDATES)))[:ribbons]
    root = np.einsum("nvx,nv->nx", person.neutral[every.rows[chosen]], every.weights[chosen])
    _, normal, arm = head.sample(root, False)
    inside = hairline(every.place[chosen])
    # Full height only well inside the hairline: a rounded outline, not a step.
    full = (
        volume
        * (0.25 + 0.75 * smooth(0.0, 0.5, inside))
        * (0.75 + 0.25 * smooth(-0.6, 0.2, every.place[chosen, 1] - 7.55))
    )
    layer = np.sqrt(random.uniform(0.05, 1, ribbons))
    outward = unit(normal + unit(arm) * [1, 1, 0.6] * 0.6)
    radius = ring * head.size * random.uniform(0.7, 1.3, ribbons)
    height = np.maximum(full * layer * head.size, 0.03)
    middle = root + outward * height[:, None]
    aside = unit(np.cross(outward, random.normal(size=(ribbons, 3))))
    lean = random.uniform(-0.6, 0.6, ribbons)[:, None]
    other = np.cos(lean) * np.cross(outward, aside) + np.sin(lean) * outward
    quads = 4
    angle = (np.linspace(0, 1, quads + 1) * random.uniform(2.5, 4.5, (ribbons, 1)))[..., None]
    path = middle[:, None] + radius[:, None, None] * (np.cos(angle) * aside[:, None] + np.sin(angle) * other[:, None])
    path = path + np.linspace(-0.3, 0.3, quads + 1)[None, :, None] * (radius[:, None] * outward)[:, None]
    path = head.clear(path.astype(np.float32), 0.03)
    normals = np.repeat(outward[:, None], quads + 1, 1).astype(np.float32)
    width = (1.1 * radius * random.uniform(0.7, 1.2, ribbons)).astype(np.float32)
    colours = draw_colours(random, person, ribbons, 0.6 + 0.45 * layer)
    curls = build_ribbons(random, path, normals, width, colours, root_shade=0.9, tilt=0.5)
    if volume < 0.3:  # the painted scalp is near enough
        return curls
    return Attachment.join([_shell(random, person, head, 0.65 * volume), curls])


@cache
def _shell_faces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertex rows of the scalp (n,), its triangles (m, 3) of those, and how far inside the hairline they are (n,)."""
    anatomy = load()
    triangles = anatomy.triangles[anatomy.faces_of("skin")]
    inside = hairline(anatomy.vertices) * ~on_ear(anatomy.vertices)
    rows, flat = np.unique(triangles[(inside[triangles] > 0.02).all(1)], return_inverse=True)
    return rows, flat.reshape(-1, 3).astype(np.int32), inside[rows]


def _shell(random: np.random.Generator, person: Person, head: Head, volume: float) -> Attachment:
    """The scalp raised by up to `volume` dm: what is seen between curls."""
    rows, faces, inside = _shell_faces()
    points = person.neutral[rows]
    _, normal, _ = head.sample(points, False)
    height = volume * head.size * smooth(0.0, 0.45, inside) * random.uniform(0.8, 1.2, len(rows)) + 0.01
    points = points + normal * height[:, None]
    strand = unit(np.cross(normal, random.normal(size=points.shape)))
    tint = np.tile(person.hair * 0.6, (len(faces), 1))
    uv = np.tile(np.array([[0, 0.3], [1, 0.3], [0.5, 0.7]], np.float32), (len(faces), 1, 1))
    return Attachment(
        np.full(len(rows), -1), points.astype(np.float32), faces, uv, tint.astype(np.float32),
        np.full(len(faces), FINISH_NUMBERS["hair"]), strand.astype(np.float32),
    )  # fmt: skip


def grow_spikes(random: np.random.Generator, person: Person, head: Head, length: float) -> Attachment:
    """Short hair that stands up at the top."""
    every = scalp_roots()
    chosen = random.permutation(420)[:330]
    chosen = chosen[every.place[chosen, 1] > 7.7]
    root = np.einsum("nvx,nv->nx", person.neutral[every.rows[chosen]], every.weights[chosen])
    count = len(root)
    _, normal, _ = head.sample(root, False)
    top = smooth(0.15, 0.7, every.place[chosen, 1] - CENTRE[1])
    lean = np.array([random.normal(0, 0.15), 0.35, random.normal(0.1, 0.2)])
    way = unit(normal + lean + random.normal(0, 0.28, (count, 3)))
    reach = length * (0.35 + 0.65 * top) * random.uniform(0.7, 1.2, count) * head.size
    share = np.linspace(0, 1, 4)[None, :, None]
    bend = unit(np.cross(way, random.normal(size=(count, 3))))
    path = root[:, None] + reach[:, None, None] * (share * way[:, None] + 0.12 * share**2 * bend[:, None])
    path = path + 0.02 * normal[:, None]
    face = unit(np.cross(way, np.cross(random.normal(size=(count, 3)) + [0, 0, 1], way)))
    normals = np.repeat(face[:, None], 4, 1)
    width = 0.09 * head.size * random.uniform(0.7, 1.3, count)
    colours = draw_colours(random, person, count, np.full(count, 1.0))
    return build_ribbons(random, path.astype(np.float32), normals, width, colours, root_shade=0.6)
