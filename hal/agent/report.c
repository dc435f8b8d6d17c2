/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#define ENTRY "cvm-agent"
#define OUTBLOB_MAX (1 << 20)

static int report_read(int entry, const uint8_t nonce[static REPORT_NONCE_SIZE], Report *ret)
{
        _cleanup_(report_done) Report report = {};
        _cleanup_close_ int in = openat(entry, "inblob", O_WRONLY | O_CLOEXEC);
        char *outblob;
        ssize_t n;
        int r;

        if (in < 0)
                return -errno;
        /* All at once: the kernel takes each write as the whole blob. */
        n = write(in, nonce, REPORT_NONCE_SIZE);
        if (n != REPORT_NONCE_SIZE)
                return n < 0 ? -errno : -EIO;
        /* A binary attribute of configfs is handed over when it is closed. */
        if (close(TAKE_FD(in)) < 0)
                return -errno;
        r = file_read_at(entry, "outblob", OUTBLOB_MAX, &outblob, &report.size);
        if (r < 0)
                return r;
        report.outblob = (uint8_t *)outblob;
        r = file_read_at(entry, "provider", 256, &report.provider, NULL);
        if (r < 0)
                return r;
        report.provider[strcspn(report.provider, "\n")] = 0;
        *ret = report;
        report = (Report){};
        return 0;
}

int report_get(const char *root, const uint8_t nonce[static REPORT_NONCE_SIZE], Report *ret)
{
        _cleanup_close_ int directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int entry = -1;
        int r;

        if (directory < 0)
                return -errno;
        /* One that an agent which died has left behind serves as well. */
        if (mkdirat(directory, ENTRY, 0700) < 0 && errno != EEXIST)
                return errno == EPERM || errno == ENXIO ? -ENOENT : -errno;
        entry = openat(directory, ENTRY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = entry < 0 ? -errno : report_read(entry, nonce, ret);
        unlinkat(directory, ENTRY, AT_REMOVEDIR);
        return r;
}

void report_done(Report *report)
{
        free(report->provider);
        free(report->outblob);
        *report = (Report){};
}
