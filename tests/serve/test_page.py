"""The page in a browser: a picture in, joints on the canvas, another model, boxes, the JSON."""
import importlib.util
import json
import shutil
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from rsn_mm.serve.server import make_server, open_socket, url_of

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--window-size=1200,900')
# Coloured dots that are in no drawn picture: the joints of COCO's right side.
ORANGE = '''
  const canvas = document.getElementById('canvas');
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) count += data[i] === 255 && data[i + 1] === 128 && data[i + 2] === 0;
  return count;
'''


@pytest.fixture(scope='module')
def url(app_of: Callable[..., Any]) -> Iterator[str]:
    """A running server."""
    with open_socket('127.0.0.1', 0) as listening:
        server = make_server(app_of())
        thread = threading.Thread(target=server.run, args=([listening], ))
        thread.start()
        yield url_of(listening)
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which('chromedriver')
    if importlib.util.find_spec('selenium') is None or binary is None or driver is None:
        pytest.skip('selenium, Chromium or chromedriver is not installed')
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    folder = tmp_path_factory.mktemp('browser')
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f'--user-data-dir={folder / "profile"}'):
        options.add_argument(flag)
    options.add_experimental_option('prefs', {'download.default_directory': str(folder)})
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    chromium.downloads = folder
    yield chromium
    chromium.quit()


def wait(condition: Callable[[], Any]) -> Any:
    """What ``condition`` gives, as soon as it is something."""
    for _ in range(400):
        found = condition()
        if found:
            return found
        threading.Event().wait(0.05)
    raise AssertionError('It did not happen within 20 s.')


def test_the_page_from_picture_to_json(browser: Any, url: str, encoded: dict, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def element(name: str) -> Any:
        return browser.find_element('id', name)

    def status() -> str:
        return element('status').text

    browser.get(url)
    wait(lambda: 'Choose or drop' in status())
    assert [option.text for option in element('model').find_elements('tag name', 'option')] == ['tiny', 'the same']
    assert not element('download').is_enabled() and '0.2 megapixels' in element('hint').text

    # A picture: joints of a random network come with any score.
    browser.execute_script("const slider = document.getElementById('threshold'); slider.value = 0;"
                           "slider.dispatchEvent(new Event('input'));")
    (tmp_path / 'people.png').write_bytes(encoded['.png'])
    element('file').send_keys(str(tmp_path / 'people.png'))
    wait(lambda: '1 person in' in status())
    assert browser.execute_script(ORANGE) > 50 and not element('error').is_displayed()

    # From joint to joint by keys; the tip names them.
    browser.execute_script("document.getElementById('canvas').focus()")
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert element('tip').text.startswith('nose ') and 'nose, score' in status()

    # Another model puts its own threshold; a high one leaves nothing.
    element('model').find_elements('tag name', 'option')[1].click()
    wait(lambda: '1 person in' in status() and element('download').is_enabled())
    browser.execute_script("const slider = document.getElementById('threshold'); slider.value = 1.5;"
                           "slider.dispatchEvent(new Event('input'));")
    assert browser.execute_script(ORANGE) == 0

    # Two boxes, by mouse and by keys.
    browser.find_element('css selector', 'input[value=drawn]').click()
    wait(lambda: 'Draw a box' in status())
    canvas = element('canvas')
    ActionChains(browser).move_to_element(canvas).click_and_hold().move_by_offset(120, 90).release().perform()
    wait(lambda: '1 person in' in status())
    browser.execute_script("document.getElementById('canvas').focus()")
    ActionChains(browser).send_keys(Keys.ARROW_LEFT, Keys.ENTER).perform()
    wait(lambda: '2 people in' in status())

    element('download').click()
    path = browser.downloads / 'people.json'
    wait(path.is_file)
    content = json.loads(path.read_text())
    assert content['images'][0]['file_name'] == 'people.png' and len(content['annotations']) == 2
    width, height = content['images'][0]['width'], content['images'][0]['height']
    left, top, box_width, box_height = content['annotations'][0]['bbox']
    assert (left, top) == pytest.approx((width / 2, height / 2), abs=1) and box_width > 5 and box_height > 5

    # What is no picture is explained, and the page goes on.
    (tmp_path / 'no.png').write_bytes(b'\x89PNG\r\n\x1a\n')
    browser.find_element('css selector', 'input[value=whole]').click()
    element('file').send_keys(str(tmp_path / 'no.png'))
    wait(lambda: 'cannot be decoded' in element('error').text)
    element('file').send_keys(str(tmp_path / 'people.png'))
    wait(lambda: '1 person in' in status())
    assert not element('error').is_displayed()
    browser.save_screenshot(str(tmp_path / 'page.png'))
    assert (tmp_path / 'page.png').stat().st_size > 20_000
    # The refused picture is among them; what the policy for content forbids would be, too.
    errors = [entry['message'] for entry in browser.get_log('browser') if entry['level'] == 'SEVERE']
    assert len(errors) == 1 and 'api/poses' in errors[0] and '400' in errors[0]


def test_the_page_at_the_width_of_a_phone(browser: Any, url: str) -> None:
    browser.get(url)
    browser.set_window_size(500, 900)
    wider = 'return document.documentElement.scrollWidth - document.documentElement.clientWidth'
    wait(lambda: 'Choose or drop' in browser.find_element('id', 'status').text)
    assert browser.execute_script(wider) == 0
    panel, stage = (browser.find_element('id', name).rect for name in ('panel', 'stage'))
    assert panel['y'] >= stage['y'] + stage['height']
