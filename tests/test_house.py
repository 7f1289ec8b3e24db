"""The house: which rooms there are, who may import whom, where tests stand, and that what the docs name is there."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tsal"
# From low to high: a room imports from itself, from its own level and from those before.
LEVELS = [
    {"errors", "bounds", "files", "progress"},
    *[
        {"settings"},
        {"data"},
        {"synth"},
        {"datasets"},
        {"face_detectors"},
        {"detectors"},
        {"flow"},
        {"tracking"},
        {"evaluation"},
    ],
    *[{"training"}, {"methods"}, {"suggesting"}, {"config"}, {"tables"}, {"figures"}, {"report"}, {"cli"}],
]
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
# What the workflow imports to plan, and what verbs import that train and predict nothing.
LIGHT = [
    *["tsal.cli", "tsal.config", "tsal.datasets", "tsal.methods", "tsal.evaluation.runs", "tsal.data.crops"],
    *["tsal.data.video", "tsal.datasets.synth", "tsal.synth.shards", "tsal.flow", "tsal.tables"],
    *["tsal.figures", "tsal.figures.contact_sheet", "tsal.figures.overlay", "tsal.report.page"],
    *["tsal.face_detectors"],
]
PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "peers/**/*.md", "results/README.md") for page in ROOT.glob(pattern)
)
SOURCES = sorted(
    path
    for pattern in ("tsal/**/*.py", "benchmarks/*.py", "peers/*/*.py", "workflow/rules/*.smk", "config*/**/*.yaml")
    for path in ROOT.glob(pattern)
) + [ROOT / name for name in ("Snakefile", "Makefile", "config.yaml")]
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_PATH = re.compile(r"(?<![\w/.{}*$<>-])((?:tsal|tests|docs|workflow|benchmarks|config|peers)/[\w./{}*<>-]+)")
# Of a path that stands for many, that the reader is to write, or that is made and hidden (.venv).
_EXAMPLE = re.compile(r"[{}*<>]|NAME|\.\.\.|/\.")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- rooms ---


def test_at_most_four_modules_stand_at_the_top():
    assert len(list(PACKAGE.glob("*.py"))) <= 4


def test_every_room_has_its_level():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms - {"__init__"} == set(LEVEL)


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of each import from the package, wherever in the module it stands."""
    folder = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) + 1 - node.level] if node.level else ()
            start = [*base, *(node.module or "").split(".")] if node.module else [*base]
            names = [[*start, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "tsal" and len(name) > 1 and name[1] in LEVEL:
                yield node.lineno, name[1]


def test_no_import_runs_from_a_lower_room_to_a_higher_one():
    upwards = []
    for path in sorted(PACKAGE.glob("*/**/*.py")) + sorted(PACKAGE.glob("*.py")):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for line, imported in imported_rooms(path):
            if LEVEL[imported] > LEVEL.get(room, -1):
                upwards.append(f"{name_of(path)}:{line} imports from {imported}")
    assert not upwards, "\n".join(upwards)


def test_light_modules_do_not_load_pytorch():
    code = "import importlib, sys\n"
    code += f"for name in {LIGHT!r}:\n    importlib.import_module(name)\n"
    code += "    if 'torch' in sys.modules: sys.exit(name)\n"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


# --- tests ---


def test_tests_mirror_the_folders():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()} | {"workflow", "hostile"}
    modules = {path.stem for path in PACKAGE.glob("*.py")} | {"house"}
    for path in sorted((ROOT / "tests").glob("**/test_*.py")):
        *folders, name = path.relative_to(ROOT / "tests").parts
        known = folders[0] in rooms if folders else name.removeprefix("test_").removesuffix(".py") in modules
        assert known, f"{name_of(path)}: stands in no room of tsal/"


# --- what is named is there ---


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.*?) *$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {f"{slug}-{number}" if number else slug for slug, most in found.items() for number in range(most + 1)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page):
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in (first or second for first, second in _LINK.findall(text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name_of(page)}: link to {link}, which is not there"
        assert not anchor or anchor in anchors(target), f"{name_of(page)}: link to {link}, a heading that is not there"


# A changelog tells of what is no more.
@pytest.mark.parametrize("file", [page for page in PAGES if page.name != "CHANGELOG.md"] + SOURCES, ids=name_of)
def test_every_path_of_the_repository_that_is_named_is_there(file):
    for path in _PATH.findall(file.read_text(encoding="utf-8")):
        path = path.rstrip(".-")
        if not _EXAMPLE.search(path):
            assert (ROOT / path).exists() or (file.parent / path).exists(), f"{name_of(file)}: names {path}"
