/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Profile: what of a measurement depends on the versions of firmware, QEMU and kernel, not on what
 * is measured. Each item is unknown until something shows it: the user, the firmware's or the
 * kernel's own code, or a version; which of them did is kept and shown.
 *
 * Sources: edk2, OvmfPkg QemuLoadImageLib ("initrd=initrd" stands before the command line from
 * edk2-stable202508 on, after it before), QemuKernelLoaderFsDxe (reads the unchanged kernel from
 * fw_cfg's etc/boot/kernel from edk2-stable202502 on), TdTcg2Dxe/DxeMain (the separator of RTMR 1
 * from edk2-stable202408 on); QEMU, hw/i386/x86-common.c (etc/boot/kernel from 10.0 on; SEV guests'
 * kernels are never changed), target/i386/kvm/tdx.c (page adding).
 */

#include <json-c/json.h>

#include "base/error.h"
#include "measure/firmware.h"
#include "measure/kernel_stub.h"

typedef enum ProfileOptions {
        PROFILE_OPTIONS_UNKNOWN,
        PROFILE_OPTIONS_SUFFIX, /* CMDLINE " initrd=initrd" */
        PROFILE_OPTIONS_PREFIX, /* "initrd=initrd " CMDLINE */
} ProfileOptions;

typedef enum ProfileKernel {
        PROFILE_KERNEL_UNKNOWN,
        PROFILE_KERNEL_RAW,     /* the firmware sees the file as it is */
        PROFILE_KERNEL_PATCHED, /* with the setup header as QEMU changed it */
} ProfileKernel;

typedef enum ProfileMrtd {
        PROFILE_MRTD_UNKNOWN,
        PROFILE_MRTD_PAGE,    /* each page is added, then extended */
        PROFILE_MRTD_SECTION, /* a section's pages are added first, then extended */
} ProfileMrtd;

typedef enum ProfileSeparator {
        PROFILE_SEPARATOR_UNKNOWN,
        PROFILE_SEPARATOR_RTMR1, /* RTMR 1 has one */
        PROFILE_SEPARATOR_RTMR0, /* RTMR 0 has two, RTMR 1 none */
} ProfileSeparator;

typedef enum ProfileBoot {
        PROFILE_BOOT_UNKNOWN,
        PROFILE_BOOT_MENU, /* the firmware's one boot option is its own menu */
} ProfileBoot;

/* What the kernel's EFI stub measures, by the protocol that the guest's firmware has. */
typedef enum ProfileStub {
        PROFILE_STUB_UNKNOWN,
        PROFILE_STUB_BOTH,   /* load options and initramfs */
        PROFILE_STUB_INITRD, /* the initramfs alone */
        PROFILE_STUB_NONE,
} ProfileStub;

typedef struct ProfileItem {
        unsigned value;
        const char *source; /* its source; static; NULL: none */
} ProfileItem;

typedef struct Profile {
        uint32_t edk2; /* stable tag as 202508; 0: unknown */
        const char *edk2_source;
        unsigned qemu_major, qemu_minor; /* 0.0: unknown */
        bool takes_raw_kernel;           /* the firmware asks QEMU for the unchanged kernel */
        ProfileItem options, kernel, stub, mrtd, separator, boot;
} Profile;

/* Reads "edk2=202508,options=prefix,kernel=raw,stub=both,mrtd=page,separator=rtmr1,boot=menu" (any
 * of them, each once) into `profile`. InvalidSpec of "profile". */
int profile_parse(Profile *profile, const char *text, CvmError *error);
/* "10.0", "10.0.2", "7.2.22 (Debian 1:7.2+dfsg…)". InvalidSpec of "qemu". */
int profile_parse_qemu(Profile *profile, const char *version, CvmError *error);
/* Takes what the firmware's code shows. Values that are already known stay. */
void profile_take_code(Profile *profile, const FirmwareCode *code);

typedef enum ProfileGuest {
        PROFILE_GUEST_PLAIN,
        PROFILE_GUEST_SEV,
        PROFILE_GUEST_TDX
} ProfileGuest;

/* Takes what the kernel's code shows for such a guest: a TD's firmware has the CC protocol, that of
 * others TCG2. Values that are already known stay. */
void profile_take_stub(Profile *profile, const KernelStub *stub, ProfileGuest guest);

/* Concludes from versions what is still unknown. */
void profile_conclude(Profile *profile, ProfileGuest guest);

/* {"edk2": {"value": "202508", "source": …}, "options": {"value": "prefix", "source": …}, …};
 * unknown ones have the value "unknown". Only the items that matter to such a guest. */
json_object *profile_to_json(const Profile *profile, ProfileGuest guest);
