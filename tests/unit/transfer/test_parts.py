"""Part sizes and byte ranges of multipart uploads."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.s3.multipart import MAX_OBJECT_SIZE, MAX_PARTS, MIB, MIN_PART_SIZE, PART_SIZE, Upload, part_size_for

sizes = st.integers(1, MAX_OBJECT_SIZE)


def upload(size: int) -> Upload:
    return Upload("raw/export.zip", "upload-1", '"v1"', size, part_size_for(size))


@given(sizes)
def test_parts_of_every_size_are_within_the_limits_of_s3(size: int) -> None:
    file = upload(size)

    assert 1 <= len(file.numbers) <= MAX_PARTS
    assert file.part_size >= MIN_PART_SIZE
    assert file.part_size % MIB == 0


@pytest.mark.parametrize(
    ("size", "part_size"),
    [
        (9 * MIB, MIN_PART_SIZE),
        (64 * MIB, 8 * MIB),
        (512 * MIB, PART_SIZE),
        (100_000 * MIB, PART_SIZE),
        (MAX_OBJECT_SIZE, 525 * MIB),
    ],
)
def test_part_size_grows_with_the_file_size(size: int, part_size: int) -> None:
    assert part_size_for(size) == part_size


@given(st.integers(1, 400 * MIB))
def test_byte_ranges_cover_the_file_without_gap_or_overlap(size: int) -> None:
    file = upload(size)

    ranges = [file.byte_range(number) for number in file.numbers]

    assert ranges[0][0] == 0
    assert ranges[-1][1] == size - 1
    assert all(later[0] == earlier[1] + 1 for earlier, later in itertools.pairwise(ranges))
    assert sum(map(file.length, file.numbers)) == size
