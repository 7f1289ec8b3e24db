"""Light on surfaces: a diffuse and a glossy part, light that seeps through skin, shadows, and the surroundings' light.

All colours are linear RGB. Directions are in the camera's frame and point from the surface.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from tsal.synth.raster import depth_map, dot, sample, unit

SHADOW_PX = 128  # side of a shadow map
_FAR_LIGHT = 300.0  # dm: a light so far away is as good as parallel
_SHARPNESS = 45.0  # per dm, of exponential shadow maps (Annen et al. 2008)


@dataclass(frozen=True)
class Light:
    """direction: (3,) unit, towards the light; colour: (3,) linear; blur: of its shadow, in px of the map, or no
    shadow where it is None."""

    direction: np.ndarray
    colour: np.ndarray
    blur: float | None


@dataclass(frozen=True)
class Surroundings:
    """Light from everywhere, (4, 3) linear: constant, and what x, y, z of the normal add to it."""

    coefficients: np.ndarray

    def light(self, normals: np.ndarray) -> np.ndarray:
        """(N, 3) light that falls on surfaces with normals (N, 3)."""
        return np.maximum(self.coefficients[0] + normals @ self.coefficients[1:], 0.0)


@dataclass(frozen=True)
class Surface:
    """What is to be lit at N pixels.

    position, normal: (N, 3); albedo: (N, 3) linear; open: (N,) share of the surroundings that is seen (ambient
    occlusion); gloss: (N,) strength and rough: (N,) width of the highlight, 0 to 1; seep: (N,) how far light seeps
    round the corner, 0 to 1, as in skin; hair: (H,) which of the N are hair, and strand: (H, 3) its direction.
    """

    position: np.ndarray
    normal: np.ndarray
    albedo: np.ndarray
    open: np.ndarray
    gloss: np.ndarray
    rough: np.ndarray
    seep: np.ndarray
    hair: np.ndarray
    strand: np.ndarray


# Of red, green, blue: red light goes farthest in skin.
_SEEP = np.array([0.38, 0.16, 0.10], np.float32)
_BLEED = np.array([0.9, 0.4, 0.2], np.float32)


def shade(surface: Surface, lights: list[Light], surroundings: Surroundings, shadows: list[np.ndarray]) -> np.ndarray:
    """Radiance (N, 3) float32 towards the lens; `shadows` has the lit share (N,) of each light."""
    normal, albedo = surface.normal, surface.albedo
    view = unit(-surface.position)
    result = surroundings.light(normal) * surface.open[:, None] * albedo
    # Surroundings in the mirror direction, faint: what makes skin, eyes and glass look wet or smooth.
    facing = np.clip(dot(normal, view), 0, 1)
    fresnel = (0.04 + 0.4 * (1 - facing) ** 5) * surface.gloss * (1 - surface.rough)
    mirrored = 2 * facing[:, None] * normal - view
    result += surroundings.light(mirrored) * (fresnel * surface.open)[:, None]
    exponent = 2 / np.maximum(surface.rough, np.float32(0.05)) ** 4  # of the lobe, after Walter et al. 2007
    strength = (exponent + 8) / 25.0 * surface.gloss * 0.045
    wrap = surface.seep[:, None] * _SEEP
    hair, along = surface.hair, surface.strand
    for light, lit in zip(lights, shadows, strict=True):
        lambert = normal @ light.direction
        half = unit(view + light.direction)
        highlight = np.clip(dot(normal, half), 0, 1) ** exponent
        if len(hair):
            # Kajiya and Kay 1989: strands are lit, and shine, by their angle to the light.
            cosine = along @ light.direction
            lambert[hair] = 0.55 * np.sqrt(np.maximum(1 - cosine**2, 0)) * np.clip(0.35 + lambert[hair], 0, 1)
            sheen = np.sqrt(np.maximum(1 - dot(along, half[hair]) ** 2, 0))
            highlight[hair] = 0.35 * sheen ** exponent[hair] * np.clip(0.4 + lambert[hair], 0, 1)
        highlight *= strength * np.clip(lambert * 4, 0, 1)
        diffuse = np.maximum(lambert[:, None] + wrap, 0) / (1 + wrap) ** 2
        if light.blur is not None:
            # Light that seeps through skin also softens the edge of shadows, red most: up to the root of the share.
            diffuse *= lit[:, None] + (np.sqrt(lit) - lit)[:, None] * surface.seep[:, None] * _BLEED
            highlight *= lit
        diffuse *= albedo
        diffuse += highlight[:, None]
        diffuse *= light.colour
        result += diffuse
    return result


def cast_shadow(
    light: Light, vertices: np.ndarray, triangles: np.ndarray, centre: np.ndarray, radius: float, points: np.ndarray
) -> np.ndarray:
    """The share of a light that reaches points (N, 3), with soft edges (exponential shadow maps); (N,) float32.

    Args:
        vertices, triangles: (V, 3) and (F, 3) of what casts shadows, within `radius` dm of `centre` where it matters.
    """
    if light.blur is None:
        return np.ones(len(points), np.float32)
    rotation = _facing(light.direction)
    transform = np.eye(4, dtype=np.float32)
    transform[:3, :3] = rotation
    transform[:3, 3] = -rotation @ centre - [0, 0, _FAR_LIGHT]
    focal = SHADOW_PX / 2 * _FAR_LIGHT / radius
    depth = depth_map(vertices, triangles, focal, SHADOW_PX, transform) - _FAR_LIGHT
    exponential = np.exp(_SHARPNESS * np.clip(depth, -1.6, 1.6))
    exponential = cv2.GaussianBlur(exponential, (0, 0), light.blur)
    seen = (points - centre.astype(np.float32)) @ rotation.T.astype(np.float32)
    scale = np.float32(focal) / (np.float32(_FAR_LIGHT) - seen[:, 2])
    middle = np.float32((SHADOW_PX - 1) / 2)
    x, y = middle + scale * seen[:, 0], middle - scale * seen[:, 1]
    stored = sample(exponential, np.stack([x, y], 1))
    # Logarithms, since the product of the exponentials overflows.
    excess = np.log(stored) + np.float32(_SHARPNESS) * (seen[:, 2] + np.float32(0.03))
    return np.exp(np.minimum(excess, 0))


def _facing(direction: np.ndarray) -> np.ndarray:
    """(3, 3) rotation into the frame of a viewer at the light: its z axis points to the light."""
    across = np.cross([0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0], direction)
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(direction, across), direction])
