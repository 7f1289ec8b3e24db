"""What a stranger writes into a configuration is one line that is refused in one line, or text and nothing else."""

import pytest
from configurations import laid_over, nested
from hostile_texts import MARKED, ODD, UNFIT, keys

from tsal.errors import InputError, one_line

KEYS = sorted(set(keys()))
# Keys whose values are text of the user's choice: all others name something or are numbers. A new key stands here, and
# then in tests/workflow/test_hostile_configuration.py too, or refuses what it does not know.
PATHS = {"raw_dir", "finished", *(key for key in KEYS if key.endswith("detector.weights"))}
TITLES = {
    "benchmarks.NAME.notes",
    "methods.NAME.title",
    "studies.NAME.title",
    *(key for key in KEYS if key.endswith(".title")),
}
REST = {"methods.NAME": {"base": "tsal"}, "studies.NAME": {"title": "T", "methods": ["tsal", "supervised"]}}


def said_of(key: str, value: object) -> list[str]:
    """What is wrong with a configuration in which one key has a value."""
    values = nested(key.replace("benchmarks.NAME", "benchmarks.synth").replace("NAME", "mine"), value)
    section, _, _ = key.partition(".NAME")
    for place, rest in REST.items():
        if key.startswith(place):
            values[section]["mine"] = rest | values[section]["mine"]
    try:
        laid_over(values)
    except InputError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("key", KEYS)
def test_every_key_refuses_a_strange_text_or_is_known_to_take_text(key):
    for value in (ODD[0], [ODD[0]], {ODD[0]: ODD[0]}):
        lines = said_of(key, value)
        taken = isinstance(value, str) and key in PATHS | TITLES
        assert bool(lines) != taken, (key, value)
        assert all(line == one_line(line) and ".yaml: " in line for line in lines)


@pytest.mark.parametrize("key", sorted(PATHS | TITLES))
def test_text_is_one_line_of_whatever_is_no_mark_up(key):
    for text in ODD:
        lines = said_of(key, text)
        refused = key == "finished" and ("{" in text or "<" in text or text.startswith("-"))
        assert bool(lines) == refused, (key, text, lines)
    for text in [*UNFIT, *(MARKED if key in TITLES | {"finished"} else [])]:
        (line,) = said_of(key, text)
        assert "expected " in line


@pytest.mark.parametrize("section", ["benchmarks", "methods", "presets", "studies"])
@pytest.mark.parametrize("name", [*ODD, *UNFIT, *MARKED, "A", "1", "_a", "a-b", "a/b", "..", "a" * 101, "warmup\n"])
def test_names_have_letters_digits_and_underscores_alone(section, name):
    entry = {"methods": {"base": "tsal"}, "studies": REST["studies.NAME"]}.get(section, {})
    with pytest.raises(InputError) as caught:
        laid_over({section: {name: entry}})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"0.yaml: {section}.")


def test_a_swept_parameter_is_a_key_of_the_methods_also_where_they_have_none():
    study = {"title": "T", "methods": ["supervised", "twin"], "parameter": "ema_decay"}
    with pytest.raises(InputError, match=r"studies\.mine\.parameter: unknown key 'ema_decay' of its methods"):
        laid_over({"methods": {"twin": {"base": "supervised"}}, "studies": {"mine": study}})


@pytest.mark.parametrize("path", ["a" * 256, "/".join(["a" * 200] * 30)])
def test_a_path_that_no_file_can_have_is_refused(path):
    assert said_of("raw_dir", path) and said_of("finished", path)
