# SPDX-License-Identifier: Apache-2.0
"""Whether a text is XML, as libxml2 has it."""
import ctypes
import ctypes.util
import re

import pytest

NO_NETWORK = 1 << 11  # XML_PARSE_NONET


def texts(document):
    """All texts of a document, which must be well-formed and refer to nothing outside of it."""
    path = ctypes.util.find_library("xml2")
    if not path:
        pytest.skip("libxml2 is not installed")
    library = ctypes.CDLL(path)
    library.xmlReadMemory.restype = ctypes.c_void_p
    library.xmlDocGetRootElement.restype = library.xmlNodeGetContent.restype = ctypes.c_void_p
    assert not re.search(rb"<!|<script|href|url\(|@import|\son\w+=", document), document
    parsed = ctypes.c_void_p(library.xmlReadMemory(document, len(document), None, None, NO_NETWORK))
    assert parsed.value, document.decode(errors="replace")
    root = ctypes.c_void_p(library.xmlDocGetRootElement(parsed))
    content = ctypes.c_void_p(library.xmlNodeGetContent(root))
    text = ctypes.string_at(content).decode()
    library.xmlFreeDoc(parsed)
    return text
