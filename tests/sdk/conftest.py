"""Microsoft's SDKs for Python are 660 MB: their tests are there once `make test-sdk` (or RIGHTFUL_SDK=1 in CI) has installed them."""

from pathlib import Path

VENV = Path(__file__).parents[2] / ".venv-sdk"

collect_ignore = [] if (VENV / "done").exists() else ["test_python_sdk.py"]
