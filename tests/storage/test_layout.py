"""The folder names of the results."""

from pathlib import Path

import pytest

from SinGAN.storage import layout

OUT = Path("Output")


def test_folders_are_the_authors() -> None:
    assert str(layout.model_folder(OUT, "x", 0.75, 10.0)) == "Output/TrainedModels/x/scale_factor=0.750000,alpha=10"
    assert layout.model_folder(OUT, "x", 0.793701, 0.5).name == "scale_factor=0.793701,alpha=0.5"
    assert str(layout.random_samples(OUT, "x", 2)) == "Output/RandomSamples/x/gen_start_scale=2"
    assert str(layout.random_samples(OUT, "x", 2, "refined")) == "Output/RandomSamples/x/refined/gen_start_scale=2"
    assert str(layout.results(OUT, "Inpaint", "x", "hole_out")) == "Output/Inpaint/x/hole_out"
    assert str(layout.results(OUT, "Tile", "x", "a", "method=instant")) == "Output/Tile/x/method=instant/a"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.png", "a"),
        ("a.jpeg", "a"),
        ("my photo.v2.tiff", "my photo.v2"),
        ("é日本.webp", "é日本"),
        ("plain", "plain"),
        ("Screenshot 2024 at 9.41\u202fAM.png", "Screenshot 2024 at 9.41\u202fAM"),
        ("a\u00a0b\u3000c.png", "a\u00a0b\u3000c"),
        ("\u0645\u06cc\u200c\u0634.png", "\u0645\u06cc\u200c\u0634"),
        ("\U0001f468\u200d\U0001f469.png", "\U0001f468\u200d\U0001f469"),
        ("山" * 80 + ".png", "山" * 80),
    ],
)
def test_names_lose_their_extension_of_any_length(name: str, stem: str) -> None:
    assert layout.stem(name) == stem


@pytest.mark.parametrize(
    "name",
    [
        "..png",
        "...png",
        "../a.png",
        "/etc/a.png",
        "a/b.png",
        "a\\b.png",
        "..",
        ".",
        "",
        "a\nb.png",
        "a\0.png",
        "a\ud800.png",
        "a\u2028b.png",
        "a" * 241 + ".png",
    ],
)
def test_names_can_not_lead_out_of_the_folders(name: str) -> None:
    with pytest.raises(ValueError, match="`input_name`"):
        layout.stem(name)


def test_a_guard_follows_every_link(tmp_path: Path) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    (tmp_path / "disk" / "a" / "b").mkdir(parents=True)
    out.symlink_to(tmp_path / "disk")  # the folder of all results may be a link
    layout.guard(out, [out / "a" / "b", out / "not" / "there"])
    (out / "inside").symlink_to(out / "a")
    layout.guard(out, [out / "inside" / "b"])
    for place in ("c", "a/b/deep", "a/.b.new", "x/y"):
        link = out / place
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(elsewhere / "missing")
        asked = {"c": "c/d/e", "a/b/deep": "a/b", "a/.b.new": "a/b", "x/y": "x/y"}[place]
        with pytest.raises(ValueError, match=rf"^{link} leads out of {out}: "):
            layout.guard(out, [out / "not", out / asked])
        link.unlink()
    (out / "circle").symlink_to(out / "circle")
    with pytest.raises(ValueError, match=r"leads in circles|leads out"):
        layout.guard(out, [out / "circle"])
