"""What each route does, once the caller is known.

Order of answers: 403, 429, 404, 400 (GRAPH-75): who may not write takes no token, and who may learns of nobody faster than the limits let
him; bodies and options are read last.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from rightful.clock import Clock
from rightful.config.model import GraphSettings
from rightful.errors import Forbidden, InvalidRequest, NotFound, SourceError
from rightful.export.interface import Exports, SubmitRequest
from rightful.graph import batch, bodies, headers, noting, options, reply, resources
from rightful.graph.errors import Unexpected
from rightful.graph.reply import Reply
from rightful.graph.request import Request
from rightful.graph.routes import RouteKind
from rightful.graph.threads import Place, Threads
from rightful.graph.throttle import Throttle
from rightful.identity import permissions
from rightful.identity.model import CallerKind
from rightful.ids import OperationId, is_guid
from rightful.operation.model import DataPolicyOperation
from rightful.store.values import ListQuery
from rightful.subject.model import DataSubject, SubjectKind

_KEY = re.compile(r"[^\x00-\x1f\x7f]{1,1024}")
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{0,255}")

_LONGEST_PLACE = 261
"""A host name's 253 characters, and a port."""
_HOST_TIMES = 0.5
"""A third of what its tenant may have, while nobody else has any."""
_ACCOUNT_TIMES = 3.0
"""Three quarters of it: a folder's syncs are shared by the submits that meet, so fewer of them at a time make each dearer."""

_OPERATION_NAMES = resources.OPERATION.names
_PROFILE_NAMES = resources.PROFILE.names

_USER_EXPORT_NEEDS = "exporting users needs User.Export.All and, with a person's token, the role Global Administrator"
_PROFILE_NEEDS = (
    "this needs CrossTenantUserProfileSharing.Read.All and, with a person's token, the role Global Reader or Global Administrator"
)
_OPERATIONS_NEED = (
    "operations are seen by User.Export.All, User.Read.All or CrossTenantUserProfileSharing.Read.All "
    "and, with a person's token, the role Global Administrator (or Global Reader, for inbound profiles)"
)


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What handlers work with."""

    exports: Exports
    settings: GraphSettings
    clock: Clock
    throttle: Throttle
    """Of calls that change."""
    reads: Threads
    """For calls that look."""
    submits: Threads
    """For submits, which may wait for a storage location: they never hold up anything else, nor those for other locations."""
    changes: Threads
    """For the other calls that change; none of them waits for anything but the store."""
    previews: Threads
    """For those who ask what an export would find, which sources may take their time to say: no export waits for that."""
    probes: Threads
    """For those who ask whether the service is ready: nobody's requests wait for them, nor they for requests."""


Handler = Callable[[Service, Request], Awaitable[Reply]]


def _missing() -> NotFound:
    # Authz D3: the same for what is another tenant's, what there is not, and what the caller may not see; so it names nothing.
    return NotFound("Resource does not exist or one of its queried reference-property objects are not present")


# -- submit -----------------------------------------------------------------------------------------------------------


def _accepted(request: Request, operation: DataPolicyOperation) -> tuple[headers.Header, ...]:
    """Return the headers of GRAPH-12."""
    location = f"{request.root}/dataPolicyOperations/{operation.operation_id}".encode()
    return ((b"location", location), (b"operation-location", location), headers.retry_after(operation.retry_after_s))


def _place(location: object) -> Place:
    """Return what a storage location may keep waiting: the host of a URL, however it is spelled, else the account."""
    account, is_url, rest = location.partition("://") if isinstance(location, str) else ("", "", "")
    if not is_url:
        return Place(account[:_LONGEST_PLACE], _ACCOUNT_TIMES)
    return Place(rest.partition("/")[0][:_LONGEST_PLACE].lower().removesuffix(":443").rstrip("."), _HOST_TIMES)


async def _submit(service: Service, request: Request, subject: DataSubject, body: bodies.ExportBody) -> DataPolicyOperation:
    key = headers.value(request.headers, b"idempotency-key")
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequest("The header Idempotency-Key is longer than 255 characters, or not ASCII")
    recipient = bodies.parse_recipient(body.recipient)
    submitted = SubmitRequest(
        caller=request.caller,
        subject=subject,
        storage_location=body.storage_location,
        since=body.since,
        client_request_id=headers.client_request_id(request.headers),
        received=bodies.parse_received(body.received),
        language=bodies.parse_language(body.language),
        recipient=recipient,
        passphrase=bodies.parse_passphrase(body.passphrase, recipient=recipient),
        idempotency_key=key,
        actor=request.actor,
        place=request.place,
    )
    try:
        return await service.submits.run_at(request.tenant_id, _place(body.storage_location), service.exports.submit, submitted)
    except SourceError as error:
        raise Unexpected from error  # GRAPH-15: nothing that makes SDKs send again once something may have been committed


async def _find_user(service: Service, request: Request, key: str) -> DataSubject:
    subject = await service.reads.run(request.tenant_id, service.exports.find_user, request.tenant_id, key) if _KEY.fullmatch(key) else None
    if subject is None:
        raise _missing()
    request.is_about(subject.subject_id, subject.subject_id)
    return subject


async def _export_user(service: Service, request: Request, key: str) -> Reply:
    subject = await _find_user(service, request, key)
    operation = await _submit(service, request, subject, bodies.parse_export(await request.body()))
    status = service.settings.beta_submit_status if request.is_beta else 202  # GRAPH-13
    return reply.empty(status, _accepted(request, operation), request_id=operation.operation_id)


def _admit_user_export(service: Service, request: Request) -> None:
    allowed = permissions.may_export(request.caller, SubjectKind.USER, user_read_all_exports=service.settings.user_read_all_exports)
    request.require(allowed, _USER_EXPORT_NEEDS)
    service.throttle.check(request.caller)


async def export_user(service: Service, request: Request) -> Reply:
    """Submit an export of a user (GRAPH-10)."""
    _admit_user_export(service, request)
    return await _export_user(service, request, request.route.key)


async def _preview(service: Service, request: Request, subject: DataSubject) -> Reply:
    if asked := options.parse_query(request.query_string, is_beta=request.is_beta):
        raise InvalidRequest(f"The query option {min(asked)} is not supported for a preview")
    found = await service.previews.run(request.tenant_id, service.exports.preview, subject)
    context = f"{request.root}/$metadata#{resources.PREVIEW.namespace}.{resources.PREVIEW.name}"
    return reply.json(bodies.encode({"@odata.context": context} | resources.PREVIEW.show(found)))


async def preview_user(service: Service, request: Request) -> Reply:
    """Say what an export of a user would find (ours, not Graph's); it is admitted, and limited, as the export itself (authz D8)."""
    _admit_user_export(service, request)
    return await _preview(service, request, await _find_user(service, request, request.route.key))


async def preview_profile(service: Service, request: Request) -> Reply:
    """Say what an export of an inbound shared user profile would find (ours, not Graph's; authz D8)."""
    request.require(permissions.may_export(request.caller, SubjectKind.INBOUND_PROFILE), _PROFILE_NEEDS)
    service.throttle.check(request.caller)
    return await _preview(service, request, await _find_profile(service, request))


async def export_me(service: Service, request: Request) -> Reply:
    """Submit an export of the person who calls (GRAPH-11)."""
    _admit_user_export(service, request)
    if request.caller.kind is not CallerKind.DELEGATED:
        raise InvalidRequest("/me request is only valid with delegated authentication flow", hint="name the user: /users/{id}")
    return await _export_user(service, request, request.caller.object_id)


async def export_profile(service: Service, request: Request) -> Reply:
    """Submit an export of an inbound shared user profile (GRAPH-20, GRAPH-21; authz D6: a GET counts as the POST)."""
    request.require(permissions.may_export(request.caller, SubjectKind.INBOUND_PROFILE), _PROFILE_NEEDS)
    service.throttle.check(request.caller)
    subject = await _find_profile(service, request)
    body = bodies.parse_export(await request.body())
    bodies.check_binding(body.binding_parameter, subject)
    operation = await _submit(service, request, subject, body)
    accepted = _accepted(request, operation)
    said = {"Location": accepted[0][1].decode(), "Retry-After": int(accepted[2][1])}
    return reply.json(bodies.encode(said), status=202, headers=accepted, request_id=operation.operation_id)


# -- inbound shared user profiles -------------------------------------------------------------------------------------


async def _find_profile(service: Service, request: Request) -> DataSubject:
    key = request.route.key
    found = (
        await service.reads.run(request.tenant_id, service.exports.find_inbound_profile, request.tenant_id, key)
        if _KEY.fullmatch(key)
        else None
    )
    if found is None:
        raise _missing()
    request.is_about(found.subject_id, found.subject_id)
    return found


def _profile_select(request: Request) -> tuple[str, ...]:
    # GRAPH-04: not countable, not filterable, no $top or $skip.
    asked = options.parse_query(request.query_string, is_beta=request.is_beta)
    for name in asked.keys() - {"$select"}:
        raise InvalidRequest(f"The query option {name} is not supported for inbound shared user profiles")
    return options.parse_select(asked["$select"], _PROFILE_NAMES, "inboundSharedUserProfile") if "$select" in asked else ()


def _context(request: Request, what: str, select: tuple[str, ...], suffix: str = "") -> str:
    names = f"({','.join(select)})" if select else ""
    return f"{request.root}/$metadata#{what}{names}{suffix}"


async def list_profiles(service: Service, request: Request) -> Reply:
    """List inbound shared user profiles (GRAPH-22)."""
    request.require(permissions.may_read_profiles(request.caller), _PROFILE_NEEDS)
    select = _profile_select(request)
    found = await service.reads.run(request.tenant_id, service.exports.list_inbound_profiles, request.tenant_id)
    members = {
        "@odata.context": _context(request, "directory/inboundSharedUserProfiles", select),
        "value": [resources.PROFILE.show(subject, select) for subject in found],
    }
    return reply.json(bodies.encode(members))


async def get_profile(service: Service, request: Request) -> Reply:
    """Return one inbound shared user profile (GRAPH-22)."""
    request.require(permissions.may_read_profiles(request.caller), _PROFILE_NEEDS)
    found = await _find_profile(service, request)
    select = _profile_select(request)
    context = _context(request, "directory/inboundSharedUserProfiles", select, "/$entity")
    return reply.json(bodies.encode({"@odata.context": context} | resources.PROFILE.show(found, select)))


# -- operations -------------------------------------------------------------------------------------------------------


def _visible(request: Request) -> frozenset[SubjectKind]:
    visible = permissions.visible_kinds(request.caller)
    request.require(visible, _OPERATIONS_NEED)
    return visible


async def _find_operation(service: Service, request: Request, visible: frozenset[SubjectKind]) -> DataPolicyOperation:
    key = request.route.key.lower()
    found = (
        await service.reads.run(request.tenant_id, service.exports.get, request.tenant_id, OperationId(key), visible)
        if is_guid(key)
        else None
    )
    if found is None:
        raise _missing()
    request.is_about(found.operation_id, found.subject_id)
    return found


async def get_operation(service: Service, request: Request) -> Reply:
    """Return one operation (GRAPH-30)."""
    operation = await _find_operation(service, request, _visible(request))
    select: tuple[str, ...] = ()
    if request.query_string:
        asked = options.parse_query(request.query_string, is_beta=request.is_beta)
        for name in asked.keys() - {"$select"}:
            raise InvalidRequest(f"The query option {name} is not supported for one operation")
        select = options.parse_select(asked["$select"], _OPERATION_NAMES, "dataPolicyOperation") if "$select" in asked else ()
    context = _context(request, "dataPolicyOperations", select, "/$entity")
    body = bodies.encode({"@odata.context": context} | resources.OPERATION.show(operation, select))
    return reply.json(body, headers=() if operation.is_ended else (headers.retry_after(operation.retry_after_s),))


def _list_query(request: Request, visible: frozenset[SubjectKind], asked: options.Options) -> ListQuery:
    subject_id = noting.asked_of(asked.where)
    request.is_about(subject_id, subject_id if is_guid(subject_id.lower()) else "")  # the caller's own words
    return ListQuery(
        tenant_id=request.tenant_id,
        subject_kinds=tuple(sorted(visible)),
        where=asked.where,
        order=asked.order,
        after=asked.after,
        skip=asked.skip,
        limit=asked.top + 1,  # one more than is shown says whether there is a next page
    )


async def list_operations(service: Service, request: Request) -> Reply:
    """List operations, a page at a time (GRAPH-31); how clients that lost a Location find the operation again (GRAPH-16)."""
    visible = _visible(request)
    asked = options.parse_options(request.query_string, is_beta=request.is_beta, properties=_OPERATION_NAMES)
    query = _list_query(request, visible, asked)
    members: dict[str, object] = {"@odata.context": _context(request, "dataPolicyOperations", asked.select)}
    if asked.count and asked.after is None:
        members["@odata.count"] = await service.reads.run(request.tenant_id, service.exports.count, query)
    found = await service.reads.run(request.tenant_id, service.exports.list, query)
    page = found[: asked.top]
    if len(found) > asked.top:
        members["@odata.nextLink"] = options.next_link(f"{request.root}/dataPolicyOperations", asked, page[-1])
    members["value"] = [resources.OPERATION.show(operation, asked.select) for operation in page]
    return reply.json(bodies.encode(members))


async def count_operations(service: Service, request: Request) -> Reply:
    """Return how many operations there are, as plain text (GRAPH-31)."""
    visible = _visible(request)
    asked = options.parse_options(request.query_string, is_beta=request.is_beta, properties=_OPERATION_NAMES)
    return reply.text(str(await service.reads.run(request.tenant_id, service.exports.count, _list_query(request, visible, asked))))


async def _find_changeable(service: Service, request: Request) -> DataPolicyOperation:
    """Return the operation in the path, where the caller may do with it what submitting needs (authz D7)."""
    kinds = permissions.exportable_kinds(request.caller, user_read_all_exports=service.settings.user_read_all_exports)
    request.require(kinds, f"{_USER_EXPORT_NEEDS}; for an inbound profile {_PROFILE_NEEDS}")
    service.throttle.check(request.caller)
    operation = await _find_operation(service, request, permissions.visible_kinds(request.caller))
    if operation.subject_kind not in kinds:
        raise Forbidden("Insufficient privileges to complete the operation", hint="it needs what submitting the operation needed")
    return operation


async def cancel_operation(service: Service, request: Request) -> Reply:
    """Cancel an operation (GRAPH-33)."""
    operation = await _find_changeable(service, request)
    cancel = partial(service.exports.cancel, request.tenant_id, operation.operation_id, request.actor)
    await service.changes.run(request.tenant_id, cancel)
    return reply.empty(204)


async def resume_operation(service: Service, request: Request) -> Reply:
    """Lead a failed or waiting operation on, with a new storage location where the body brings one (ours, not Graph's)."""
    operation = await _find_changeable(service, request)
    raw = await request.body()
    location = bodies.parse_export(raw).storage_location if raw else None
    if location is not None and not isinstance(location, str):
        raise InvalidRequest("storageLocation is no text", code="StorageLocationInvalid", target="storageLocation")
    actor = msgspec.structs.replace(request.actor, request_id=operation.operation_id)  # GRAPH-12: as the answer carries it
    resume = partial(service.exports.resume, request.tenant_id, operation.operation_id, location, actor)
    resumed = await service.changes.run(request.tenant_id, resume)
    return reply.empty(202, _accepted(request, resumed), request_id=resumed.operation_id)


async def _decide(service: Service, request: Request, *, is_approved: bool) -> DataPolicyOperation:
    request.require(request.caller.kind is CallerKind.DELEGATED, "approving and rejecting takes a person's token")
    operation = await _find_changeable(service, request)
    by = msgspec.structs.replace(request.actor, request_id=operation.operation_id) if is_approved else request.actor  # GRAPH-12
    decide = partial(service.exports.decide, request.caller, operation.operation_id, is_approved=is_approved, by=by)
    return await service.changes.run(request.tenant_id, decide)


async def approve_operation(service: Service, request: Request) -> Reply:
    """Approve an export that waits for a second administrator (ours, not Graph's)."""
    operation = await _decide(service, request, is_approved=True)
    return reply.empty(202, _accepted(request, operation), request_id=operation.operation_id)


async def reject_operation(service: Service, request: Request) -> Reply:
    """Reject an export that waits for a second administrator: it ends (ours, not Graph's)."""
    await _decide(service, request, is_approved=False)
    return reply.empty(204)


async def extend_operation(service: Service, request: Request) -> Reply:
    """Extend the time to answer a request (ours, not Graph's)."""
    operation = await _find_changeable(service, request)
    reason = bodies.parse_reason(await request.body())
    extend = partial(service.exports.extend, request.tenant_id, operation.operation_id, reason, request.actor)
    await service.changes.run(request.tenant_id, extend)
    return reply.empty(204)


async def forget_operation(service: Service, request: Request) -> Reply:
    """Erase what is kept of an export to compare later ones with (ours, not Graph's)."""
    operation = await _find_changeable(service, request)
    forget = partial(service.exports.forget, request.tenant_id, operation.operation_id, request.actor)
    await service.changes.run(request.tenant_id, forget)
    return reply.empty(204)


async def carry_out_batch(_service: Service, request: Request) -> Reply:
    """Carry out several requests, each of which is admitted by itself (GRAPH-50)."""
    return await batch.carry_out(request)


HANDLERS: dict[tuple[RouteKind, str], Handler] = {
    (RouteKind.EXPORT_USER, "POST"): export_user,
    (RouteKind.EXPORT_ME, "POST"): export_me,
    (RouteKind.EXPORT_PROFILE, "GET"): export_profile,
    (RouteKind.EXPORT_PROFILE, "POST"): export_profile,
    (RouteKind.PREVIEW_USER, "GET"): preview_user,
    (RouteKind.PREVIEW_PROFILE, "GET"): preview_profile,
    (RouteKind.PROFILES, "GET"): list_profiles,
    (RouteKind.PROFILE, "GET"): get_profile,
    (RouteKind.OPERATIONS, "GET"): list_operations,
    (RouteKind.OPERATIONS_COUNT, "GET"): count_operations,
    (RouteKind.OPERATION, "GET"): get_operation,
    (RouteKind.OPERATION, "DELETE"): cancel_operation,
    (RouteKind.RESUME, "POST"): resume_operation,
    (RouteKind.APPROVE, "POST"): approve_operation,
    (RouteKind.REJECT, "POST"): reject_operation,
    (RouteKind.EXTEND, "POST"): extend_operation,
    (RouteKind.FORGET, "POST"): forget_operation,
    (RouteKind.BATCH, "POST"): carry_out_batch,
}
