"""Building an image takes minutes, and what builds it a minute to fetch: these tests are there once `make test-container` has installed it."""

import os
import shutil

collect_ignore = [] if os.geteuid() == 0 and shutil.which("buildah") and shutil.which("debootstrap") else ["test_image.py"]
