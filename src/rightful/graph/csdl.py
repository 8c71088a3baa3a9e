"""`$metadata`: what a service root serves, as OData's clients read it (CSDL XML, OData 4.0). Pure.

It says what there is and no more: users can be addressed and not read, profiles are beta's alone (GRAPH-01), what Graph does not have
stands in a namespace of ours.
"""

import functools
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from rightful.graph import resources
from rightful.graph.endpoints import ENDPOINTS
from rightful.graph.routes import METHODS, RouteKind, versions
from rightful.graph.shapes import GRAPH, OURS, Edm, Property, Shape, Words

_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
_VOCABULARIES = "https://oasis-tcs.github.io/odata-vocabularies/vocabularies"


def _element(name: str, *children: str, **attributes: str) -> str:
    start = name + "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{start}>{''.join(children)}</{name}>" if children else f"<{start}/>"


def _described(doc: str) -> str:
    return _element("Annotation", Term="Core.Description", String=doc)


def _type_name(type_: Edm | Words | Shape[Any], *, is_list: bool = False) -> str:
    name = type_.value if isinstance(type_, Edm) else f"{type_.namespace}.{type_.name}"
    return f"Collection({name})" if is_list else name


def _property(each: Property[Any]) -> str:
    name = _type_name(each.type, is_list=each.is_list)
    return _element("Property", _described(each.doc), Name=each.name, Type=name, Nullable=str(each.is_nullable).lower())


def _words(words: Words) -> str:
    members = (_element("Member", Name=member, Value=str(number)) for number, member in enumerate(words.members))
    return _element("EnumType", _described(words.doc), *members, Name=words.name)


def _part(shape: Shape[Any]) -> str:
    return _element("ComplexType", _described(shape.doc), *map(_property, shape.properties), Name=shape.name)


def _entity(shape: Shape[Any]) -> str:
    key = _element("Key", _element("PropertyRef", Name=shape.key))
    return _element("EntityType", key, _described(shape.doc), *map(_property, shape.properties), Name=shape.name)


def _addressed(name: str, doc: str, *children: str) -> str:
    """Return a type that is in paths only."""
    identity = _element("Property", Name="id", Type=Edm.STRING.value, Nullable="false")
    key = _element("Key", _element("PropertyRef", Name="id"))
    return _element("EntityType", key, _described(doc), identity, *children, Name=name)


_BOUND = {
    RouteKind.EXPORT_USER: (GRAPH, "exportPersonalData", f"{GRAPH}.user"),
    RouteKind.EXPORT_PROFILE: (GRAPH, "exportPersonalData", f"{GRAPH}.inboundSharedUserProfile"),
    RouteKind.RESUME: (OURS, "resume", f"{GRAPH}.dataPolicyOperation"),
    RouteKind.APPROVE: (OURS, "approve", f"{GRAPH}.dataPolicyOperation"),
    RouteKind.REJECT: (OURS, "reject", f"{GRAPH}.dataPolicyOperation"),
    RouteKind.EXTEND: (OURS, "extend", f"{GRAPH}.dataPolicyOperation"),
    RouteKind.FORGET: (OURS, "forget", f"{GRAPH}.dataPolicyOperation"),
}


def _actions(namespace: str, version: str) -> Iterator[str]:
    for kind, (where, name, bound_to) in _BOUND.items():
        if where == namespace and version in versions(kind):
            endpoint = ENDPOINTS[kind, "POST"]
            parameters = [_element("Parameter", Name="bindingParameter", Type=bound_to, Nullable="false")]
            for each in endpoint.takes:
                if each.is_in_metadata:
                    nullable = str(not each.is_required).lower()
                    parameters.append(_element("Parameter", Name=each.name, Type=each.type.value, Nullable=nullable))
            yield _element("Action", *parameters, _described(endpoint.summary), Name=name, IsBound="true")


_PREVIEWED = {RouteKind.PREVIEW_USER: f"{GRAPH}.user", RouteKind.PREVIEW_PROFILE: f"{GRAPH}.inboundSharedUserProfile"}


def _previews(version: str) -> Iterator[str]:
    for kind, bound_to in _PREVIEWED.items():
        if version in versions(kind):
            binding = _element("Parameter", Name="bindingParameter", Type=bound_to, Nullable="false")
            returned = _element("ReturnType", Type=_type_name(resources.PREVIEW), Nullable="false")
            described = _described(ENDPOINTS[kind, "GET"].summary)
            yield _element("Function", binding, returned, described, Name="preview", IsBound="true")


def _can(term: str, name: str, value: bool) -> str:  # noqa: FBT001 - what the annotation says
    record = _element("Record", _element("PropertyValue", Property=name, Bool=str(value).lower()))
    return _element("Annotation", record, Term=f"Capabilities.{term}Restrictions")


def _capabilities(items: RouteKind | None, item: RouteKind | None) -> Iterator[str]:
    """Say what can be done with a set and what is in it; OData's clients take everything for possible that is not denied."""
    of_set, of_item = METHODS.get(items, ()) if items else (), METHODS.get(item, ()) if item else ()
    yield _can("Read", "Readable", "GET" in of_item)
    yield _can("Insert", "Insertable", "POST" in of_set)
    yield _can("Update", "Updatable", "PATCH" in of_item)
    yield _can("Delete", "Deletable", "DELETE" in of_item)


def _container(version: str) -> str:
    operations = _element(
        "EntitySet",
        *_capabilities(RouteKind.OPERATIONS, RouteKind.OPERATION),
        Name="dataPolicyOperations",
        EntityType=_type_name(resources.OPERATION),
    )
    users = _element("EntitySet", *_capabilities(None, None), Name="users", EntityType=f"{GRAPH}.user")
    me = _element("Singleton", *_capabilities(None, None), Name="me", Type=f"{GRAPH}.user")
    found = [operations, users, me]
    if version in versions(RouteKind.PROFILES):
        found.append(_element("Singleton", *_capabilities(None, None), Name="directory", Type=f"{GRAPH}.directory"))
    return _element("EntityContainer", *found, Name="GraphService")


def _profiles(version: str) -> Iterable[str]:
    if version not in versions(RouteKind.PROFILES):
        return
    yield _entity(resources.PROFILE)
    yield _addressed(
        "directory",
        "Where the profiles are.",
        _element(
            "NavigationProperty",
            *_capabilities(RouteKind.PROFILES, RouteKind.PROFILE),
            Name="inboundSharedUserProfiles",
            Type=_type_name(resources.PROFILE, is_list=True),
            ContainsTarget="true",
        ),
    )


@functools.cache
def document(version: str) -> bytes:
    """Return the CSDL document of a service root, `v1.0` or `beta`."""
    graph = _element(
        "Schema",
        _words(resources.STATUS),
        _entity(resources.OPERATION),
        _addressed("user", "A person of the tenant; can be named, not read."),
        *_profiles(version),
        *_actions(GRAPH, version),
        _container(version),
        xmlns=_EDM,
        Namespace=GRAPH,
        Alias="graph",
    )
    ours = _element(
        "Schema",
        *[_words(words) for words in resources.WORDS],
        *[_part(shape) for shape in resources.PARTS],
        *_actions(OURS, version),
        *_previews(version),
        xmlns=_EDM,
        Namespace=OURS,
    )
    references = (
        _element(
            "edmx:Reference",
            _element("edmx:Include", Namespace=f"Org.OData.{name}.V1", Alias=name),
            Uri=f"{_VOCABULARIES}/Org.OData.{name}.V1.xml",
        )
        for name in ("Core", "Capabilities")
    )
    services = _element("edmx:DataServices", graph, ours)
    edmx = _element("edmx:Edmx", *references, services, Version="4.0", **{"xmlns:edmx": _EDMX})
    return f'<?xml version="1.0" encoding="utf-8"?>\n{edmx}\n'.encode()
