"""The tables and figures by name: each is told by a command that the command line understands, and has a caption."""

import json
import re

import pytest
import yaml
from configurations import DEFAULT as CONFIG
from configurations import changed, laid_over

from tsal import cli, config
from tsal.config.outputs import OUTPUTS
from tsal.config.targets import method_name
from tsal.errors import InputError

STUDIES = CONFIG["studies"]
SWEEPS = [name for name, study in STUDIES.items() if "parameter" in study]
KNOWN = [(folder, name) for folder, names in OUTPUTS.items() for name in names]
OF_STUDIES = [("tables", name) for name in STUDIES] + [("figures", name) for name in SWEEPS] + [("tables", "on_ytf")]
OF_STUDIES += [("figures", "cost_wild_cost"), ("figures", "cost_parts")]


@pytest.mark.parametrize("folder, name", dict.fromkeys([*KNOWN, *OF_STUDIES]))
def test_every_output_has_a_command_that_is_understood_and_a_caption_without_gaps(folder, name):
    output = config.find_output(STUDIES, folder, name)
    options = config.output_options(CONFIG, "300vw", output, name)
    files = [word for option in config.named_inputs(output) for word in (f"--{option}", f"data/{option}")]
    kind = [output.kind] if folder == "figures" else ["--kind", output.kind, "--benchmark", "300vw"]
    verb = "figure" if folder == "figures" else "table"
    words = [verb, *kind, *files, *options, "-o", "out", output.file]
    parsed = cli.parser().parse_args(words)
    assert parsed.kind == output.kind
    title, caption = config.in_words(CONFIG, "300vw", output, name)
    assert title and "300vw" in caption
    assert not re.search(r"[{}]|: :|  ", title + caption)


@pytest.mark.parametrize("folder, name", dict.fromkeys([*KNOWN, *OF_STUDIES]))
def test_every_output_is_told_the_notes_and_its_caption_says_them(folder, name):
    noted = changed("benchmarks.300vw.notes", {"training": "3 of <50>", "A": "crops {1}"})
    output = config.find_output(STUDIES, folder, name)
    words = config.output_options(noted, "300vw", output, name)
    on_other = output.runs == "target"
    line = "Note on 300vw: training: 3 of <50>" + ("." if on_other else "; A: crops {1}.")
    subsets = {} if on_other else {"A": "crops {1}"}
    assert json.loads(words[words.index("--notes") + 1]) == {"subsets": subsets, "lines": [line]}
    caption = config.in_words(noted, "300vw", output, name)[1]
    assert caption.endswith(config.in_rst(line)) and caption.startswith(
        config.in_words(CONFIG, "300vw", output, name)[1]
    )
    assert "--notes" not in config.output_options(CONFIG, "300vw", output, name)


def test_on_the_test_faces_of_another_benchmark_its_subsets_are_noted_and_what_was_trained_on():
    noted = laid_over(
        {
            "benchmarks": {
                "300w": {"notes": {"training": "a.", "common": "b"}},
                "300vw": {"notes": {"training": "c", "B": "d"}},
            }
        }
    )
    assert config.notes_on(noted, "300w", "300vw") == {
        "subsets": {"B": "d"},
        "lines": ["Note on 300w: training: a.", "Note on 300vw: B: d."],
    }
    assert config.notes_on(noted, "ytf", "300w")["lines"] == ["Note on 300w: common: b."]
    assert config.notes_on(noted, "ytf") == {"subsets": {}, "lines": []}
    whole = changed("benchmarks.ytf.notes", "a part of it")
    assert config.notes_on(whole, "ytf") == {"subsets": {}, "lines": ["Note on ytf: a part of it."]}
    found = laid_over({"benchmarks": {"ytf": {"notes": "a part of it", "boxes": "found"}}})
    said = "Note on ytf: a part of it; face boxes: found by a face detector."
    assert config.notes_on(found, "ytf") == {"subsets": {}, "lines": [said]}


def test_the_names_of_a_folder_are_those_that_are_fixed_and_those_of_studies():
    names = {folder: config.output_names(CONFIG, folder) for folder in OUTPUTS}
    assert names["claims"] == ["nme", "significance", "gap", "cost"]
    assert {*STUDIES, "categories", "on_[a-z0-9]+"} == set(names["tables"])
    assert set(names["figures"]) == {*OUTPUTS["figures"], *SWEEPS, *(f"cost_{name}" for name in STUDIES)}
    assert all(len(set(each)) == len(each) for each in names.values())


def test_a_study_tells_its_command_how_its_methods_are_called_in_their_order():
    words = config.output_options(CONFIG, "synth", config.find_output(STUDIES, "tables", "parts"), "parts")
    names = yaml.safe_load(words[words.index("--names") + 1])
    assert list(names) == STUDIES["parts"]["methods"]
    assert words[words.index("--title") + 1] == STUDIES["parts"]["title"]
    assert "--faces" not in words  # an input, which the rule names


@pytest.mark.parametrize(
    "folder, name", [("claims", "parts"), ("tables", "gap"), ("tables", "cost_parts"), ("figures", "nosuch")]
)
def test_a_name_that_is_none_of_its_folder_is_an_error(folder, name):
    with pytest.raises(InputError, match=rf"results/{folder}/\.\.\._{name}: unknown; expected one of "):
        config.find_output(STUDIES, folder, name)


def test_methods_have_names_for_people():
    assert [method_name(m) for m in ("tsal", "self_training", "tsal_mu_0", "my_method", "tsalmon")] == [
        *["TSAL", "Self-training", "TSAL, mu 0", "my method", "tsalmon"]
    ]
