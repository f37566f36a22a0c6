"""JSON from outside is read strictly and in bounded time."""

import json

import pytest

from dbb.errors import BadDocument
from dbb.model import strict_json


@pytest.mark.parametrize(
    "text",
    ['{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', '{"a": 1, "a": 2}', '{"a": ' + "9" * 30 + "}",
     "[" * 100_000, '{"a":' * 50 + "1" + "}" * 50, '{"a": "\\ud800"}', "{", "", "{'a': 1}", "[1,]"],
)  # fmt: skip
def test_what_python_would_accept_or_choke_on_is_refused(text):
    with pytest.raises(BadDocument):
        strict_json.parse(text.encode(), "x.json")


def test_a_document_that_is_no_unicode_is_refused():
    with pytest.raises(BadDocument):
        strict_json.parse(b'{"a": "\xff"}', "x.json")


def test_a_document_that_is_too_large_is_refused():
    with pytest.raises(BadDocument, match="larger"):
        strict_json.parse(b"[" + b"1," * 100 + b"1]", "x.json", max_bytes=50)


def test_brackets_in_text_do_not_count_as_depth():
    assert strict_json.parse(json.dumps(["[" * 40, '"{"' * 40]).encode(), "x")[0] == "[" * 40


def test_the_canonical_form_does_not_depend_on_the_order_of_keys():
    assert strict_json.canonical({"b": 1, "a": 2}) == strict_json.canonical({"a": 2, "b": 1})
