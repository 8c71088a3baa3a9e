"""`/openapi.json`: what is served, route by route, for tools and people (OpenAPI 3.1). Pure.

It is the same in every installation but for `graph.beta_submit_status`, and says nothing of any. Its version is the interface's, not the
software's.
"""

import functools
import http
from collections.abc import Iterator, Mapping
from typing import Any

from rightful.graph import batch, bodies, resources
from rightful.graph.closed_list import CODES
from rightful.graph.endpoints import ENDPOINTS, EVERYWHERE, Endpoint, Parameter
from rightful.graph.routes import METHODS, PATHS, VERSIONS, RouteKind, versions
from rightful.graph.shapes import Edm, Property, Shape, Words

Json = dict[str, Any]

_TYPES: Mapping[Edm, Json] = {
    Edm.STRING: {"type": "string"},
    Edm.DOUBLE: {"type": "number", "format": "double"},
    Edm.INT32: {"type": "integer", "format": "int32"},
    Edm.INT64: {"type": "integer", "format": "int64"},
    Edm.BOOLEAN: {"type": "boolean"},
    Edm.DATE_TIME: {"type": "string", "format": "date-time"},  # GRAPH-05
    Edm.DATE: {"type": "string", "format": "date"},
}

_OPTIONS: Mapping[str, tuple[Json, str]] = {
    "$filter": ({"type": "string", "maxLength": 2048}, "Which operations, for instance `userId eq '…' and status eq 'running'`."),
    "$orderby": ({"type": "string"}, "For instance `submittedDateTime desc`."),
    "$select": ({"type": "string"}, "Properties, separated by commas."),
    "$top": ({"type": "integer", "minimum": 1, "maximum": 999, "default": 100}, "How many on a page."),
    "$skip": ({"type": "integer", "minimum": 0, "maximum": 10_000, "default": 0}, "How many to pass over."),
    "$count": ({"type": "boolean", "default": False}, "Whether the first page says how many there are in all."),
    "$skiptoken": ({"type": "string"}, "A part of `@odata.nextLink`, which is followed as it is."),
}

_KEYS = {
    RouteKind.EXPORT_USER: "The user's object id or user principal name.",
    RouteKind.EXPORT_PROFILE: "The profile's userId.",
    RouteKind.PREVIEW_USER: "The user's object id or user principal name.",
    RouteKind.PREVIEW_PROFILE: "The profile's userId.",
    RouteKind.PROFILE: "The profile's userId.",
    RouteKind.OPERATION: "The operation's id.",
    RouteKind.RESUME: "The operation's id.",
    RouteKind.EXTEND: "The operation's id.",
    RouteKind.FORGET: "The operation's id.",
    RouteKind.APPROVE: "The operation's id.",
    RouteKind.REJECT: "The operation's id.",
}

_HEADERS: Mapping[str, Json] = {
    "request-id": {
        "required": True,
        "schema": {"type": "string"},
        "description": "Names this request in the log; on a 202 the operation's id.",
    },
    "client-request-id": {"required": True, "schema": {"type": "string"}, "description": "The client's own, where it sent one."},
    "Location": {"required": True, "schema": {"type": "string", "format": "uri"}, "description": "The operation, absolute."},
    "Operation-Location": {"required": True, "schema": {"type": "string", "format": "uri"}, "description": "The same."},
    "Retry-After": {"schema": {"type": "integer", "minimum": 1, "maximum": 60}, "description": "Seconds to wait before asking again."},
    "WWW-Authenticate": {"required": True, "schema": {"type": "string"}, "description": "Where tokens are had."},
    "Allow": {"required": True, "schema": {"type": "string"}, "description": "The methods that the path takes."},
}

_OF_STATUS: Mapping[int, tuple[str, ...]] = {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _headers(*names: str) -> Json:
    return {name: _ref("headers", name) for name in ("request-id", "client-request-id", *names)}


# -- schemas ---------------------------------------------------------------------------------------------------------------
def _schema(type_: Edm | Words | Shape[Any]) -> Json:
    return _TYPES[type_] if isinstance(type_, Edm) else _ref("schemas", type_.name)


def _property(each: Property[Any]) -> Json:
    schema = _schema(each.type)
    if each.is_list:
        schema = {"type": "array", "items": schema}
    if each.is_nullable and not each.is_left_out:  # what is left out is never null
        schema = {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "description": each.doc}


def _shape(shape: Shape[Any]) -> Json:
    members = {each.name: _property(each) for each in shape.properties}
    found: Json = {"type": "object", "description": shape.doc, "properties": members}
    # `$select` leaves out whatever it does not name, of an entity.
    return found if shape.key else {**found, "required": [each.name for each in shape.properties if not each.is_left_out]}


def _entity(shape: Shape[Any]) -> Json:
    context = {"type": "object", "required": ["@odata.context"], "properties": {"@odata.context": {"type": "string", "format": "uri"}}}
    return {"allOf": [context, _ref("schemas", shape.name)]}


def _page(shape: Shape[Any]) -> Json:
    return {
        "type": "object",
        "required": ["@odata.context", "value"],
        "properties": {
            "@odata.context": {"type": "string", "format": "uri"},
            "@odata.count": {"type": "integer", "format": "int64", "minimum": 0},
            "@odata.nextLink": {"type": "string", "format": "uri", "description": "The next page; absent on the last one."},
            "value": {"type": "array", "items": _ref("schemas", shape.name)},
        },
    }


def _schemas() -> Json:
    shapes: tuple[Shape[Any], ...] = (resources.OPERATION, resources.PROFILE, *resources.PARTS)
    words = (resources.STATUS, *resources.WORDS)
    return {
        **{shape.name: _shape(shape) for shape in shapes},
        **{each.name: {"type": "string", "enum": list(each.members), "description": each.doc} for each in words},
        "accepted": {
            "type": "object",
            "required": ["Location", "Retry-After"],
            "properties": {"Location": {"type": "string", "format": "uri"}, "Retry-After": {"type": "integer"}},
        },
        **_batch_schemas(),
        "error": {  # GRAPH-40
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message", "innerError"],
                    "properties": {
                        "code": {"type": "string", "enum": sorted({code for codes in CODES.values() for code in codes})},
                        "message": {"type": "string", "description": "For people; may change."},
                        "target": {"type": "string", "description": "The part of the request that is meant."},
                        "innerError": {
                            "type": "object",
                            "required": ["date", "request-id", "client-request-id"],
                            "properties": {
                                "date": {"type": "string"},
                                "request-id": {"type": "string"},
                                "client-request-id": {"type": "string"},
                            },
                        },
                    },
                }
            },
        },
    }


def _batch_schemas() -> Json:
    text, texts = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
    ids = {"type": "array", "items": text}
    asked: Json = {"id": text, "method": text, "url": text, "headers": texts, "body": {}, "dependsOn": ids}
    told: Json = {"id": text, "status": {"type": "integer"}, "headers": texts, "body": {}}

    def several(name: str, required: list[str], properties: Json, doc: str) -> Json:
        each = {"type": "object", "required": required, "properties": properties}
        items = {"type": "array", "minItems": 1, "maxItems": batch.MAX_REQUESTS, "items": each}
        return {"type": "object", "required": [name], "properties": {name: items}, "description": doc}

    return {
        "batch": several("requests", ["id", "method", "url"], asked, "Requests; `url` is below the service root, or absolute."),
        "batchAnswer": several("responses", ["id", "status", "headers"], told, "Their answers. A `body` that is not JSON is base64."),
    }


# -- answers ---------------------------------------------------------------------------------------------------------------
def _refusal(status: int) -> Json:
    codes = {"properties": {"error": {"properties": {"code": {"enum": list(CODES[status])}}}}}
    return {
        "description": http.HTTPStatus(status).phrase,
        "headers": _headers(*_OF_STATUS.get(status, ())),
        "content": {"application/json": {"schema": {"allOf": [_ref("schemas", "error"), codes]}}},
    }


def _success(endpoint: Endpoint) -> Json:
    names = ["Location", "Operation-Location", "Retry-After"] if endpoint.is_accepted else []
    if endpoint.shows is resources.OPERATION and not endpoint.is_list:
        names = ["Retry-After"]  # GRAPH-35: until it has ended
    answer: Json = {"description": http.HTTPStatus(endpoint.status).phrase, "headers": _headers(*names)}
    if endpoint.shows is not None:
        schema = _page(endpoint.shows) if endpoint.is_list else _entity(endpoint.shows)
        answer["content"] = {"application/json": {"schema": schema}}
    elif endpoint.has_accepted_body:
        answer["content"] = {"application/json": {"schema": _ref("schemas", "accepted")}}
    elif endpoint.is_batch:
        answer["content"] = {"application/json": {"schema": _ref("schemas", "batchAnswer")}}
    elif endpoint.is_text:
        answer["content"] = {"text/plain": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}}
    return answer


# -- requests --------------------------------------------------------------------------------------------------------------
def _parameters(kind: RouteKind, endpoint: Endpoint) -> Iterator[Json]:
    if kind in _KEYS:
        name = PATHS[kind].partition("{")[2].partition("}")[0]
        schema = {"type": "string", "minLength": 1, "maxLength": 1024}
        yield {"name": name, "in": "path", "required": True, "schema": schema, "description": _KEYS[kind]}
    for option in endpoint.options:
        schema, doc = _OPTIONS[option]
        yield {"name": option, "in": "query", "schema": schema, "description": doc}
    yield _ref("parameters", "client-request-id")
    if endpoint.is_accepted and endpoint.is_graph:
        yield _ref("parameters", "Idempotency-Key")


def _body_property(parameter: Parameter) -> Json:
    if parameter.name == "bindingParameter":
        binding = {"type": "object", "required": ["userId"], "properties": {"userId": {"type": "string"}}}
        return {"anyOf": [{"type": "string"}, binding], "description": parameter.doc}
    return {**_TYPES[parameter.type], "description": parameter.doc}


def _body(endpoint: Endpoint) -> Json:
    if endpoint.is_batch:
        size = f"At most {batch.MAX_BYTES // 1024} KiB, plain or gzip."
        return {"required": True, "description": size, "content": {"application/json": {"schema": _ref("schemas", "batch")}}}
    required = [each.name for each in endpoint.takes if each.is_required]
    schema: Json = {"type": "object", "properties": {each.name: _body_property(each) for each in endpoint.takes}}
    if required:
        schema["required"] = required
    size = f"At most {bodies.MAX_BODY_BYTES // 1024} KiB, plain or gzip. Other properties are passed over."
    return {"required": bool(required), "description": size, "content": {"application/json": {"schema": schema}}}


def _operation(kind: RouteKind, method: str, version: str, submit_status: int) -> Json:
    endpoint = ENDPOINTS[kind, method]
    status = submit_status if kind in {RouteKind.EXPORT_USER, RouteKind.EXPORT_ME} else endpoint.status
    refusals = sorted({*EVERYWHERE, *endpoint.refuses})
    found: Json = {
        "operationId": f"{version.replace('.', '_')}_{kind.value}_{method.lower()}",
        "tags": [version],
        "summary": endpoint.summary + ("" if endpoint.is_graph else " (not in Graph)"),
        "description": f"Needs {endpoint.needs}",
        "parameters": list(_parameters(kind, endpoint)),
        "responses": {str(status): _success(endpoint), **{str(each): _ref("responses", f"Error{each}") for each in refusals}},
    }
    if endpoint.takes or endpoint.is_batch:
        found["requestBody"] = _body(endpoint)
    return found


def _bodiless(answers: Json) -> Json:
    """Return the same answers without their bodies."""
    answers = {status: _refusal(int(status)) if "$ref" in answer else answer for status, answer in answers.items()}
    return {status: {name: answer[name] for name in ("description", "headers")} for status, answer in answers.items()}


def _head(of_get: Json) -> Json:
    summary = f"The headers of GET: {of_get['summary'][0].lower()}{of_get['summary'][1:]}"
    operation_id = of_get["operationId"].removesuffix("_get") + "_head"
    return {**of_get, "operationId": operation_id, "summary": summary, "responses": _bodiless(of_get["responses"])}


def _options(kind: RouteKind, version: str) -> Json:
    answer = {"description": "No Content", "headers": _headers("Allow")}
    refusals = {str(status): _ref("responses", f"Error{status}") for status in EVERYWHERE}
    parameters = [each for each in _parameters(kind, Endpoint(summary="", needs="")) if each.get("in") != "query"]
    return {
        "operationId": f"{version.replace('.', '_')}_{kind.value}_options",
        "tags": [version],
        "summary": "Which methods this path takes",
        "description": "Needs a token, whatever it allows. No preflight is answered: no page of a browser calls here.",
        "parameters": parameters,
        "responses": {"204": answer, **refusals},
    }


# -- without a token -------------------------------------------------------------------------------------------------------
def _open(name: str, summary: str, media: str, schema: Json, **more: Json) -> Json:
    answer = {"description": "OK", "headers": _headers(), "content": {media: {"schema": schema}}}
    return {"operationId": name, "tags": ["without a token"], "summary": summary, "security": [], "responses": {"200": answer, **more}}


def _open_path(of_get: Json) -> Json:
    """Return all that an open path takes, from its GET."""
    options = {
        **of_get,
        "operationId": f"{of_get['operationId']}_options",
        "summary": "Which methods this path takes",
        "responses": {"204": {"description": "No Content", "headers": _headers("Allow")}},
    }
    return {"get": of_get, "head": _head(of_get), "options": options}


def _pages() -> dict[str, Json]:
    alive = {"type": "object", "required": ["status"], "properties": {"status": {"enum": ["ok"]}}}
    reasons = {"status": {"enum": ["unready"]}, "reason": {"enum": ["store", "engine", "stopping", "standby"]}}
    reason = {"type": "object", "required": ["status", "reason"], "properties": reasons}
    unready = {
        "description": "It cannot take work",
        "headers": _headers(),
        "content": {"application/json": {"schema": {"anyOf": [reason, _ref("schemas", "error")]}}},  # or too many ask at once
    }
    ready = _open("ready", "Whether the service can take work", "application/json", alive, **{"503": unready})
    text = {"type": "string"}
    return {
        "/healthz": _open("alive", "Whether the service answers", "application/json", alive),
        "/readyz": ready,
        "/openapi.json": _open("openapi", "This document", "application/json", {"type": "object"}),
        "/docs": _open("docs", "This document, for people", "text/html", text),
        "/v1.0/$metadata": _open("metadata_v1", "What v1.0 serves, as CSDL", "application/xml", text),
        "/beta/$metadata": _open("metadata_beta", "What beta serves, as CSDL", "application/xml", text),
    }


@functools.cache
def document(beta_submit_status: int) -> Json:
    """Return the whole document; `beta_submit_status` is the setting of that name (GRAPH-13)."""
    paths: dict[str, Json] = {}
    for version in VERSIONS.values():
        submit_status = beta_submit_status if version == "beta" else 202
        for kind, methods in METHODS.items():
            if version in versions(kind):
                item = {
                    method.lower(): _operation(kind, method, version, submit_status) for method in methods if (kind, method) in ENDPOINTS
                }
                if "HEAD" in methods:
                    item["head"] = _head(item["get"])
                if "OPTIONS" in methods:
                    item["options"] = _options(kind, version)
                paths[f"/{version}{PATHS[kind]}"] = item
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rightful",
            "version": "1.0",
            "summary": "Exports of a person's data, as Microsoft Graph's exportPersonalData.",
            "description": (
                "Segments of paths count without regard to case; users/{id} may be written users('{id}'), likewise operations and profiles."
            ),
        },
        "servers": [{"url": "./", "description": "Where this document came from."}],
        "security": [{"bearer": []}],
        "paths": paths | {path: _open_path(operation) for path, operation in _pages().items()},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of the tenant's issuer."}
            },
            "parameters": {
                "client-request-id": {
                    "name": "client-request-id",
                    "in": "header",
                    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,128}$"},
                    "description": "Comes back in the answer, and names a request that is sent again.",
                },
                "Idempotency-Key": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "schema": {"type": "string", "pattern": "^[\\x20-\\x7e]{0,255}$"},
                    "description": "An equal one names the same operation, for a day after that has ended, however it did.",
                },
            },
            "headers": dict(_HEADERS),
            "responses": {f"Error{status}": _refusal(status) for status in CODES},
            "schemas": _schemas(),
        },
    }
