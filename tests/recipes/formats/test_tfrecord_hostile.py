"""TFRecords that nobody vouches for: cut, flipped, compressed beyond reason, with lengths and lists that are too long."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from recipes.arriving.archive import Limits
from recipes.effort import Effort
from recipes.errors import DatasetError, FormatError
from recipes.folder import scan
from recipes.formats.tfrecord import ReadOptions, read
from recipes.ledger import Ledger
from recipes.placing import image_bytes
from recipes.streams.nameless import NamelessFile
from recipes.tfrecord import examples
from recipes.tfrecord.expanding import expand
from recipes.tfrecord.framing import CHECKSUM, framed, masked
from recipes.tfrecord.messages import Example

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"


def record(number: int = 0, *, size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (number, 90, 90)).save(out, "JPEG")
    message = Example()
    feature = message.features.feature
    feature["image/encoded"].bytes_list.value.append(out.getvalue())
    feature["image/filename"].bytes_list.value.append(f"{number}.jpg".encode())
    for corner, value in {"xmin": 0.25, "ymin": 0.25, "xmax": 0.5, "ymax": 0.5}.items():
        feature[f"image/object/bbox/{corner}"].float_list.value.append(value)
    feature["image/object/class/text"].bytes_list.value.append(b"fish")
    return bytes(message.SerializeToString(deterministic=True))


def file_of(*examples: bytes) -> bytes:
    return b"".join(piece for data in examples for piece in framed([data]))


def drawn(root: Path) -> int:
    """How many images come, all bytes of each included."""
    dataset = read(scan(root), ReadOptions(), Effort())
    return sum(len(image_bytes(image)) > 0 for image in dataset.stream(Ledger()))


def refusal(root: Path) -> str:
    with pytest.raises(FormatError) as caught:
        drawn(root)
    return str(caught.value)


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (3, "a.record, record 1: There is no record here: what should be its length does not have its checksum."),
        (9, "a.record, record 1: There is no record here"),
        (40, "a.record, record 1: The record is damaged: its checksum is another one."),
        (-2, "a.record, record 3: The record is damaged"),
    ],
)
def test_a_flipped_bit_is_found_by_its_checksum(tmp_path: Path, at: int, says: str) -> None:
    data = bytearray(file_of(record(1), record(2), record(3)))
    data[at] ^= 4
    (tmp_path / "a.record").write_bytes(data)
    assert says in refusal(tmp_path)


@pytest.mark.parametrize("cut", [1, 4, 5, 100, 700])
def test_a_file_that_is_cut_off_names_its_last_record(tmp_path: Path, cut: int) -> None:
    (tmp_path / "a.record").write_bytes(file_of(record(1), record(2))[:-cut])
    assert "a.record, record 2: The file ends within this record." in refusal(tmp_path)


def test_a_length_beyond_reason_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    def announcing(size: int) -> bytes:
        length = size.to_bytes(8, "little")
        return file_of(record(1)) + length + CHECKSUM.pack(masked(google_crc32c.value(length))) + bytes(100)

    (tmp_path / "a.record").write_bytes(announcing(1 << 60))
    assert "a.record, record 2: The file ends within this record." in refusal(tmp_path)
    (tmp_path / "a.record").write_bytes(announcing(1 << 32))
    with (tmp_path / "a.record").open("r+b") as file:
        file.truncate(1 << 33)  # a hole, no byte of it on the disk
    assert "a.record, record 2: The record takes 4,294,967,296 bytes; more than 67,108,864 are refused." in refusal(tmp_path)


def test_a_compressed_file_that_grows_beyond_reason_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "a.record.gz"
    bomb.write_bytes(gzip.compress(bytes(3_000_000)))
    with pytest.raises(FormatError, match="which is refused"):
        expand(bomb, "a.record.gz", NamelessFile(tmp_path), Limits(ratio_from_bytes=1_000_000))
    assert list(tmp_path.iterdir()) == [bomb]


@pytest.mark.parametrize(("at", "says"), [(-3, "cannot be decompressed"), (60, "a.record.gz: The file cannot be decompressed")])
def test_a_damaged_compressed_file_is_refused(tmp_path: Path, at: int, says: str) -> None:
    data = bytearray(gzip.compress(file_of(record(1), record(2))))
    data[at] ^= 0xFF
    (tmp_path / "a.record.gz").write_bytes(data)
    assert says in refusal(tmp_path)


def test_the_key_of_the_image_inside_another_value_does_not_mislead(tmp_path: Path) -> None:
    message = Example.FromString(record(1))
    name = b"\n\x0dimage/encoded\x12" + message.features.feature["image/encoded"].bytes_list.value[0][:60] + b".jpg"
    for key in ("a/decoy", "image/source_id"):
        message.features.feature[key].bytes_list.value.append(name)
    (tmp_path / "a.record").write_bytes(file_of(message.SerializeToString(deterministic=True)))
    (image,) = read(scan(tmp_path), ReadOptions(), Effort()).stream(Ledger())
    assert image_bytes(image) == message.features.feature["image/encoded"].bytes_list.value[0]


def test_a_large_record_may_hold_a_large_image_and_nothing_else_that_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "LARGE", 2000)
    message = Example.FromString(record(1, size=(900, 900)))
    (tmp_path / "a.record").write_bytes(file_of(message.SerializeToString(deterministic=True)))
    assert len(message.SerializeToString()) > 4000
    assert drawn(tmp_path) == 1
    message.features.feature["image/object/class/text"].bytes_list.value.extend([b""] * 1000)
    (tmp_path / "a.record").write_bytes(file_of(message.SerializeToString()))
    assert "bytes beside its image; more than 2,000 are refused" in refusal(tmp_path)
    message.features.feature["image/encoded"].bytes_list.value.append(b"")
    (tmp_path / "a.record").write_bytes(file_of(message.SerializeToString()))
    assert "bytes beside its image" in refusal(tmp_path)
    for content in (message.SerializeToString() + b"\n\x00", b"\n\xff\xff\xff\xff\xff" + bytes(5000), b"\x0a" * 5000, b"\x08" * 5000):
        (tmp_path / "a.record").write_bytes(file_of(content))
        assert "The record is large and not laid out" in refusal(tmp_path)


BASE = file_of(record(1), record(2), record(3))
REAL = [path.read_bytes() for path in sorted(SAMPLES.glob("tfod_tfrecord/*.tfrecord"))]
EDITS = st.lists(st.tuples(st.sampled_from(["flip", "cut", "double", "insert"]), st.integers(0, 2**16), st.integers(1, 255)), max_size=4)


def mutated(data: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    for how, place, value in edits:
        at = place % (len(data) or 1)
        match how:
            case "flip":
                data = data[:at] + bytes([data[at] ^ value]) + data[at + 1 :] if data else data
            case "cut":
                data = data[:at] + data[at + value :]
            case "double":
                data = data[:at] + data[at : at + value] + data[at:]
            case _:
                data = data[:at] + random.Random(place).randbytes(value) + data[at:]
    return data


def framed_anew(data: bytes) -> bytes:
    """As one whole record, so that what is wrong is inside."""
    return file_of(data)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.sampled_from([BASE, record(4), *REAL]),
    edits=EDITS,
    anew=st.booleans(),
    packed=st.booleans(),
    large=st.sampled_from([100, 9000]),
)
def test_whatever_comes_is_a_dataset_or_refused(
    tmp_path: Path, data: bytes, edits: list[tuple[str, int, int]], anew: bool, packed: bool, large: int
) -> None:
    content = mutated(data, edits)
    content = framed_anew(content) if anew else content
    name = "train.record.gz" if packed else "train.record"
    for other in ("train.record.gz", "train.record"):
        (tmp_path / other).unlink(missing_ok=True)
    (tmp_path / name).write_bytes(mutated(gzip.compress(content), edits[:1]) if packed else content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "LARGE", large)  # so that small records pass for large ones as well
        try:
            drawn(tmp_path)
        except DatasetError as error:
            assert str(error)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_whatever_label_map_comes_is_one_or_refused(tmp_path: Path, edits: list[tuple[str, int, int]]) -> None:
    (tmp_path / "train.record").write_bytes(BASE)
    (tmp_path / "label_map.pbtxt").write_bytes(mutated(b"item {\n  id: 1\n  name: 'fish'\n}\nitem { id: 2 name: \"\\303\\266\" }\n", edits))
    try:
        drawn(tmp_path)
    except DatasetError as error:
        assert str(error)
