"""The independent check of folders."""

import pytest

from rightful.subject.folders import is_folder_of
from rightful.testing.connector_suite import ANN, ANN2, UPPER, identified


@pytest.mark.parametrize(
    ("template", "folder"),
    [
        ("{folder}/", "ann"),
        ("{folder}", "ann/"),
        ("home/{employee_id}/files", "home/e10/files"),
        ("{mail}", "ann.lee@contoso.example"),
        ("u-{employee_id}@{user_number}", "u-e10@10"),
        ("{folder}/{user_number}", "ann/10"),
    ],
)
def test_a_filled_in_template_is_the_subjects_and_no_look_alikes(template: str, folder: str) -> None:
    assert is_folder_of(template, folder, ANN.subject)
    assert not is_folder_of(template, folder, ANN2.subject)
    assert not is_folder_of(template, folder, UPPER.subject)


@pytest.mark.parametrize("folder", ["ANN", "ann2", "an", "ann/x", "x/ann", "", ".", "..", "ann\n"])
def test_another_folder_is_not(folder: str) -> None:
    assert not is_folder_of("{folder}/", folder, ANN.subject)


def test_what_names_nobody_is_nobodys() -> None:
    assert not is_folder_of("files", "files", ANN.subject)
    assert not is_folder_of("{nickname}", "", ANN.subject)
    assert not is_folder_of("{x}", "", identified(x=("",)))
    assert not is_folder_of("{x}", "..", identified(x=("..",)))
    assert not is_folder_of("{x}", "aXb", identified(x=("a.b",)))
