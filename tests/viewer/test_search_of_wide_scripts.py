"""Searching START-HERE.html for Chinese and Japanese: by any part of a text, in whatever width it is written."""
# ruff: noqa: RUF001 - wide characters that look like others are what this is about

from pathlib import Path
from typing import Any

import pytest
from tests.servers.chromium import Chromium

from rightful.testing.package_builder import SampleSource, build_package

TEXTS = (
    "東京都千代田区丸の内１－２－３",
    "株式会社コントソ 総務部",
    "ｶﾌﾞｼｷｶﾞｲｼｬ ｺﾝﾄｿ",
    "㈱コントソ",
    "ガギグ (か\u3099 を分けて書いたもの: ハ\u309aン)",
    "北京市朝阳区建国路一号王小明",
    "请于三月一日前回复，谢谢。",
    "ＡＢＣ　株式会社",
    "全角の＂引用符＂と＼記号",
    "﨑さん、髙橋さん、𠮷野家",
)
ROWS = tuple({"id": 90_210 + number, "note": text} for number, text in enumerate(TEXTS))
DECOMPOSED = "書類/ハ\u309aスワート\u3099.txt"
FILES = {DECOMPOSED: b"1", "文档/密码.txt": b"2"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer")
    return build_package(folder, SampleSource(name="orders", product="Shop", rows=ROWS), SampleSource(name="drive", files=FILES))


def found(chromium: Chromium, package: Path, text: str, *, source: str = "orders", cell: int = 1, language: str = "en") -> Any:
    """Return the cells of a column of the rows that are found, and what is marked in them."""
    steps = f"""
        await page.waitForSelector('.table tbody tr');
        await page.fill('input[type=search]', {text!r});
        await page.waitForFunction(() => / found$/.test(document.querySelector('[role=status]').textContent));
        await page.waitForTimeout(50);
        const cells = await page.$$eval('.table tbody tr', (rows) => rows.map((row) => row.cells[{cell}].textContent));
        return [cells, await page.$$eval('mark', (marks) => marks.map((mark) => mark.textContent))];
    """
    answer = chromium.visit(package, steps, fragment=f"#source={source}", language=language)
    assert answer.errors == []
    return answer.result


@pytest.mark.parametrize(
    ("text", "numbers", "marks"),
    [
        ("代田区丸", [0], ["代田区丸"]),
        ("1-2-3", [0], ["１－２－３"]),
        ("１－２", [0], ["１－２"]),
        ("コントソ", [1, 2, 3], ["コントソ", "ｺﾝﾄｿ", "コントソ"]),
        ("ｺﾝﾄｿ", [1, 2, 3], ["コントソ", "ｺﾝﾄｿ", "コントソ"]),
        ("カブシキガイシャ", [2], ["ｶﾌﾞｼｷｶﾞｲｼｬ"]),
        ("(株)", [3], ["㈱"]),
        ("株", [1, 3, 7], ["株", "㈱", "株"]),
        ("ガギ", [4], ["ガギ"]),
        ("が", [4], ["か\u3099"]),
        ("パン", [4], ["ハ\u309aン"]),
        ("国路一号王", [5], ["国路一号王"]),
        ("王小", [5], ["王小"]),
        ("，谢谢", [6], ["，谢谢"]),
        (",谢谢", [6], ["，谢谢"]),
        ("abc 株式", [7], ["ＡＢＣ　株式"]),
        ('"引用符"', [8], ["＂引用符＂"]),
        ("＂引用符＂と＼", [8], ["＂引用符＂と＼"]),
        ("と\\", [8], ["と＼"]),
        ("𠮷野", [9], ["𠮷野"]),
        ("髙橋", [9], ["髙橋"]),
        ("９０２１５", [5], ["90215"]),
        ("高橋", [], []),
        ("京千", [], []),
    ],
)
def test_any_part_of_a_text_is_found_in_either_width(
    chromium: Chromium, package: Path, text: str, numbers: list[int], marks: list[str]
) -> None:
    assert found(chromium, package, text) == [[str(90_210 + number) for number in numbers], marks]


@pytest.mark.parametrize(("text", "name"), [("パスワード", DECOMPOSED), ("ﾊﾟｽ", DECOMPOSED), ("档/密", "文档/密码.txt")])
def test_files_are_found_however_their_system_writes_accents(chromium: Chromium, package: Path, text: str, name: str) -> None:
    cells, _ = found(chromium, package, text, source="drive")
    assert cells == [name]


def test_text_is_searched_when_it_has_been_converted_and_not_while_it_is_typed(chromium: Chromium, package: Path) -> None:
    steps = """
        await page.waitForSelector('.table tbody tr');
        await page.focus('input[type=search]');
        const keyboard = await context.newCDPSession(page);
        const said = async () => (await page.waitForTimeout(100), page.innerText('[role=status]'));
        const before = await said();
        await keyboard.send('Input.imeSetComposition', { text: 'とうきょ', selectionStart: 4, selectionEnd: 4 });
        const typing = await said();
        await keyboard.send('Input.insertText', { text: '東京' });
        return [before, typing, await said()];
    """
    assert chromium.visit(package, steps, fragment="#source=orders").result == ["10 records", "10 records", "1 record found"]
