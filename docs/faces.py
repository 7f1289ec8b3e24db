"""Draw docs/faces.png, the strip at the top of README.md: test faces of synth with their landmarks.

    python docs/faces.py

The people and shots are those of config.yaml, rendered larger. Visible landmarks are filled, hidden ones are rings.
"""

from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from tsal.data.landmarks import SCHEMES
from tsal.figures.style import SKY, VERMILLION, new_figure
from tsal.synth.plan import SynthSettings, plan
from tsal.synth.scene import Rendered, render_person

PEOPLE = (203, 149, 252, 248, 59, 118, 169, 90)  # of the test split; the first still of each is shown
IMAGE_PX, TILE_PX, GAP_PX, DPI = 384, 220, 6, 200
REACH = 1.75  # side of a tile over the longer side of the box
SETTINGS = SynthSettings(people=400, stills=2400, clips=360, clip_frames=10, image_px=128, challenging=0.3, seed=0)


def main() -> None:
    people = {person.number: person for person in plan(SETTINGS)}
    assert all(people[number].split == "test" for number in PEOPLE)
    output, step = Path(__file__).with_suffix(".png"), TILE_PX + GAP_PX
    width = step * len(PEOPLE) - GAP_PX
    with new_figure(output) as make:
        figure = make(width / DPI, TILE_PX / DPI)
        figure.get_layout_engine().set(w_pad=0, h_pad=0, wspace=0, hspace=0)
        axes = figure.subplots()
        axes.set(xlim=(0, width), ylim=(TILE_PX, 0))
        axes.axis("off")
        for place, number in enumerate(PEOPLE):
            shot = people[number].shots[:1]
            draw_face(axes, next(render_person(SETTINGS.seed, number, shot, IMAGE_PX)), place * step)
    output.with_suffix(".pdf").unlink()
    with Image.open(output) as picture:  # a palette halves the file
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(output, optimize=True)


def draw_face(axes: Axes, rendered: Rendered, left: float) -> None:
    """One tile: the face, its landmarks, and the lines between them."""
    points, visible = rendered.points[0], rendered.visible[0]
    image = cv2.imdecode(np.frombuffer(rendered.jpegs[0], np.uint8), cv2.IMREAD_COLOR_RGB)
    low, high = points.min(axis=0), points.max(axis=0)
    side = min(REACH * (high - low).max(), IMAGE_PX)
    corner = np.clip((low + high - side) / 2, 0, IMAGE_PX - side)
    scale = TILE_PX / side
    warp = np.column_stack([np.eye(2) * scale, (0.5 - corner) * scale - 0.5])
    tile = cv2.warpAffine(image, warp, (TILE_PX, TILE_PX), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    axes.imshow(tile, extent=(left, left + TILE_PX, TILE_PX, 0), interpolation="nearest", aspect="auto")
    points = (points + 0.5 - corner) * scale + [left, 0]
    for chain in SCHEMES["68"].edges:
        axes.plot(*points[list(chain)].T, color=SKY, linewidth=0.45, alpha=0.8)
    style = {"linestyle": "none", "marker": "o", "markersize": 1.5}
    axes.plot(*points[visible].T, color="#FFFFFF", markeredgecolor=SKY, markeredgewidth=0.35, **style)
    axes.plot(*points[~visible].T, color=VERMILLION, fillstyle="none", markeredgewidth=0.5, **style)


if __name__ == "__main__":
    main()
