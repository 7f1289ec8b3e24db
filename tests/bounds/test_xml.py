"""XML: whole elements, one at a time, and nothing that a file of annotations has no use for."""

import tracemalloc

import pytest

from tsal.bounds import DEPTH, XML_ELEMENTS
from tsal.bounds.xml import xml_elements
from tsal.errors import InputError


def elements(tmp_path, text, names=("image",)):
    path = tmp_path / "a.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(xml_elements(path, names, "images"))


def test_each_element_comes_whole_with_those_that_it_stands_in(tmp_path):
    text = "<all a='1'><track id='7'><image n='0'>x<point/>y</image></track><image n='1'><image n='2'/></image></all>"
    (first, outer), (second, above) = elements(tmp_path, text)
    assert (first.get("n"), first.text, first[0].tag, first[0].tail) == ("0", "x", "point", "y")
    assert [(one.tag, one.get("id")) for one in outer] == [("all", None), ("track", "7")]
    assert (second.get("n"), second[0].get("n"), [one.tag for one in above]) == ("1", "2", ["all"])


def test_other_encodings_and_what_editors_add_are_read(tmp_path):
    text = "<?xml version='1.0' encoding='ISO-8859-1'?>\n<?xml-stylesheet type='text/xsl' href='a.xsl'?>\n<!-- \xe9 -->"
    ((image, _),) = elements(tmp_path, f"{text}<d><image file='caf\xe9.jpg'/></d>".encode("latin-1"))
    assert image.get("file") == "caf\xe9.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!DOCTYPE d [<!ENTITY a 'b'>]><d><image n='&a;'/></d>", "document type"),
        ("<!DOCTYPE d SYSTEM 'file:///etc/hostname'><d/>", "document type"),
        ("<d>&a;</d>", "cannot be read as XML .undefined entity"),
        ("<d><image></d>", "cannot be read as XML .mismatched tag"),
        ("", "cannot be read as XML .no element found"),
        ("a" * DEPTH + "<a>", "cannot be read as XML"),
        ("<a>" * (DEPTH + 1), "elements in each other"),
        ("<image>" + "<p/>" * XML_ELEMENTS + "</image>", "elements in one <image>"),
        ("<image " + " ".join(f"a{k}=''" for k in range(400_000)) + "/>", "bytes in one tag"),
    ],
)
def test_whatever_annotations_have_no_use_for_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"a\.xml: .*{message}"):
        elements(tmp_path, text)


def test_one_element_at_a_time_is_held(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<d>" + "<image file='a'><box/></image>" * 100_000 + "</d>")
    tracemalloc.start()
    assert sum(1 for _ in xml_elements(path, ("image",), "images")) == 100_000
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
