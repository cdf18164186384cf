from __future__ import annotations

import re
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord
from recipes.effort import ALONE, Effort
from recipes.errors import FormatError
from recipes.folder import scan
from recipes.formats.vatic import FORMAT, VaticOptions, read, sniff
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.recipe import load_recipe
from recipes.running import run

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "vatic"
FLOATING = re.compile(r'^(\d+) (\S+) (\S+) (\S+) (\S+) (\d+) ([01]) ([01]) ([01]) "([^"]*)"((?: "[^"]*")*)$')


def records(folder: Path, **options: object) -> list[ImageRecord]:
    dataset = read(scan(folder), VaticOptions(**options), ALONE)  # type: ignore[arg-type]
    return list(dataset.stream(Ledger()))


def refusal(folder: Path, **options: object) -> FormatError:
    with pytest.raises(FormatError) as caught:
        records(folder, **options)
    return caught.value


def test_reads_every_frame_with_its_boxes_in_the_order_of_the_file(vatic_folder: Callable[..., Path], row: Callable[..., object]) -> None:
    folder = vatic_folder(
        [
            row(1, 0, (5, 6, 25, 36), label="traffic light", attributes=("Walking", "on a phone")),
            row(1, 2, lost=1),
            row(0, 0, occluded=1, generated=1),
        ]
    )
    first, second, third = records(folder)
    assert [image.name for image in (first, second, third)] == ["frames/0.jpg", "frames/1.jpg", "frames/2.jpg"]
    assert (first.width, first.height, first.video, first.frame) == (64, 48, "fish", 0)
    light, fish = first.annotations
    assert (light.label, light.x, light.y, light.w, light.h, light.track) == ("traffic light", 5, 6, 20, 30, 1)
    assert light.attributes == {"Walking": True, "on a phone": True}
    assert fish.flags == {Flag.OCCLUDED, Flag.GENERATED}
    assert second.annotations == ()
    assert third.annotations[0].flags == {Flag.LOST}
    assert str(third.where(third.annotations[0])) == "fish.txt, line 2, frames/2.jpg"


def test_the_stream_can_be_started_again(video: Path) -> None:
    dataset = read(scan(video), VaticOptions(), ALONE)
    assert list(dataset.stream(Ledger())) == list(dataset.stream(Ledger()))
    assert dataset.classes == ("fish", "traffic light")
    assert dataset.total == 100


@pytest.mark.parametrize(
    "pattern", ["{}.jpg", "{:06d}.jpg", "frames/frame_{:04d}.PNG", "0/0/{}.jpg", "my video 2/img-{}.jpeg", "v1.mp4_{:03d}_x.png"]
)
def test_pairs_frames_however_they_are_called(vatic_folder: Callable[..., Path], row: Callable[..., object], pattern: str) -> None:
    folder = vatic_folder([row(0, frame) for frame in range(12)], frames=12, pattern=pattern)
    assert [(image.frame, len(image.annotations)) for image in records(folder)] == [(frame, 1) for frame in range(12)]


def test_images_that_count_from_one_are_frames_from_zero(vatic_folder: Callable[..., Path], row: Callable[..., object]) -> None:
    folder = vatic_folder([row(0, 0), row(0, 1)], first=1, pattern="{:03d}.jpg")
    dataset = read(scan(folder), VaticOptions(), ALONE)
    assert [(image.name, image.frame) for image in dataset.stream(Ledger())] == [("001.jpg", 0), ("002.jpg", 1), ("003.jpg", 2)]
    assert "001.jpg is frame 0" in dataset.notes[0]


def test_several_videos_have_folders_of_their_names(vatic_folder: Callable[..., Path], row: Callable[..., object], tmp_path: Path) -> None:
    vatic_folder([row(0, 0, label="one")], name="a.txt", pattern="a/0/{}.jpg", root=tmp_path / "s")
    folder = vatic_folder([row(0, 1, label="two")], name="sub/b.txt", pattern="sub/pictures/{}.jpg", root=tmp_path / "s")
    images = records(folder)
    assert [(image.video, image.frame) for image in images] == [("a", 0), ("a", 1), ("a", 2), ("sub/b", 0), ("sub/b", 1), ("sub/b", 2)]
    assert [image.annotations[0].label for image in images if image.annotations] == ["one", "two"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 1 2 3", "The row has 4 of the 9 numbers"),
        ('0 1 2 x 4 0 0 0 0 "fish"', "The xmax is 'x', which is no number."),
        ('0 1 2 nan 4 0 0 0 0 "fish"', "The xmax is 'nan'"),
        ('0 1 2 1e999 4 0 0 0 0 "fish"', "The xmax is '1e999'"),
        ('0 1 2 3 4 0 2 0 0 "fish"', "The lost flag is '2'; it must be 0 or 1."),
        ("0 1 2 3 4 0 0 0 0 fish", "The label is not in double quotes."),
        ('0 1 2 3 4 -1 0 0 0 "fish"', "The frame is '-1'; frames count from 0."),
        ('0 1 2 3 4 1.5 0 0 0 "fish"', "The frame is '1.5'; it must be a whole number."),
        ('0 1  2 3 4 0 0 0 0 "fish"', "single blanks"),
        ('0 1 2 3 4 0 0 0 0 ""', "not of the shape"),
        ('0 9 2 3 4 0 0 0 0 "fish"', "The box is inverted: xmax 3 is left of xmin 9."),
        ('0 1 9 3 4 0 0 0 0 "fish"', "The box is inverted: ymax 4 is above ymin 9."),
        ("x" * 70_000, "The line is longer than"),
        ('99 10 12 40 30 0 0 0 0 "fish"', "Track 99 has frame 0 twice, first in line 1."),
    ],
)
def test_names_the_line_of_a_broken_row(vatic_folder: Callable[..., Path], row: Callable[..., object], line: str, says: str) -> None:
    message = str(refusal(vatic_folder([row(99, 0), "", line, row(1, 1), row(2, 1)])))
    assert "fish.txt, line 3" in message
    assert says in message


def test_names_all_defects_in_one_pass(vatic_folder: Callable[..., Path], row: Callable[..., object], tmp_path: Path) -> None:
    vatic_folder([row(0, 0), "1 2", row(0, 1), "bad"], name="a.txt", pattern="a/{}.jpg", root=tmp_path / "s")
    error = refusal(vatic_folder([row(0, 0), "3 4 5"], name="b.txt", pattern="b/{}.jpg", root=tmp_path / "s"))
    assert [str(defect.where) for defect in error.defects] == ["a.txt, line 2", "a.txt, line 4", "b.txt, line 2"]
    assert "has 3 defects" in str(error)


def test_a_frame_without_an_image_is_refused_or_accounted_for(vatic_folder: Callable[..., Path], row: Callable[..., object]) -> None:
    folder = vatic_folder([row(0, 0), row(0, 7), row(0, 8)])
    assert [str(defect) for defect in refusal(folder).defects] == [
        "fish.txt, line 2: Frame 7 has no image.",
        "fish.txt, line 3: Frame 8 has no image.",
    ]
    ledger = Ledger()
    dataset = read(scan(folder), VaticOptions(missing_frames="drop"), ALONE)
    assert [len(image.annotations) for image in dataset.stream(ledger)] == [1, 0, 0]
    assert [(entry.reason, entry.count, entry.cases[0]) for entry in ledger.left_out] == [
        ("frame without an image", 2, "fish.txt, line 2, frame 7")
    ]


def test_refuses_two_images_for_one_frame_and_images_without_number(
    vatic_folder: Callable[..., Path], row: Callable[..., object], draw: Callable[..., None]
) -> None:
    folder = vatic_folder([row(0, 0)])
    draw(folder / "copy" / "01.jpg")
    draw(folder / "cover.jpg")
    message = str(refusal(folder))
    assert "frames/1.jpg: Frame 1 of fish.txt is also copy/01.jpg." in message
    assert "cover.jpg: The image's name holds no frame number" in message


def test_names_every_unreadable_image(vatic_folder: Callable[..., Path], row: Callable[..., object]) -> None:
    folder = vatic_folder([row(0, 0)])
    (folder / "frames/1.jpg").write_bytes(b"no image")
    (folder / "frames/2.jpg").write_bytes(b"")
    assert [str(d.where) for d in refusal(folder).defects] == ["frames/1.jpg", "frames/2.jpg"]


def test_labels_must_be_text(vatic_folder: Callable[..., Path], row: Callable[..., object]) -> None:
    folder = vatic_folder([row(0, 0)])
    (folder / "fish.txt").write_bytes(b'0 1 2 3 4 0 0 0 0 "fish"\n0 1 2 3 4 1 0 0 0 "f\xfcsh"\n')
    assert "fish.txt, line 2: The label or an attribute is not UTF-8 text" in str(refusal(folder))


def test_windows_line_ends_and_non_ascii_labels(vatic_folder: Callable[..., Path], row: Callable[..., object]) -> None:
    folder = vatic_folder([f"{row(0, 0, label='Größe 6 魚')}\r", f"{row(0, 1)}\r"])
    assert [image.annotations[0].label for image in records(folder)[:2]] == ["Größe 6 魚", "fish"]


def test_does_not_take_yolo_labels_for_its_own(tmp_path: Path) -> None:
    (tmp_path / "0.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "notes.txt").write_text("hello\n")
    assert sniff(scan(tmp_path)).confidence == 0


@pytest.mark.parametrize("name", ["facetracks.txt", "facetracks_attr.txt"])
def test_reads_real_dumps_exactly(name: str, tmp_path: Path, vatic_folder: Callable[..., Path]) -> None:
    """Against an independent reading of the same file by another expression."""
    if not (SAMPLES / name).is_file():
        pytest.skip("the real VATIC samples are not at hand")
    lines = (SAMPLES / name).read_text().splitlines()
    matches = [FLOATING.fullmatch(line) for line in lines]
    wanted = sorted(
        (int(m[6]), int(m[1]), float(m[2]), float(m[3]), float(m[4]), float(m[5]), m[7] + m[8] + m[9], m[10], m[11]) for m in matches if m
    )
    assert len(wanted) == len(lines)
    folder = vatic_folder(lines, frames=max(row[0] for row in wanted) + 1)
    found = sorted(
        (
            image.frame,
            box.track,
            box.x,
            box.y,
            box.x + box.w,
            box.y + box.h,
            "".join(str(int(flag in box.flags)) for flag in (Flag.LOST, Flag.OCCLUDED, Flag.GENERATED)),
            box.label,
            "".join(f' "{word}"' for word in box.attributes or ()),
        )
        for image in records(folder)
        for box in image.annotations
    )
    assert found == wanted


@pytest.mark.parametrize(("name", "text"), [("facetracks.xml", "facetracks.txt"), ("facetracks.json", "facetracks.txt")])
def test_xml_and_json_hold_what_the_text_holds(name: str, text: str, tmp_path: Path, vatic_folder: Callable[..., Path]) -> None:
    """All but ``generated``, which they do not tell."""
    if not (SAMPLES / name).is_file():
        pytest.skip("the real VATIC samples are not at hand")

    def essence(source: str) -> list[tuple[object, ...]]:
        folder = vatic_folder([], frames=300, root=tmp_path / source, name="empty.txt")
        (folder / "empty.txt").unlink()
        (folder / source).write_bytes((SAMPLES / source).read_bytes())
        return [
            (image.frame, box.track, box.label, box.x, box.y, box.w, box.h, box.flags - {Flag.GENERATED})
            for image in records(folder)
            for box in sorted(image.annotations, key=lambda box: box.track or 0)
        ]

    assert essence(name) == essence(text) != []


BOX = '<box frame="0" xtl="1" ytl="2" xbr="30" ybr="40" outside="0" occluded="1"><attribute id="6">on a phone</attribute></box>'


def test_xml_is_read_with_attributes_and_lines(vatic_folder: Callable[..., Path]) -> None:
    folder = vatic_folder([f'<annotations count="1">\n<track id="7" label="Größe 6">\n{BOX}\n</track></annotations>'], name="fish.xml")
    (image, *_) = records(folder)
    (box,) = image.annotations
    assert (box.label, box.track, box.x, box.y, box.w, box.h) == ("Größe 6", 7, 1, 2, 29, 38)
    assert box.flags == {Flag.OCCLUDED}
    assert box.attributes == {"on a phone": True}
    assert str(image.where(box)) == "fish.xml, line 3, frames/0.jpg"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (BOX.replace('"1"', '"x"'), "fish.xml, line 3: The box's xtl is 'x'; it must be a whole number."),
        (BOX.replace('outside="0"', ""), "fish.xml, line 3: The box's outside is None; it must be 0 or 1."),
        (BOX.replace('frame="0"', 'frame="-1"'), "fish.xml, line 3: The box's frame is '-1'"),
        (BOX.replace('xbr="30"', 'xbr="0"'), "fish.xml, line 3: The box is inverted: xmax 0 is left of xmin 1."),
        (BOX + BOX, "fish.xml, line 3: Track 7 has frame 0 twice, first in line 3."),
        (BOX.replace("phone", "R&D <x"), "fish.xml, line 3: This is not XML: not well-formed"),
        ("<a><a><a><a>", "fish.xml, line 3: The elements are nested too deeply."),
    ],
)
def test_names_the_line_of_a_broken_box(vatic_folder: Callable[..., Path], content: str, says: str) -> None:
    text = f'<annotations count="1">\n<track id="7" label="fish">\n{content}\n</track></annotations>'
    assert says in str(refusal(vatic_folder([text], name="fish.xml")))


def test_entities_are_refused_before_they_grow(vatic_folder: Callable[..., Path]) -> None:
    bomb = '<?xml version="1.0"?>\n<!DOCTYPE annotations [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    folder = vatic_folder([f'{bomb}<annotations><track id="0" label="&b;">{BOX}</track></annotations>'], name="fish.xml")
    assert "fish.xml, line 2: A DOCTYPE is refused." in str(refusal(folder))


@pytest.mark.parametrize(
    ("track", "says"),
    [
        ('{"label": "fish", "boxes": {"0": {"xtl": "1"}}}', "fish.json, track 3, frame 0: The box's xtl is '1'; it must be a number."),
        ('{"label": "", "boxes": {}}', "fish.json, track 3: A track needs a label and boxes."),
        ("5", "fish.json, track 3: A track is an object"),
        ('{"label": "fish", "boxes": {"-1": {}}}', "fish.json, track 3, frame -1: A frame is a whole number from 0."),
        ('{"label": "fish",}', "fish.json, line 1: This is not JSON"),
    ],
)
def test_names_the_track_of_a_broken_box_in_json(vatic_folder: Callable[..., Path], track: str, says: str) -> None:
    good = '{"label": "fish", "boxes": {"0": {"xtl": 1, "ytl": 2, "xbr": 3, "ybr": 4, "outside": 0, "occluded": 0, "attributes": []}}}'
    assert says in str(refusal(vatic_folder([f'{{"2": {good}, "3": {track}}}'], name="fish.json")))


def test_a_pickle_is_refused_with_the_reason(vatic_folder: Callable[..., Path]) -> None:
    folder = vatic_folder([], name="empty.txt")
    (folder / "empty.txt").unlink()
    (folder / "fish.pkl").write_bytes(b"\x80\x02]q\x00}q\x01(U\x05boxesq\x02]q\x03cvision.annotations\nBox\nq\x04)\x81q\x05")
    assert FORMAT.sniff is not None
    assert FORMAT.sniff(scan(folder)).confidence > 0.9
    assert str(refusal(folder)) == (
        "fish.pkl: A pickle can run any program while it is opened, so none is. Dump it again as text: turkic dump SLUG -o fish.txt."
    )


def test_writes_what_it_reads(video: Path, tmp_path: Path) -> None:
    run(load_recipe("vatic:vatic"), video, tmp_path / "one")
    run(load_recipe("vatic:vatic"), tmp_path / "one", tmp_path / "two", effort=Effort(2))
    assert (tmp_path / "one/fish.txt").read_bytes() == (tmp_path / "two/fish.txt").read_bytes()
    assert (tmp_path / "one/fish/7.jpg").stat().st_ino == (video / "frames/7.jpg").stat().st_ino

    def essence(folder: Path) -> list[object]:
        return [(image.frame, [replace(box, origin=None) for box in image.annotations]) for image in records(folder)]

    assert essence(tmp_path / "one") == essence(video)


def test_more_videos_than_files_may_be_open_are_written(dataset_of: Callable[..., Dataset], tmp_path: Path) -> None:
    """Frame after frame of each in turn, as a shuffled dataset has them."""
    box = Annotation("fish", 1, 1, 3, 3, track=0)
    places = [(video, frame) for frame in (0, 1) for video in range(200)]
    records = [ImageRecord(f"{video}-{frame}.jpg", None, 9, 9, (box,), video=f"v{video}", frame=frame) for video, frame in places]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (sum(1 for _ in Path("/proc/self/fd").iterdir()) + 50, limits[1]))
    try:
        FORMAT.write(dataset_of(records), tmp_path, FORMAT.write_options(), Audience(Ledger()), ALONE)  # type: ignore[misc]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert {len((tmp_path / f"v{video}.txt").read_text().splitlines()) for video in range(200)} == {2}


def test_what_cannot_be_quoted_is_refused(dataset_of: Callable[..., Dataset], tmp_path: Path) -> None:
    record = ImageRecord("a.jpg", None, 9, 9, (Annotation('a" "b', 1, 1, 3, 3, origin=4),), source_file="x.txt")
    with pytest.raises(FormatError, match="VATIC cannot write the class or attribute"):
        FORMAT.write(dataset_of([record]), tmp_path, FORMAT.write_options(), Audience(Ledger()), ALONE)  # type: ignore[misc]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    noise=st.lists(
        st.one_of(
            st.text(alphabet='0123456789 .-"\\fish\t', max_size=40),
            st.binary(max_size=30).map(lambda data: data.decode("latin-1").replace("\n", "")),
            st.builds(
                lambda numbers, label: " ".join(map(str, numbers)) + f' "{label}"',
                st.lists(st.integers(-3, 60), min_size=7, max_size=11),
                st.text(max_size=6),
            ),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_text_is_a_dataset_or_a_named_error(
    vatic_folder: Callable[..., Path], row: Callable[..., object], noise: list[str], tmp_path: Path
) -> None:
    """Every line is counted: as a box, or as a defect with its number."""
    folder = vatic_folder([], frames=1, root=tmp_path / "fuzz")
    good = [str(row(1000 + number, 0)) for number in range(20)]  # so that the file is taken for a dump
    (folder / "fish.txt").write_bytes("\n".join([*good, *noise]).encode("utf-8", "surrogatepass"))
    assert FORMAT.sniff is not None
    assert FORMAT.sniff(scan(folder)).confidence > 0
    try:
        found = records(folder, missing_frames="drop")
    except FormatError as error:
        places = [error.where, *(defect.where for defect in error.defects)]
        assert all(where.file == "fish.txt" and where.line for where in places if where.file)
    else:
        assert len(found) == 1
