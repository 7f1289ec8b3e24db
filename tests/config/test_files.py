"""Files of a configuration: what is read from them, what is laid over what, keys that are there twice."""

from pathlib import Path

import pytest
import yaml
from configurations import ROOT

from tsal import config as configuration
from tsal.errors import InputError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(folder: Path, text: str, *definitions: str, command_line: dict | None = None) -> configuration.Configuration:
    """config.yaml with a file over it, and files of definitions a.yaml, b.yaml, ... beside those of the repository."""
    for file in [ROOT / "config/presets.yaml", *(ROOT / "config/studies").glob("*.yaml")]:
        write(folder / file.relative_to(ROOT), file.read_text())
    for name, definition in zip("abc", definitions, strict=False):
        write(folder / f"config/studies/{name}.yaml", definition)
    files = [ROOT / "config.yaml", write(folder / "mine.yaml", text)]
    return configuration.read_config(files, folder / "config", command_line)


def test_a_key_that_is_there_twice_is_named_with_its_lines(tmp_path):
    text = "seeds: [0]\nmethods:\n  mine: {base: tsal}\n  mine: {base: sbr, weight: 1, weight: -2}\nseeds: [1]\n"
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    lines = [line.partition("mine.yaml: ")[2] for line in str(caught.value).splitlines()]
    assert lines == [
        "methods.mine: found twice, on lines 3 and 4; keep one",
        "methods.mine.weight: found twice, on lines 4 and 4; keep one",
        "seeds: found twice, on lines 1 and 5; keep one",
        "methods.mine.weight: found -2, expected a number of at least 0",
    ]


def test_what_is_merged_by_an_anchor_is_not_there_twice(tmp_path):
    text = "methods:\n  a: &a {base: tsal, weight: 2.0, run: false}\n  b: {<<: *a, weight: 3.0}\n"
    assert read(tmp_path, text)["methods"]["b"] == {"base": "tsal", "weight": 3.0, "run": False}


@pytest.mark.parametrize("written", ["2024", "007", "2024_01", "2024.10", "2024-01-01", "12:30"])
def test_a_folder_that_is_named_by_digits_is_that_folder(tmp_path, written):
    assert read(tmp_path, f"raw_dir: {written}\nfinished: {written}\n")["raw_dir"] == written
    assert read(tmp_path, f"finished: {written}\n")["finished"] == written


def test_so_it_is_on_the_command_line(tmp_path):
    config = read(tmp_path, "seeds: [1]", command_line={"raw_dir": 300, "finished": "null", "threads": "2"})
    assert (config["raw_dir"], config["finished"], config["threads"]) == ("300", None, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "mine.yaml: cannot be read as YAML"),
        ("- 1", "mine.yaml: found list, expected keys and their values"),
        ("", "mine.yaml: found nothing, expected keys and their values"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_json_is_read_as_well(tmp_path):
    assert read(tmp_path, '{\n\t"seeds": [3],\n\t"training": {"batch": 4}\n}')["training"]["batch"] == 4


def test_a_study_of_your_own_is_one_file_whose_variants_all_does_not_build(tmp_path):
    mine = "methods: {mine: {base: tsal, weight: 2.0}}\nstudies: {mine: {title: Mine, methods: [tsal, mine]}}\n"
    config = read(tmp_path, "seeds: [1]", mine)
    assert configuration.methods_to_run(config, "ytf") == ["supervised", "tsal"]
    assert list(configuration.study(config, "ytf", "mine").methods) == ["tsal", "mine"]
    assert configuration.resolve_run(config, "ytf", "mine", 1)["options"]["weight"] == 2.0


def test_config_yaml_and_what_is_laid_over_it_override_definitions(tmp_path):
    text = "methods: {tsal_weight_2: {weight: 3.0, run: true}}\npresets: {paper: {training: {batch: 7}}}\n"
    config = read(tmp_path, text)
    assert configuration.resolve_run(config, "ytf", "tsal_weight_2", 1)["options"]["weight"] == 3.0
    assert configuration.resolve_run(config, "300w", "tsal_paper", 1)["training"]["batch"] == 7
    assert configuration.methods_to_run(config, "ytf") == ["supervised", "tsal", "tsal_weight_2"]


def test_a_method_of_yours_with_a_base_is_yours_whatever_studies_call_by_that_name(tmp_path):
    defined = "methods: {taken: {base: tsal, weight: 2.0, memory: 0.9}}\n"
    config = read(tmp_path, "methods: {taken: {base: tsal, weight: 3.0}}\n", defined)
    assert configuration.methods_to_run(config, "ytf") == ["supervised", "tsal", "taken"]
    options = configuration.resolve_run(config, "ytf", "taken", 1)["options"]
    assert (options["weight"], options["memory"]) == (3.0, 0.5)
    config = read(
        tmp_path, "methods: {taken: {base: tsal}}\n", defined, command_line={"methods": {"taken": {"run": False}}}
    )
    assert configuration.methods_to_run(config, "ytf") == ["supervised", "tsal"]


def test_definitions_of_the_same_name_in_two_files_and_other_keys_are_refused(tmp_path):
    definition = "methods: {mine: {base: tsal}}\n"
    with pytest.raises(InputError) as caught:
        read(tmp_path, "seeds: [1]", definition, definition + "seeds: [3]\n")
    first, second = str(caught.value).splitlines()
    assert "studies/b.yaml: methods.mine: found in " in first and "studies/a.yaml, too; keep one" in first
    assert "studies/b.yaml: seeds: unknown key of a file of definitions; expected one of methods, presets" in second


def test_config_yaml_is_what_a_user_reads():
    assert len((ROOT / "config.yaml").read_text().splitlines()) < 150


@pytest.mark.parametrize(("text", "number"), [("1e-3", 1e-3), ("5E-5", 5e-5), ("-.5e+1", -5.0), ("1.e2", 100.0)])
def test_an_exponent_without_a_point_is_a_number(text, number):
    assert yaml.safe_load(text) == text or yaml.safe_load(text) == number
    assert configuration.normalise({"a": [text]}) == {"a": [number]}


def test_a_command_line_has_texts_for_everything():
    given = {"seeds": ["0", "1"], "methods": {"tsal": {"weight_faces": "null", "fusion": ".5", "run": "false"}}}
    assert configuration.normalise(given, all_texts=True) == {
        "seeds": [0, 1],
        "methods": {"tsal": {"weight_faces": None, "fusion": 0.5, "run": False}},
    }
    assert configuration.normalise({"raw_dir": "a: b"}, all_texts=True) == {"raw_dir": "a: b"}


def test_texts_stay_texts():
    assert configuration.normalise({"raw_dir": "1e", 7: "e5"}) == {"raw_dir": "1e", "7": "e5"}
