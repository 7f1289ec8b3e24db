"""The command line: verbs, exit codes, and messages instead of tracebacks."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tsal import cli, face_detectors
from tsal.cli.outputs import refuse_overwriting
from tsal.data.faces import boxes_of, read_faces
from tsal.data.pictures import read_image
from tsal.errors import InputError
from tsal.face_detectors import Finder
from tsal.face_detectors.calibration import fit

LIGHT = ("settings", "download", "render", "index", "crop", "score", "table", "figure", "report")


def test_settings_are_written_as_yaml(tmp_path):
    assert (
        cli.main(["settings", "--json", '{"method": "tsal", "tsal": {"fusion": 0.5}}', "-o", str(tmp_path / "s.yaml")])
        == 0
    )
    assert yaml.safe_load((tmp_path / "s.yaml").read_text()) == {"method": "tsal", "tsal": {"fusion": 0.5}}


def test_a_users_mistake_is_one_message_and_exit_code_2(tmp_path, capsys):
    assert (
        cli.main(
            [
                "crop",
                "none.parquet",
                "--split",
                "train",
                "--input-px",
                "48",
                "--expand",
                "0.2",
                "--margin",
                "1.5",
                "-o",
                str(tmp_path / "a.json"),
            ]
        )
        == 2
    )
    said = capsys.readouterr().err
    assert said.startswith("tsal crop: error: none.parquet") and "Traceback" not in said


def test_an_interruption_is_one_line_and_exit_code_130(monkeypatch, capsys, tmp_path):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "atomic_path", interrupted)
    assert cli.main(["settings", "--json", '{"a": 1}', "-o", str(tmp_path / "s.yaml")]) == 130
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "s.yaml"), "s.yaml: no space left"),
        (OSError(errno.ENOSPC, "No space left on device"), "s.yaml: no space left"),
        (PermissionError(errno.EACCES, "Permission denied", "s.yaml"), "s.yaml: Permission denied"),
    ],
)
def test_errors_of_the_file_system_name_the_file(monkeypatch, capsys, tmp_path, error, expected):
    def failing(path):
        raise error

    monkeypatch.setattr(cli, "atomic_path", failing)
    assert cli.main(["settings", "--json", '{"a": 1}', "-o", str(tmp_path / "s.yaml")]) == 2
    said = capsys.readouterr().err
    assert expected in said and "Traceback" not in said


def test_nothing_is_written_over_what_it_is_made_of(capsys, tmp_path):
    (predictions := tmp_path / "predictions.csv").write_text("face,x0,y0\na,1,1\n")
    (tmp_path / "link.csv").symlink_to(predictions)
    command = ["score", str(predictions), "--faces", str(tmp_path / "faces.csv"), "--benchmark", "ytf", "-o"]
    for output in (predictions, tmp_path / "link.csv"):
        assert cli.main([*command, str(output)]) == 2
        assert "found this file as output and as" in capsys.readouterr().err
    assert predictions.read_text() == "face,x0,y0\na,1,1\n"


def test_two_outputs_are_two_files_however_they_are_spelled(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").symlink_to(tmp_path)
    for other in ("n.csv", "./n.csv", "here/n.csv", f"../{tmp_path.name}/n.csv", tmp_path / "n.csv"):
        with pytest.raises(InputError, match=r"n\.csv: found this file as output and as n\.csv"):
            refuse_overwriting([Path("n.csv"), Path(other)], [])
    refuse_overwriting([Path("n.csv"), Path("m.csv"), Path("/dev/null"), Path("/dev/null")], ["o.csv"])
    command = ["train-flow", "t.json", "--seed", "0", "-o", "n.safetensors", "--log", "here/n.safetensors/log.csv"]
    assert cli.main(command) == 2
    said = "here/n.safetensors/log.csv: found this within n.safetensors, which is written anew"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["score p.csv --faces f.csv --benchmark ytf -o {}", "settings --json {{}} -o {}"])
def test_a_folder_or_a_link_to_itself_is_no_place_for_a_file(capsys, tmp_path, command):
    name = "x.csv" if command.startswith("score") else "x.yaml"
    (tmp_path / name).mkdir()
    (tmp_path / f"loop{name}").symlink_to(f"loop{name}")
    for path, found in ((tmp_path / name, "a folder"), (tmp_path / f"loop{name}", "a link that leads back to itself")):
        assert cli.main(command.format(path).split()) == 2
        assert f"{path}: found {found}, expected the name of a file to write\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command, expected",
    [
        ("predict faces.csv -o found.parquet", "found.parquet: found suffix '.parquet', expected .csv"),
        ("score found.csv --faces f.csv --benchmark ytf -o s.json", "s.json: found suffix '.json', expected .csv"),
        ("table s.csv --benchmark ytf -o nme.md", "nme.md: found suffix '.md', expected .csv"),
        ("release c.safetensors -o c.pt", "c.pt: found suffix '.pt', expected .safetensors"),
        ("report nme.csv -o page.pdf", "page.pdf: found suffix '.pdf', expected .html or .htm"),
        ("train-flow t.json --seed 0 -o n.safetensors --log l.txt", "l.txt: found suffix '.txt', expected .csv"),
    ],
)
def test_a_file_is_what_its_name_says(capsys, command, expected):
    assert cli.main(command.split()) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_full_memory_is_one_message(monkeypatch, capsys, tmp_path, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("tsal.cli.read_json", full)
    assert cli.main(["settings", "--json", "{}", "-o", str(tmp_path / "a.yaml")]) == 2
    assert "found no more memory" in capsys.readouterr().err


def test_a_full_disk_during_the_flow_leaves_no_file_and_one_message(ytf_data, tmp_path, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert cli.main(["flow", str(ytf_data / "crops/train.json"), "-o", str(tmp_path / "flow.json")]) == 2
    assert "no space left" in capsys.readouterr().err
    assert not list(tmp_path.glob("**/*.*"))


@pytest.mark.parametrize("command", ["table --kind gap", "table --kind runs", "figure overlay", "figure budgets"])
def test_a_table_or_figure_that_needs_the_faces_says_so(capsys, tmp_path, command):
    benchmark = ["--benchmark", "toy"] if command.startswith("table") else []
    assert cli.main([*command.split(), "scores.csv", *benchmark, "-o", str(tmp_path / "a.csv")]) == 2
    assert f"{command}: --faces is missing; expected the face table of the runs" in capsys.readouterr().err


def test_a_contact_sheet_is_of_one_face_table(capsys, tmp_path):
    assert cli.main(["figure", "faces", "a.parquet", "b.parquet", "-o", str(tmp_path / "a.png")]) == 2
    assert "figure faces: found 2 inputs; expected one face table" in capsys.readouterr().err


def test_every_verb_has_help_that_says_what_it_does(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert all(verb in said for verb in (*LIGHT, "flow", "warmup", "train", "predict"))


def test_an_index_takes_the_boxes_of_a_face_detector_where_its_settings_say_so(raw_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shift = fit(np.array([[0.0, 0, 20, 20]]), np.array([[1.0, 2, 21, 22]]))
    whole = Finder("fake", shift, lambda image: (np.array([[0.0, 0, *image.shape[1::-1]]]), np.ones(1)))
    monkeypatch.setattr(face_detectors, "create", lambda: whole)
    boxes = {}
    for name, settings in (("own", {}), ("found", {"boxes": "found"})):
        (tmp_path / "index.yaml").write_text(yaml.safe_dump({"options": {"max_people": None}} | settings))
        given = ("--raw-dir", raw_dir, "--settings", "index.yaml", "--images", name, "-o", f"{name}.parquet")
        assert cli.main(["index", "ytf", *map(str, given)]) == 0
        boxes[name] = boxes_of(read_faces(f"{name}.parquet"))
    height, width = read_image(read_faces("found.parquet")["image"].iloc[0]).shape[:2]
    assert boxes["found"][0].tolist() == pytest.approx(whole.calibration.apply(np.array([[0.0, 0, width, height]]))[0])
    assert boxes["own"][0, 2] - boxes["own"][0, 0] < width / 1.2


def test_an_index_is_a_parquet_file_or_an_error(raw_dir, tmp_path, capsys):
    given = ("--raw-dir", raw_dir, "--images", tmp_path / "images", "-o", tmp_path / "faces.csv")
    assert cli.main(["index", "ytf", *map(str, given)]) == 2
    said = capsys.readouterr().err
    assert said == f"tsal index: error: {tmp_path / 'faces.csv'}: expected a name that ends with .parquet\n"
    assert not (tmp_path / "images").exists()


@pytest.mark.slow
def test_the_verbs_lead_from_a_raw_archive_to_a_table_and_figures(raw_dir, tmp_path, monkeypatch):
    """What the workflow does, by hand: one command after another."""
    monkeypatch.chdir(tmp_path)
    run = "results/runs/ytf/{}/0.5/seed0"
    fast = {"warmup_steps": 4, "steps": 4, "batch": 4, "evaluate_every": 2, "probe": 4, "precision": "float32"}
    common = {"benchmark": "ytf", "labels": 0.5, "detector": {"input_px": 48}, "training": fast}
    common["unlabelled"] = {"clips": 2}

    def tsal(*arguments):
        assert cli.main([str(a) for a in arguments]) == 0, arguments

    tsal("index", "ytf", "--raw-dir", raw_dir, "--images", "data/images", "-o", "data/faces.parquet")
    for split in ("train", "validation", "test"):
        crop = ("--input-px", 48, "--expand", 0.2, "--margin", 1.34, "-o", f"data/crops/{split}.json")
        tsal("crop", "data/faces.parquet", "--split", split, *crop)
    tsal("flow", "data/crops/train.json", "-o", "data/flow.json")
    learned = ("--seed", 0, "--steps", 2, "--log", "data/pwc.csv", "-o", "data/pwc.safetensors")
    tsal("train-flow", "data/crops/train.json", *learned)
    pwc = ("--tracker", "pwc", "--network", "data/pwc.safetensors", "-o", "data/pwc.json")
    tsal("flow", "data/crops/train.json", *pwc)
    sizes = [sum(path.stat().st_size for path in (tmp_path / "data" / name).iterdir()) for name in ("pwc", "flow")]
    assert sizes[0] == sizes[1] > 0
    for method in ("warmup", "supervised", "tsal"):
        folder = tmp_path / run.format(method)
        folder.mkdir(parents=True)
        algorithm = "supervised" if method == "warmup" else method
        settings = common | {"method": method, "algorithm": algorithm}
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        verb = ["train", "--warmup", run.format("warmup") + "/checkpoint.safetensors", "--flow", "data/flow.json"]
        options = ("--crops", "data/crops", "--seed", 0, "--settings", folder / "settings.yaml")
        files = ("-o", folder / "checkpoint.safetensors", "--log", folder / "log.csv")
        tsal(*(["warmup"] if method == "warmup" else verb), *options, *files)
    methods = [run.format(method) for method in ("supervised", "tsal")]
    for folder in methods:
        predicted = "data/crops/test.json" if folder == methods[0] else "data/faces.parquet"
        tsal("predict", f"{folder}/checkpoint.safetensors", predicted, "-o", f"{folder}/predictions.csv")
        tsal(
            "score",
            f"{folder}/predictions.csv",
            "--faces",
            "data/faces.parquet",
            "--benchmark",
            "ytf",
            "-o",
            f"{folder}/scores.csv",
        )
    scores = [f"{folder}/scores.csv" for folder in methods]
    tsal("table", *scores, "--benchmark", "ytf", "--faces", "data/faces.parquet", "-o", "results/ytf_nme.csv")
    table = pd.read_csv("results/ytf_nme.csv")
    faces = read_faces("data/faces.parquet")
    assert table["method"].tolist() == ["supervised", "tsal"]
    assert table["n_faces"].unique().tolist() == [((faces["split"] == "test") & (faces["v0"] > 0)).sum()]
    for kind, file in (("ced", "scores"), ("training", "log"), ("signals", "log"), ("overlay", "predictions")):
        inputs = [f"{folder}/{file}.csv" for folder in methods]
        tsal("figure", kind, *inputs, "--faces", "data/faces.parquet", "-o", f"results/figures/ytf_{kind}.png")
        assert (tmp_path / f"results/figures/ytf_{kind}.pdf").read_bytes().startswith(b"%PDF")
    tsal("figure", "faces", "data/faces.parquet", "-o", "results/figures/ytf_faces.png")
    assert (tmp_path / "results/figures/ytf_faces.pdf").read_bytes().startswith(b"%PDF")
    tsal("report", "results/ytf_nme.csv", "results/figures/ytf_ced.png", "-o", "results/report.html")
    assert "Labels only" in (tmp_path / "results/report.html").read_text()
