"""The canvas by itself, in a real browser: each tool, pixel by pixel."""

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


def show(browser: Browser, mode: str) -> None:
    """Put a canvas on the page, with the picture on it."""
    colours = ["#f0f0c8", "#ff0000", "#0000ff"] if mode == "paint" else []
    given = canvas.encode(picture(), colours=colours)
    browser.driver.execute_script(
        "const element = document.createElement('singan-canvas');"
        "element.id = 'drawn'; element.setAttribute('mode', arguments[0]); document.body.append(element);"
        "document.querySelector('#drawn > canvas').style.width = '500px';"
        "singanLoad('drawn', arguments[1]);",
        mode,
        given,
    )
    browser.loaded("drawn")


def drawn(browser: Browser) -> canvas.Drawing:
    return canvas.decode(browser.driver.execute_script("return singanValue('drawn')"))


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


def marked(drawing: canvas.Drawing) -> set[tuple[int, int]]:
    assert drawing.mask is not None
    return {(int(x), int(y)) for y, x in np.argwhere(drawing.mask[:, :, 0] == 255)}


def test_a_painting_begins_with_the_ground(browser: Browser) -> None:
    show(browser, "paint")
    assert (drawn(browser).picture == GROUND).all()
    assert drawn(browser).mask is None


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
    assert max(x for x, _ in left) < 30


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


def test_one_undo_takes_back_one_act(browser: Browser) -> None:
    show(browser, "paint")
    browser.all(".singan-swatches button")[1].click()
    drag(browser, (10, 10), (40, 10))
    first = drawn(browser).picture
    drag(browser, (10, 30), (40, 30))
    second = drawn(browser).picture
    button(browser, "Start again")
    assert (drawn(browser).picture == GROUND).all()
    for before in (second, first, np.full_like(first, GROUND)):
        button(browser, "Undo")
        assert np.array_equal(drawn(browser).picture, before)
    button(browser, "Undo")  # nothing is left
    assert (drawn(browser).picture == GROUND).all()


def test_a_drawing_from_a_file_fills_the_canvas(browser: Browser, tmp_path: Path) -> None:
    show(browser, "paint")
    levels = np.full((80, 100, 3), GROUND, np.uint8)
    levels[:, 50:] = BLUE
    Image.fromarray(levels).save(tmp_path / "mine.png")
    browser.driver.find_element("css selector", "#drawn input[type=file]").send_keys(str(tmp_path / "mine.png"))
    until(lambda: tuple(drawn(browser).picture[20, 40]) == BLUE)
    result = drawn(browser).picture
    assert (result[:, :24] == GROUND).all()
    assert (result[:, 26:] == BLUE).all()
    button(browser, "Undo")
    assert (drawn(browser).picture == GROUND).all()


def test_a_copy_leaves_what_it_is_of(browser: Browser) -> None:
    show(browser, "edit")
    drag(browser, (10, 8), (20, 16))
    drag(browser, (15, 12), (35, 27))
    drawing = drawn(browser)
    assert red(drawing.picture) == square(10, 8) | square(30, 23)
    assert marked(drawing) == square(30, 23)


def test_a_move_leaves_what_lay_round_it_and_is_undone_at_once(browser: Browser) -> None:
    show(browser, "edit")
    tool(browser, "cut")
    drag(browser, (10, 8), (20, 16))
    drag(browser, (15, 12), (35, 27))
    drawing = drawn(browser)
    assert red(drawing.picture) == square(30, 23)
    assert (drawing.picture[8:16, 10:20] == GROUND).all()
    assert marked(drawing) == square(10, 8) | square(30, 23)
    button(browser, "Undo")
    assert np.array_equal(drawn(browser).picture, picture())
    drag(browser, (10, 8), (20, 16))
    button(browser, "Undo")  # while the part is still carried
    assert np.array_equal(drawn(browser).picture, picture())
    assert not marked(drawn(browser))


def test_a_corner_stretches_and_a_click_beside_puts_down(browser: Browser) -> None:
    show(browser, "edit")
    drag(browser, (12, 10), (18, 14))
    drag(browser, (18, 14), (38, 34))
    carried = "return !!document.getElementById('drawn').floating"
    assert browser.driver.execute_script(carried)
    drag(browser, (3, 36))
    assert not browser.driver.execute_script(carried)
    assert red(drawn(browser).picture) == square(10, 8) | square(12, 10, 26, 24)


def test_marks_by_hand_outweigh_what_changed(browser: Browser) -> None:
    show(browser, "edit")
    drag(browser, (10, 8), (20, 16))
    drag(browser, (15, 12), (35, 27))
    tool(browser, "less")
    drag(browser, (30, 27), (40, 27))
    assert len(marked(drawn(browser))) < 80
    assert (35, 27) not in marked(drawn(browser))
    tool(browser, "add")
    drag(browser, (5, 35), (8, 35))
    assert (6, 35) in marked(drawn(browser))
    assert red(drawn(browser).picture) == square(10, 8) | square(30, 23)


def test_a_mask_is_a_box_less_what_is_erased(browser: Browser) -> None:
    show(browser, "mask")
    assert not marked(drawn(browser))
    tool(browser, "box")
    drag(browser, (10, 10), (40, 30))
    assert marked(drawn(browser)) == square(10, 10, 30, 20)
    tool(browser, "less")
    drag(browser, (25, 20), (26, 20))
    assert (25, 20) not in marked(drawn(browser))
    assert (10, 10) in marked(drawn(browser))
    button(browser, "Undo")
    assert marked(drawn(browser)) == square(10, 10, 30, 20)
    assert np.array_equal(drawn(browser).picture, picture())


def test_a_file_that_is_no_picture_is_told(browser: Browser, tmp_path: Path) -> None:
    from selenium.webdriver.support.expected_conditions import alert_is_present
    from selenium.webdriver.support.ui import WebDriverWait

    show(browser, "edit")
    (tmp_path / "letter.png").write_text("Dear all")
    browser.driver.find_element("css selector", "#drawn input[type=file]").send_keys(str(tmp_path / "letter.png"))
    alert = WebDriverWait(browser.driver, 30).until(alert_is_present())
    assert "can't read this file as a picture" in alert.text
    alert.accept()
    assert np.array_equal(drawn(browser).picture, picture())
