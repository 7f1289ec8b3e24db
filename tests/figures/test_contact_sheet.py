"""The contact sheet shows training faces evenly, and their landmarks where they are."""

import cv2
import numpy as np
import pytest

from tsal.data.faces import make_faces, write_faces
from tsal.errors import InputError
from tsal.figures.contact_sheet import choose_clips, choose_singles, draw_faces


def table_of(stills=0, clips=(), labelled=True):
    """A table of stills, then of clips of so many frames."""
    frames = [-1] * stills + [frame for length in clips for frame in range(length)]
    clip = [f"s{i}" for i in range(stills)] + [f"c{i}" for i, length in enumerate(clips) for _ in range(length)]
    points = np.random.default_rng(0).uniform(30, 90, (len(frames), 68, 2))
    points[~np.broadcast_to(labelled, len(frames))] = np.nan
    boxes = np.tile([30.0, 30, 90, 90], (len(frames), 1))
    names = [f"{c}/{f}" for c, f in zip(clip, frames, strict=True)]
    return make_faces(names, boxes, points, frame=frames, clip=clip, split="train")


def write_images(table, folder, side=128, mark=None):
    """Images of random noise, or black with a white spot of 5 x 5 px on one landmark; the table that names them."""
    random = np.random.default_rng(0)
    images = []
    for row in range(len(table)):
        images.append(str(folder / f"{row}.png"))
        image = random.integers(0, 255, (side, side, 3), np.uint8)
        if mark is not None:
            x, y = np.round(table[[f"x{mark}", f"y{mark}"]].iloc[row].to_numpy(float)).astype(int)
            image[:] = 0
            image[y - 2 : y + 3, x - 2 : x + 3] = 255
        cv2.imwrite(images[-1], image)
    table = table.assign(image=images)
    write_faces(table, folder / "faces.parquet")
    return folder / "faces.parquet"


# --- what is chosen ---


def test_stills_are_drawn_evenly_from_the_whole_table():
    chosen = choose_singles(table_of(stills=100, clips=[10] * 5), 20)
    assert chosen.tolist() == list(range(2, 100, 5))


def test_few_stills_are_all_shown_once():
    assert choose_singles(table_of(stills=7, clips=[3]), 40).tolist() == list(range(7))


def test_without_stills_one_labelled_frame_of_each_clip_is_shown():
    labelled = [False, True, True, False, False, False, True, True, True]
    assert choose_singles(table_of(clips=[3, 3, 3], labelled=labelled), 40).tolist() == [1, 6]


def test_clips_are_as_long_as_the_longest_and_their_frames_in_order():
    table = table_of(stills=2, clips=[3, 10, 12, 4, 8]).iloc[::-1].reset_index(drop=True)
    clips = choose_clips(table, 3, 8)
    assert {table["clip"].iloc[rows[0]] for rows in clips} == {"c1", "c2", "c4"}
    for rows in clips:
        assert table["clip"].iloc[rows].nunique() == 1
        assert len(rows) == 8
        assert (np.diff(table["frame"].iloc[rows]) > 0).all()


def test_of_short_clips_several_fit_into_a_line():
    assert [len(rows) for rows in choose_clips(table_of(clips=[3] * 20), 3, 8)] == [3] * 6
    assert choose_clips(table_of(stills=5), 3, 8) == []


# --- what is drawn ---


def tiles(figure):
    """Left, top and picture of every tile, in the order in which they were drawn."""
    (axes,) = figure.axes
    return [(*np.array(image.get_extent())[[0, 3]], image.get_array()) for image in axes.images]


def test_the_grid_has_five_rows_of_eight_with_three_clips_below(tmp_path, drawn):
    faces = write_images(table_of(stills=60, clips=[10] * 4), tmp_path)
    assert draw_faces(faces, tmp_path / "a.png") == [tmp_path / "a.png", tmp_path / "a.pdf"]
    places = {(left, top) for left, top, _ in tiles(drawn[0])}
    assert len(places) == len(tiles(drawn[0])) == 8 * (5 + 3)
    assert (len({left for left, _ in places}), len({top for _, top in places})) == (8, 8)


def test_every_second_face_has_its_landmarks_on_the_pixels_they_mark(tmp_path, drawn):
    table = table_of(stills=16)
    draw_faces(write_images(table, tmp_path, mark=5), tmp_path / "a.png")
    (axes,) = drawn[0].axes
    marked = [lines for lines in axes.lines if len(lines.get_xdata())]
    shown = tiles(drawn[0])
    assert (len(shown), len(marked)) == (16, 8)
    assert len({(left + top) // 180 % 2 for left, top, _ in shown}) == 2
    for line in marked:
        x, y = np.transpose(line.get_data())[5]
        (tile,) = [(a, b, picture) for a, b, picture in shown if a <= x < a + 176 and b <= y < b + 176]
        spot = np.argwhere(tile[2].max(axis=2) > 127)[:, ::-1].mean(axis=0)
        assert np.abs(spot + 0.5 + tile[:2] - [x, y]).max() < 176 / 128  # a pixel of the image


def test_hidden_landmarks_are_rings(tmp_path, drawn):
    table = table_of(stills=2).assign(v3=False, v7=False)
    draw_faces(write_images(table, tmp_path), tmp_path / "a.png")
    filled, rings = drawn[0].axes[0].lines
    assert (len(filled.get_xdata()), len(rings.get_xdata())) == (66, 2)
    assert (filled.get_fillstyle(), rings.get_fillstyle()) == ("full", "none")


def test_a_face_at_the_edge_of_its_image_is_shown_with_the_image_and_nothing_beyond(tmp_path, drawn):
    table = table_of(stills=1).assign(box_x0=0, box_y0=0, box_x1=100, box_y1=100)
    draw_faces(write_images(table, tmp_path, side=128), tmp_path / "a.png")
    ((_, _, picture),) = tiles(drawn[0])
    whole = cv2.cvtColor(cv2.imread(str(tmp_path / "0.png")), cv2.COLOR_BGR2RGB)
    expected = cv2.resize(whole, (176, 176), interpolation=cv2.INTER_LINEAR)
    assert np.abs(picture[2:-2, 2:-2].astype(int) - expected[2:-2, 2:-2]).max() <= 8  # fixed-point interpolation


def test_the_same_faces_give_the_same_bytes(tmp_path):
    faces = write_images(table_of(stills=3, clips=[4]), tmp_path)
    first = [path.read_bytes() for path in draw_faces(faces, tmp_path / "a.png")]
    assert first == [path.read_bytes() for path in draw_faces(faces, tmp_path / "b.png")]


def test_a_table_without_training_faces_is_named(tmp_path):
    write_faces(table_of(stills=1).assign(split="test"), tmp_path / "faces.parquet")
    with pytest.raises(InputError, match=r"faces\.parquet: no face of the split train to draw"):
        draw_faces(tmp_path / "faces.parquet", tmp_path / "a.png")
