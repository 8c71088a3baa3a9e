"""When a folder of a source is a subject's: the independent check of files.

It works backwards from the folder that a file was found in, and shares no code with the connector that fills the template in.
"""

import re

from rightful.subject.matching import is_usable
from rightful.subject.model import IdentifiedSubject

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)\}")


def kinds_of(template: str) -> frozenset[str]:
    """Return the kinds of identifiers that a path template asks for."""
    return frozenset(_PLACEHOLDER.findall(template))


def is_folder_of(template: str, folder: str, subject: IdentifiedSubject) -> bool:
    """Say whether a folder is what the template stands for with this subject's identifiers.

    Letter case counts, of mail and UPN too: `ann/` and `ANN/` are two folders.

    Args:
        template: as configured, placeholders are identifier kinds: `{upn}/`, `home/{employee_id}/files`.
        folder: as the connector found it, relative, with or without a slash at its end.
        subject: whose folder it is said to be.
    """
    wanted, found = template.strip("/").split("/"), folder.strip("/").split("/")
    return (
        len(wanted) == len(found)
        and bool(_PLACEHOLDER.search(template))
        and all(map(_segment_fits, wanted, found, [subject] * len(wanted)))
    )


def _segment_fits(template: str, found: str, subject: IdentifiedSubject) -> bool:
    kinds = _PLACEHOLDER.findall(template)
    if not kinds:
        return template == found
    allowed = [[value for value in subject.values(kind) if is_usable(kind, value)] for kind in kinds]
    literals = [re.escape(text) for text in _PLACEHOLDER.split(template)[::2]]
    pattern = literals[0] + "".join(
        f"(?:{'|'.join(map(re.escape, values))})" + after for values, after in zip(allowed, literals[1:], strict=True)
    )
    return all(allowed) and found not in {".", ".."} and re.fullmatch(pattern, found) is not None
