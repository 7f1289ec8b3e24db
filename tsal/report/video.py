"""The page of a video: its landmarks drawn, and how they move, in one HTML file that needs no other."""

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from string import Template

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tsal.data.cropping import apply_affine, crop_image, invert_affine
from tsal.data.faces import bounds_of
from tsal.data.landmarks import Scheme
from tsal.figures.style import STYLE
from tsal.files import atomic_path
from tsal.tracking.follow import Face
from tsal.tracking.formats import Frame
from tsal.tracking.overlay import colour_of, draw

_SHOWN = 8  # frames of the lowest confidence
_APART = 0.5  # seconds
_PICTURE_PX = 220
_WIDTH, _ROW = 9.0, 1.25  # inches of the curves
_LEFT, _RIGHT = 0.075, 0.99  # where their axes begin and end, as shares of the width
# Points of the 68: corners of an eye, then two pairs of upper and lower lid; the mouth's corners and inner lips.
_EYES = ((36, 39, 37, 41, 38, 40), (42, 45, 43, 47, 44, 46))
_MOUTH = (48, 54, 62, 66)
_CURVES = {
    "confidence": "Confidence",
    "jitter": "Jitter (%)",
    "eyes": "Eye opening",
    "mouth": "Mouth opening",
}


@dataclass
class _Curve:
    """What is known of one face, frame by frame."""

    seconds: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _CURVES})
    before: list[tuple[int, np.ndarray]] = field(default_factory=list)  # the last two frames: number, landmarks


@dataclass
class _Least:
    """A frame of low confidence."""

    confidence: float
    seconds: float
    number: int
    id: int
    jpeg: bytes


class VideoReport:
    """Takes the frames of a video in order, by `see`, and writes the page, by `write`.

    Of each frame it keeps some numbers, and of the least confident ones a small picture.
    """

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._number = {point: k for k, point in enumerate(scheme.of_68)}
        self._curves: dict[int, _Curve] = {}
        self._least: list[_Least] = []
        self._frames = self._empty = 0
        self._seconds = 0.0

    def see(self, image: np.ndarray, frame: Frame) -> None:
        """Take the next frame, (H, W, 3) uint8 RGB."""
        if not self._frames:
            self._poster = draw(image, frame.faces, self._scheme)
        self._frames += 1
        self._empty += not frame.faces
        self._seconds = frame.seconds
        for face in frame.faces:
            curve = self._curves.setdefault(face.id, _Curve())
            curve.seconds.append(frame.seconds)
            for name, value in self._values(face, frame.number, curve.before).items():
                curve.values[name].append(value)
            curve.before = [*curve.before, (frame.number, face.points)][-2:]
            self._keep_least(image, frame, face)

    def _values(self, face: Face, number: int, before: list[tuple[int, np.ndarray]]) -> dict[str, float]:
        points = face.points
        jitter = np.nan
        if [earlier for earlier, _ in before] == [number - 2, number - 1]:
            second = points - 2 * before[1][1] + before[0][1]
            normaliser = next(iter(self._scheme.normalisers))
            size = self._scheme.distances(normaliser, points[None], face.box[None])[0]
            jitter = 100 * np.linalg.norm(second, axis=1).mean() / max(size, 1e-6)
        eyes = [self._opening(points, *eye) for eye in _EYES]
        return {
            "confidence": face.confidence,
            "jitter": float(jitter),
            "eyes": float(np.mean(eyes)),
            "mouth": self._opening(points, *_MOUTH),
        }

    def _opening(self, points: np.ndarray, *of_68: int) -> float:
        """Mean distance of the pairs after the first over that of the first, the corners; NaN of other landmarks.

        Of an eye it is its aspect ratio (Soukupova and Cech 2016, equation 1).
        """
        if any(point not in self._number for point in of_68):
            return np.nan
        pairs = points[[self._number[point] for point in of_68]].reshape(-1, 2, 2)
        wide, *high = np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1).tolist()
        return float(np.mean(high) / max(wide, 1e-6))

    def _keep_least(self, image: np.ndarray, frame: Frame, face: Face) -> None:
        """Keep a frame if it is less confident than those kept; of those close in time only the least one."""
        near = [one for one in self._least if one.id == face.id and frame.seconds - one.seconds < _APART]
        if near and min(one.confidence for one in near) <= face.confidence:
            return
        rest = [one for one in self._least if one not in near]
        if len(rest) >= _SHOWN and max(one.confidence for one in rest) <= face.confidence:
            return
        crop, to_image = crop_image(image, face.box, input_px=_PICTURE_PX, expand=0.25, margin=1.0)
        points = apply_affine(invert_affine(to_image), face.points)
        there = replace(face, points=points, box=bounds_of(points[None])[0])
        jpeg = _jpeg(draw(crop, [there], self._scheme))
        rest.append(_Least(face.confidence, frame.seconds, frame.number, face.id, jpeg))
        self._least = sorted(rest, key=lambda one: one.confidence)[:_SHOWN]

    def write(self, output: Path, source: str, overlay: Path) -> None:
        """Write the page.

        Args:
            source: the video; its name is the title.
            overlay: the video with its landmarks drawn, .mp4 or .mov, of which the page holds a copy.
        """
        video = base64.b64encode(overlay.read_bytes()).decode()
        page = _PAGE.substitute(
            title=escape(Path(source).name),
            summary=escape(self._summary()),
            video=video,
            poster=base64.b64encode(_jpeg(self._poster)).decode(),
            curves="\n".join(self._drawn()),
            least="\n".join(self._pictures()),
            left=f"{_LEFT:g}",
            span=f"{_RIGHT - _LEFT:g}",
            seconds=f"{self._axis_end():.6f}",
            table=self._table(),
        )
        with atomic_path(output) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def _axis_end(self) -> float:
        return max(self._seconds, 1e-3)

    def _summary(self) -> str:
        rate = (self._frames - 1) / self._seconds if self._seconds else 0.0
        return (
            f"{self._frames:,} frames, {self._seconds:.1f} s ({rate:.4g} frames a second). "
            f"Faces: {len(self._curves):,}. Frames without one: {self._empty:,}."
        )

    def _drawn(self) -> Iterator[str]:
        """Each curve as an SVG; those of which nothing is known are left out."""
        for name, title in _CURVES.items():
            known = {id: curve for id, curve in self._curves.items() if np.isfinite(curve.values[name]).any()}
            if known:
                yield f'<div class="curve" title="click to go there">{_svg(title, name, known, self._axis_end())}</div>'

    def _pictures(self) -> Iterator[str]:
        for one in self._least:
            image = base64.b64encode(one.jpeg).decode()
            text = f"{one.seconds:.2f} s, frame {one.number:,}, face {one.id}: {one.confidence:.2f}"
            yield (
                f'<figure class="least" data-seconds="{one.seconds:.6f}"><img alt="{text}" '
                f'src="data:image/jpeg;base64,{image}"><figcaption>{text}</figcaption></figure>'
            )

    def _table(self) -> str:
        rows = []
        for id, curve in sorted(self._curves.items()):
            means = [_mean(curve.values[name]) for name in _CURVES]
            colour = f'<i style="background: rgb{colour_of(id)}"></i>'
            cells = [
                f"{colour}{id}",
                f"{len(curve.seconds):,}",
                f"{curve.seconds[0]:.2f}",
                f"{curve.seconds[-1]:.2f}",
                *means,
            ]
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        return "\n".join(rows)


def _jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def _mean(values: list[float]) -> str:
    known = [value for value in values if np.isfinite(value)]
    return f"{np.mean(known):.3f}" if known else ""


def _svg(title: str, name: str, curves: Mapping[int, _Curve], end: float) -> str:
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE, "svg.hashsalt": "tsal", "svg.fonttype": "path"}):
        figure = Figure(figsize=(_WIDTH, _ROW))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((_LEFT, 0.2, _RIGHT - _LEFT, 0.74))
        for id, curve in curves.items():
            seconds, values = _with_gaps(curve.seconds, curve.values[name])
            axes.plot(seconds, values, color=np.divide(colour_of(id), 255), linewidth=1)
        axes.set(xlim=(0, end), ylabel=title)
        if name != "jitter":
            axes.set_ylim(0, 1 if name == "confidence" else None)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _with_gaps(seconds: list[float], values: list[float]) -> tuple[list[float], list[float]]:
    """With a break wherever a face was away for more than two of its frames."""
    steps = np.diff(seconds)
    longest = 2.5 * np.median(steps) if len(steps) else 0.0
    places = np.flatnonzero(steps > longest) + 1
    return np.insert(seconds, places, np.nan).tolist(), np.insert(values, places, np.nan).tolist()


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>$title</title>
<style>
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; color: #222; background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
video { display: block; max-width: 100%; max-height: 70vh; background: #000; }
.curve { position: relative; cursor: crosshair; }
.curve svg { display: block; width: 100%; height: auto; }
.curve i { position: absolute; top: 0; bottom: 12%; width: 1px; background: #d55e00; pointer-events: none; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; }
.least { margin: 0; width: 13.75rem; cursor: pointer; }
.least img { display: block; width: 100%; }
figcaption { font-size: .85rem; color: #444; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 1rem .3rem 0; text-align: right; white-space: nowrap; }
th { font-weight: 600; border-bottom: 1px solid #222; }
td i { display: inline-block; width: .8em; height: .8em; margin-right: .5em; }
</style>
</head>
<body>
<h1>$title</h1>
<p>$summary</p>
<video id="video" controls muted playsinline poster="data:image/jpeg;base64,$poster"
  src="data:video/mp4;base64,$video"></video>
<h2>Over time</h2>
<p>Seconds; a click goes to that moment. Confidence is the mean of a face's landmarks. Jitter is the mean second
difference of its landmarks, in per cent of the normalising distance. Openings are heights over widths.</p>
$curves
<h2>Frames of the lowest confidence</h2>
<div class="row">
$least
</div>
<h2>Faces</h2>
<div class="scroll"><table>
<thead><tr><th>face</th><th>frames</th><th>from, s</th><th>to, s</th><th>confidence</th><th>jitter (%)</th>
<th>eye opening</th><th>mouth opening</th></tr></thead>
<tbody>
$table
</tbody>
</table></div>
<script>
const video = document.getElementById("video"), left = $left, span = $span, seconds = $seconds;
const curves = [...document.querySelectorAll(".curve")];
const lines = curves.map(curve => curve.appendChild(document.createElement("i")));
function show() {
  for (const line of lines) line.style.left = 100 * (left + span * video.currentTime / seconds) + "%";
  requestAnimationFrame(show);
}
show();
for (const curve of curves) curve.addEventListener("click", event => {
  const box = curve.getBoundingClientRect();
  const share = ((event.clientX - box.left) / box.width - left) / span;
  video.currentTime = Math.min(Math.max(share, 0), 1) * seconds;
});
for (const one of document.querySelectorAll(".least"))
  one.addEventListener("click", () => { video.currentTime = Number(one.dataset.seconds); video.scrollIntoView(); });
</script>
</body>
</html>
""")
