"""Shards: the same faces whatever their number, the same bytes whenever and wherever they are made, whole or absent."""

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import fake_renderer
import numpy as np
import pytest
from fake_renderer import SMALL

from tsal import cli
from tsal.errors import InputError
from tsal.synth import shards
from tsal.synth.plan import plan
from tsal.synth.shards import read_flow, read_shard_tables, write_shard


@pytest.fixture(autouse=True)
def renderer(monkeypatch):
    fake_renderer.install(monkeypatch)


def write_shards(folder, shards, settings=SMALL):
    paths = [folder / f"{shard}of{shards}.zip" for shard in range(shards)]
    for shard, path in enumerate(paths):
        write_shard(settings, shard, shards, path)
    return paths


def pictures(paths):
    found = {}
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            found |= {name: archive.read(name) for name in archive.namelist() if name.startswith("images/")}
    return found


def rendered():
    """What the renderer gives for each shot of SMALL."""
    for person in plan(SMALL):
        results = fake_renderer.render_person(SMALL.seed, person.number, person.shots, SMALL.image_px)
        yield from zip(person.shots, results, strict=True)


def test_tables_hold_what_was_rendered_in_the_order_of_the_plan(tmp_path):
    settings, tables = read_shard_tables(reversed(write_shards(tmp_path, 3)))
    assert settings == SMALL
    expected = list(rendered())
    assert tables.name.tolist() == [name for shot, _ in expected for name in shot.frame_names()]
    for table in ("points", "points_3d", "cameras", "visible"):
        found = getattr(tables, table)
        np.testing.assert_array_equal(found, np.concatenate([getattr(result, table) for _, result in expected]))
        assert found.dtype == (bool if table == "visible" else np.float64)


def test_pictures_lie_under_the_names_of_their_faces(tmp_path):
    found = pictures(write_shards(tmp_path, 3))
    assert found == {
        f"images/{name}.jpg": jpeg
        for shot, result in rendered()
        for name, jpeg in zip(shot.frame_names(), result.jpegs, strict=True)
    }


@pytest.mark.parametrize("shards", [3, 12])
def test_the_faces_are_the_same_whatever_the_number_of_shards(tmp_path, shards):
    one, more = write_shards(tmp_path / "one", 1), write_shards(tmp_path / "more", shards)
    assert pictures(one) == pictures(more)
    tables, others = (read_shard_tables(paths)[1] for paths in (one, more))
    for name, table in vars(tables).items():
        np.testing.assert_array_equal(getattr(others, name), table)
    for shot, _ in rendered():
        if shot.frames > 1:
            for a, b in zip(read_flow(one, shot.name), read_flow(more, shot.name), strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_shard_is_the_same_file_whenever_it_is_made(tmp_path):
    first, second = (write_shards(tmp_path / name, 2) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_shard_holds_every_so_many_th_person(tmp_path):
    for shard, path in enumerate(write_shards(tmp_path, 3)):
        people = {int(name.split("/")[1][1:]) for name in pictures([path])}
        assert people == set(range(shard, 10, 3))


def test_flow_and_occlusion_are_read_as_they_were_rendered(tmp_path):
    paths = write_shards(tmp_path, 3)
    for shot, result in rendered():
        if shot.frames > 1:
            flow, occluded = read_flow(paths, shot.name)
            np.testing.assert_array_equal(flow, result.flow.astype(np.float32))
            np.testing.assert_array_equal(occluded, result.occluded)
            assert (flow.dtype, occluded.dtype) == (np.float32, bool)


def test_a_clip_that_there_is_not_is_named(tmp_path):
    (path,) = write_shards(tmp_path, 1)
    with pytest.raises(InputError, match=r"0of1\.zip: no clip 'p00099_s000'"):
        read_flow(path, "p00099_s000")


def test_a_rendering_that_fails_leaves_no_file(tmp_path, monkeypatch):
    def failing(seed, person, shots, image_px, convention):
        if person == 4:
            raise KeyboardInterrupt
        yield from fake_renderer.render_person(seed, person, shots, image_px, convention)

    monkeypatch.setattr(sys.modules["tsal.synth.scene"], "render_person", failing)
    with pytest.raises(KeyboardInterrupt):
        write_shard(SMALL, 0, 2, tmp_path / "0of2.zip")
    assert not list(tmp_path.iterdir())


def test_a_shard_beyond_the_last_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"found shard 2 of 2; expected one of 0 to 1"):
        write_shard(SMALL, 2, 2, tmp_path / "2of2.zip")


# --- damage ---


def test_a_truncated_shard_is_named_with_what_to_do(tmp_path):
    paths = write_shards(tmp_path, 2)
    paths[1].write_bytes(paths[1].read_bytes()[:-3000])
    expected = r"1of2\.zip: truncated or damaged .* bytes found.*Delete it and run the same command again"
    with pytest.raises(InputError, match=expected):
        read_shard_tables(paths)
    with pytest.raises(InputError, match=expected):
        read_flow(paths, "p00099_s000")


def test_a_flipped_byte_is_noticed(tmp_path):
    (path,) = write_shards(tmp_path, 1)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("faces.npz").header_offset + 5000
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"0of1\.zip: truncated or damaged .*Delete it and run the same command again"):
        read_shard_tables([path])


@pytest.mark.parametrize("lost", ["settings.json", "faces.npz"])
def test_a_zip_that_lacks_a_part_is_named(tmp_path, lost):
    (path,) = write_shards(tmp_path, 1)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != lost}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=rf"0of1\.zip: .*{lost}.*Delete .* and run the same command again"):
        read_shard_tables([path])


def test_shards_of_other_settings_are_not_mixed(tmp_path):
    first = write_shards(tmp_path, 2)
    other = write_shards(tmp_path / "other", 2, replace(SMALL, seed=1))
    with pytest.raises(InputError, match=r"other/1of2\.zip: made of other settings than .*0of2\.zip"):
        read_shard_tables([first[0], other[1]])


def test_a_renderer_of_another_version_made_other_faces(tmp_path, monkeypatch):
    first = write_shards(tmp_path, 2)
    monkeypatch.setattr("tsal.synth.shards.RENDERER", -1)
    write_shard(SMALL, 1, 2, first[1])
    with pytest.raises(InputError, match=r"1of2\.zip: made of other settings"):
        read_shard_tables(first)


def test_all_shards_are_needed_each_once(tmp_path):
    first, second, third = write_shards(tmp_path, 3)
    for paths in ([first, third], [first, second, second], [first]):
        with pytest.raises(InputError, match=r"found the shards \[.*\]; expected all 3, each once"):
            read_shard_tables(paths)
    with pytest.raises(InputError, match=r"none\.zip: no such file"):
        read_shard_tables([first, tmp_path / "none.zip"])


VARIABLE = "OPENBLAS_CORETYPE"
NEEDS_AVX2 = pytest.mark.skipif(not shards.has_avx2(), reason="needs an x86 processor with AVX2, under Linux")
DIGEST = """
import hashlib
import numpy as np
random = np.random.default_rng(0)
digest = hashlib.sha256()
for rows, inner, columns in ((3, 3, 3), (68, 3, 3), (500, 16, 3), (120, 130, 70)):
    digest.update((random.normal(size=(rows, inner)) @ random.normal(size=(inner, columns))).tobytes())
print(digest.hexdigest())
"""
# The command line, with a benchmark whose rendering prints the digest and the variable.
RENDER = f"""
import os, sys
from tsal import cli, datasets
class Printing:
    def render(self, *arguments):
        exec({DIGEST!r})
        print(os.environ.get({VARIABLE!r}), *arguments)
datasets.get = lambda name: Printing()
sys.exit(cli.main())
"""
ARGUMENTS = ["render", "synth", "--settings", "a b.yaml", "--shard", "0", "--shards", "2", "-o", "0of2.zip"]


# --- rounding ---


def printed(script, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE} | variables
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split("\n")


@NEEDS_AVX2
def test_a_shard_is_rendered_with_products_of_one_kernel_whatever_the_processor():
    (expected, _), (digest, about, _) = printed(DIGEST, **{VARIABLE: "Haswell"}), printed(RENDER, *ARGUMENTS)
    assert digest == expected
    assert about == "Haswell a b.yaml 0 2 0of2.zip"


def test_a_kernel_that_was_asked_for_is_left_alone():
    assert printed(RENDER, *ARGUMENTS, **{VARIABLE: "Nehalem"})[1].startswith("Nehalem ")


def test_importing_the_package_leaves_the_environment_alone():
    script = f"import os, tsal, tsal.cli, tsal.synth.shards; print(os.environ.get({VARIABLE!r}))"
    assert printed(script)[0] == "None"


def test_a_verb_that_a_program_calls_does_not_start_the_program_again(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "execv", lambda *command: pytest.fail(f"started {command}"))
    rendered = []
    monkeypatch.setattr(cli.datasets, "get", lambda name: SimpleNamespace(render=lambda *given: rendered.append(given)))
    assert cli.main(ARGUMENTS) == 0 and len(rendered) == 1


def test_where_no_such_kernels_are_known_to_be_the_command_goes_on(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "execv", lambda *command: pytest.fail(f"started {command}"))
    monkeypatch.setattr(shards, "has_avx2", lambda: False)
    shards.round_alike()
    assert VARIABLE not in os.environ
