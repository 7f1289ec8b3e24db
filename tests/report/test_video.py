"""The page of a video: it needs no other file, says what was seen, and runs nothing of what it is given."""

import re

import numpy as np
import pytest

from tsal.data.landmarks import SCHEMES, Scheme
from tsal.report.video import VideoReport
from tsal.tracking.follow import Face, bounds_of
from tsal.tracking.formats import Frame

IMAGE = np.full((200, 200, 3), 90, np.uint8)


def points_of_68(eye: float = 0.3, mouth: float = 0.2) -> np.ndarray:
    """Landmarks whose eyes and mouth are so many times as high as wide."""
    points = np.random.default_rng(0).uniform(40, 160, (68, 2))
    for corners, lids in (((36, 39), ((37, 41), (38, 40))), ((42, 45), ((43, 47), (44, 46)))):
        points[list(corners)] = [[60 + corners[0], 80], [70 + corners[0], 80]]
        for up, low in lids:
            points[[up, low]] = [[65, 80 - 5 * eye], [65, 80 + 5 * eye]]
    points[[48, 54]], points[[62, 66]] = [[80, 130], [120, 130]], [[100, 130], [100, 130 + 40 * mouth]]
    return points


def face(points: np.ndarray, confidence: float = 0.9, id: int = 0) -> Face:
    return Face(id, bounds_of(points[None])[0], confidence, points, np.full(len(points), confidence))


def page_of(tmp_path, frames, source="clip.mp4", scheme=SCHEMES["68"]) -> str:
    report = VideoReport(scheme)
    for number, faces in enumerate(frames):
        report.see(IMAGE, Frame(source, number, number / 25, (200, 200), faces))
    (tmp_path / "drawn.mp4").write_bytes(b"a video")
    report.write(tmp_path / "page.html", source, tmp_path / "drawn.mp4")
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", page)
    return [[re.sub("<.*?>", "", cell) for cell in row.split("</td><td>")] for row in rows]


def test_openings_and_jitter_are_what_they_are_of_landmarks(tmp_path):
    still = face(points_of_68(eye=0.3, mouth=0.2))
    ((id, frames, start, end, confidence, jitter, eyes, mouth),) = cells(page_of(tmp_path, [[still]] * 26))
    assert (id, frames, start, end, confidence) == ("0", "26", "0.00", "1.00", "0.900")
    assert (jitter, eyes, mouth) == ("0.000", "0.300", "0.200")


def test_jitter_is_the_second_difference_in_per_cent_of_the_normalising_distance(tmp_path):
    points = points_of_68()
    distance = SCHEMES["68"].distances("inter-ocular", points[None], np.zeros((1, 4)))[0]
    frames = [[face(points + [x, 0.0])] for x in (0, 1, 2, 4)]  # second differences 0 and 1
    assert float(cells(page_of(tmp_path, frames))[0][5]) == pytest.approx(50 / distance, abs=1e-3)


def test_jitter_is_not_measured_across_a_gap(tmp_path):
    points = points_of_68()
    frames = [[face(points)], [face(points)], [], [face(points + 50)], [face(points + 50)]]
    assert cells(page_of(tmp_path, frames))[0][5] == ""


def test_the_least_confident_frames_are_shown_one_of_each_moment(tmp_path):
    confidences = [0.9] * 100
    confidences[10], confidences[12], confidences[80] = 0.3, 0.2, 0.4
    page = page_of(tmp_path, [[face(points_of_68(), c)] for c in confidences])
    shown = re.findall(r"<figcaption>([\d.]+) s, frame (\d+), face 0: ([\d.]+)</figcaption>", page)
    assert shown[:2] == [("0.48", "12", "0.20"), ("3.20", "80", "0.40")]
    assert "frame 10," not in page and len(shown) <= 8


def test_what_a_name_holds_is_text(tmp_path):
    page = page_of(tmp_path, [[face(points_of_68())]] * 3, source="clips/<script>alert(1)<b>&$x.mp4")
    assert page.count("&lt;script&gt;alert(1)&lt;b&gt;&amp;$x.mp4") == 2  # title and heading
    assert page.count("<script>") == 1


def test_the_page_asks_for_no_other_file(tmp_path):
    page = page_of(tmp_path, [[face(points_of_68())]] * 3)
    assert "default-src 'none'" in page
    assert all(address.startswith("data:") for address in re.findall(r'(?:src|poster)="([^"]+)"', page))
    assert not re.findall(r'<(?:link|iframe|object)|url\((?!#)|href="https?:', page)


def test_landmarks_without_eyes_have_no_openings(tmp_path):
    scheme = Scheme(name="four", n_points=4, normalisers={"box": "box"})
    page = page_of(tmp_path, [[face(np.array([[0.0, 0], [50, 0], [0, 50], [50, 50]]))]] * 5, scheme=scheme)
    assert cells(page)[0][6:] == ["", ""] and page.count('class="curve"') == 2


def test_a_video_without_a_face_has_a_page(tmp_path):
    page = page_of(tmp_path, [[]] * 3)
    assert "Faces: 0. Frames without one: 3." in page and 'class="curve"' not in page
