"""The tables and figures by name: each is told by a command that the command line understands, and has a caption."""

import re

import pytest
import yaml
from configurations import DEFAULT as CONFIG

from tsal import cli, config
from tsal.config.outputs import OUTPUTS
from tsal.config.targets import method_name
from tsal.errors import InputError

STUDIES = CONFIG["studies"]
SWEEPS = [name for name, study in STUDIES.items() if "parameter" in study]
KNOWN = [(folder, name) for folder, names in OUTPUTS.items() for name in names]
OF_STUDIES = [("tables", name) for name in STUDIES] + [("figures", name) for name in SWEEPS] + [("tables", "on_ytf")]


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


def test_the_names_of_a_folder_are_those_that_are_fixed_and_those_of_studies():
    names = {folder: config.output_names(CONFIG, folder) for folder in OUTPUTS}
    assert names["claims"] == ["nme", "significance", "gap", "cost"]
    assert {*STUDIES, "categories", "on_[a-z0-9]+"} == set(names["tables"])
    assert set(names["figures"]) == {*OUTPUTS["figures"], *SWEEPS}
    assert all(len(set(each)) == len(each) for each in names.values())


def test_a_study_tells_its_command_how_its_methods_are_called_in_their_order():
    words = config.output_options(CONFIG, "synth", config.find_output(STUDIES, "tables", "parts"), "parts")
    names = yaml.safe_load(words[words.index("--names") + 1])
    assert list(names) == STUDIES["parts"]["methods"]
    assert words[words.index("--title") + 1] == STUDIES["parts"]["title"]
    assert "--faces" not in words  # an input, which the rule names


@pytest.mark.parametrize("folder, name", [("claims", "parts"), ("tables", "gap"), ("figures", "nosuch")])
def test_a_name_that_is_none_of_its_folder_is_an_error(folder, name):
    with pytest.raises(InputError, match=rf"results/{folder}/\.\.\._{name}: unknown; expected one of "):
        config.find_output(STUDIES, folder, name)


def test_methods_have_names_for_people():
    assert [method_name(m) for m in ("tsal", "self_training", "tsal_mu_0", "my_method", "tsalmon")] == [
        *["TSAL", "Self-training", "TSAL, mu 0", "my method", "tsalmon"]
    ]
