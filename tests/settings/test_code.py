"""The version of the training's code: what changes it and what does not."""

import pytest

from tsal.settings import code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one module in each room."""
    package = tmp_path / "package"
    monkeypatch.setattr(code, "PACKAGE", package)
    for room in code.ROOMS:
        (package / room).mkdir(parents=True)
        (package / room / "a.py").write_text('"""About."""\n\n\ndef rate(x):\n    return 2 * x\n')
    return package


def version():
    code.training_code.cache_clear()
    return code.training_code()


@pytest.fixture(autouse=True)
def forget():
    yield
    code.training_code.cache_clear()


@pytest.mark.parametrize("room", code.ROOMS)
def test_what_is_executed_changes_the_version(package, room):
    before = version()
    (package / room / "a.py").write_text("def rate(x):\n    return 3 * x\n")
    assert version() != before


def test_a_new_module_or_name_of_one_changes_the_version(package):
    versions = {version()}
    (package / "methods" / "b.py").write_text("")
    versions.add(version())
    (package / "methods" / "b.py").rename(package / "methods" / "c.py")
    assert len(versions | {version()}) == 3


def test_comments_docstrings_and_lines_do_not(package):
    before = version()
    text = '"""Other."""\n# why\ndef rate(x):\n    """Twice."""\n    return (\n        2 * x\n    )\n'
    (package / "training" / "a.py").write_text(text)
    assert version() == before


def test_the_tables_code_does_not(package):
    before = version()
    (package / "tables").mkdir()
    (package / "tables" / "a.py").write_text("x = 1")
    assert version() == before


def test_a_plug_in_method_belongs_to_it(package, plugin_folder):
    before = version()
    (plugin_folder / "methods").mkdir()
    (plugin_folder / "methods" / "own.py").write_text("RATE = 1\n")
    assert version() != before


def test_a_module_beside_a_plug_in_method_belongs_to_it_and_one_of_a_data_set_does_not(package, plugin_folder):
    (plugin_folder / "methods").mkdir()
    (plugin_folder / "methods" / "own.py").write_text("import shared\n")
    before = version()
    (plugin_folder / "shared.py").write_text("RATE = 1\n")
    after = version()
    assert after != before
    (plugin_folder / "datasets").mkdir()
    (plugin_folder / "datasets" / "own.py").write_text("x = 1\n")
    assert version() == after
