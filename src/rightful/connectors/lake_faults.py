"""What is said of a lake where something is wrong with it: the file by its path in the lake, never a value."""

from collections.abc import Collection

from rightful.connectors.lake_files import LakeFile, shown_path
from rightful.errors import SourceRefused, SourceUnavailable


class LakeFaults:
    """Makes a source's errors."""

    def __init__(self, source_name: str, hidden: Collection[str]) -> None:
        """`hidden` are the columns whose values, where folders are named after them, are shown as `…`."""
        self._source_name = source_name
        self._hidden = hidden

    def shown(self, file: LakeFile) -> str:
        """Name a file: folders that are named after people are shown without their names."""
        return repr(shown_path(file.path, self._hidden))

    def refused(self, message: str, hint: str) -> SourceRefused:
        """Say what stands in everybody's way."""
        return SourceRefused(message, source_name=self._source_name, hint=hint, concerns_everybody=True)

    def unavailable(self, message: str, hint: str) -> SourceUnavailable:
        """Say what may be better later."""
        return SourceUnavailable(message, source_name=self._source_name, hint=hint)

    def changed(self, message: str = "the lake changed while it was read") -> SourceUnavailable:
        """Say that files are no longer what they were."""
        return SourceUnavailable(
            message, source_name=self._source_name, code="SourceChanged", hint="try again when the files are no longer being rewritten"
        )
