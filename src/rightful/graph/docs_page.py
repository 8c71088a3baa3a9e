"""`/docs`: the OpenAPI document as one page for people. Pure.

It has no script and nothing from elsewhere, and its policy names its style by digest.
"""

import base64
import functools
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from rightful.graph import openapi

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--quiet:#777;--mark:#06c}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1.5rem}
h1{margin-bottom:.2rem}h2{margin:2.5rem 0 .5rem;border-bottom:2px solid var(--line)}
code{font:.92em ui-monospace,monospace;overflow-wrap:anywhere}
details{border-bottom:1px solid var(--line)}
summary{cursor:pointer;padding:.5rem 0}summary:focus-visible{outline:2px solid var(--mark)}
summary b{display:inline-block;min-width:4.2rem;color:var(--mark)}summary span{color:var(--quiet)}
details>div{padding:0 0 1rem 1rem}
table{border-collapse:collapse;width:100%;margin:.3rem 0 1rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;border-top:1px solid var(--line)}
caption{text-align:left;font-weight:600;padding-top:.4rem}
td:first-child code{white-space:nowrap}
a{color:var(--mark)}
"""

Json = dict[str, Any]


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _text(text: str) -> str:
    """Escape a description; what stands between backticks is code."""
    parts = text.split("`")
    return "".join(_code(part) if number % 2 else escape(part) for number, part in enumerate(parts))


def _table(caption: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _type(schema: Json) -> str:
    """Name a schema's type in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    for combined in ("anyOf", "allOf"):
        if combined in schema:
            named = [_type(each) for each in schema[combined] if each.keys() - {"properties"} and "@odata.context" not in str(each)]
            return " or ".join(named)
    if "enum" in schema:
        return " ".join(_code(str(each)) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    types = schema.get("type", "")
    return escape(schema.get("format") or (" or ".join(types) if isinstance(types, list) else types))


def _properties(caption: str, schema: Json) -> str:
    required = schema.get("required", [])
    rows = [
        (_code(name), _type(each), ("required. " if name in required else "") + _text(each.get("description", "")))
        for name, each in schema.get("properties", {}).items()
    ]
    return _table(caption, ("property", "type", "meaning"), rows)


def _answer(answer: Json, document: Json) -> tuple[str, str]:
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        _, codes = answer["content"]["application/json"]["schema"]["allOf"]
        return escape(answer["description"]), " ".join(_code(code) for code in codes["properties"]["error"]["properties"]["code"]["enum"])
    contents = answer.get("content", {})
    shown = " ".join(f"{escape(media)}: {_shown(each['schema'])}" for media, each in contents.items()) or "no body"
    extra = [name for name in answer["headers"] if name[0].isupper()]
    return escape(answer["description"]), shown + (f"; headers {' '.join(map(_code, extra))}" if extra else "")


def _shown(schema: Json) -> str:
    value = schema.get("properties", {}).get("value")
    return f"a page, {_type(value)}" if value else _type(schema)


def _operation(method: str, path: str, operation: Json, document: Json) -> str:
    def resolved(each: Json) -> Json:
        found: Json = document["components"]["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        return found

    parameters = [
        (_code(each["name"]), escape(each["in"]), _type(each["schema"]), _text(each.get("description", "")))
        for each in map(resolved, operation.get("parameters", []))
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    answers = [(escape(status), *_answer(answer, document)) for status, answer in operation["responses"].items()]
    return (
        f"<details><summary><b>{method.upper()}</b> {_code(path)} <span>{escape(operation['summary'])}</span></summary><div>"
        f"<p>{_text(operation.get('description', 'Needs no token.'))}</p>"
        + _table("Parameters", ("name", "where", "type", "meaning"), parameters)
        + _properties("Body, JSON", body)
        + _table("Answers", ("status", "meaning", "body"), answers)
        + "</div></details>"
    )


def _operations(document: Json) -> Iterator[str]:
    tag = ""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if operation["tags"][0] != tag:
                tag = operation["tags"][0]
                yield f"<h2>{escape(tag)}</h2>"
            yield _operation(method, path, operation, document)


def _types(document: Json) -> Iterator[str]:
    yield "<h2>Types</h2>"
    for name, schema in document["components"]["schemas"].items():
        meaning = f"<p>{_text(schema.get('description', ''))}</p>" if "enum" not in schema else f"<p>{_type(schema)}</p>"
        yield f'<section id="{escape(name)}"><h3>{escape(name)}</h3>{meaning}{_properties("Properties", schema)}</section>'


@functools.cache
def page(beta_submit_status: int) -> tuple[bytes, bytes]:
    """Return the page and its Content-Security-Policy."""
    document = openapi.document(beta_submit_status)
    info = document["info"]
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(info['title'])}: HTTP interface</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(info['title'])}</h1><p>{_text(info['summary'])} {_text(info['description'])}</p>"
        '<p>For tools: <a href="openapi.json">openapi.json</a>, <a href="v1.0/$metadata">v1.0/$metadata</a>, '
        '<a href="beta/$metadata">beta/$metadata</a>.</p>'
        f"{''.join(_operations(document))}{''.join(_types(document))}</main></body></html>\n"
    )
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return text.encode(), policy.encode()
