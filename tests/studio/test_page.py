"""The studio as a person uses it: a real server, and a real browser."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import animation
import main_train
import translate_train
from tests.studio.browser import MISSING, ROOT, Browser, served, until
from tests.translation.tiny import TINY as TINY_PAIRS
from tests.translation.tiny import data_set
from tests.workspace import SMALL

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]
BROOK, MOUNTAINS = 1, 5  # their places among the examples
TINY = {"max_size": "48", "niter": "30", "nfc": "8", "min_nfc": "8"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("studio")
    flags = ["--input_dir", str(ROOT / "Input" / "Images"), "--out", str(folder / "Output"), *SMALL, "--max_size", "48"]
    main_train.main(["brook.png", *flags, "--num_samples", "1"])
    animation.main(["brook.png", *flags, "--num_frames", "2", "--animation_start_scale", "0"])
    pairs = data_set(folder / "squares")
    translate_train.main(["--dataroot", str(pairs), "--out", str(folder / "Output"), *TINY_PAIRS])
    with served(folder) as found:
        yield found


@pytest.fixture
def browser(address: str) -> Iterator[Browser]:
    made = Browser()
    try:
        made.open(address)
        yield made
    finally:
        made.close()


def small(browser: Browser) -> None:
    """Have pictures without training be as small as can be."""
    field = browser.all("#size input[type=number]")[0]
    browser.driver.execute_script("arguments[0].value = ''", field)
    field.send_keys("64\n")


def test_a_picture_that_is_dropped_gives_samples(browser: Browser, tmp_path: Path) -> None:
    photo = tmp_path / "../photo of mine.jpg"
    Image.open(ROOT / "Input" / "Images" / "brook.png").save(photo)
    small(browser)
    browser.driver.find_element("css selector", "#upload input[type=file]").send_keys(str(photo.resolve()))
    until(lambda: len(browser.all("#samples img")) == 4)
    assert "4 pictures in" in browser.text("#samples-line")
    assert "your picture" in browser.text("#chosen")


def test_nothing_comes_from_elsewhere(browser: Browser, address: str) -> None:
    small(browser)
    browser.example(MOUNTAINS)
    until(lambda: len(browser.all("#samples img")) == 4)
    asked = [url for url in browser.requests() if url.startswith("http")]
    assert len(asked) > 10
    assert not [url for url in asked if not url.startswith((address, address.replace("127.0.0.1", "localhost")))]


def test_a_stroke_becomes_a_picture(browser: Browser) -> None:
    small(browser)
    browser.example(MOUNTAINS)
    browser.tab("Paint")
    until(lambda: len(browser.all(".singan-swatches button")) == 8)
    chosen, ground = browser.all(".singan-swatches button.chosen"), browser.all(".singan-swatches button")[0]
    assert chosen[0].get_attribute("title") != ground.get_attribute("title"), "the first stroke would not be seen"
    browser.drag("paint-canvas", (0.1, 0.2), (0.5, 0.25), (0.9, 0.2))
    browser.click("#make-paint")
    until(lambda: len(browser.all("#painted img")) == 4)
    assert "what you drew" in browser.driver.find_element("id", "painted").text


def test_a_drawing_from_a_file_becomes_a_picture(browser: Browser) -> None:
    small(browser)
    browser.example(BROOK)
    browser.tab("Paint")
    browser.loaded("paint-canvas")
    file = browser.driver.find_element("css selector", "#paint-canvas input[type=file]")
    file.send_keys(str(ROOT / "Input" / "Paint" / "dandelions_paint.png"))
    browser.click("#make-paint")
    browser.await_all("#painted img", 4)


def test_a_part_is_copied_and_made_to_fit(browser: Browser) -> None:
    small(browser)
    browser.example(MOUNTAINS)
    browser.tab("Edit")
    browser.drag("edit-canvas", (0.5, 0.3), (0.7, 0.5))
    browser.drag("edit-canvas", (0.6, 0.4), (0.3, 0.4))
    browser.click("#make-edit")
    until(lambda: len(browser.all("#edited img")) == 2)


def test_errors_are_told(browser: Browser) -> None:
    browser.click("#make-samples")
    until(lambda: "choose a picture first" in browser.driver.find_element("tag name", "body").text)
    browser.tab("Inpaint")
    browser.example(MOUNTAINS)
    until(lambda: browser.all("#mask-canvas > canvas"))
    browser.loaded("mask-canvas")
    browser.click("#make-inpaint")
    until(lambda: "nothing is marked yet" in browser.driver.find_element("tag name", "body").text)


def test_a_training_outlives_the_page(browser: Browser, address: str) -> None:
    browser.example(MOUNTAINS)
    until(lambda: "mountains" in browser.text("#chosen"))
    browser.tab("Train")
    browser.click(".label-wrap")
    for name, value in TINY.items():
        browser.await_all(f"#flag-{name}")
        field = browser.driver.find_element("css selector", f"#flag-{name} textarea, #flag-{name} input")
        field.clear()
        field.send_keys(value + "\t")
    browser.click("#train")
    until(lambda: browser.all(".progress[data-state=running]"))
    browser.open(address)
    browser.tab("Train")
    until(lambda: browser.all(".progress[data-state=running]"))
    until(lambda: "mountains" in browser.text("#chosen"))
    until(lambda: browser.all(".progress[data-state=done]"), 400)
    until(lambda: len(browser.all("#scales img")) >= 4)
    if folder := os.environ.get("SINGAN_SCREENSHOTS"):
        browser.driver.save_screenshot(str(Path(folder) / "trained.png"))


def test_a_trained_model_is_used(browser: Browser) -> None:
    browser.example(BROOK)
    until(lambda: "brook" in browser.text("#chosen"))
    browser.choose("#made-by", "trained: brook")
    until(lambda: "pictures in" in browser.text("#samples-line"))
    before = browser.text("#samples-line")
    browser.click("#make-samples")
    until(lambda: browser.text("#samples-line") not in ("", before))
    browser.tab("Enlarge")
    browser.click("#make-enlarged")
    until(lambda: len(browser.all("#enlarged img")) == 2)
    browser.tab("Animate")
    until(lambda: "moves: brook" in browser.value("#moving-model input"))
    browser.click("#make-animation")
    until(lambda: ".gif" in browser.source("#animation img"))


def test_an_object_from_a_file_at_all_scales(browser: Browser, tmp_path: Path) -> None:
    small(browser)
    browser.example(MOUNTAINS)
    browser.tab("Edit")
    browser.loaded("edit-canvas")
    Image.new("RGB", (30, 30), "red").save(tmp_path / "ball.png")
    browser.driver.find_element("css selector", "#edit-canvas input[type=file]").send_keys(str(tmp_path / "ball.png"))
    until(lambda: browser.driver.execute_script("return !!document.getElementById('edit-canvas').floating"))
    browser.driver.execute_script("document.querySelectorAll('#way input')[1].click()")
    browser.click("#edit-canvas button[data-tool=add]")
    browser.drag("edit-canvas", (0.1, 0.9), (0.2, 0.9))
    browser.click("#every-scale")
    browser.await_all("#all-scales img", 2)


def test_a_training_is_stopped_and_resumed(browser: Browser) -> None:
    browser.example(0)
    until(lambda: "autumn" in browser.text("#chosen"))
    browser.tab("Train")
    browser.click(".label-wrap")
    for name, value in {**TINY, "niter": "80"}.items():
        browser.await_all(f"#flag-{name}")
        field = browser.driver.find_element("css selector", f"#flag-{name} textarea, #flag-{name} input")
        field.clear()
        field.send_keys(value + "\t")
    browser.click("#train")
    browser.await_all(".progress[data-state=running]")
    browser.click("#stop")
    browser.await_all(".progress[data-state=stopped]")
    browser.click("#resume")
    until(lambda: browser.all(".progress[data-state=running]") or browser.all(".progress[data-state=done]"))
    until(lambda: browser.all(".progress[data-state=done]"), 400)


def test_a_video(browser: Browser) -> None:
    browser.example(BROOK)
    until(lambda: "brook" in browser.text("#chosen"))
    browser.tab("Animate")
    until(lambda: "moves: brook" in browser.value("#moving-model input"))
    browser.driver.execute_script("document.querySelectorAll('#moving-kind input')[1].click()")
    browser.click("#make-animation")
    browser.await_all("#video video")


def test_labels_become_a_photo(browser: Browser) -> None:
    browser.tab("Translate")
    browser.choose("#translators", "squares")
    browser.await_all("#labels-canvas .singan-swatches button", 2)
    browser.await_all("#translated img")
    first = browser.source("#translated img")
    browser.all("#labels-canvas .singan-swatches button")[1].click()
    browser.drag("labels-canvas", (0.3, 0.3), (0.7, 0.7))
    until(lambda: browser.source("#translated img") not in ("", first))


def test_two_people_do_not_mix(browser: Browser, address: str) -> None:
    small(browser)
    browser.example(MOUNTAINS)
    until(lambda: len(browser.all("#samples img")) == 4)
    browser.click("#keep-samples")
    until(lambda: "kept in" in browser.text("#samples-line"))
    other = Browser()
    try:
        other.open(address)
        assert "Nothing is chosen yet" in other.text("#chosen")
        assert not other.all("#samples img")
        other.tab("Train")
        assert not other.all(".progress")
    finally:
        other.close()
    browser.open(address)
    until(lambda: "mountains" in browser.text("#chosen"))


def test_what_needs_no_model(browser: Browser) -> None:
    small(browser)
    browser.example(MOUNTAINS)
    until(lambda: "mountains" in browser.text("#chosen"))
    for title, button, result, count in (
        ("Retarget", "#make-retarget", "#retargeted img", 2),
        ("Outpaint", "#make-outpaint", "#outpainted img", 2),
        ("Tile", "#make-tile", "#tiles img", 2),
        ("Compare", "#make-compare", "#compared img", 2),
    ):
        browser.tab(title)
        browser.click(button)
        browser.await_all(result, count)
    browser.tab("Inpaint")
    browser.loaded("mask-canvas")
    browser.drag("mask-canvas", (0.4, 0.3), (0.5, 0.4))
    browser.click("#make-inpaint")
    until(lambda: len(browser.all("#inpainted img")) == 2)


def test_the_server_ends_in_the_midst_of_samples(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        browser = Browser()
        try:
            browser.open(address)
            browser.example(MOUNTAINS)
            browser.await_all("#samples .progress-text")
        finally:
            browser.close()
