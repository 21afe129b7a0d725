"""What an editor has erased in the alpha channel is a mask for inpainting, editing and outpainting."""

import numpy as np
import pytest
from PIL import Image

import editing
import inpaint
import outpaint
import SinGAN
from SinGAN.pictures import images
from SinGAN.pictures.images import Levels
from SinGAN.pictures.masks import find_erased
from tests.patches.plain import scene
from tests.workspace import Capture, Workspace, refusal

HOLE = (slice(12, 22), slice(20, 36))
METHODS = ["instant", "patches"]


def erased(alpha: int = 0) -> Levels:
    """A picture (44, 56, 4) with the ``HOLE`` at an ``alpha``, whose colours there an editor has lost."""
    levels = np.dstack([images.to_levels(scene()), np.full((44, 56), 255, np.uint8)])
    levels[HOLE] = (0, 0, 0, alpha)
    return levels


@pytest.mark.parametrize("method", METHODS)
def test_what_is_erased_is_the_hole(method: str) -> None:
    picture, mask = erased(), np.zeros((44, 56), bool)
    mask[HOLE] = True
    model = SinGAN.instant(picture, method)
    made = model.inpaint(seed=1)
    assert np.array_equal(made, model.inpaint(mask, seed=1))
    assert np.array_equal(made[0][~mask], picture[~mask][:, :3])
    assert made[0][mask].mean() > 20


@pytest.mark.parametrize(("alpha", "marked"), [(0, True), (127, True), (128, False), (255, False)])
def test_soft_alpha_counts_from_half(alpha: int, marked: bool) -> None:
    found = find_erased(erased(alpha), 3)
    assert (found is not None) == marked
    assert found is None or int(found.sum()) == 160


def test_alpha_is_no_mask_where_it_is_a_part_of_the_picture_or_opaque() -> None:
    for picture, channels in ((erased(), 4), (erased(255), 3), (erased()[..., :3], 3)):
        model = SinGAN.instant(picture, nc_im=channels)
        with pytest.raises(ValueError, match="nothing is erased in the picture, and there is no `mask`"):
            model.inpaint(seed=1)
        with pytest.raises(ValueError, match="nothing to extend"):
            model.outpaint(seed=1)


def test_a_picture_that_is_erased_everywhere_is_refused() -> None:
    picture = erased()
    picture[..., 3] = 0
    with pytest.raises(ValueError, match="marks every pixel"):
        SinGAN.instant(picture).inpaint(seed=1)


def test_a_reduced_picture_has_a_reduced_hole() -> None:
    model = SinGAN.instant(erased(), max_size=40)
    made = model.inpaint(seed=1)[0]
    assert np.array_equal(made[:6], model.picture[:6])
    assert made[10:14, 17:24].mean() > 20  # the hole is black


@pytest.mark.parametrize("method", METHODS)
def test_an_enlarged_canvas_is_outpainted(method: str) -> None:
    photo = erased()[..., :3]
    photo[HOLE] = 90
    canvas = np.zeros((54, 70, 4), np.uint8)
    canvas[3:47, 0:56] = np.dstack([photo, np.full((44, 56), 255, np.uint8)])
    made = SinGAN.instant(canvas, method).outpaint(seed=1)
    assert np.array_equal(made, SinGAN.instant(photo, method).outpaint(top=3, bottom=7, right=14, seed=1))
    canvas[10:14, 10:14, 3] = 0  # and a hole: no rectangle is left
    made = SinGAN.instant(canvas, method).outpaint(seed=1)[0]
    assert np.array_equal(made[20:47, 0:56], photo[17:])
    assert made[10:14, 10:14].min() > 0
    assert made[49:].mean() > 20


@pytest.mark.parametrize("method", METHODS)
def test_an_edit_fills_what_is_erased_in_the_reference(method: str) -> None:
    reference, photo = erased(), images.to_levels(scene())
    model = SinGAN.instant(photo, method)
    mask = np.zeros((44, 56), bool)
    mask[HOLE] = True
    made = model.edit(reference, start_scale=1, seed=1)
    assert np.array_equal(made, model.inpaint(mask, seed=1))
    with pytest.raises(ValueError, match="differ"):  # harmonizing puts objects in: it fills nothing
        model.harmonize(np.dstack([photo, reference[..., 3]]), start_scale=1, seed=1)


def test_the_commands_fill_what_is_erased(workspace: Workspace, capsys: Capture) -> None:
    Image.fromarray(erased()).save(workspace.inputs / "hole.png")
    flags = [*workspace.flags("hole.png"), "--not_cuda", "--manualSeed", "1"]
    inpaint.main([*flags, "--num_samples", "1"])
    assert f"mask: the erased area of {workspace.inputs / 'hole.png'}" in capsys.readouterr().out
    (made,) = workspace.out.glob("Inpaint/**/0.png")
    assert "erased_out" in str(made)
    assert np.array_equal(np.asarray(Image.open(made)), SinGAN.instant(erased()).inpaint(seed=1)[0])
    outpaint.main([*flags, "--num_samples", "1"])
    assert [*workspace.out.glob("Outpaint/**/0.png")]
    mask = np.zeros((44, 56), np.uint8)
    mask[2:8, 2:8] = 255
    Image.fromarray(mask).save(workspace.inputs / "hole_mask.png")
    inpaint.main([*flags, "--num_samples", "1"])
    assert "hole_mask.png" in capsys.readouterr().out  # a mask counts before alpha
    Image.fromarray(images.to_levels(scene())).save(workspace.inputs / "whole.png")
    assert "erase it in the picture" in refusal(
        capsys, lambda: inpaint.main([*workspace.flags("whole.png"), "--not_cuda"])
    )


def test_a_trained_model_fills_what_is_erased_in_a_reference(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    levels = np.asarray(Image.open(workspace.inputs / "x.png"))
    alpha = np.full(levels.shape[:2], 255, np.uint8)
    alpha[5:12, 8:18] = 0
    hidden = levels.copy()
    hidden[alpha == 0] = 0
    Image.fromarray(np.dstack([hidden, alpha])).save(workspace.inputs / "edit.png")
    editing.main([
        *workspace.flags(), "--not_cuda", "--manualSeed", "1", "--ref_dir", str(workspace.inputs), "--ref_name",
        "edit.png", "--editing_start_scale", "1",
    ])  # fmt: skip
    assert "mask: the area that is erased in the reference" in capsys.readouterr().out
    (made,) = workspace.out.rglob("start_scale=1_masked.png")
    assert np.asarray(Image.open(made)).std() > 0
