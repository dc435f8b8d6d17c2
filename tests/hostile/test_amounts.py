# SPDX-License-Identifier: Apache-2.0
"""What one user asks for is bounded, is theirs, and leaves others what they need."""
from hostile import amounts

REFUSED = ("QuotaExceeded", "InvalidSpec", "ArtifactInvalid", "NoResources")


def test_sparse_artifacts(attacked):
    answers = attacked(amounts.of_artifacts)["answers"]
    assert answers[0] in REFUSED and "" in answers and "QuotaExceeded" in answers, answers


def test_secrets(attacked):
    answers = attacked(amounts.of_secrets)["answers"]
    assert "" in answers and answers[-1] == "QuotaExceeded", answers


def test_ports(attacked):
    answers = attacked(amounts.of_ports)["answers"]
    assert "" in answers and answers[-1] == "QuotaExceeded", answers


def test_launches_in_flight(attacked):
    assert attacked(amounts.of_cvms)["done"] == 30


def test_renders_in_loops(attacked):
    assert attacked(amounts.of_renders)["answered"] > 0


def test_logs_in_loops(attacked):
    assert attacked(amounts.of_logs)["answered"] > 0


def test_questions_in_loops(attacked):
    assert attacked(amounts.of_questions)["answered"] > 0


def test_cvms_of_others(attacked):
    assert attacked(amounts.of_others)["answers"] == ["NoSuchCvm"]


def test_files_that_the_kernel_writes(attacked):
    answers = attacked(amounts.of_kernel_files)["answers"]
    assert len(answers) == 28 and set(answers.values()) <= set(REFUSED), answers


def test_odd_shares(attacked):
    answers = attacked(amounts.of_shares)["answers"]
    assert answers[0] == "" and set(answers) <= {"", "InvalidSpec"}, answers
