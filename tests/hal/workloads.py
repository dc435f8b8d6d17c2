# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/images, as they are made there."""
import importlib.machinery
import importlib.util
import pathlib

PATH = pathlib.Path(__file__).resolve().parents[2] / "examples/images/make-overlay"
_loader = importlib.machinery.SourceFileLoader("make_overlay", str(PATH))
_module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_overlay", _loader))
_loader.exec_module(_module)

HELLO_C, wasm_hello, docker_image = _module.HELLO_C, _module.wasm_hello, _module.docker_image
make_overlay = _module.make
