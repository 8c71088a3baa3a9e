"""Every status and code that an error on the wire can have: callers may rely on it, so a test holds the code to it. Pure."""

from collections.abc import Mapping

CODES: Mapping[int, tuple[str, ...]] = {
    400: (
        "BadRequest",
        "StorageLocationInvalid",
        "SharedAccessSignatureTokenInvalid",
        "StorageLocationNotServiceSAS",
        "StorageLocationNotAzureBlob",
        "StorageLocationNeedsWriteAddPermissions",
        "StorageLocationShouldNotAllowReadAccess",
        "StorageLocationShouldNotAllowListAccess",
        "StorageLocationAlreadyUsed",
        "StorageLocationShouldSupportAppendBlobs",
        "SinceUnknown",
        "SinceNotKept",
    ),
    401: ("InvalidAuthenticationToken",),
    403: ("Authorization_RequestDenied",),
    404: ("Request_ResourceNotFound",),
    405: ("Request_BadRequest",),
    408: ("RequestTimeout",),
    409: ("Request_Conflict", "IdempotencyKeyReused"),
    413: ("RequestEntityTooLarge",),
    415: ("UnsupportedMediaType",),
    424: ("FailedDependency",),
    429: ("TooManyRequests",),
    431: ("RequestHeaderFieldsTooLarge",),
    500: ("InternalServerError",),
    503: ("ServiceUnavailable",),
}
