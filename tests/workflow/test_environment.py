"""What is installed: three lists that agree, and nothing imported beyond them; what `make` gives to Snakemake."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection
from pathlib import Path

import pytest
import yaml
from hostile_texts import ODD
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from snakemake.cli import parse_config

ROOT = Path(__file__).parents[2]
# Packages that conda-forge and bioconda call otherwise.
CONDA_NAMES = {"matplotlib-base": "matplotlib", "py-opencv": "opencv-python-headless", "pytorch": "torch"}
# Modules that are called otherwise than their packages.
PACKAGE_OF = {
    "annotated_types": "annotated-types",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "yaml": "pyyaml",
}
# Extras, and what in the package may import them.
WITH_EXTRA = {"synth": ROOT / "tsal/synth", "export": ROOT / "tsal/detectors/export.py"}
PLATFORMS = [
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
]
PYTHONS = ["3.11", "3.12", "3.13"]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(*, without: str = "") -> dict[str, SpecifierSet]:
    """Bounds by package, of the project and all its extras, but for the one that is named."""
    extras = project()["optional-dependencies"]
    lines = [line for extra, lines in extras.items() if extra != without for line in lines]
    bounds: dict[str, SpecifierSet] = {}
    for requirement in map(Requirement, [*project()["dependencies"], *lines]):
        name = canonicalize_name(requirement.name)
        bounds[name] = bounds.get(name, SpecifierSet()) & requirement.specifier
    return bounds


def lock_lines() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def lock(python: str, platform: dict[str, str]) -> dict[str, str]:
    """Version by package, as pip would install them there."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", **platform}
    pins = {}
    for requirement in map(Requirement, lock_lines()):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            assert pin.operator == "==", requirement
            name = canonicalize_name(requirement.name)
            assert name not in pins, f"{name} is pinned twice on {environment}"
            pins[name] = pin.version
    return pins


def imported(place: Path, without: Collection[Path] = ()) -> set[str]:
    """The packages, not of the standard library nor of the project, that a module or those in a folder import.

    Args:
        without: modules and folders to leave out.
    """
    names = set()
    for file in [place] if place.is_file() else place.rglob("*.py"):
        if not {file, *file.parents}.isdisjoint(without):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.partition(".")[0])
    own = {"tsal", *(path.stem for path in (ROOT / "tests").iterdir())}
    return {PACKAGE_OF.get(name, name) for name in names - own - sys.stdlib_module_names}


def test_conda_environment_has_the_bounds_of_the_project():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {}
    for entry in entries:
        if isinstance(entry, str) and entry != "pip":
            name, _, bounds = entry.partition(" ")
            conda[CONDA_NAMES.get(name, name)] = SpecifierSet(bounds)
    assert conda.pop("python") == SpecifierSet(project()["requires-python"])
    assert conda == requirements(without="synth")


def test_conda_environment_holds_the_project_itself_with_what_renders():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "tsal"
    assert {"pip": ["-e .[synth]"]} in environment["dependencies"]


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: "-".join(platform.values()))
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_pins_every_requirement_within_its_bounds(python, platform):
    pins = lock(python, platform)
    for name, bounds in requirements().items():
        assert name in pins
        assert bounds.contains(pins[name]), f"{name} {pins[name]} is not {bounds}"


def test_the_lock_names_no_place():
    content = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?:|file:|@|--\w*index|--find-links", content)
    assert not re.search(r"(^|\s)/\w+", content)


def test_the_package_imports_only_what_it_requires():
    required = {Requirement(line).name for line in project()["dependencies"]}
    assert imported(ROOT / "tsal", without=WITH_EXTRA.values()) <= required
    for extra, place in WITH_EXTRA.items():
        more = {Requirement(line).name for line in project()["optional-dependencies"][extra]}
        assert imported(place) <= required | more


def test_the_tests_import_only_what_is_required():
    assert imported(ROOT / "tests") <= set(requirements())


def test_the_package_uses_all_that_it_requires():
    used = imported(ROOT / "tsal") | {"pyarrow"}  # which pandas loads for parquet
    required = {Requirement(line).name for line in project()["dependencies"]}
    assert required <= used


def test_the_docs_say_what_each_dependency_is_for():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    table = page[page.index("| package | what for |") :].split("\n\n")[0]
    named = set(re.findall(r"[a-z][\w-]+", " ".join(line.split("|")[1] for line in table.splitlines())))
    assert set(requirements()) <= named


def test_versions_agree():
    from tsal import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__


# --- make ---


def run_make(*settings: str) -> subprocess.CompletedProcess:
    # MAKEFLAGS has the settings of the `make test` that these tests may run in.
    known = ("ARGS", "CONFIG", "CORES", "RAW_DIR", "MAKEFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    command = ["make", "--dry-run", "--no-print-directory", "claims", "CORES=2", *settings]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def planned(*settings: str) -> list[str]:
    """The words of the last command that `make claims` would run, as a shell reads them."""
    process = run_make(*settings)
    assert process.returncode == 0, process.stderr
    return shlex.split(process.stdout.splitlines()[-1])


RAW = 'raw_dir= "/data" '  # YAML, so that a folder called 007 or true is one


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ([], []),
        (["RAW_DIR=/data"], ["--config", RAW]),
        (["ARGS=-n --config finished=kept"], ["-n", "--config", "finished=kept"]),
        (["RAW_DIR=/data", "ARGS=-n"], ["-n", "--config", RAW]),
        # Of two --config, Snakemake would heed the second only.
        (["RAW_DIR=/data", "ARGS=-n --config finished=kept"], ["-n", "--config", RAW, "finished=kept"]),
        (["CONFIG=config/quick.yaml"], ["--configfile", "config/quick.yaml"]),
    ],
)
def test_the_raw_directory_joins_the_configuration_of_the_arguments(settings, options):
    assert planned(*settings) == ["snakemake", "--cores", "2", "claims", *options]


@pytest.mark.parametrize("text", [*ODD, "007", "true", "1e3", "a: b", "[a", "{x}", "a #b", "a\\nb", "'a'"])
def test_a_path_is_given_to_snakemake_as_it_is_written(text):
    *_, config_file, option, raw = planned(f"RAW_DIR={text}", f"CONFIG={text}")
    assert config_file == text and option == "--config"
    assert parse_config([raw]) == {"raw_dir": text}


@pytest.mark.parametrize("name", ["RAW_DIR", "CONFIG", "ARGS", "CORES"])
@pytest.mark.parametrize("text", ["$(shell touch {})", "${{shell touch {}}}"])
def test_make_computes_nothing_of_what_it_is_given(tmp_path, name, text):
    """Not even for the environment of the command, here a stub: the shell would have no command `shell`."""
    for needed in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / needed, tmp_path)
    (programs := tmp_path / ".venv/bin").mkdir(parents=True)
    (programs / "snakemake").write_text("#!/bin/sh\n")
    (programs / "snakemake").chmod(0o755)
    (tmp_path / ".venv/.installed").write_text(f"{tmp_path}\n")
    environment = {key: value for key, value in os.environ.items() if key != "MAKEFLAGS"}
    canary = tmp_path / "canary"
    given = f"{name}={text.format(canary)}"
    subprocess.run(["make", "all", given], cwd=tmp_path, env=environment, capture_output=True)
    environment |= {name: text.format(canary)}
    subprocess.run(["make", "all"], cwd=tmp_path, env=environment, capture_output=True)
    assert not canary.exists()


def test_the_number_of_cores_is_one_word():
    assert planned("CORES=2; touch canary")[:3] == ["snakemake", "--cores", "2; touch canary"]


def test_arguments_are_words_of_a_shell():
    command = run_make("ARGS=-n --config finished=\"$FINISHED x\" 'a b' $(echo c)").stdout.splitlines()[-1]
    assert command.endswith("-n --config finished=\"$FINISHED x\" 'a b' $(echo c)")


@pytest.mark.parametrize("name", ["RAW_DIR", "CONFIG", "ARGS", "CORES"])
def test_a_line_break_is_one_clear_error(name):
    process = run_make(f"{name}=a\ntouch canary")
    assert process.returncode != 0 and not process.stdout
    assert f"{name}: found a line break, expected one line" in process.stderr
