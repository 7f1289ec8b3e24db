"""What is rendered follows from the settings alone, and is dealt evenly over people and splits."""

from collections import Counter
from dataclasses import asdict, replace

import pytest
import yaml
from fake_renderer import SMALL

from tsal.data.splits import split_people
from tsal.errors import InputError
from tsal.synth.plan import plan, read_settings

DEFAULT = replace(SMALL, people=400, stills=2410, clips=367, clip_frames=10)


def shots(settings):
    return [shot for person in plan(settings) for shot in person.shots]


def test_there_are_as_many_people_stills_and_clips_as_asked_for():
    frames = Counter(shot.frames for shot in shots(DEFAULT))
    assert frames == {1: 2410, 10: 367}
    assert [person.number for person in plan(DEFAULT)] == list(range(400))


def test_the_plan_depends_on_its_settings_alone():
    assert plan(DEFAULT) == plan(replace(DEFAULT))
    assert plan(DEFAULT) != plan(replace(DEFAULT, seed=1))


def test_another_size_or_length_of_clips_keeps_who_is_shown_how_often():
    other = plan(replace(DEFAULT, image_px=96, clip_frames=5))
    assert [(p.split, len(p.shots)) for p in other] == [(p.split, len(p.shots)) for p in plan(DEFAULT)]


def test_people_are_split_by_the_digest_of_their_name_whatever_the_seed():
    expected = split_people(f"p{number:05d}" for number in range(400))
    for seed in (0, 7):
        assert {person.name: person.split for person in plan(replace(DEFAULT, seed=seed))} == expected
    assert Counter(expected.values()) == {"test": 80, "validation": 40, "train": 280}


@pytest.mark.parametrize("seed", range(5))
def test_stills_and_clips_are_dealt_evenly_over_people(seed):
    for person in plan(replace(DEFAULT, seed=seed)):
        frames = [shot.frames for shot in person.shots]
        assert frames.count(1) in (6, 7)  # 2410 / 400
        assert frames.count(10) in (0, 1)  # 367 / 400
        assert frames == sorted(frames)
        assert [shot.number for shot in person.shots] == list(range(len(frames)))


@pytest.mark.parametrize("seed", range(5))
def test_every_split_gets_its_share_of_clips_and_of_what_is_challenging(seed):
    people = plan(replace(DEFAULT, seed=seed))
    for split, share in (("test", 0.2), ("validation", 0.1), ("train", 0.7)):
        of_split = [shot for person in people for shot in person.shots if person.split == split]
        clips = [shot for shot in of_split if shot.frames > 1]
        stills = [shot for shot in of_split if shot.frames == 1]
        assert abs(len(clips) - share * 367) <= 1
        assert abs(sum(shot.challenging for shot in stills) - 0.3 * len(stills)) <= 1
        assert abs(sum(shot.challenging for shot in clips) - 0.3 * len(clips)) <= 1


@pytest.mark.parametrize("people", [10, 11, 14, 19, 29, 100, 1000])
def test_the_fewest_shots_that_the_schema_allows_leave_no_split_without(people):
    for seed in range(20):
        found = Counter()
        for person in plan(replace(SMALL, people=people, stills=20, clips=10, seed=seed)):
            found.update((person.split, shot.frames > 1) for shot in person.shots)
        assert all(found[split, False] for split in ("train", "validation", "test"))
        assert found["test", True]


def test_nothing_or_everything_can_be_challenging():
    assert not any(shot.challenging for shot in shots(replace(SMALL, challenging=0)))
    assert all(shot.challenging for shot in shots(replace(SMALL, challenging=1)))


def test_stills_are_common_or_challenging_and_full_clips_are_video():
    subsets = Counter((shot.frames, shot.challenging, shot.subset) for shot in shots(SMALL))
    assert subsets == {
        (1, False, "common+full"): 14,
        (1, True, "challenging+full"): 6,
        (3, False, "video"): 7,
        (3, True, "video"): 3,
    }


def test_faces_and_clips_have_names_that_sort_in_the_order_of_the_plan():
    names = [name for shot in shots(DEFAULT) for name in shot.frame_names()]
    assert names == sorted(names)
    assert len(set(names)) == 2410 + 3670
    assert names[0] == "p00000/s000_00"
    assert shots(DEFAULT)[0].name == "p00000_s000"


def test_settings_are_read_from_what_the_workflow_writes(tmp_path):
    path = tmp_path / "index.yaml"
    path.write_text(yaml.safe_dump({"benchmark": "synth", "renderer": 1, "settings": asdict(SMALL)}))
    assert read_settings(path) == SMALL


@pytest.mark.parametrize("content", ["", "[", "settings: {people: 10}", "settings: {peopel: 10}", "settings: 3"])
def test_a_file_that_says_not_what_to_render_is_named_with_the_keys_that_are_expected(tmp_path, content):
    path = tmp_path / "index.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"index\.yaml: says not what to render; expected .* people, stills, clips"):
        read_settings(path)
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_settings(tmp_path / "none.yaml")
