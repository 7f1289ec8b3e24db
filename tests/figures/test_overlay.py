"""Which faces the grid shows, and that landmarks lie where they belong."""

import cv2
import numpy as np
import pandas as pd
import pytest
from run_files import run_folder, scores_table

from tsal.data.faces import make_faces, write_faces
from tsal.data.landmarks import Scheme
from tsal.errors import InputError
from tsal.figures.overlay import choose_faces, draw_overlay

METHODS = {"supervised": [2.0, 9, 4, 5, 8], "tsal": [3.0, 2, 4, 30, 6]}


@pytest.fixture
def benchmark(tmp_path):
    """Five faces with five landmarks; predictions of two methods are off by 3 px, of f3 by 20 px."""
    rng = np.random.default_rng(2)
    points = rng.uniform(40, 120, (5, 5, 2))
    images = []
    for i in range(5):
        images.append(str(tmp_path / f"{i}.png"))
        cv2.imwrite(images[-1], rng.integers(0, 255, (150, 160, 3), np.uint8))
    boxes = np.concatenate([points.min(1), points.max(1)], axis=1)
    faces = make_faces(images, boxes, points, face=[f"f{i}" for i in range(5)])
    write_faces(faces, tmp_path / "faces.parquet")
    paths = []
    for method, errors in METHODS.items():
        for seed in (1, 0):
            folder = run_folder(tmp_path, method, seed=seed)
            scores_table(np.add(errors, seed)).to_csv(folder / "scores.csv", index=False)
            predicted = points + 3
            predicted[3] += 17
            columns = [f"{axis}{k}" for k in range(5) for axis in "xy"]
            table = pd.DataFrame(predicted.reshape(5, 10), columns=columns)
            table.insert(0, "face", faces["face"])
            table.to_csv(folder / "predictions.csv", index=False)
            paths.append(folder / "predictions.csv")
    return paths, tmp_path / "faces.parquet", points


def by_method():
    return {method: pd.Series(errors, [f"f{i}" for i in range(5)]) for method, errors in METHODS.items()}


def test_faces_at_percentiles_of_the_mean_and_the_worst_of_each_method():
    # Means: f0 2.5, f2 4, f1 5.5, f4 7, f3 17.5.
    assert choose_faces(by_method(), [0, 50], 1) == {
        "f0": "0th percentile",
        "f1": "Median\nWorst: Labels only",
        "f3": "Worst: TSAL",
    }


def test_a_face_that_several_methods_fail_on_comes_once():
    errors = {name: pd.Series([1.0, 9, 5], ["a", "b", "c"]) for name in ("supervised", "tsal")}
    assert choose_faces(errors, [], 2) == {
        "b": "Worst: Labels only\nWorst: TSAL",
        "c": "2nd worst: Labels only\n2nd worst: TSAL",
    }


def test_the_order_of_scores_does_not_matter():
    shuffled = {method: errors.iloc[::-1] for method, errors in by_method().items()}
    assert choose_faces(shuffled, [10, 50, 90], 2) == choose_faces(by_method(), [10, 50, 90], 2)


def test_a_row_for_each_method_shows_the_first_seed(benchmark, tmp_path, drawn):
    paths, faces, _ = benchmark
    quartiles = [0, 25, 50, 75, 100]
    written = draw_overlay(paths, faces, tmp_path / "a.png", percentiles=quartiles)
    assert written == [tmp_path / "a.png", tmp_path / "a.pdf"]
    grid = np.array(drawn[0].axes).reshape(2, -1)
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["Labels only", "TSAL"]
    numbers = {tuple(axes.texts[0].get_text() for axes in grid[:, column]) for column in range(grid.shape[1])}
    # NME of seed 0, of either method, on each face shown.
    assert numbers == {(f"{a:.1f}", f"{b:.1f}") for a, b in zip(*METHODS.values(), strict=True)}


def test_landmarks_lie_on_the_pixels_they_mark(benchmark, tmp_path, drawn):
    paths, faces, points = benchmark
    for i in range(5):  # black images with a white spot of 7 x 7 px on the prediction of landmark 2
        image = np.zeros((150, 160, 3), np.uint8)
        x, y = np.round(points[i, 2] + (20 if i == 3 else 3)).astype(int)
        image[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4] = 255
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    draw_overlay(paths[:2], faces, tmp_path / "a.png", percentiles=[0, 25, 50, 75, 100], n_worst=0)
    for axes in drawn[0].axes:
        marker = next(line for line in axes.lines if line.get_marker() == "o")
        x, y = np.transpose(marker.get_data())[2]
        shown = axes.images[0].get_array()
        spot = np.argwhere(shown > 127)[:, ::-1]
        px = np.ptp(spot, axis=0).max() / 7  # of the image, in px of the crop
        assert np.abs(spot.mean(axis=0) - [x, y]).max() < px


@pytest.mark.parametrize("edges", [(), ((0, 1, 2), (3, 4))])
def test_the_lines_are_the_edges_of_the_scheme(benchmark, tmp_path, drawn, edges):
    paths, faces, _ = benchmark
    scheme = Scheme(name="five", n_points=5, normalisers={"face-size": "box"}, edges=edges)
    draw_overlay(paths[:2], faces, tmp_path / "a.png", percentiles=[0], n_worst=0, scheme=scheme)
    lengths = [len(line.get_xdata()) for line in drawn[0].axes[0].lines]
    # Then a line from each of the five truths to its prediction, with a gap after each, and the predictions.
    assert lengths == [*map(len, edges), 3 * 5, 5]


def test_predictions_far_from_the_box_are_still_in_the_picture(benchmark, tmp_path, drawn):
    paths, faces, _ = benchmark
    draw_overlay(paths[:2], faces, tmp_path / "a.png", percentiles=[100], n_worst=0)
    (axes,) = drawn[0].axes
    assert axes.texts[0].get_text() == "9.0"  # f1 is the worst of this method ...
    draw_overlay(paths[2:], faces, tmp_path / "a.png", percentiles=[100], n_worst=0)
    (axes,) = drawn[2].axes
    assert axes.texts[0].get_text() == "30.0"  # ... and f3, which is far off, of the other
    marker = next(line for line in axes.lines if line.get_marker() == "o")
    positions, (_, right), (bottom, _) = np.array(marker.get_data()), axes.get_xlim(), axes.get_ylim()
    assert positions.min() > 0 and (positions.max(axis=1) < [right, bottom]).all()


def test_of_several_budgets_the_smallest_is_shown(benchmark, tmp_path, drawn):
    paths, faces, _ = benchmark
    folder = run_folder(tmp_path, "tsal", "0.01")
    for name in ("scores.csv", "predictions.csv"):
        (folder / name).write_bytes((paths[-1].parent / name).read_bytes())
    draw_overlay([*paths, folder / "predictions.csv"], faces, tmp_path / "a.png")
    assert "1 % of the labels" in drawn[0].get_supxlabel()


def test_the_same_runs_give_the_same_bytes(benchmark, tmp_path):
    paths, faces, _ = benchmark
    first = [path.read_bytes() for path in draw_overlay(paths[:2], faces, tmp_path / "a.png", n_worst=1)]
    assert first == [p.read_bytes() for p in draw_overlay(paths[:2], faces, tmp_path / "b.png", n_worst=1)]


def test_a_missing_image_is_named(benchmark, tmp_path):
    paths, faces, _ = benchmark
    (tmp_path / "3.png").unlink()
    with pytest.raises(InputError, match=r"3\.png: no such image"):
        draw_overlay(paths, faces, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_methods_that_were_scored_on_different_faces_are_refused(benchmark, tmp_path):
    paths, faces, _ = benchmark
    scores_table([1.0, 2]).to_csv(paths[-1].parent / "scores.csv", index=False)
    with pytest.raises(InputError, match="different faces"):
        draw_overlay(paths, faces, tmp_path / "a.png")


def test_a_scored_face_without_prediction_is_named(benchmark, tmp_path):
    paths, faces, _ = benchmark
    pd.read_csv(paths[1]).drop(index=3).to_csv(paths[1], index=False)
    with pytest.raises(InputError, match="no prediction for face 'f3'"):
        draw_overlay(paths, faces, tmp_path / "a.png")


def test_a_scored_face_that_the_face_table_lacks_is_named(benchmark, tmp_path):
    paths, faces, _ = benchmark
    write_faces(pd.read_parquet(faces).drop(index=1), tmp_path / "fewer.parquet")
    with pytest.raises(InputError, match=r"fewer\.parquet: no face 'f1'"):
        draw_overlay(paths, tmp_path / "fewer.parquet", tmp_path / "a.png")


def test_nothing_to_draw_is_an_error(benchmark, tmp_path):
    with pytest.raises(InputError, match="no runs to draw"):
        draw_overlay([], benchmark[1], tmp_path / "a.png")
