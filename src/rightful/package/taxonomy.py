"""The keys of the fideslang taxonomy that labels are made of: categories of data, and what data is used for.

The keys are those of fideslang 3.2 (https://ethyca.github.io/fideslang). What each is called stands in `locale/taxonomy`, in words of ours
for the person whose data it is. Keys that 3.2 replaced may still be written, and mean the same.
"""

from collections.abc import Mapping
from functools import cache

from rightful.package.catalogues import Catalogue, catalogues

DOMAIN = "taxonomy"
"""Of its catalogues; English is one of them."""

_CATEGORIES = ("user", "system")
"""What categories begin with; every other key is a use."""

_REPLACED: Mapping[str, str] = {
    "personalize.profiling": "personalize.content.profiling",
    "user.account.settings": "user.settings",
    "user.authorization.biometric": "user.authorization.biometrics",
    "user.biometric": "user.biometrics",
    "user.biometric.fingerprint": "user.biometrics.fingerprint",
    "user.biometric.health": "user.biometrics",
    "user.biometric.retinal": "user.biometrics.retinal",
    "user.biometric.voice": "user.biometrics.voice",
    "user.childrens": "user.children",
    "user.contact.organization": "user.contact",
    "user.contact.url": "user.contact.social_url",
    "user.health_and_medical": "user.health",
    "user.health_and_medical.genetic": "user.health.genetic",
    "user.health_and_medical.insurance_beneficiary_id": "user.health.insurance_beneficiary_id",
    "user.health_and_medical.record_id": "user.health.record_id",
    "user.job_title": "user.professional_information.job_title",
    "user.location.imprecise": "user.location.coarse",
    "user.sensor": "user.device.sensor",
    "user.social": "user.social_activity",
    "user.telemetry": "user.device.telemetry",
    "user.unique_id.pseudonymous": "user.unique_id",
    "user.user_sensor": "user.device.sensor",
    "user.workplace": "user.professional_information.workplace",
}


def current(key: str) -> str:
    """Return the key that stands for this one today."""
    return _REPLACED.get(key, key)


def names(language: str) -> Catalogue:
    """Return what each key is called in a language that there is."""
    return catalogues(DOMAIN)[language]


@cache
def categories() -> frozenset[str]:
    """Return every key of a category that may be written."""
    return frozenset(key for key in (*names("en"), *_REPLACED) if key.partition(".")[0] in _CATEGORIES)


@cache
def uses() -> frozenset[str]:
    """Return every key of a use that may be written."""
    return frozenset(key for key in (*names("en"), *_REPLACED) if key.partition(".")[0] not in _CATEGORIES)
