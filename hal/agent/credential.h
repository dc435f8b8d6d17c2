/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credentials that the machine's maker gives the guest, as systemd reads them (systemd.exec(5),
 * "Credentials"): SMBIOS type 11 strings `io.systemd.credential:NAME=VALUE` (or
 * `io.systemd.credential.binary:NAME=BASE64`), or fw_cfg entries
 * `opt/io.systemd.credentials/NAME`. They are not measured under SEV-SNP: nothing that matters to
 * the guest's secrets may depend on one.
 */

#include "base/macros.h"

/* The value of a credential. Returns 0, -ENOENT or -ENOMEM. */
int credential_read(const char *name, char **ret);

/* The value of a credential in one SMBIOS type 11 structure of `size` bytes (DMTF DSP0134, "OEM
 * Strings"). Returns 0, -ENOENT, -EBADMSG (not such a structure) or -ENOMEM. */
int credential_parse_smbios(const void *data, size_t size, const char *name, char **ret);

/* `vsock-stream:CID:PORT` or `vsock:CID:PORT`, both decimal. Returns 0 or -EINVAL. */
int credential_parse_vsock(const char *value, uint32_t *ret_cid, uint32_t *ret_port);
