"""What each route takes and answers, in words and types: the OpenAPI document and its page come from this. Pure.

`routes.METHODS` says what there is; a test holds that all of it is described here, and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rightful import language
from rightful.graph import resources
from rightful.graph.routes import RouteKind
from rightful.graph.shapes import Edm, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A property of a request's body."""

    name: str
    doc: str
    type: Edm = Edm.STRING
    is_required: bool = False
    is_in_metadata: bool = True
    """Whether it is OData's; what is not is told by OpenAPI alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one kind of path."""

    summary: str
    needs: str
    """The permissions that it asks for."""
    takes: tuple[Parameter, ...] = ()
    """The body, in JSON."""
    options: tuple[str, ...] = ()
    """OData's, of the query."""
    status: int = 200
    """Of the success."""
    shows: Shape[Any] | None = None
    is_list: bool = False
    is_accepted: bool = False
    """It answers with the operation's Location."""
    has_accepted_body: bool = False
    """GRAPH-21: the Location stands in the body too."""
    is_text: bool = False
    is_batch: bool = False
    """GRAPH-50: it takes requests, and answers with their answers."""
    refuses: tuple[int, ...] = ()
    """The status of refusals beside those that every route has."""
    is_graph: bool = True
    """False for what Graph does not have."""


EVERYWHERE = (400, 401, 403, 429, 431, 500, 503)
"""What any request with a token may meet."""

_LOCATION = Parameter(
    name="storageLocation",
    doc="A container's SAS URL, or the name of a storage account that the operator has configured (GRAPH-23).",
    is_required=True,
)
_BINDING = Parameter(
    name="bindingParameter",
    doc="The profile's userId, or an object with it; must name the profile in the path (GRAPH-20).",
    is_in_metadata=False,
)
_LANGUAGE = Parameter(
    name="language",
    doc=f"The language of the package (BCP 47), one of {', '.join(language.OFFERED)}, or one that these suit, as `de-AT`. Left out: the"
    " directory's for this person, else the tenant's.",
)
_SINCE = Parameter(
    name="since",
    doc="An earlier, complete export of the same person: only what is new, changed or gone since is brought (ours, not Graph's).",
)
_RECIPIENT = Parameter(
    name="recipient",
    doc="The public key of age (`age1…`) or of SSH (`ssh-ed25519 …`) that the package is sealed to: only its secret half opens it (ours).",
)
_PASSPHRASE = Parameter(
    name="passphrase",
    doc="Instead of recipient: what opens the package, 12 characters or more (ours, not Graph's). It is kept nowhere.",
)
_RECEIVED = Parameter(
    name="receivedDateTime",
    doc="When the person's request was received, a moment or a day: the time to answer it runs from then (ours, not Graph's).",
)
_REASON = Parameter(
    name="reason",
    doc="Why, as the regulation allows: `complexity` or `number` of requests, `interference`, `consultation`, `conversion`, `other`.",
    is_required=True,
)
_FURTHER = (_LANGUAGE, _SINCE, _RECIPIENT, _PASSPHRASE, _RECEIVED)
"""What each submit takes beside a location."""
_NEW_LOCATION = Parameter(name="storageLocation", doc="A new SAS URL of the same container; a named account needs none.")

_USERS = "User.Export.All; a person's token also the role Global Administrator."
_PROFILES = "CrossTenantUserProfileSharing.Read.All or .ReadWrite.All; a person's token also Global Reader or Global Administrator."
_OPERATIONS = (
    "User.Export.All, User.Read.All or CrossTenantUserProfileSharing.Read.All (or .ReadWrite.All); "
    "a person's token also Global Administrator, or Global Reader for profiles' operations."
)
_CHANGING = "What submitting the operation needed."
_DECIDING = "What submitting the operation needed, by a person's token, of somebody else than who submitted it."


def _accepting(summary: str, needs: str, *takes: Parameter, has_accepted_body: bool = False, is_graph: bool = True) -> Endpoint:
    return Endpoint(
        summary=summary,
        needs=needs,
        takes=takes,
        status=202,
        is_accepted=True,
        has_accepted_body=has_accepted_body,
        refuses=(404, 409, 408, 413, 415),
        is_graph=is_graph,
    )


def _previewing(whose: str, needs: str) -> Endpoint:
    summary = f"Say what an export of {whose} data would find, without reading it"
    return Endpoint(summary=summary, needs=needs, shows=resources.PREVIEW, refuses=(404, 409), is_graph=False)


ENDPOINTS: Mapping[tuple[RouteKind, str], Endpoint] = {
    (RouteKind.EXPORT_USER, "POST"): _accepting("Submit an export of a user's data", _USERS, _LOCATION, *_FURTHER),
    (RouteKind.EXPORT_ME, "POST"): _accepting(
        "Submit an export of the data of the person who calls", f"{_USERS} An application gets 400.", _LOCATION, *_FURTHER
    ),
    (RouteKind.EXPORT_PROFILE, "POST"): _accepting(
        "Submit an export of an inbound shared user profile's data",
        _PROFILES,
        _LOCATION,
        _BINDING,
        *_FURTHER,
        has_accepted_body=True,
    ),
    (RouteKind.EXPORT_PROFILE, "GET"): _accepting(
        "The same as POST, body and all, as one of Graph's documents has it",
        _PROFILES,
        _LOCATION,
        _BINDING,
        *_FURTHER,
        has_accepted_body=True,
    ),
    (RouteKind.PREVIEW_USER, "GET"): _previewing("a user's", _USERS),
    (RouteKind.PREVIEW_PROFILE, "GET"): _previewing("an inbound shared user profile's", _PROFILES),
    (RouteKind.PROFILES, "GET"): Endpoint(
        summary="List inbound shared user profiles", needs=_PROFILES, options=("$select",), shows=resources.PROFILE, is_list=True
    ),
    (RouteKind.PROFILE, "GET"): Endpoint(
        summary="Get an inbound shared user profile", needs=_PROFILES, options=("$select",), shows=resources.PROFILE, refuses=(404, 409)
    ),
    (RouteKind.OPERATIONS, "GET"): Endpoint(
        summary="List operations, newest first where nothing else is asked",
        needs=_OPERATIONS,
        options=("$filter", "$orderby", "$select", "$top", "$skip", "$count", "$skiptoken"),
        shows=resources.OPERATION,
        is_list=True,
    ),
    (RouteKind.OPERATIONS_COUNT, "GET"): Endpoint(summary="Count operations", needs=_OPERATIONS, options=("$filter",), is_text=True),
    (RouteKind.OPERATION, "GET"): Endpoint(
        summary="Get an operation", needs=_OPERATIONS, options=("$select",), shows=resources.OPERATION, refuses=(404,)
    ),
    (RouteKind.OPERATION, "DELETE"): Endpoint(
        summary="Cancel an operation: it ends failed, with the code cancelled",
        needs=_CHANGING,
        status=204,
        refuses=(404, 409),
        is_graph=False,
    ),
    (RouteKind.BATCH, "POST"): Endpoint(
        summary="Carry out up to 20 requests", needs="What each of its requests needs.", is_batch=True, refuses=(408, 413, 415)
    ),
    (RouteKind.RESUME, "POST"): _accepting("Lead a failed or waiting operation on", _CHANGING, _NEW_LOCATION, is_graph=False),
    (RouteKind.APPROVE, "POST"): _accepting("Approve an export that waits for a second administrator", _DECIDING, is_graph=False),
    (RouteKind.REJECT, "POST"): Endpoint(
        summary="Reject an export that waits for a second administrator: it ends failed, with the code rejected",
        needs=_DECIDING,
        status=204,
        refuses=(404, 409),
        is_graph=False,
    ),
    (RouteKind.EXTEND, "POST"): Endpoint(
        summary="Extend the time to answer the request, as the tenant's regulation allows; the person has to be told",
        needs=_CHANGING,
        takes=(_REASON,),
        status=204,
        refuses=(404, 408, 409, 413, 415),
        is_graph=False,
    ),
    (RouteKind.FORGET, "POST"): Endpoint(
        summary="Erase what is kept of an export to compare later ones with",
        needs=_CHANGING,
        status=204,
        refuses=(404, 409),
        is_graph=False,
    ),
}
