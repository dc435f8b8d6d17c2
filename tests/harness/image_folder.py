# SPDX-License-Identifier: Apache-2.0
"""Small images: directories with a manifest.json, as hal/build writes them of large files."""
import hashlib
import json

from harness import artifacts


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def described(data):
    return {"size": len(data), "sha256": sha256(data)}


class ImageFolder:
    def __init__(self, place, name):
        self.name, self.path = name, place / name
        self.path.mkdir(parents=True)
        artifacts.kernel(self.path / "bzImage")
        artifacts.initramfs(self.path / "initramfs.cpio")
        self.describe()

    @property
    def manifest(self):
        return self.path / "manifest.json"

    @property
    def digest(self):
        return sha256(self.manifest.read_bytes())

    @property
    def reference(self):
        return f"{self.name}@sha256:{self.digest}"

    def describe(self, **members):
        """Writes the manifest of the files that are there."""
        files = {file.name: described(file.read_bytes()) for file in self.path.iterdir()
                 if file != self.manifest}
        self.manifest.write_text(json.dumps({"version": "1.0", "kernel": "7.3.4-cvm",
                                             "files": files, **members}))
        return self
