/* SPDX-License-Identifier: Apache-2.0 */
#include "credential.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

#define DMI_ENTRIES "/sys/firmware/dmi/entries"
#define FW_CFG_CREDENTIALS "/sys/firmware/qemu_fw_cfg/by_name/opt/io.systemd.credentials"
#define CREDENTIAL_MAX 65536

/* The text after `prefix`, or NULL. */
static const char *after(const char *s, const char *prefix)
{
        size_t length = strlen(prefix);

        return strncmp(s, prefix, length) == 0 ? s + length : NULL;
}

/* The value in a string of type 11, decoded; NULL if it is none of that name or no valid one. */
static char *credential_decode(const char *string, const char *name)
{
        const char *value = after(string, "io.systemd.credential:");
        bool binary = !value;
        uint8_t *data;
        size_t size;

        if (binary)
                value = after(string, "io.systemd.credential.binary:");
        value = value ? after(value, name) : NULL;
        if (!value || *value++ != '=')
                return NULL;
        if (!binary)
                return strdup(value);
        if (text_unbase64(value, &data, &size) < 0)
                return NULL;
        if (memchr(data, 0, size)) {
                free(data);
                return NULL;
        }
        return (char *)data; /* ends with a NUL, see text_unbase64() */
}

int credential_parse_smbios(const void *data, size_t size, const char *name, char **ret)
{
        const char *next = data, *end = next + size;

        /* type, length of the formatted part, handle; then strings, each with its NUL, and an empty
         * one */
        if (size < 4 || next[0] != 11 || (uint8_t)next[1] < 4 || (uint8_t)next[1] > size)
                return -EBADMSG;
        next += (uint8_t)next[1];
        while (next < end && *next) {
                const char *nul = memchr(next, 0, (size_t)(end - next));

                if (!nul)
                        return -EBADMSG;
                *ret = credential_decode(next, name);
                if (*ret)
                        return 0;
                next = nul + 1;
        }
        return -ENOENT;
}

static int credential_read_smbios(const char *name, char **ret)
{
        DIR *directory = opendir(DMI_ENTRIES);
        struct dirent *entry;
        int r = -ENOENT;

        if (!directory)
                return -ENOENT;
        while (r < 0 && (entry = readdir(directory))) {
                char path[sizeof(entry->d_name) + 8];
                _cleanup_free_ char *raw = NULL;
                size_t size;

                if (strncmp(entry->d_name, "11-", 3) != 0)
                        continue;
                snprintf(path, sizeof(path), "%s/raw", entry->d_name);
                if (file_read_at(dirfd(directory), path, CREDENTIAL_MAX, &raw, &size) == 0)
                        r = credential_parse_smbios(raw, size, name, ret);
        }
        closedir(directory);
        return r < 0 ? -ENOENT : 0;
}

int credential_read(const char *name, char **ret)
{
        _cleanup_free_ char *path = NULL;
        char *value;
        size_t size;

        if (credential_read_smbios(name, ret) == 0)
                return 0;
        if (asprintf(&path, FW_CFG_CREDENTIALS "/%s/raw", name) < 0)
                return -ENOMEM;
        if (file_read_at(AT_FDCWD, path, CREDENTIAL_MAX, &value, &size) < 0)
                return -ENOENT;
        *ret = value;
        return 0;
}

int credential_parse_vsock(const char *value, uint32_t *ret_cid, uint32_t *ret_port)
{
        _cleanup_free_ char *cid = NULL;
        const char *rest, *colon;
        uint64_t c, p;

        rest = after(value, "vsock-stream:") ?: after(value, "vsock:");
        colon = rest ? strchr(rest, ':') : NULL;
        if (!colon)
                return -EINVAL;
        cid = strndup(rest, (size_t)(colon - rest));
        if (!cid || text_parse_uint(cid, 0, UINT32_MAX - 1, &c) < 0 ||
            text_parse_uint(colon + 1, 1, UINT32_MAX - 1, &p) < 0)
                return -EINVAL;
        *ret_cid = (uint32_t)c;
        *ret_port = (uint32_t)p;
        return 0;
}
