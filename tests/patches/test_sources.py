"""Several pictures, their shares, and parts without data."""

from dataclasses import replace

import numpy as np
import pytest

from SinGAN.patches.instant import Instant, as_levels
from SinGAN.patches.levels import Levels, Photo, valid_patches
from SinGAN.patches.sources import Collection
from SinGAN.patches.votes import Votes
from tests.cases import mostly_slow
from tests.patches.test_instant import photo
from tests.patches.test_votes import OFTEN, SIZE, TASKS, of_edit

OWN = photo(*SIZE)
OTHER = np.ascontiguousarray(255 - photo(44, 70)[:, :66])


def made(task: str, engine: Instant) -> list[tuple[Levels, Votes]]:
    found: list[Votes] = []
    results = TASKS[task](replace(engine, voted=found.append))
    return [(as_levels(image), votes) for image, votes in zip(results, found, strict=True)]


@pytest.mark.parametrize("task", mostly_slow(TASKS, OFTEN))
def test_several_pictures_give_results_and_their_votes_to_the_bit(task: str) -> None:
    engine = replace(Instant.of(OWN), others=(Photo.of(OTHER), Photo.of(OTHER[::-1].copy())), shares=(0.4, 0.5, 0.1))
    for picture, votes in made(task, engine):
        assert votes.sources == (SIZE, OTHER.shape[:2], OTHER.shape[:2])
        assert np.array_equal(votes.picture(OWN, OTHER, OTHER[::-1].copy(), edited=of_edit(votes, OWN)), picture)
        row, column, source = np.moveaxis(votes.coordinates, 2, 0)
        copies = votes.copies(OWN, OTHER, OTHER[::-1].copy(), edited=of_edit(votes, OWN))
        for number, levels in enumerate((OWN, OTHER, OTHER[::-1])):
            chosen = source == number
            assert np.array_equal(levels[row[chosen], column[chosen]], copies[chosen])
        assert sum(votes.shares) == pytest.approx(1)


@pytest.mark.parametrize("task", mostly_slow(["sample", "retarget", "tile"], {"retarget", "tile"}))
@pytest.mark.parametrize(
    "share", [pytest.param(0.15, marks=pytest.mark.slow), 0.5, pytest.param(0.85, marks=pytest.mark.slow)]
)
def test_the_pictures_have_about_the_shares_asked_for(task: str, share: float) -> None:
    engine = replace(Instant.of(OWN), others=(Photo.of(OTHER),), shares=(2 * share, 2 - 2 * share))
    for _, votes in made(task, engine):
        assert votes.shares[0] == pytest.approx(share, abs=0.2)


def test_a_picture_with_share_0_is_hardly_used() -> None:
    engine = replace(Instant.of(OWN), others=(Photo.of(OTHER),), shares=(1.0, 0.0))
    assert all(votes.shares[1] < 0.03 for _, votes in made("retarget", engine))


@pytest.mark.parametrize("task", mostly_slow(TASKS, OFTEN))
def test_pixels_without_data_are_never_copied(task: str) -> None:
    """What has no data is magenta, and would be seen; the photo's own pixels stay where a task keeps them."""
    levels, empty = OWN.copy(), np.zeros(SIZE, np.uint8)
    empty[25:40, 2:12] = empty[3:7, 40:60] = empty[30, 30] = 1
    levels[empty > 0] = 255, 0, 255
    engine = Instant(Photo.of(levels, empty))
    for _, votes in made(task, engine):
        edited = of_edit(votes, np.zeros_like(empty))
        used = votes.means(empty.astype(np.float32), edited=None if edited is None else edited.astype(np.float32))
        if votes.copied is None:
            assert not used.any()
            continue
        (layer,) = votes.layers
        inside, canvas = layer.overlap(votes.size)
        assert layer.mask is not None
        computed = np.zeros(votes.size, bool)
        computed[inside] = layer.mask[canvas] > 0
        assert not used[computed].any()


@pytest.mark.slow
def test_other_pictures_without_data_are_left_out_too() -> None:
    empty = np.zeros(OTHER.shape[:2], np.uint8)
    empty[:, :40] = 1
    engine = replace(Instant.of(OWN), others=(Photo.of(OTHER, empty),), shares=(0.3, 0.7))
    for task in ("sample", "retarget"):
        for _, votes in made(task, engine):
            assert not votes.means(np.zeros(SIZE, np.float32), empty.astype(np.float32)).any()
            assert votes.shares[1] > 0.4


def test_a_picture_all_without_data_is_refused() -> None:
    empty = np.ones(SIZE, np.uint8)
    empty[::6] = 0
    with pytest.raises(ValueError, match=r"the picture has no data in any whole patch of 7 x 7 pixels: fill some"):
        Photo.of(OWN, empty)


def test_at_coarse_levels_half_of_a_pixel_must_have_data() -> None:
    empty = np.zeros((32, 40), np.uint8)
    empty[:, 1::8] = 1
    assert not valid_patches(empty, (32, 40))[:, :2].any()  # type: ignore[index]
    coarse = valid_patches(empty, (16, 20))
    assert coarse is not None
    assert coarse.all()
    assert valid_patches(np.ones((32, 40), np.uint8), (16, 20)) is None
    assert valid_patches(None, (16, 20)) is None


def test_other_pictures_must_fit() -> None:
    own = Photo.of(photo(200, 240))
    with pytest.raises(ValueError, match=r"picture 1 of `also`, 30 x 30 pixels, is too small beside one of 240 x 200"):
        Collection.of(own, [Photo.of(photo(30, 30))])
    with pytest.raises(ValueError, match="picture 2 of `also` has other channels than the picture"):
        Collection.of(own, [own, Photo.of(photo(100, 100, 1))])
    with pytest.raises(ValueError, match="`shares` has 1 numbers, and there are 2 pictures: name one for each"):
        Collection.of(own, [own], (1.0,))
    with pytest.raises(ValueError, match="`shares` are all 0: name one above 0"):
        Collection.of(own, [own], (0.0, 0.0))
    high = Photo(np.zeros((2**14, 900, 4), np.uint8), 3)
    with pytest.raises(ValueError, match="the pictures are higher than 32767 pixels together: reduce them"):
        Collection.of(high, [high])
    assert Collection.of(own, [own], (1.0, 3.0)).shares == (0.25, 0.75)
