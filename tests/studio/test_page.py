"""The studio as a person uses it: a real server, and a real browser."""

import io
import json
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import animation
import main_train
import translate_train
from tests.studio.browser import AXE, MISSING, ROOT, Browser, served, until
from tests.translation.tiny import TINY as TINY_PAIRS
from tests.translation.tiny import data_set
from tests.workspace import SMALL

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]
EXAMPLES = ("larches.jpg", "peaks.jpg", "brook.png", "dandelions.png", "galaxies.png", "rocket.png")
LARCHES, PEAKS, BROOK, DANDELIONS = range(4)  # their places among the examples
WIDTH, HEIGHT = 96, 64
TINY = {"max_size": "48", "niter": "30", "nfc": "8", "min_nfc": "8"}


def examples(folder: Path) -> Path:
    """A folder with small examples, which take no time."""
    folder.mkdir()
    for name in EXAMPLES:
        with Image.open(ROOT / "Input" / "Images" / name) as picture:
            picture.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studio")
    flags = ["--input_dir", str(examples(folder / "in")), "--out", str(folder / "Output"), *SMALL, "--max_size", "48"]
    main_train.main(["brook.png", *flags, "--num_samples", "1"])
    animation.main(["brook.png", *flags, "--num_frames", "2", "--animation_start_scale", "0"])
    pairs = data_set(folder / "squares")
    translate_train.main(["--dataroot", str(pairs), "--out", str(folder / "Output"), *TINY_PAIRS])
    return folder


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with served(home, f"--input_dir={home / 'in'}") as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    made = Browser()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def browser(chromium: Browser, address: str) -> Iterator[Browser]:
    """A browser of somebody who has never been here."""
    chromium.open(address)
    try:
        yield chromium
    finally:
        chromium.forget(address)


def photo(folder: Path, name: str, size: tuple[int, int] = (WIDTH, HEIGHT), example: str = "peaks.jpg") -> Path:
    """A file with a photo of so many pixels."""
    with Image.open(ROOT / "Input" / "Images" / example) as picture:
        picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(folder / name)
    return folder / name


def pixels(file: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def body(browser: Browser) -> str:
    return str(browser.driver.find_element("tag name", "body").text)


def slide(browser: Browser, name: str, value: float) -> None:
    """Set a slider."""
    field = browser.driver.find_element("css selector", f"#{name} input[type=number]")
    browser.driver.execute_script("arguments[0].value = ''", field)
    field.send_keys(f"{value}\n")


def radio(browser: Browser, name: str, value: str) -> None:
    browser.driver.execute_script(f"document.querySelector('#{name} input[value={value}]').click()")


# ---- the first minute ----


def test_one_click_gives_four_variations(browser: Browser) -> None:
    assert len(browser.all("#examples .thumbnail-item")) == 6
    assert browser.all("#examples img")[0].size["width"] > 250
    assert "scale" not in body(browser)
    browser.example(LARCHES)
    results = browser.results(4)
    assert {(item["picture"], item["title"], item["width"], item["height"]) for item in results} == {
        ("larches", "Variations", WIDTH, HEIGHT)
    }
    assert f"{WIDTH} \u00d7 {HEIGHT} pixels" in browser.text(".singan-caption")
    assert len({pixels(item["file"]).tobytes() for item in results}) == 4
    assert browser.driver.execute_script("return singanShown()") == results[-1]["key"], "the first of several is shown"


def test_the_newest_choice_wins_and_the_older_work_ends(browser: Browser, tmp_path: Path) -> None:
    """The first job is slow: without an end it would take minutes, and the second would have to wait."""
    browser.upload(photo(tmp_path, "slow.jpg", (1600, 1200)))
    browser.opened("slow")
    slide(browser, "variations-count", 12)
    browser.click("#make-variations")
    until(lambda: browser.state() == "running")
    start = time.monotonic()
    browser.example(BROOK)
    browser.opened("brook")
    results = browser.results(4)
    assert time.monotonic() - start < 100
    assert {item["picture"] for item in results} == {"brook"}
    assert "brook" in browser.text(".singan-caption")
    time.sleep(2)
    assert browser.items() == results
    assert browser.state() == "done"


@pytest.mark.parametrize(("tool", "count"), [("variations", 12), ("paint", 6), ("edit", 6)])
def test_work_is_counted_and_cancelled(browser: Browser, tmp_path: Path, tool: str, count: int) -> None:
    browser.upload(photo(tmp_path, "large.jpg", (1400, 1000)))
    browser.opened("large")
    browser.tool(tool)
    if tool == "edit":
        browser.click("#canvas button[data-tool=copy]")
        browser.drag("canvas", (0.1, 0.1), (0.5, 0.5))
    if tool != "variations":
        browser.drag("canvas", (0.3, 0.3), (0.6, 0.6))
    slide(browser, f"{tool}-count", count)
    browser.click(f"#make-{tool}")
    until(lambda: f"2 of {count}" in browser.text("#status"))
    until(lambda: "left" in browser.text("#status"))
    assert 1 <= len(browser.items()) < count, "results appear one by one"
    browser.click("#cancel")
    until(lambda: browser.state() == "cancelled")
    kept = len(browser.items())
    assert f"{kept} of {count} are kept" in browser.text("#status")
    time.sleep(2)
    assert len(browser.items()) == kept


# ---- pictures ----


def test_pictures_are_opened_under_their_names(browser: Browser, tmp_path: Path) -> None:
    browser.upload(photo(tmp_path, "my lake (1).jpg"))
    browser.opened("my lake (1)")
    assert f"{WIDTH} \u00d7 {HEIGHT} pixels" in browser.text("#chosen")
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.click("#another")
    until(lambda: len(browser.all("#mine img")) == 2)
    assert "Drop File Here" in browser.text("#upload"), "the field is free for the next one"
    browser.cancel()


@pytest.mark.parametrize(
    ("name", "words"),
    [("letter.png", "letter.png can't be read as a picture"), ("dot.png", "dot.png is too small, 1 x 1")],
)
def test_what_can_t_be_opened_is_said_in_one_line(browser: Browser, tmp_path: Path, name: str, words: str) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "letter.png").write_text("Dear all")
    browser.upload(tmp_path / name)
    until(lambda: words in body(browser))
    assert browser.text(".toast-title").strip() == "That can't be done"
    assert browser.all("#landing")
    until(lambda: "Drop File Here" in browser.text("#upload"))
    assert "Error" not in body(browser)


def test_a_heic_photo_is_opened(browser: Browser, tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.open(photo(tmp_path, "x.png"))).save(str(tmp_path / "IMG_2.heic"))
    browser.upload(tmp_path / "IMG_2.heic")
    browser.opened("IMG 2")


def test_a_picture_is_pasted(browser: Browser, tmp_path: Path) -> None:
    content = list(photo(tmp_path, "x.png").read_bytes())
    browser.driver.execute_script(
        "const data = new DataTransfer(), content = new Uint8Array(arguments[0]);"
        "data.items.add(new File([content], 'from elsewhere.png', { type: 'image/png' }));"
        "document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))",
        content,
    )
    browser.opened("from elsewhere")


def test_several_files_at_once_and_a_zip(browser: Browser, tmp_path: Path) -> None:
    files = [photo(tmp_path, f"{name}.png", example=f"{name}.jpg") for name in ("larches", "peaks")]
    browser.upload(*files)
    browser.opened("larches")
    assert "(and 1 more)" in browser.text("#chosen")
    browser.tool("tile")
    browser.driver.execute_script("document.querySelector('#tile-every input').click()")
    browser.click("#make-tile")
    results = browser.results(2)
    assert {item["picture"] for item in results} == {"larches", "peaks"}
    browser.click(".singan-head input")
    browser.click("#zip")
    link = until(lambda: browser.driver.find_elements("css selector", "#archive a[download]"))[0].get_attribute("href")
    with urllib.request.urlopen(str(link), timeout=30) as answer, zipfile.ZipFile(io.BytesIO(answer.read())) as archive:
        assert sorted(archive.namelist()) == sorted(item["name"] for item in results)
        assert all(name.startswith(("larches-Tile-", "peaks-Tile-")) for name in archive.namelist())


# ---- tools ----


def test_a_stroke_becomes_a_picture(browser: Browser) -> None:
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.results(4)
    browser.tool("paint")
    browser.await_all(".singan-swatches button", 8)
    browser.drag("canvas", (0.1, 0.2), (0.5, 0.25), (0.9, 0.2))
    browser.click("#make-paint")
    assert browser.results(6)[0]["title"] == "Paint"


def test_parts_are_arranged_anew(browser: Browser, tmp_path: Path) -> None:
    """With a label map that was opened together with the picture, and with another one for an open picture."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[HEIGHT // 2 :] = 1
    Image.fromarray(labels).save(tmp_path / "hills_labels.png")
    browser.upload(photo(tmp_path, "hills.png"), tmp_path / "hills_labels.png")
    browser.opened("hills")
    assert "more" not in browser.text("#chosen"), "the map is no picture"
    browser.tool("arrange")
    browser.await_all("#canvas .singan-swatches button", 2)
    browser.click("#make-arrange")
    until(lambda: "nothing is drawn yet: colour the parts of your photo, then" in body(browser))
    browser.all("#canvas .singan-swatches button")[1].click()
    browser.drag("canvas", (0.1, 0.2), (0.5, 0.25), (0.9, 0.2))
    browser.click("#make-arrange")
    results = browser.results(2)
    assert [(item["title"], item["width"], item["height"]) for item in results] == [("Arrange", WIDTH, HEIGHT)] * 2
    browser.click("#again")
    again = browser.results(4)[:2]
    assert [pixels(item["file"]).tobytes() for item in again] == [pixels(item["file"]).tobytes() for item in results]
    field = browser.driver.find_element("css selector", "#panel-arrange input[type=file]")
    field.send_keys(str(tmp_path / "hills.png"))
    until(lambda: "different values: a label map has at most 32" in body(browser))
    Image.fromarray(labels.repeat(3, axis=0).repeat(3, axis=1) * 7).save(tmp_path / "numbers.png")
    field = browser.driver.find_element("css selector", "#panel-arrange input[type=file]")
    field.send_keys(str(tmp_path / "numbers.png"))
    until(lambda: browser.all("#canvas .singan-swatches button")[1].get_attribute("data-colour") == "#e6194b")


def test_nothing_drawn_is_said_beside_the_result(browser: Browser) -> None:
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.cancel()
    browser.tool("remove")
    browser.click("#make-remove")
    until(lambda: "nothing is drawn yet: brush over what is to go" in body(browser))


def test_what_is_marked_is_filled_and_the_rest_stays_to_the_pixel(browser: Browser, tmp_path: Path) -> None:
    """At the photo's own resolution, which is above the canvas's."""
    file = photo(tmp_path, "wide.png", (1500, 300))
    browser.upload(file)
    browser.opened("wide")
    browser.tool("remove")
    browser.click("#canvas button[data-tool=box]")
    browser.drag("canvas", (0.4, 0.3), (0.5, 0.7))
    browser.click("#make-remove")
    result = pixels(browser.results(2)[0]["file"])
    changed = (result != pixels(str(file))).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert result.shape == (300, 1500, 3)
    assert changed.sum() > 0.8 * 120 * 150
    assert columns.min() >= 600 - 20
    assert columns.max() <= 750 + 20
    assert rows.min() >= 90 - 20
    assert rows.max() <= 210 + 20


def test_a_part_is_moved_and_the_original_is_uncovered(browser: Browser) -> None:
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.results(4)
    browser.tool("edit")
    browser.click("#canvas button[data-tool=cut]")
    browser.drag("canvas", (0.5, 0.3), (0.75, 0.6))
    browser.drag("canvas", (0.6, 0.45), (0.25, 0.45))
    radio(browser, "edit-freedom", "each")
    browser.click("#make-edit")
    results = browser.results(7)
    assert [item["caption"] for item in results[:3]] == ["wild", "free", "near"]
    browser.driver.execute_script(
        "const select = document.querySelector('#viewer select'); select.value = 'original'; select.onchange()"
    )
    browser.await_all(".singan-split")
    clip = "return document.querySelector('.singan-before').style.clipPath"
    half = browser.driver.execute_script(clip)
    browser.driver.execute_script(
        "const split = document.querySelector('.singan-split'); split.value = 90; split.oninput()"
    )
    assert browser.driver.execute_script(clip) != half


def test_tools_that_need_no_drawing(browser: Browser) -> None:
    browser.example(LARCHES)
    browser.opened("larches")
    browser.results(4)
    for count, (tool, width) in enumerate(
        [("extend", 1.5 * WIDTH), ("reshape", 1.6 * WIDTH), ("tile", WIDTH)], start=1
    ):
        browser.tool(tool)
        if tool != "tile":
            slide(browser, f"{tool}-count", 1)
        browser.click(f"#make-{tool}")
        assert browser.results(4 + count)[0]["width"] == pytest.approx(width, abs=1)
    assert browser.items()[2]["place"] == pytest.approx([0, 0, 2 / 3, 1])


@pytest.mark.slow
def test_variations_of_another_shape(browser: Browser) -> None:
    browser.example(LARCHES)
    browser.opened("larches")
    browser.results(4)
    browser.click("#panel-variations .label-wrap")
    browser.await_all("#variations-scale_h input")
    browser.driver.execute_script("document.querySelectorAll('#shape input')[1].click()")
    until(lambda: browser.driver.find_element("css selector", "#variations-scale_h input").get_property("value") == "2")
    slide(browser, "variations-count", 1)
    browser.click("#make-variations")
    assert browser.results(5)[0]["width"] == 2 * WIDTH


def test_a_trained_model_is_used(browser: Browser) -> None:
    browser.example(BROOK)
    browser.opened("brook")
    browser.results(4)
    browser.choose("#made-by", "trained: brook")
    radio(browser, "variations-freedom", "near")
    slide(browser, "variations-count", 1)
    browser.click("#make-variations")
    assert browser.results(5)[0]["width"] == WIDTH, "the model's picture is smaller"
    browser.tool("enlarge")
    slide(browser, "enlarge-factor", 2)
    browser.click("#make-enlarge")
    assert browser.results(6)[0]["width"] == 96
    browser.tool("animate")
    slide(browser, "animate-frames", 4)
    browser.click("#make-animate")
    assert browser.results(7)[0]["name"].endswith(".gif")
    radio(browser, "animate-kind", "mp4")
    browser.click("#make-animate")
    browser.results(8)
    browser.await_all("#viewer video")


@pytest.mark.slow
def test_a_click_on_a_page_that_still_loads_is_kept(address: str) -> None:
    browser = Browser()
    try:
        slow = {"offline": False, "latency": 1500, "downloadThroughput": -1, "uploadThroughput": -1}
        browser.driver.execute_cdp_cmd("Network.enable", {})
        browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
        browser.open(address)
        browser.example(PEAKS)
        browser.opened("peaks")
        assert len(browser.results(4)) == 4
        assert "That can't be done" not in body(browser)
    finally:
        browser.close()


def test_without_a_model_training_is_named(browser: Browser) -> None:
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.cancel()
    for tool in ("enlarge", "animate"):
        browser.tool(tool)
        browser.click(f"#make-{tool}")
        until(lambda: "needs training: train this picture" in body(browser))


@pytest.mark.slow
def test_methods_are_compared_at_one_size(browser: Browser) -> None:
    browser.example(BROOK)
    browser.opened("brook")
    browser.cancel()
    before = len(browser.items())
    browser.tool("compare")
    browser.click("#make-compare")
    results = browser.results(before + 8)[:8]
    assert len({item["caption"] for item in results}) == 4
    assert all(item["caption"] in body(browser) for item in results)
    until(lambda: browser.text("#measures").count("%") == 4)


def test_labels_become_a_photo(browser: Browser) -> None:
    browser.example(BROOK)
    browser.opened("brook")
    browser.cancel()
    browser.tool("labels")
    assert not browser.all("#labels-canvas, #result, #make-labels"), "a model is chosen first"
    browser.choose("#translators", "squares")
    browser.await_all("#labels-canvas .singan-swatches button", 2)
    browser.await_all("#translated img")
    first = browser.source("#translated img")
    browser.all("#labels-canvas .singan-swatches button")[1].click()
    browser.drag("labels-canvas", (0.3, 0.3), (0.7, 0.7))
    until(lambda: browser.source("#translated img") not in ("", first))


# ---- results ----


def test_a_result_is_large_and_a_click_fills_the_window(browser: Browser) -> None:
    browser.example(LARCHES)
    browser.results(4)
    stage = browser.all(".singan-stage")[0]
    before = stage.size
    assert before["width"] > 500
    stage.click()
    assert browser.all("singan-viewer.large")
    assert browser.all(".singan-stage")[0].size["width"] > before["width"] * 1.5
    scale = "return document.getElementById('viewer').zoom.z"
    for delta, is_larger in ((-400, True), (4000, False)):
        browser.driver.execute_script(
            "arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: arguments[1], clientX: 300, clientY: 300, "
            "bubbles: true, cancelable: true}))",
            browser.all(".singan-stage")[0], delta,
        )  # fmt: skip
        assert (browser.driver.execute_script(scale) > 1) is is_larger
    browser.driver.execute_script("""
        const stage = document.querySelector(".singan-stage");
        stage.setPointerCapture = () => {};
        const send = (type, pointerId, clientX) => stage.dispatchEvent(
          new PointerEvent(type, { pointerId, bubbles: true, clientX, clientY: 300 }));
        send("pointerdown", 1, 400); send("pointerdown", 2, 500); send("pointermove", 2, 700);
        send("pointerup", 2, 700); send("pointerup", 1, 400);
    """)
    assert browser.driver.execute_script(scale) == pytest.approx(3, rel=0.01), "two fingers"
    from selenium.webdriver import ActionChains, Keys

    ActionChains(browser.driver).send_keys(Keys.ESCAPE).perform()
    assert not browser.all("singan-viewer.large")


def test_a_result_becomes_the_picture_and_again_gives_the_same(browser: Browser) -> None:
    browser.example(LARCHES)
    first = browser.results(4)
    shown = browser.driver.execute_script("return singanShown()")
    browser.click("#use")
    browser.opened("larches, variations")
    browser.tool("reshape")
    slide(browser, "reshape-count", 1)
    browser.click("#make-reshape")
    chained = browser.results(5)[0]
    assert chained["width"] == pytest.approx(1.6 * WIDTH, abs=1)
    browser.driver.execute_script("document.getElementById('history').choose(arguments[0])", shown)
    browser.click("#again")
    browser.opened("larches")
    until(lambda: browser.driver.execute_script("return document.body.dataset.tool") == "variations")
    again = browser.results(9)[:4]
    assert [pixels(item["file"]).tobytes() for item in again] == [pixels(item["file"]).tobytes() for item in first]
    browser.click("#common .label-wrap")
    browser.await_all("#seed")
    assert browser.value("#seed input, #seed textarea") == str(first[0]["seed"])


@pytest.mark.slow
def test_a_download_has_a_speaking_name(browser: Browser, tmp_path: Path) -> None:
    behaviour = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    browser.example(LARCHES)
    first = browser.results(4)[-1]
    browser.click("#download")
    until(lambda: (tmp_path / first["name"]).exists())
    assert first["name"] == f"larches-Variations-{first['seed']}-1.png"
    assert np.array_equal(pixels(str(tmp_path / first["name"])), pixels(first["file"]))


def test_results_are_compared_and_removed(browser: Browser) -> None:
    browser.example(LARCHES)
    results = browser.results(4)
    browser.click("#pin")
    browser.all("singan-history li button")[2].click()
    browser.await_all(".singan-before img")
    assert results[-1]["view"].rsplit("/", 1)[1] in browser.source(".singan-before img")
    browser.click("#delete")
    left = browser.results(3)
    assert [item["key"] for item in left] == [results[place]["key"] for place in (0, 1, 3)]
    assert not Path(results[2]["file"]).exists()


def test_all_results_are_removed_after_a_question(browser: Browser) -> None:
    browser.example(LARCHES)
    results = browser.results(4)
    size = sum(Path(item["file"]).stat().st_size for item in results) / 2**20
    assert browser.text("singan-history h2") == f"History (4, {size:.1f} MB)"
    browser.click(".singan-head input")
    assert len(browser.all("singan-history li input:checked")) == 4
    browser.click("#delete")
    question = until(lambda: browser.driver.switch_to.alert)
    assert question.text == "Delete 4 results? They can't be restored."
    question.dismiss()
    assert browser.results(4) == results
    browser.click("#delete")
    until(lambda: browser.driver.switch_to.alert).accept()
    assert browser.results(0) == []
    assert not any(Path(item["file"]).exists() for item in results)
    assert browser.text("singan-history h2") == "History: every result is kept here"


def test_a_reload_keeps_results_drawing_and_tool(browser: Browser, address: str) -> None:
    browser.example(PEAKS)
    browser.opened("peaks")
    results = browser.results(4)
    browser.tool("paint")
    browser.drag("canvas", (0.1, 0.2), (0.9, 0.2))
    value = "return singanValue('canvas')"
    drawing = json.loads(browser.driver.execute_script(value))
    browser.open(address)
    browser.opened("peaks")
    until(lambda: browser.driver.execute_script("return document.body.dataset.tool") == "paint")
    assert browser.results(4) == results
    assert "Variations" in browser.text(".singan-caption")
    until(lambda: browser.driver.execute_script(value))
    assert json.loads(browser.driver.execute_script(value)) == drawing


def test_a_drawing_stays_when_sizes_and_tools_change(browser: Browser) -> None:
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.cancel()
    browser.tool("paint")
    browser.drag("canvas", (0.1, 0.2), (0.9, 0.2))
    drawing = browser.driver.execute_script("return singanValue('canvas')")
    browser.click("#common button")
    browser.choose("#size", "500")
    browser.tool("remove")
    assert json.loads(browser.driver.execute_script("return singanValue('canvas')"))["mask"] == ""
    browser.tool("paint")
    assert browser.driver.execute_script("return singanValue('canvas')") == drawing


def test_nothing_stale_can_be_drawn_on(browser: Browser) -> None:
    """From the click on another picture on, until that picture is there."""
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.tool("paint")
    palette = [swatch.get_attribute("title") for swatch in browser.all(".singan-swatches button")]
    browser.click("#another")
    until(lambda: browser.all("#examples .thumbnail-item"))
    is_real = browser.driver.execute_script(
        "document.querySelectorAll('#examples .thumbnail-item')[2].click();"
        "return new Promise((done) => setTimeout(() => done(!!document.getElementById('canvas').real && "
        "document.getElementById('canvas').given.title === 'peaks'), 30))"
    )
    assert not is_real
    browser.opened("brook")
    assert [swatch.get_attribute("title") for swatch in browser.all(".singan-swatches button")] != palette
    browser.cancel()


@pytest.mark.slow
def test_two_people_do_not_mix(browser: Browser, address: str) -> None:
    browser.example(LARCHES)
    browser.results(4)
    other = Browser()
    try:
        other.open(address)
        assert other.all("#landing")
        assert not other.items()
        assert not other.all("#mine img")
        other.example(BROOK)
        assert {item["picture"] for item in other.results(4)} == {"brook"}
    finally:
        other.close()
    assert {item["picture"] for item in browser.items()} == {"larches"}


# ---- trainings ----


def begin_training(browser: Browser, **options: str) -> None:
    browser.tool("train")
    if not browser.all("#flag-niter"):
        browser.click("#flags button")
    for name, value in {**TINY, **options}.items():
        browser.await_all(f"#flag-{name}")
        field = browser.driver.find_element("css selector", f"#flag-{name} textarea, #flag-{name} input")
        field.clear()
        field.send_keys(value + "\t")
    browser.click("#train")


@pytest.mark.slow
def test_a_training_outlives_the_page_and_its_model_is_used(browser: Browser, address: str) -> None:
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.cancel()
    begin_training(browser)
    browser.await_all(".progress[data-state=running]")
    browser.open(address)
    until(lambda: browser.driver.execute_script("return document.body.dataset.tool") == "train")
    until(lambda: browser.all("#training-status .progress[data-state=done]"), 400)
    browser.await_all("#scales img", 4)
    browser.await_all("#losses img")
    plot = browser.all("#losses img")[0]
    assert plot.size["width"] > 300
    assert "--" not in body(browser)
    browser.click("#use-model")
    until(lambda: browser.driver.execute_script("return document.body.dataset.tool") == "variations")
    assert "trained: peaks" in browser.value("#made-by input")
    begin_training(browser, niter="20")
    browser.await_all("#keep-both")
    assert "with other settings" in browser.text("#model-exists")
    browser.click("#keep-both")
    until(lambda: "peaks 2 is ready" in browser.text("#training-status"), 400)


def test_a_training_is_stopped_and_goes_on(browser: Browser) -> None:
    browser.example(LARCHES)
    browser.opened("larches")
    browser.cancel()
    begin_training(browser, niter="80")
    browser.await_all("#training-status .progress[data-state=running]")
    browser.click("#stop")
    browser.await_all("#training-status .progress[data-state=stopped]")
    browser.click("#resume")
    until(lambda: browser.all("#training-status .progress[data-state=done]"), 400)


@pytest.mark.slow
def test_a_failed_training_is_told_plainly_and_train_pressed_twice_is_one(browser: Browser) -> None:
    browser.example(DANDELIONS)
    browser.opened("dandelions")
    browser.cancel()
    begin_training(browser, min_size="47")
    browser.await_all("#training-status .progress[data-state=failed]")
    assert "min size" in browser.text("#training-status")
    assert "--" not in body(browser)
    assert not browser.all("#scales img, #losses img")
    begin_training(browser, min_size="12", niter="60")
    browser.await_all("#training-status .progress[data-state=running]")
    browser.click("#train")
    time.sleep(2)
    assert browser.all("#training-status .progress[data-state=running]")
    assert not browser.all(".toast-title.error, #model-exists")
    until(lambda: browser.all("#training-status .progress[data-state=done]"), 400)


# ---- the page as a whole ----


def test_nothing_comes_from_elsewhere(browser: Browser, address: str) -> None:
    browser.example(PEAKS)
    browser.results(4)
    asked = [url for url in browser.requests() if url.startswith("http")]
    assert len(asked) > 10
    assert not [url for url in asked if not url.startswith((address, address.replace("127.0.0.1", "localhost")))]


def test_dark_mode_is_switched_and_kept(browser: Browser, address: str) -> None:
    is_dark = "return document.body.classList.contains('dark')"
    before = browser.driver.execute_script(is_dark)
    browser.click("#dark")
    assert browser.driver.execute_script(is_dark) is not before
    browser.open(address)
    until(lambda: browser.driver.execute_script(is_dark) is not before)


def test_on_a_phone_picture_result_and_button_are_in_view(browser: Browser) -> None:
    browser.phone()
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.results(4)
    box = "const box = document.querySelector(arguments[0]).getBoundingClientRect(); return [box.top, box.bottom]"
    browser.driver.execute_script("window.scrollTo(0, 0)")
    for tool in ("variations", "paint", "arrange", "extend"):
        browser.tool(tool)
        canvas, stage, main = (
            browser.driver.execute_script(box, selector)
            for selector in ("#canvas canvas", ".singan-stage", f"#make-{tool}")
        )
        assert 0 <= canvas[0] < canvas[1] <= 800
        assert 0 <= main[0] < main[1] <= 800
        assert stage[0] < 800, "the result begins in view"
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 400
    assert len(browser.all("#tools label")) == 13


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm install --no-save axe-core")
def test_keyboards_and_screen_readers_reach_everything(browser: Browser) -> None:
    assert browser.check_access() == []
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.results(4)
    for tool in ("variations", "paint", "arrange", "edit", "extend", "train"):
        browser.tool(tool)
        assert browser.check_access() == [], tool
    browser.click("#dark")
    assert browser.check_access() == []


def test_words_are_plain(browser: Browser) -> None:
    browser.example(PEAKS)
    browser.opened("peaks")
    browser.cancel()
    tools = [str(tool.get_attribute("value")) for tool in browser.driver.find_elements("css selector", "#tools input")]
    assert len(tools) == 13
    for tool in {*tools} - {"compare"}:  # which is about methods
        browser.tool(tool)
        words = body(browser).lower()
        assert not [
            word for word in ("--", "scale", "alpha", "sifid", "gan_", "method", "iteration") if word in words
        ], tool


@pytest.mark.slow
def test_the_server_ends_in_the_midst_of_work(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        browser = Browser()
        try:
            browser.open(address)
            assert not browser.all("#tools input[value=labels]"), "there is nothing to translate with"
            browser.example(PEAKS)
            until(lambda: browser.state() == "running")
        finally:
            browser.close()
