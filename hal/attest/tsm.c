/* SPDX-License-Identifier: Apache-2.0 */
#include "tsm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

#define TSM_ENTRY "cvm-attest"

/* Secure VM Service Module for SEV-SNP Guests (AMD 58019), "Attestation protocol": the vTPM. */
#define TSM_VTPM_GUID "c476f1eb-0123-45a5-9641-b4e7dde5bfe3"

void tsm_report_done(TsmReport *report)
{
        free(report->report.data);
        free(report->certificates.data);
        free(report->manifest.data);
        *report = (TsmReport){};
}

/* All at once: the kernel takes each write as the whole value, and a binary attribute of configfs
 * when it is closed. */
static int tsm_write(int entry, const char *name, const void *data, size_t size)
{
        _cleanup_close_ int fd = openat(entry, name, O_WRONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = write(fd, data, size);
        if (n < 0)
                return -errno;
        if ((size_t)n != size)
                return -EIO;
        return close(TAKE_FD(fd)) < 0 ? -errno : 0;
}

static int tsm_write_text(int entry, const char *name, const char *text)
{
        return tsm_write(entry, name, text, strlen(text));
}

static int tsm_read(int entry, const char *name, size_t max, TsmBlob *ret)
{
        return file_read_at(entry, name, max, &ret->data, &ret->size);
}

static int tsm_read_word(int entry, const char *name, char *ret, size_t size)
{
        _cleanup_free_ char *text = NULL;
        int r = file_read_at(entry, name, 256, &text, NULL);

        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = 0;
        return text_copy(ret, size, text) ? 0 : -EFBIG;
}

/* Below an SVSM the guest may not ask for a report of VMPL 0, the kernel's default. */
static int tsm_choose_privilege(int entry, int *ret)
{
        char floor[8];
        uint64_t level;
        int r = tsm_read_word(entry, "privlevel_floor", floor, sizeof(floor));

        *ret = -1;
        if (r == -ENOENT) /* not of SEV-SNP, or of a kernel before 6.11 */
                return 0;
        if (r < 0 || text_parse_uint(floor, 0, 3, &level) < 0)
                return r < 0 ? r : -EBADMSG;
        r = tsm_write_text(entry, "privlevel", floor);
        if (r == 0)
                *ret = (int)level;
        return r;
}

static int tsm_choose_service(int entry, bool single)
{
        int r = tsm_write_text(entry, "service_provider", "svsm");

        if (r < 0)
                return r;
        if (!single) /* a GUID of zeros means all services */
                return tsm_write_text(entry, "service_guid",
                                      "00000000-0000-0000-0000-000000000000");
        r = tsm_write_text(entry, "service_guid", TSM_VTPM_GUID);
        return r < 0 ? r : tsm_write_text(entry, "service_manifest_version", "0");
}

/* What the entry says once it has its settings. */
static int tsm_read_report(int entry, const uint8_t *data, bool service, TsmReport *report)
{
        int r = tsm_write(entry, "inblob", data, TSM_DATA_SIZE);

        if (r < 0)
                return r;
        r = tsm_read(entry, "outblob", TSM_REPORT_MAX, &report->report);
        if (r < 0)
                return r;
        r = tsm_read_word(entry, "provider", report->provider, sizeof(report->provider));
        if (r < 0)
                return r;
        if (service) {
                r = tsm_read(entry, "manifestblob", TSM_MANIFEST_MAX, &report->manifest);
                if (r < 0)
                        return r;
        }
        /* Many hosts give no certificates. */
        r = tsm_read(entry, "auxblob", TSM_CERTIFICATES_MAX, &report->certificates);
        return r == -EFBIG ? r : 0;
}

/* Makes an entry, whose removal is up to the caller. One that was left behind serves as well. */
static int tsm_open_entry(int directory, const char *name)
{
        int fd;

        if (mkdirat(directory, name, 0700) < 0 && errno != EEXIST)
                return errno == EPERM || errno == ENXIO ? -ENOENT : -errno;
        fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int tsm_explain(int r, Lack *lack, bool service)
{
        const char *what = service ? "the SVSM's report" : "the report";

        if (r == -ENOENT)
                return lack_set(lack, r, LACK_ABSENT, "%s",
                                service ? "the kernel offers no reports of an SVSM"
                                        : "this machine makes no attestation reports");
        if (r == -EFBIG)
                return lack_set(lack, r, LACK_TOO_LARGE, "%s or what belongs to it is too large",
                                what);
        return lack_set(lack, r, LACK_FAILED, "%s: %s", what, strerror(-r));
}

int tsm_get_report(const char *root, const uint8_t data[static TSM_DATA_SIZE], TsmReport *ret,
                   Lack *lack)
{
        _cleanup_close_ int directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int entry = directory < 0 ? -ENOENT : tsm_open_entry(directory, TSM_ENTRY);
        _cleanup_(tsm_report_done) TsmReport report = {};
        int r = entry < 0 ? entry : tsm_choose_privilege(entry, &report.privilege);

        if (r == 0)
                r = tsm_read_report(entry, data, false, &report);
        if (entry >= 0)
                unlinkat(directory, TSM_ENTRY, AT_REMOVEDIR);
        if (r < 0)
                return tsm_explain(r, lack, false);
        *ret = TAKE_STRUCT(report);
        return 0;
}

int tsm_get_service_report(const char *root, const uint8_t data[static TSM_DATA_SIZE], bool single,
                           TsmReport *ret, Lack *lack)
{
        const char *name = single ? TSM_ENTRY "-vtpm" : TSM_ENTRY "-services";
        _cleanup_close_ int directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int entry = directory < 0 ? -ENOENT : tsm_open_entry(directory, name);
        _cleanup_(tsm_report_done) TsmReport report = {.privilege = 0};
        int r = entry < 0 ? entry : tsm_choose_service(entry, single);

        if (r == 0)
                r = tsm_read_report(entry, data, true, &report);
        if (entry >= 0)
                unlinkat(directory, name, AT_REMOVEDIR);
        if (r < 0)
                return tsm_explain(r, lack, true);
        *ret = TAKE_STRUCT(report);
        return 0;
}
