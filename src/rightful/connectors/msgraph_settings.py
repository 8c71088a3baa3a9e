"""What the connector `msgraph` is told, and how Graph is asked for each kind of data."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from rightful.setting_problem import SettingProblem
from rightful.webapi import access
from rightful.webapi.access import Access, OAuthSettings, url_problem
from rightful.webapi.assertion import AssertionSettings

PATHS: Mapping[str, str] = {
    "profile": "users/{user}",
    "drive": "users/{user}/drive",
    "mail": "users/{user}/messages",
    "calendar": "users/{user}/calendars",
}
# Without $select a user has eleven properties. Those that need more permissions than User.Read.All are left out.
_PROFILE = (
    "id,accountEnabled,ageGroup,businessPhones,city,companyName,consentProvidedForMinor,country,createdDateTime,creationType,department,"
    "displayName,employeeHireDate,employeeId,employeeOrgData,employeeType,faxNumber,givenName,identities,imAddresses,jobTitle,"
    "lastPasswordChangeDateTime,legalAgeGroupClassification,mail,mailNickname,mobilePhone,officeLocation,otherMails,postalCode,"
    "preferredDataLocation,preferredLanguage,proxyAddresses,state,streetAddress,surname,usageLocation,userPrincipalName,userType"
)
# The oldest message first: one that comes in while they are listed is at the end, and moves no other to a page that was read.
QUERIES: Mapping[str, str] = {
    "profile": f"?$select={_PROFILE}",
    "drive": "?$select=id,owner,quota",
    "mail": "?$select=id,subject,receivedDateTime&$orderby=receivedDateTime&$top=500",
    "calendar": "?$select=id,owner,isDefaultCalendar&$top=100",
}


class MsgraphSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's profile, drive, mail or calendar in Microsoft 365."""

    what: Literal["profile", "drive", "mail", "calendar"]
    """Which: `profile` and `calendar` are records, `drive` and `mail` files."""
    tenant_id: str
    """The directory (tenant) id in Entra."""
    client_id: str
    """The application (client) id that was registered for reading."""
    client_secret: str = ""
    """By `{file: PATH}` or `${NAME}`; or a certificate and its key."""
    certificate: str = ""
    """The application's certificate in PEM, by `{file: PATH}`, as it was uploaded to Entra."""
    private_key: str = ""
    """The certificate's RSA key in PEM, without a password, by `{file: PATH}`; in place of a secret, and it is shown to no endpoint."""
    user: str = "id"
    """The kind of identifier that is a person's object id in Entra."""
    url: str = "https://graph.microsoft.com"
    """Graph's address; a national cloud has its own."""
    login_url: str = "https://login.microsoftonline.com"
    """Where tokens are fetched; a national cloud has its own."""
    content_hosts: tuple[str, ...] = ()
    """`drive`: where files are downloaded from (`https://contoso-my.sharepoint.com`); no other redirect is followed."""
    requests_per_second: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 10.0
    """How often Graph is asked at most, by this process."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 60.0
    """How long a whole answer may take; a file may take longer."""

    def __repr__(self) -> str:
        """Leave everything out: there is a secret in it."""
        return "MsgraphSettings()"


def access_of(settings: MsgraphSettings) -> Access:
    """Return how Graph is reached."""
    return Access(
        url=settings.url,
        oauth2=OAuthSettings(
            token_url=f"{settings.login_url.rstrip('/')}/{settings.tenant_id}/oauth2/v2.0/token",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            assertion=AssertionSettings(certificate=settings.certificate, private_key=settings.private_key),
            scope=f"{settings.url.rstrip('/')}/.default",
        ),
        content_hosts=settings.content_hosts,
        requests_per_second=settings.requests_per_second,
        timeout_s=settings.timeout_s,
        answer_mib=64,
    )


def problems(settings: MsgraphSettings) -> Iterator[SettingProblem]:
    """Yield what is wrong with settings that are right one by one."""
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", settings.tenant_id):
        yield ("tenant_id",), "is neither an id nor a domain", "copy the directory (tenant) id from Entra"
    if (settings.what == "drive") != bool(settings.content_hosts):
        yield ("content_hosts",), "belongs to a drive, and a drive needs it", "write for instance [https://contoso-my.sharepoint.com]"
    for host in settings.content_hosts:
        if wrong := url_problem(host):
            yield ("content_hosts",), wrong, "write for instance https://contoso-my.sharepoint.com"
    yield from _access_problems(settings)


def _access_problems(settings: MsgraphSettings) -> Iterator[SettingProblem]:
    signs = bool(settings.certificate or settings.private_key)
    is_whole = bool(settings.client_id and (settings.client_secret or signs))
    if not is_whole:
        hint = "register an application, and write its id with client_secret, or with certificate and private_key"
        yield (), "has no client_id, or nothing that proves it", hint
    if signs and settings.client_secret:
        yield ("client_secret",), "stands beside a certificate", "keep one of them"
    if signs and not settings.certificate:
        yield ("certificate",), "is missing", "Entra tells keys by their certificate: name its PEM file by {file: PATH}"
    names = {"url": "url", "oauth2": "login_url"}
    for path, message, hint in access.problems(access_of(settings)):
        if path[:2] == ("oauth2", "assertion"):
            yield path[2:], message, hint
        elif path and path[0] in names and is_whole and path != ("oauth2", "client_secret"):
            yield (names[str(path[0])],), message, hint
