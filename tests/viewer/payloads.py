# ruff: noqa: RUF001 - letters that look like others are among the payloads
"""Some 200 texts that have broken programs which show them: as names of people, files and columns, cells, subjects of mails, keys of documents."""

_RUN = "window.ran=1"
_HTML = (
    f"<script>{_RUN}</script>", f"</script><script>{_RUN}</script>", f"<img src=x onerror={_RUN}>", f"<svg onload={_RUN}>",
    f"<body onload={_RUN}>", f"<iframe srcdoc='<script>parent.{_RUN}</script>'>", f"<iframe src=javascript:{_RUN}>", f"javascript:{_RUN}",
    f'" onmouseover="{_RUN}', f"' autofocus onfocus='{_RUN}", f'<a href="javascript:{_RUN}">x</a>', "<!-- ", "-->", "]]>", "<![CDATA[",
    "<style>@import 'http://127.0.0.1:9/x'</style>", "<base href='http://127.0.0.1:9/'>", "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<link rel=prefetch href=http://127.0.0.1:9/>", "<form action=http://127.0.0.1:9/><input autofocus>", "<video src=http://127.0.0.1:9/x>",
    f"<math><mi xlink:href='javascript:{_RUN}'>", f"<details open ontoggle={_RUN}>", "<template><p>", "<plaintext>", "<textarea>", "<title>", "<noscript>",
    f"&lt;script&gt;{_RUN}&lt;/script&gt;", "&#x3c;b&#x3e;", "&amp;&nbsp;&copy", "<b>bold</b>", "<marquee>", "<h1>", "<dialog open>", "<object data=x>",
)  # fmt: skip
_SCRIPT = (
    f'");{_RUN};("', f"');{_RUN};('", f"`${{{_RUN}}}`", f"${{{_RUN}}}", "\\", "\\\\", "\\u0022", "\\u003c", "\\n", "*/", "//", f"*/{_RUN}/*", "rightfulShard([", "]);",
    "__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "length", "then", "{", "}", "[", "]", ",", ":", '"', "'", "`", "null", "undefined",
    "NaN", "true", "{{7*7}}", "{n}", "{name}", "%s", "%00", "$&", "$1", "$`", "\\1", ".*", "(?:", "[a-", "a{1000000}", "(a+)+$",
)  # fmt: skip
_SHEETS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "=cmd|' /C calc'!A0",
    "\t=1",
    '=HYPERLINK("http://127.0.0.1:9/")',
    ";",
    "a,b",
    '"a""b"',
    "a\r\nb",
    "'=1",
)
_PATHS = (
    "../../etc/passwd", "..\\..\\windows", "/etc/passwd", "C:\\con", "con", "nul.txt", "a/../b", "~", "-rf", "--", "$HOME", "$(id)", "`id`", "|id", ";id", "a?b#c",
    "%2e%2e%2f", "a%b", "file:///etc/passwd", "http://127.0.0.1:9/", "//127.0.0.1:9/x", "data:text/html,<script>1</script>", "mailto:a@b", ".", "..", " ", "a ", " a",
)  # fmt: skip
_UNICODE = (
    "\u202egpj.exe", "\u202dabc", "\u2066abc", "abc\u2069", "\u200b", "\u200d", "\ufeff", "\u2028", "\u2029", "\u0085", "\x7f", "\x01", "\x1b[31mred", "\x08", "\r",
    "\u0300", "e\u0301", "é", "a\u0300\u0301\u0302" * 20, "ZALGO" + "\u0334\u0335\u0336" * 30, "😀", "👨\u200d👩\u200d👧", "𠜎", "𝒳", "\U000e0001", "\ufffe", "\uffff", "\ufffd",
    "İstanbul", "ıI", "ß", "ﬁ", "Ⅷ", "ﷺ", "العربية", "עברית", "שלום world", "日本語", "简体中文", "한국어", "ไทย", "हिन्दी", "ЁЖ", "Ω", "\u00a0", "\u3000", "\u00ad", "＜script＞", "\uff0e\uff0e\uff0f",
)  # fmt: skip
_LONG = ("x" * 1_000_000, "<b>" * 100_000, "😀" * 100_000, "word " * 100_000, "\n" * 1_000, "\u202e" * 500)
_NUMBERS = (
    "18446744073709551615",
    "-9223372036854775808",
    "0.1e-400",
    "1e+16",
    "0b1",
    "٣٤",
    "1٫5",
    "2024-13-99",
    "0000-00-00",
    "24:00:00",
    "9007199254740993",
    "-0",
    "1e400",
    "0x10",
    "1_000",
    "１２３",
    "00012",
    "+1.50",
    "Infinity",
    "1,000.00",
    "∞",
    "½",
)

_SURROGATES = ("\ud800", "a\udfffb", "\udc00\ud800", "<b>\ud83d</b>")
"""What has no UTF-8: JSON escapes it, and names of files may be such bytes."""

TEXTS = (*_HTML, *_SCRIPT, *_SHEETS, *_PATHS, *_UNICODE, *_LONG, *_NUMBERS, "\x00", "a\x00b", "")
"""Those that have a UTF-8."""
PAYLOADS = (*TEXTS, *_SURROGATES)
