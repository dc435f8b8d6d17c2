/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/text.h"
#include "host/host_internal.h"

/* A module's boolean parameter; *ret_known says whether it exists. */
static bool parameter(const char *root, const char *path, bool *ret_known)
{
        _cleanup_free_ char *value = host_read_file(root, path);

        if (ret_known)
                *ret_known = value;
        return value && (value[0] == 'Y' || value[0] == '1');
}

static void probe_modules(const char *root, HostFacts *facts)
{
        facts->has_kvm_amd = host_file_exists(root, "/sys/module/kvm_amd");
        facts->has_kvm_intel = host_file_exists(root, "/sys/module/kvm_intel");
        facts->kvm_sev = parameter(root, "/sys/module/kvm_amd/parameters/sev", NULL);
        facts->kvm_sev_es = parameter(root, "/sys/module/kvm_amd/parameters/sev_es", NULL);
        facts->kvm_sev_snp =
                parameter(root, "/sys/module/kvm_amd/parameters/sev_snp", &facts->knows_sev_snp);
        facts->kvm_tdx = parameter(root, "/sys/module/kvm_intel/parameters/tdx", &facts->knows_tdx);
}

/* 0, or -errno: -EPROTO for a device that does not speak KVM's API. */
static int open_kvm(const char *root)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;

        path = text_format("%s/dev/kvm", root);
        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISCHR(st.st_mode) && ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
                return -EPROTO;
        return 0;
}

/* What to do where the CPU shows no virtualization. */
static const char *fix_virtualization(const HostFacts *facts)
{
        return facts->in_vm
                       ? "enable nested virtualization for this machine on its own host, or use a "
                         "bare-metal host (plain CVMs still run, emulated by TCG and slowly)"
                       : "turn on SVM (AMD) or VT-x (Intel) in the firmware setup (plain CVMs "
                         "still run, emulated by TCG and slowly)";
}

static const char *fix_missing_device(const HostFacts *facts)
{
        if (!facts->has_virtualization)
                return fix_virtualization(facts);
        return strcmp(facts->cpu_vendor, "GenuineIntel") == 0 ? "run `modprobe kvm_intel`"
                                                              : "run `modprobe kvm_amd`";
}

int host_probe_kvm(const char *root, HostFacts *facts)
{
        const char *found, *fix = NULL;
        int r;

        probe_modules(root, facts);
        r = open_kvm(root);
        if (r == -ENOMEM)
                return r;
        facts->has_kvm = r == 0;
        facts->kvm_usable = facts->has_kvm && facts->has_virtualization;

        if (facts->kvm_usable) {
                found = "/dev/kvm can be opened and the CPU has virtualization";
        } else if (r == 0) {
                /* A hypervisor in software below this host can offer /dev/kvm without them; under
                 * it stock guests hang in their firmware. */
                found = host_file_exists(root, "/sys/module/kvm_pvm")
                                ? "/dev/kvm exists but is backed by a software hypervisor (module "
                                  "kvm_pvm); the CPU has neither vmx nor svm, and ordinary guests "
                                  "hang"
                                : "/dev/kvm exists, but the CPU has neither vmx nor svm: it is "
                                  "backed by a software hypervisor, and ordinary guests hang";
                fix = fix_virtualization(facts);
        } else if (r == -ENOENT) {
                found = "/dev/kvm does not exist";
                fix = fix_missing_device(facts);
        } else if (r == -EACCES || r == -EPERM) {
                found = "this user is not permitted to open /dev/kvm";
                fix = "add the user that runs cvmd to group kvm: `usermod -aG kvm USER`";
        } else {
                found = r == -EPROTO ? "/dev/kvm does not support version 12 of KVM's interface"
                                     : "/dev/kvm cannot be opened";
                fix = fix_missing_device(facts);
        }

        facts->kvm_found = strdup(found);
        if (fix)
                facts->kvm_fix = strdup(fix);
        return facts->kvm_found && (!fix || facts->kvm_fix) ? 0 : -ENOMEM;
}
