from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.arriving.archive import Limits, can_be_a_dataset, unpack
from recipes.arriving.archive_members import MAX_WINDOW_BYTES, SUFFIXES
from recipes.errors import ArchiveError

LIMITS = Limits(max_bytes=1_000_000, max_file_bytes=500_000, max_members=50, ratio_from_bytes=100_000, max_ratio=100)


def zip_of(path: Path, members: dict[str, bytes], **keywords: object) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def tar_of(path: Path, *members: tarfile.TarInfo | tuple[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def zst_of(path: Path, data: bytes) -> Path:
    path.write_bytes(zstandard.compress(data))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def refused(archive: Path, limits: Limits = LIMITS) -> str:
    """The message, after checking that nothing is left behind."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(ArchiveError) as caught:
        unpack(archive, archive.parent / "out", limits=limits)
    assert sorted(archive.parent.iterdir()) == before
    assert archive.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unpacks_files_in_folders(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"up{suffix}"
    members = {"a/b c.txt": b"one", "Ä/0.jpg": b"two", "empty": b""}
    if suffix == ".zip":
        zip_of(path, members)
    else:
        tar_of(path, *members.items(), mode="w:gz" if "g" in suffix else "w")
        if "zst" in suffix:
            zst_of(path, path.read_bytes())
    said: list[tuple[int, int, str]] = []
    result = unpack(path, tmp_path / "out", limits=LIMITS, progress=lambda *step: said.append(step))
    assert found_in(tmp_path / "out") == members
    assert (result.files, result.size_bytes) == (3, 6)
    assert said[-1] == (6, 0, "unpacking")


def found_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "C:\\evil", "C:evil", "..\\evil", "a\\..\\..\\evil", "\\\\host\\evil", "a\x01b"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_refuses_paths_that_leave_the_folder(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / f"up.{kind}"
    message = refused(zip_of(path, {"fine": b"", name: b"x"}) if kind == "zip" else tar_of(path, ("fine", b""), (name, b"x")))
    assert "refused" in message
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard", tarfile.LNKTYPE, "fine"),
        special("dev", tarfile.CHRTYPE),
        special("block", tarfile.BLKTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: member.name,
)
def test_refuses_links_and_devices_in_tar(tmp_path: Path, member: tarfile.TarInfo) -> None:
    assert f"up.tar, {member.name}" in refused(tar_of(tmp_path / "up.tar", ("fine", b"x"), member))


def test_refuses_links_in_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert "a link or a device" in refused(tmp_path / "up.zip")


@pytest.mark.parametrize("names", [("a.jpg", "a.jpg"), ("A.jpg", "a.JPG"), ("./a", "a"), ("é", "e\u0301")])
def test_refuses_members_that_meet_on_one_name(tmp_path: Path, names: tuple[str, str]) -> None:
    assert "same name" in refused(tar_of(tmp_path / "up.tar", *((name, b"x") for name in names)))


def test_refuses_encrypted_members(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "up.zip", {"secret": b"x"})
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(start) + offset] |= 1
    path.write_bytes(data)
    assert "up.zip, secret: The member is encrypted." in refused(path)


def test_refuses_a_file_where_a_folder_is(tmp_path: Path) -> None:
    assert "cannot be unpacked" in refused(tar_of(tmp_path / "up.tar", ("a", b"x"), ("a/b", b"x")))


def test_refuses_bombs_by_what_comes_out(tmp_path: Path) -> None:
    assert "times the archive" in refused(zip_of(tmp_path / "ratio.zip", {"zeros": bytes(400_000)}))
    assert "larger than 500,000" in refused(zip_of(tmp_path / "file.zip", {"zeros": bytes(600_000)}), Limits(max_file_bytes=500_000))
    content = {f"{i}": bytes(400_000) for i in range(3)}
    assert "larger than 1,000,000" in refused(zip_of(tmp_path / "all.zip", content), Limits(max_bytes=1_000_000))
    assert "more than 50 members" in refused(zip_of(tmp_path / "many.zip", {f"{i}": b"" for i in range(51)}))


@pytest.mark.parametrize("zip64", [False, True])
def test_a_zip_of_too_many_members_is_refused_before_its_directory_is_kept(tmp_path: Path, zip64: bool) -> None:
    path = zip_of(tmp_path / "many.zip", {f"{i}": b"x" for i in range(50)})
    if zip64:  # as large archives end
        data = path.read_bytes()
        end = data.rindex(b"PK\x05\x06")
        size, start = struct.unpack_from("<II", data, end + 12)
        record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 50, 50, size, start)
        locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
        path.write_bytes(data[:end] + record + locator + data[end : end + 8] + b"\xff" * 12 + b"\0\0")
    assert unpack(path, tmp_path / "out", limits=LIMITS).files == 50
    kept: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZipFile", lambda *given: kept.append(given))
        with pytest.raises(ArchiveError, match="more than 49 members"):
            unpack(path, tmp_path / "not", limits=replace(LIMITS, max_members=49))
    assert kept == []


def test_a_header_that_lies_about_the_size_does_not_help(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "up.zip", {"zeros": bytes(600_000)})
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(start) + offset, 10)
    path.write_bytes(data)
    refused(path)


def test_refuses_bombs_and_memory_hogs_in_zstandard(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "t.tar", ("zeros", bytes(400_000))).read_bytes()
    assert "times the archive" in refused(zst_of(tmp_path / "up.tar.zst", tar))
    huge = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=28, strategy=1))
    writer = huge.compressobj()
    (tmp_path / "wide.tar.zst").write_bytes(writer.compress(tar) + writer.flush())
    assert zstandard.get_frame_parameters((tmp_path / "wide.tar.zst").read_bytes()).window_size > MAX_WINDOW_BYTES
    assert "damaged" in refused(tmp_path / "wide.tar.zst")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("cut", ["in a file", "after a file", "in a header"])
def test_a_tar_that_was_cut_off_is_not_taken_for_a_short_one(tmp_path: Path, suffix: str, cut: str) -> None:
    whole = tar_of(tmp_path / "whole.tar", ("a", b"x" * 700), ("b", b"y")).read_bytes()
    end = {"in a file": 900, "after a file": 512 + 1024, "in a header": 512 + 1024 + 100}[cut]
    for content in (whole[:end], whole[:end] + bytes(range(1, 256)) * 3):
        pack = {"tar": bytes, "tar.gz": gzip.compress, "tar.zst": zstandard.compress}[suffix]
        (tmp_path / f"up.{suffix}").write_bytes(pack(content))
        if content is whole[:end] or cut != "in a file":
            assert "damaged" in refused(tmp_path / f"up.{suffix}")


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.zst"])
def test_refuses_what_was_cut_off_or_changed_after_packing(tmp_path: Path, suffix: str) -> None:
    tar = tar_of(tmp_path / "t.tar", ("a", bytes(range(256)) * 100)).read_bytes()
    packed = gzip.compress(tar) if suffix == "tar.gz" else zstandard.ZstdCompressor(write_checksum=True).compress(tar)
    for broken in (packed[: len(packed) // 2], packed[:-12], packed[:-2] + b"!!"):
        (tmp_path / f"up.{suffix}").write_bytes(broken)
        assert "damaged" in refused(tmp_path / f"up.{suffix}")


def test_a_single_file_that_can_be_a_dataset_becomes_a_folder_of_one(tmp_path: Path) -> None:
    (tmp_path / "F1-clip.mp4").write_bytes(b"frames")
    unpack(tmp_path / "F1-clip.mp4", tmp_path / "out", limits=LIMITS, title="https://example.org/clip 1.mp4")
    assert found_in(tmp_path / "out") == {"clip 1.mp4": b"frames"}
    assert all(map(can_be_a_dataset, ("a.MP4", "a.tar.zst", "a.json")))
    assert not any(map(can_be_a_dataset, ("a.exe", "zip", "")))
    (tmp_path / "big.csv").write_bytes(bytes(600_000))
    assert "larger than 500,000" in refused(tmp_path / "big.csv")


def through_pipe(tmp_path: Path, data: bytes, limits: Limits = LIMITS) -> None:
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as out:
            out.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        unpack(Path(f"/dev/fd/{reading}"), tmp_path / "out", limits=limits, title="gpu-1:/data/fish")
    finally:
        with os.fdopen(reading, "rb") as rest:
            rest.read()
        feeder.join()


def test_a_tar_through_a_pipe_is_unpacked_as_it_comes(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "i.zip", {"0.jpg": b"frame"}).read_bytes()
    tar = tar_of(tmp_path / "t.tar", ("./fish.txt", b"1"), ("./frames.zip", inner)).read_bytes()
    through_pipe(tmp_path, tar)
    assert found_in(tmp_path / "out") == {"fish.txt": b"1", "frames/0.jpg": b"frame"}
    for broken in (tar[:-10240], b"", b"not a tar" * 200):
        with pytest.raises(ArchiveError, match="gpu-1:/data/fish: The archive is damaged"):
            through_pipe(tmp_path / "broken", broken)
    bomb = zip_of(tmp_path / "b.zip", {"zeros": bytes(400_000)}).read_bytes()
    with pytest.raises(ArchiveError, match="times the archive"):
        through_pipe(tmp_path / "bomb", tar_of(tmp_path / "b.tar", ("b.zip", bomb)).read_bytes(), replace(LIMITS, max_ratio=20))


def test_a_long_tar_takes_no_memory_for_its_members(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "many.tar", "w") as archive:
        for number in range(20_000):
            archive.addfile(tarfile.TarInfo(f"{number}.txt"))
            archive.members.clear()
    program = (
        "import resource, sys; from pathlib import Path; from recipes.arriving.archive_members import members\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found = members(Path(sys.argv[1]), 't', most=9**9, count=lambda: None, packed=lambda _: None)\n"
        "for number, member in enumerate(found):\n"
        "    if number == 1000: before = peak()\n"
        "print(peak() - before)"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path / "many.tar")], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 4_000


def test_refuses_headers_that_would_fill_the_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 8 * 1024**3
    with gzip.open(tmp_path / "up.tar.gz", "wb") as out:
        out.write(header.tobuf() + bytes(4096))
    assert "damaged" in refused(tmp_path / "up.tar.gz")


def test_an_archive_in_a_folder_in_an_archive_becomes_folders(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner.zip", {"0.jpg": b"frame"}).read_bytes()
    middle = tar_of(tmp_path / "middle.tar.gz", ("deep/frames.zip", inner), mode="w:gz").read_bytes()
    outer = zip_of(tmp_path / "outer.zip", {"sent/middle.tar.gz": middle, "sent/fish.txt": b"x", "frames.zip": inner, "frames/1": b"y"})
    unpack(outer, tmp_path / "out", limits=LIMITS)
    files = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert files == ["frames.zip/0.jpg", "frames/1", "sent/fish.txt", "sent/middle/deep/frames/0.jpg"]


def test_names_the_inner_archive_and_member(tmp_path: Path) -> None:
    inner = tar_of(tmp_path / "inner.tar", ("../evil", b"x")).read_bytes()
    assert "outer.zip, in/inner.tar" in refused(zip_of(tmp_path / "outer.zip", {"in/inner.tar": inner}))


def test_nesting_is_limited_and_shares_one_budget(tmp_path: Path) -> None:
    data = zip_of(tmp_path / "n.zip", {"x": b"x"}).read_bytes()
    for _ in range(3):
        data = zip_of(tmp_path / "n.zip", {"n.zip": data}).read_bytes()
    assert "nested deeper than 3" in refused(tmp_path / "n.zip")
    inner = zip_of(tmp_path / "i.zip", {"zeros": bytes(300_000)}).read_bytes()
    refused(zip_of(tmp_path / "sum.zip", {f"{i}.zip": inner for i in range(4)}))


@pytest.mark.parametrize(
    ("name", "data"), [("up.zip", b"not a zip"), ("up.tar.gz", b"nor this"), ("up.txt", b"PK\x03\x04"), ("up.zip", b"")]
)
def test_refuses_what_is_no_archive(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert "no archive" in refused(tmp_path / name)


def test_what_is_not_there_is_called_so(tmp_path: Path) -> None:
    assert "up.zip: There is no such file or folder." in refused(tmp_path / "up.zip")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    home = tmp_path_factory.mktemp("seeds")
    members = {"a/0.jpg": bytes(range(256)) * 4, "fish.txt": b"0 1 2 3 4 5\n" * 20}
    paths = [
        zip_of(home / "s.zip", members),
        tar_of(home / "s.tar", *members.items()),
        tar_of(home / "s.tar.gz", *members.items(), mode="w:gz"),
        zst_of(home / "s.tar.zst", tar_of(home / "s.tar", *members.items()).read_bytes()),
    ]
    return [(path.name, path.read_bytes()) for path in paths]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_unpacked_or_refused(
    seeds: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Never another error, never a file outside, never anything left after a refusal."""
    name, seed = data.draw(st.sampled_from(seeds))
    mutated = bytearray(seed[: data.draw(st.integers(1, len(seed)))])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(mutated) - 1), st.integers(0, 255)), max_size=8)):
        mutated[place] = value
    home = tmp_path_factory.mktemp("fuzz")
    (home / name).write_bytes(mutated)
    try:
        unpack(home / name, home / "out", limits=LIMITS)
    except ArchiveError:
        assert [path.name for path in home.iterdir()] == [name]
    else:
        assert {path.name for path in home.iterdir()} == {name, "out"}
