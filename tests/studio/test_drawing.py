"""The canvas by itself, in a real browser: each tool, pixel by pixel."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from SinGAN.pictures.images import Levels
from SinGAN.studio import canvas
from tests.studio.browser import MISSING, Browser, until

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]
WIDTH, HEIGHT = 50, 40
GROUND, RED, BLUE = (240, 240, 200), (255, 0, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    browser = Browser()
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture
def browser(opened: Browser) -> Browser:
    """A browser at a page with nothing on it."""
    opened.driver.get("data:text/html,<title>a canvas</title>")
    opened.driver.execute_script(canvas.SCRIPT.read_text())
    return opened


def picture() -> Levels:
    """A picture of the ground with a red square: rows 8 to 15, columns 10 to 19."""
    levels = np.full((HEIGHT, WIDTH, 3), GROUND, np.uint8)
    levels[8:16, 10:20] = RED
    return levels


def show(browser: Browser, mode: str, ground: str = "colour") -> None:
    """Put a canvas on the page, with the picture on it; a painting begins on a ``ground``."""
    colours = ["#f0f0c8", "#ff0000", "#0000ff"] if mode == "paint" else []
    given = canvas.describe(picture(), canvas.encode_url(picture()), "", colours)
    browser.driver.execute_script(
        "const element = document.createElement('singan-canvas');"
        "element.id = 'drawn'; element.setAttribute('mode', arguments[0]); document.body.append(element);"
        "document.querySelector('#drawn').style.width = '500px';"
        "singanLoad('drawn', arguments[1]);",
        mode,
        given,
    )
    browser.loaded("drawn")
    if mode == "paint":
        lay(browser, ground)


def lay(browser: Browser, ground: str) -> None:
    """Choose what to paint on."""
    select = browser.driver.find_element("css selector", "#drawn select")
    browser.driver.execute_script("arguments[0].value = arguments[1]; arguments[0].onchange()", select, ground)


def drawn(browser: Browser) -> canvas.Drawing:
    return canvas.decode(browser.driver.execute_script("return singanValue('drawn')"))


def edited(browser: Browser) -> canvas.Crude:
    """The picture with the parts that were moved."""
    return drawn(browser).compose(picture())


def drag(browser: Browser, *points: tuple[int, int]) -> None:
    """Drag the pointer through ``points``: columns and rows of the picture."""
    browser.drag("drawn", *((x / WIDTH, y / HEIGHT) for x, y in points))


def tool(browser: Browser, name: str) -> None:
    browser.click(f"#drawn button[data-tool={name}]")


def button(browser: Browser, words: str) -> None:
    next(found for found in browser.all("#drawn button") if found.text == words).click()


def red(levels: Levels) -> set[tuple[int, int]]:
    """Where (column, row) the picture is red."""
    return {(int(x), int(y)) for y, x in np.argwhere((levels == RED).all(axis=2))}


def square(x: int, y: int, w: int = 10, h: int = 8) -> set[tuple[int, int]]:
    return {(column, row) for column in range(x, x + w) for row in range(y, y + h)}


def marked(marks: canvas.Marks | None) -> set[tuple[int, int]]:
    assert marks is not None
    return {(int(x), int(y)) for y, x in np.argwhere(marks == 255)}


def press(browser: Browser, *keys: str) -> None:
    """Press keys together, wherever the focus is."""
    from selenium.webdriver import ActionChains

    *held, last = keys
    chain = ActionChains(browser.driver)
    for key in held:
        chain.key_down(key)
    chain.send_keys(last)
    for key in held:
        chain.key_up(key)
    chain.perform()


def test_nothing_drawn_is_nothing(browser: Browser) -> None:
    for mode in ("paint", "edit", "mask"):
        browser.driver.execute_script("document.getElementById('drawn')?.remove()")
        show(browser, mode)
        assert drawn(browser).is_empty


def test_a_brush_draws_and_an_eraser_takes_away(browser: Browser) -> None:
    show(browser, "paint")
    browser.all(".singan-swatches button")[1].click()
    drag(browser, (10, 20), (40, 20))
    painted = red(drawn(browser).picture)
    assert {(x, 20) for x in range(10, 40)} <= painted
    assert all(17 <= y <= 22 for _, y in painted)
    tool(browser, "erase")
    drag(browser, (30, 20), (49, 20))
    left = red(drawn(browser).picture)
    assert {(x, 20) for x in range(10, 28)} <= left
    assert max(x for x, _ in left) < 31


def test_the_first_colour_differs_from_the_ground_and_colours_are_picked(browser: Browser) -> None:
    show(browser, "paint")
    chosen, first = browser.all(".singan-swatches button.chosen"), browser.all(".singan-swatches button")[0]
    assert len(chosen) == 1
    assert chosen[0].get_attribute("title") != first.get_attribute("title")
    tool(browser, "pick")
    drag(browser, (15, 12))
    assert browser.driver.execute_script("return document.getElementById('drawn').colour") == "#ff0000"
    assert browser.all("#drawn button.chosen")[0].get_attribute("data-tool") == "brush"


def test_a_painting_on_the_photo(browser: Browser) -> None:
    show(browser, "paint")
    browser.all(".singan-swatches button")[2].click()
    drag(browser, (10, 30), (40, 30))
    lay(browser, "photo")
    result = drawn(browser).picture
    assert red(result) == square(10, 8), "the photo is below"
    assert tuple(result[30, 25]) == BLUE, "the stroke stays"
    tool(browser, "erase")
    for _ in range(3):
        press(browser, "]")  # wider than the stroke and its soft edge
    drag(browser, (10, 30), (40, 30))
    rest = np.abs(drawn(browser).picture.astype(int) - picture())
    assert rest.max() <= 8, "but for the soft edge of the stroke"
    lay(browser, "faint")
    assert not red(drawn(browser).picture), "what is faint is not sent"


def test_a_fill_ends_where_the_colour_ends(browser: Browser) -> None:
    show(browser, "paint")
    browser.all(".singan-swatches button")[1].click()
    tool(browser, "fill")
    drag(browser, (5, 5))
    assert red(drawn(browser).picture) == square(0, 0, WIDTH, HEIGHT)
    browser.all(".singan-swatches button")[2].click()
    tool(browser, "brush")
    drag(browser, (25, 0), (25, 41))  # a wall from the top to the bottom
    browser.all(".singan-swatches button")[0].click()
    tool(browser, "fill")
    drag(browser, (5, 5))
    result = drawn(browser).picture
    assert tuple(result[20, 5]) == GROUND
    assert tuple(result[20, 25]) == BLUE
    assert tuple(result[20, 45]) == RED


def test_one_undo_takes_back_one_act_and_redo_brings_it(browser: Browser) -> None:
    from selenium.webdriver import Keys

    show(browser, "paint")
    browser.all(".singan-swatches button")[1].click()
    drag(browser, (10, 10), (40, 10))
    first = drawn(browser).picture
    drag(browser, (10, 30), (40, 30))
    second = drawn(browser).picture
    button(browser, "Start again")
    assert drawn(browser).is_empty
    button(browser, "Undo")
    assert np.array_equal(drawn(browser).picture, second)
    press(browser, Keys.CONTROL, "z")
    assert np.array_equal(drawn(browser).picture, first)
    press(browser, Keys.CONTROL, Keys.SHIFT, "z")
    assert np.array_equal(drawn(browser).picture, second)
    for _ in range(4):
        press(browser, Keys.CONTROL, "z")  # more than there is
    assert drawn(browser).is_empty
    button(browser, "Redo")
    assert np.array_equal(drawn(browser).picture, first)


def test_keys_change_the_size_of_the_brush(browser: Browser) -> None:
    show(browser, "paint")
    size = "return Number(document.getElementById('drawn').radius.value)"
    before = browser.driver.execute_script(size)
    press(browser, "]")
    assert browser.driver.execute_script(size) > before
    for _ in range(3):
        press(browser, "[")
    assert browser.driver.execute_script(size) < before


def test_the_wheel_zooms_and_strokes_fall_where_they_are_seen(browser: Browser) -> None:
    show(browser, "paint")
    browser.driver.execute_script("document.getElementById('drawn').zoomAt(2, [50, 40])")
    browser.all(".singan-swatches button")[1].click()
    drag(browser, (21, 20), (29, 20))  # seen there: three quarters to the right, three quarters down
    x, y = np.mean(list(red(drawn(browser).picture)), axis=0)
    assert (x, y) == pytest.approx((37, 29.5), abs=1)
    canvas_element = browser.all("#drawn canvas")[0]
    browser.driver.execute_script(
        "arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: 9999, bubbles: true, cancelable: true}))",
        canvas_element,
    )
    assert browser.driver.execute_script("return document.getElementById('drawn').zoom.z") == 1


def test_a_drawing_from_a_file_fills_the_canvas(browser: Browser, tmp_path: Path) -> None:
    show(browser, "paint")
    levels = np.full((80, 100, 3), GROUND, np.uint8)
    levels[:, 50:] = BLUE
    Image.fromarray(levels).save(tmp_path / "mine.png")
    browser.driver.find_element("css selector", "#drawn input[type=file]").send_keys(str(tmp_path / "mine.png"))
    until(lambda: not drawn(browser).is_empty)
    result = drawn(browser).picture
    assert (result[:, :24] == GROUND).all()
    assert (result[:, 26:] == BLUE).all()
    button(browser, "Undo")
    assert drawn(browser).is_empty


def test_a_copy_leaves_what_it_is_of(browser: Browser) -> None:
    show(browser, "edit")
    drag(browser, (10, 8), (20, 16))
    drag(browser, (15, 12), (35, 27))
    crude = edited(browser)
    assert red(crude.picture) == square(10, 8) | square(30, 23)
    assert marked(crude.pasted) == marked(drawn(browser).marks) == square(30, 23)


def test_a_move_leaves_a_hole_and_is_undone_at_once(browser: Browser) -> None:
    show(browser, "edit")
    tool(browser, "cut")
    drag(browser, (10, 8), (20, 16))
    drag(browser, (15, 12), (35, 27))
    crude = edited(browser)
    assert red(crude.picture) == square(30, 23)
    assert (crude.picture[8:16, 10:20] == GROUND).all()
    assert marked(crude.holes) == square(10, 8)
    assert marked(drawn(browser).marks) == square(10, 8) | square(30, 23)
    button(browser, "Undo")
    assert drawn(browser).is_empty
    drag(browser, (10, 8), (20, 16))
    button(browser, "Undo")  # while the part is still carried
    assert drawn(browser).is_empty


def test_marks_are_whole_where_pixels_match(browser: Browser) -> None:
    show(browser, "edit")
    drag(browser, (25, 20), (35, 28))  # of the ground, to the ground: no pixel changes
    drag(browser, (30, 24), (15, 30))
    assert marked(drawn(browser).marks) == square(10, 26)


def test_a_part_is_drawn_round_freely(browser: Browser) -> None:
    show(browser, "edit")
    drag(browser, (15, 6), (22, 12), (15, 18), (8, 12), (15, 6))
    drag(browser, (15, 12), (35, 27))
    crude = edited(browser)
    moved = red(crude.picture) - square(10, 8)
    assert 40 < len(moved) <= 80
    assert len(marked(crude.pasted)) == pytest.approx(84, rel=0.25), "a diamond, not its box"


def test_handles_resize_and_turn_and_a_click_beside_puts_down(browser: Browser) -> None:
    show(browser, "edit")
    drag(browser, (10, 8), (20, 16))
    drag(browser, (20, 16), (25, 20))
    carried = "const part = document.getElementById('drawn').floating; return part && [part.w, part.h, part.angle]"
    assert browser.driver.execute_script(carried) == pytest.approx([20, 16, 0], abs=1)
    button(browser, "Turn right")
    assert browser.driver.execute_script(carried)[2] > 0
    button(browser, "Turn left")
    drag(browser, (3, 36))
    assert not browser.driver.execute_script(carried)
    assert len(red(edited(browser).picture)) == pytest.approx(320, rel=0.15)


def test_a_part_is_carried_by_keys(browser: Browser) -> None:
    from selenium.webdriver import Keys

    show(browser, "edit")
    drag(browser, (10, 8), (20, 16))
    for _ in range(2):
        press(browser, Keys.SHIFT, Keys.ARROW_RIGHT)
    press(browser, Keys.ARROW_DOWN)
    press(browser, Keys.ENTER)
    assert red(edited(browser).picture) == square(10, 8) | square(30, 9)
    drag(browser, (10, 8), (20, 16))
    press(browser, Keys.ESCAPE)
    assert len(drawn(browser).parts) == 1


def test_marks_by_hand_outweigh_parts(browser: Browser) -> None:
    show(browser, "edit")
    drag(browser, (10, 8), (20, 16))
    drag(browser, (15, 12), (35, 27))
    tool(browser, "less")
    drag(browser, (30, 27), (40, 27))
    crude = edited(browser)
    assert len(marked(crude.pasted)) < 80
    assert (35, 27) not in marked(crude.pasted)
    tool(browser, "add")
    drag(browser, (5, 35), (8, 35))
    assert (6, 35) in marked(edited(browser).pasted)


def test_a_mask_is_a_box_less_what_is_erased(browser: Browser) -> None:
    show(browser, "mask")
    tool(browser, "box")
    drag(browser, (10, 10), (40, 30))
    assert marked(drawn(browser).marks) == square(10, 10, 30, 20)
    tool(browser, "less")
    drag(browser, (25, 20), (26, 20))
    assert (25, 20) not in marked(drawn(browser).marks)
    assert (10, 10) in marked(drawn(browser).marks)
    button(browser, "Undo")
    assert marked(drawn(browser).marks) == square(10, 10, 30, 20)


def test_what_is_drawn_round_is_marked(browser: Browser) -> None:
    show(browser, "mask")
    tool(browser, "lasso")
    drag(browser, (25, 5), (45, 20), (25, 35), (5, 20), (25, 6))
    found = marked(drawn(browser).marks)
    assert (25, 20) in found
    assert (6, 6) not in found
    assert len(found) == pytest.approx(600, rel=0.1)


def test_a_stroke_with_a_second_finger_is_none(browser: Browser) -> None:
    show(browser, "mask")
    browser.driver.execute_script("""
        const canvas = document.querySelector("#drawn canvas"), box = canvas.getBoundingClientRect();
        canvas.setPointerCapture = () => {};
        const send = (type, id, fx, fy) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: id, bubbles: true,
          cancelable: true, clientX: box.left + fx * box.width, clientY: box.top + fy * box.height }));
        send("pointerdown", 1, .4, .5); send("pointermove", 1, .35, .5); send("pointerdown", 2, .6, .5);
        send("pointermove", 1, .2, .5); send("pointermove", 2, .8, .5);
        send("pointerup", 1, .2, .5); send("pointerup", 2, .8, .5);
    """)
    assert drawn(browser).is_empty
    assert browser.driver.execute_script("return document.getElementById('drawn').zoom.z") > 2


def part(browser: Browser, place: int) -> None:
    browser.all("#drawn .singan-swatches button")[place].click()


def test_parts_are_painted_in_two_steps_without_soft_edges(browser: Browser) -> None:
    show(browser, "arrange")
    part(browser, 2)
    tool(browser, "lasso")
    drag(browser, (5, 5), (25, 7), (22, 30), (6, 25), (5, 5))
    assert drawn(browser).is_empty, "the new picture is not painted yet"
    assert browser.text("#drawn button.chosen").startswith("2.")
    part(browser, 1)
    tool(browser, "brush")
    drag(browser, (30, 20), (45, 20))
    found = drawn(browser).arrangement
    assert found is not None
    assert {*np.unique(found.now)} == {0, 2}
    assert {*np.unique(found.wanted)} == {0, 1, 2}
    assert found.now[10, 12] == 2
    assert np.array_equal(found.now[:, :25], found.wanted[:, :25]), "it begins as the photo is"
    assert found.wanted[20, 40] == 1
    sent = browser.driver.execute_script("return JSON.parse(singanValue('drawn'))")
    browser.driver.execute_script("document.getElementById('drawn').turn('now')")
    button(browser, "Undo")
    assert drawn(browser).is_empty
    button(browser, "Undo")
    browser.driver.execute_script("document.getElementById('drawn').turn('now')")
    button(browser, "Redo")
    again = browser.driver.execute_script("return JSON.parse(singanValue('drawn'))")
    assert again["now"] == sent["now"]
    assert again["wanted"] == ""


def test_a_label_map_gives_parts_and_their_colours(browser: Browser) -> None:
    show(browser, "arrange")
    levels = np.full((HEIGHT, WIDTH, 3), (10, 20, 30), np.uint8)
    levels[:, 30:] = 200, 100, 0
    given = json.dumps({"url": canvas.encode_url(levels), "palette": ["#0a141e", "#c86400"]})
    browser.driver.execute_script("return singanMap('drawn', arguments[0])", given)
    until(lambda: len(browser.all("#drawn .singan-swatches button")) == 2)
    browser.driver.execute_script("document.getElementById('drawn').turn('wanted')")
    part(browser, 0)
    tool(browser, "fill")
    drag(browser, (40, 20))
    found = drawn(browser).arrangement
    assert found is not None
    assert np.array_equal(found.now == 1, np.arange(WIDTH)[None].repeat(HEIGHT, axis=0) >= 30)
    assert not found.wanted.any()


def test_a_file_that_is_no_picture_is_told(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver.support.expected_conditions import alert_is_present
    from selenium.webdriver.support.ui import WebDriverWait

    show(browser, "edit")
    (tmp_path / "letter.png").write_text("Dear all")
    browser.driver.find_element("css selector", "#drawn input[type=file]").send_keys(str(tmp_path / "letter.png"))
    alert = WebDriverWait(browser.driver, 30).until(alert_is_present())
    assert "can't read this file as a picture" in alert.text
    alert.accept()
    assert drawn(browser).is_empty
