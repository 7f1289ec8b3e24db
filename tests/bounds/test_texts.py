"""YAML and JSON: what honest files have is read as by PyYAML, and bombs are refused."""

from pathlib import Path

import pytest
import yaml
from hostile.of_settings import aliases

from tsal.bounds import DEPTH
from tsal.bounds.texts import parse_json, parse_yaml, read_text, read_yaml
from tsal.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", [*ROOT.glob("config.yaml"), *ROOT.glob("config/**/*.yaml")], ids=str)
def test_our_own_files_are_read_as_pyyaml_reads_them(path):
    assert read_yaml(path, "settings") == yaml.safe_load(path.read_text())


def test_aliases_and_merges_are_followed():
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, y: [*a, *a]}") == {
        "a": {"x": 1},
        "b": {"x": 1, "y": [{"x": 1}, {"x": 1}]},
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (aliases(12), "more than 100,000 values"),
        ("a: &a [*a]", "more than 100,000 values, or values more than 50 deep"),
        ("a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100)), "more than 50 deep"),
        ("[" * (DEPTH + 1), "nested more than 50 deep"),
        ("{a: " * (DEPTH + 1), "nested more than 50 deep"),
        ("a: " + "9" * 5000, "holds a value that cannot be read"),
        ("a: 2024-13-45", "holds a value that cannot be read"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
    ],
)
def test_what_declares_too_much_or_cannot_be_is_an_error_of_yaml(text, problem):
    with pytest.raises(yaml.YAMLError, match=problem):
        parse_yaml(text)


def test_a_file_is_named_in_one_line(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: [1\nb: 2\n")
    with pytest.raises(
        InputError, match=r"a\.yaml: cannot be read as YAML \(.*line 2.*\); expected settings$"
    ) as error:
        read_yaml(path, "settings")
    assert "\n" not in str(error.value)
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"a\.yaml: cannot be read as text"):
        read_yaml(path, "settings")
    with pytest.raises(InputError, match=r"a\.yaml: found 1 bytes, at most 0"):
        read_text(path, 0, "settings")
    with pytest.raises(InputError, match=r"b\.yaml: no such file; expected settings"):
        read_yaml(tmp_path / "b.yaml", "settings")


def test_json_that_is_nested_or_counts_too_deeply_is_a_value_error():
    assert parse_json('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    for text in ("[" * 100_000, "9" * 5000, "{", b"\xff"):
        with pytest.raises(ValueError):
            parse_json(text)
