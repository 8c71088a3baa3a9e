"""LibreOffice takes half a minute to install and seconds to start: its tests are there once `make test-office` has installed it."""

import shutil

collect_ignore = [] if shutil.which("soffice") else ["test_spreadsheet.py"]
