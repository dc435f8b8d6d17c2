# SPDX-License-Identifier: Apache-2.0
"""The software bill of materials of an image, as SPDX 2.3 in JSON. It has no time of day and no
random name: the same image has the same document."""
import json
import urllib.parse

CREATED = "2000-01-01T00:00:00Z"  # as the image's files: when it was made is not part of it
NAMESPACE = "https://spdx.org/spdxdocs/cvmd-guest-"
UNSAID = {"filesAnalyzed": False, **dict.fromkeys(
    ("downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"), "NOASSERTION")}


def identifier(name):
    return "SPDXRef-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in name)


def debian_package(package):
    name, version = package["name"], urllib.parse.quote(package["version"], safe="~+.-")
    return {
        "SPDXID": identifier(f"Package-{name}"), "name": name, "versionInfo": package["version"],
        **UNSAID,
        "supplier": "Organization: Debian",
        "checksums": [{"algorithm": "SHA256", "checksumValue": package["sha256"]}],
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": f"pkg:deb/debian/{name}@{version}?arch=amd64"}],
    }


def own_package(name, version, sha256):
    """What this project compiles."""
    return {
        "SPDXID": identifier(f"Package-{name}"), "name": name, "versionInfo": version,
        **UNSAID,
        "checksums": [{"algorithm": "SHA256", "checksumValue": sha256}],
    }


def document(manifest):
    """The document's text, from the image's manifest."""
    image = manifest["files"]["initramfs.cpio"]["sha256"]
    packages = [debian_package(package) for package in manifest["packages"]
                if package["part"] in ("image", "source")]
    packages += [own_package("cvm-agent", manifest["agent"]["version"],
                             manifest["agent"]["sha256"]),
                 own_package("cvm-kernel", manifest["kernel"],
                             manifest["files"]["bzImage"]["sha256"])]
    return json.dumps({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"cvmd-guest-{manifest['image']}", "documentNamespace": NAMESPACE + image,
        "creationInfo": {"created": CREATED, "creators": ["Tool: cvmd-hal-build"]},
        "packages": packages,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": package["SPDXID"]} for package in packages],
    }, indent=1).encode() + b"\n"
