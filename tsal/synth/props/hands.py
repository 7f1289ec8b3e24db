"""Hands with their forearms and sleeves: the mesh's own, coarsened, and its poses."""

import json
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from tsal.synth.anatomy import data_folder, read_obj
from tsal.synth.attachment import Attachment
from tsal.synth.people import Person
from tsal.synth.props.solids import CLOTHES, Solid, attach, draw_colour, pipe, rotation

_TRIANGLES = 1400  # of a hand with its forearm
_FINGERS = [(finger, joint) for finger in range(1, 6) for joint in range(1, 4)]  # 1: the thumb


@dataclass(frozen=True)
class Hand:
    """A left hand with its forearm: fingers along y, the palm towards -z, the thumb at +x; its origin is in the palm.

    points: (n, 3) dm; triangles: (m, 3); weights: (n, 17) shares of forearm, hand and the 15 bones of _FINGERS.
    joints: (15, 3) where these bones begin; axes: (15, 3) about which they curl; wrist, elbow: (3,).
    """

    points: np.ndarray
    triangles: np.ndarray
    weights: np.ndarray
    joints: np.ndarray
    axes: np.ndarray
    wrist: np.ndarray
    elbow: np.ndarray

    def posed(self, curl: np.ndarray, spread: np.ndarray, wrist: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (n, 3) and elbow (3,) of a pose.

        Args:
            curl: (5, 3) degrees by which each joint of each finger is bent; spread: (5,) of the whole finger sideways.
            wrist: (3, 3) rotation of the forearm about the wrist.
        """
        moves = [(wrist, self.wrist - wrist @ self.wrist), (np.eye(3), np.zeros(3))]
        for number, (finger, joint) in enumerate(_FINGERS):
            turn = cv2.Rodrigues(self.axes[number] * np.radians(curl[finger - 1, joint - 1]))[0]
            if joint == 1:
                turn = rotation("z", spread[finger - 1]) @ turn
                parent = (np.eye(3), np.zeros(3))
            else:
                parent = moves[-1]
            start = self.joints[number]
            moves.append((parent[0] @ turn, parent[0] @ (start - turn @ start) + parent[1]))
        turns = np.tensordot(self.weights, np.stack([move[0] for move in moves]), 1)
        shifts = self.weights @ np.stack([move[1] for move in moves])
        points = np.einsum("nij,nj->ni", turns, self.points) + shifts
        return points, wrist @ (self.elbow - self.wrist) + self.wrist


@cache
def load_hand() -> Hand:
    """The hand of the base mesh, coarsened."""
    folder = data_folder()
    vertices, _, quads, groups = read_obj(folder / "mpfb2/3dobjs/base.obj")
    body = quads[groups == "body"][..., 0]
    used, flat = np.unique(body[vertices[body][..., 0].min(1) > 2.9], return_inverse=True)
    triangles = flat.reshape(-1, 4)[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)

    def joint(name: str) -> np.ndarray:
        return vertices[np.unique(quads[groups == f"joint-l-{name}"][..., 0])].mean(0)

    joints = np.stack([joint(f"finger-{finger}-{number}") for finger, number in _FINGERS])
    tips = np.stack([joint(f"finger-{finger}-4") for finger in range(1, 6)])
    wrist, elbow = joint("hand"), joint("elbow")
    y = joint("finger-3-2") - wrist
    y /= np.linalg.norm(y)
    x = joint("finger-2-1") - joint("finger-5-1")  # towards the thumb
    x -= (x @ y) * y
    x /= np.linalg.norm(x)
    frame = np.stack([x, y, np.cross(x, y)])  # of a left hand, x cross y leads out of its back
    origin = 0.5 * (joint("finger-3-1") + wrist)
    table = json.loads((folder / "mpfb2/rigs/standard/weights.default.json").read_text("utf-8"))["weights"]
    weights = np.zeros((len(vertices), 17))
    for bone, pairs in table.items():
        if not bone.endswith(".L") or not pairs:
            continue
        if bone.startswith("finger"):
            column = 2 + _FINGERS.index((int(bone[6]), int(bone[8])))
        elif bone.startswith(("lowerarm", "upperarm", "wrist", "metacarpal")):
            column = int(bone.startswith(("wrist", "metacarpal")))
        else:
            continue
        numbers, shares = np.array(pairs).T
        np.add.at(weights[:, column], numbers.astype(int), shares)
    weights = weights[used]
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
    points = (vertices[used] - origin) @ frame.T
    points, triangles, weights = _coarsened(points, triangles, weights, _TRIANGLES)
    joints, tips = (joints - origin) @ frame.T, (tips - origin) @ frame.T
    axes = np.tile([-1.0, 0.0, 0.0], (15, 1))  # about which y turns towards -z
    for finger in range(5):
        for number in range(3):
            along = (np.r_[joints[3 * finger : 3 * finger + 3], tips[finger : finger + 1]])[number : number + 2]
            along = (along[1] - along[0]) / np.linalg.norm(along[1] - along[0])
            # The thumb bends towards the little finger.
            axis = np.cross(along, [-0.6, 0.2, -0.8] if finger == 0 else [0.0, 0.0, -1.0])
            axes[3 * finger + number] = axis / np.linalg.norm(axis)
    return Hand(points, triangles, weights, joints, axes, (wrist - origin) @ frame.T, (elbow - origin) @ frame.T)


def _coarsened(
    points: np.ndarray, triangles: np.ndarray, weights: np.ndarray, wanted: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most about `wanted` triangles: the shortest edges are collapsed, those across bends last."""
    points, weights, triangles = points.copy(), weights.copy(), triangles.copy()
    while len(triangles) > wanted:
        edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        edges, count = np.unique(np.sort(edges, 1), axis=0, return_counts=True)
        border = np.unique(edges[count == 1])
        neighbours: list[set[int]] = [set() for _ in points]
        for a, b in edges.tolist():
            neighbours[a].add(b)
            neighbours[b].add(a)
        corners = points[triangles]
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = np.zeros_like(points)
        for k in range(3):
            np.add.at(normals, triangles[:, k], faces)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        bend = 1 - (normals[edges[:, 0]] * normals[edges[:, 1]]).sum(1)
        cost = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) * (0.3 + bend)
        locked = np.zeros(len(points), bool)
        locked[border] = True
        target = np.arange(len(points))
        # A pass takes the cheapest fifth of what is left, and no two edges that touch.
        allowed = max(min((len(triangles) - wanted) // 2, len(triangles) // 12), 1)
        for a, b in edges[np.argsort(cost, kind="stable")].tolist():
            if allowed == 0:
                break
            # Two common neighbours: otherwise the surface would fold onto itself.
            if locked[a] or locked[b] or len(neighbours[a] & neighbours[b]) != 2:
                continue
            target[b] = a
            points[a] = 0.5 * (points[a] + points[b])
            weights[a] = 0.5 * (weights[a] + weights[b])
            locked[list(neighbours[a] | neighbours[b])] = True
            allowed -= 1
        before = len(triangles)
        triangles = target[triangles]
        a, b, c = triangles.T
        triangles = triangles[(a != b) & (b != c) & (c != a)]
        if len(triangles) == before:
            break
    used, flat = np.unique(triangles, return_inverse=True)
    return points[used], flat.reshape(-1, 3), weights[used]


def draw_arm(person: Person, random: np.random.Generator, curl: np.ndarray, wrist: np.ndarray) -> list[tuple]:
    """A posed left hand with forearm and sleeve in the hand's frame: (solid, tint, finish) of each."""
    hand = load_hand()
    # From spread fingers, as the mesh has them, to closed ones.
    points, elbow = hand.posed(curl, random.uniform(-0.2, 1.1) * np.array([18.0, 6.0, 0.0, -6.0, -13.0]), wrist)
    solid = Solid(points, hand.triangles, np.zeros((len(hand.triangles), 3, 2)))
    along = elbow - hand.wrist
    length = np.linalg.norm(along)
    along = along / length
    begin = random.uniform(0.12, 0.8)  # of the forearm, where the sleeve ends
    rows = np.array([begin, begin + 0.002, begin + 0.04, 0.75 + 0.25 * begin, 1.15, 1.6])
    radius = np.interp(rows, [0, 0.35, 0.8, 1.6], [0.34, 0.42, 0.58, 0.66])
    radius[0] -= 0.04
    sleeve = pipe(hand.wrist + rows[:, None] * length * along, radius + random.uniform(0, 0.06), 14)
    skin = np.asarray(person.skin, float) * random.uniform(0.9, 1.05)
    return [(solid, skin, "limb"), (sleeve, draw_colour(random, CLOTHES), "cloth")]


def draw_flat_hand(random: np.random.Generator) -> np.ndarray:
    """(5, 3) degrees of a flat, slightly bent, or partly closed hand."""
    bend = random.uniform(-4, 18)
    curl = np.tile([bend * 0.8, bend, bend * 0.7], (5, 1)) + random.normal(0, 4, (5, 3))
    kind = random.uniform()
    if kind < 0.25:  # the outer fingers folded: one or two fingers touch the face
        curl[4 - random.integers(2) :] = [55, 70, 45]
        curl[3, :] = [50, 65, 40]
        curl[4, :] = [60, 70, 40]
    elif kind < 0.35:  # a loose fist
        curl[1:] = np.array([55, 75, 45]) + random.normal(0, 5, (4, 3))
    curl[0] = random.normal([4, 8, 10], 5)
    return curl


def grip(radius: float) -> np.ndarray:
    """(5, 3) degrees of fingers round something of that radius in dm."""
    tight = float(np.interp(radius, [0.12, 0.45], [1.0, 0.55]))
    curl = np.tile(np.array([62.0, 78.0, 45.0]) * tight, (5, 1))
    curl[0] = np.array([18.0, 22.0, 25.0]) * tight
    return curl


def place_parts(parts: list[tuple], right: bool, rotation: np.ndarray, shift: np.ndarray) -> Attachment:
    """Parts in a left hand's frame, mirrored for a right hand, then turned and moved."""
    made = []
    for solid, tint, finish in parts:
        sided = solid.mirrored() if right else solid
        made.append(attach(sided.moved(rotation, shift), tint, finish))
    return Attachment.join(made)
