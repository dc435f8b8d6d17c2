/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/profile.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define EDK2_OPTIONS_PREFIX 202508
#define EDK2_RAW_KERNEL 202502
#define EDK2_RTMR1_SEPARATOR 202408
#define QEMU_RAW_KERNEL_MAJOR 10
#define QEMU_MRTD_PAGE_MAJOR 9

static const char told[] = "given";

/* An item's names: index is the value, 0 unknown. */
static const struct {
        const char *name;
        size_t offset;
        const char *values[4];
        bool of_td;
} items[] = {
        {"options", offsetof(Profile, options), {"unknown", "suffix", "prefix"}},
        {"kernel", offsetof(Profile, kernel), {"unknown", "raw", "patched"}},
        {"stub", offsetof(Profile, stub), {"unknown", "both", "initrd", "none"}},
        {"mrtd", offsetof(Profile, mrtd), {"unknown", "page", "section"}, true},
        {"separator", offsetof(Profile, separator), {"unknown", "rtmr1", "rtmr0"}, true},
        {"boot", offsetof(Profile, boot), {"unknown", "menu"}, true},
};

static ProfileItem *item_of(const Profile *profile, size_t index)
{
        return (ProfileItem *)((char *)profile + items[index].offset);
}

static int parse_edk2(Profile *profile, const char *value, CvmError *error)
{
        uint64_t version;

        if (strlen(value) != 6 || text_parse_uint(value, 201800, 209912, &version) < 0)
                return cvm_error_invalid_spec(
                        error, "profile",
                        "edk2 must be a stable tag's year and month, for example 202508, not '%s'",
                        value);
        if (profile->edk2)
                return cvm_error_invalid_spec(error, "profile", "edk2 is given twice");
        profile->edk2 = (uint32_t)version;
        profile->edk2_source = told;
        return 0;
}

static int refuse_value(size_t index, const char *value, CvmError *error)
{
        const char *const *values = items[index].values;
        size_t last = ARRAY_SIZE(items[index].values) - 1;
        _cleanup_(buffer_done) Buffer list = {};

        while (!values[last])
                last--;
        for (size_t v = 1; v <= last; v++)
                if (buffer_appendf(&list, "%s%s",
                                   v == 1      ? ""
                                   : v == last ? " or "
                                               : ", ",
                                   values[v]) < 0)
                        return cvm_error_system(error, -ENOMEM, "read a profile");
        return cvm_error_invalid_spec(error, "profile", "%s must be %s, not '%s'",
                                      items[index].name, list.data, value);
}

static int parse_item(Profile *profile, const char *name, const char *value, CvmError *error)
{
        if (strcmp(name, "edk2") == 0)
                return parse_edk2(profile, value, error);
        for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
                ProfileItem *item = item_of(profile, i);

                if (strcmp(name, items[i].name) != 0)
                        continue;
                if (item->value)
                        return cvm_error_invalid_spec(error, "profile", "%s is given twice", name);
                for (unsigned v = 1; v < ARRAY_SIZE(items[i].values) && items[i].values[v]; v++)
                        if (strcmp(value, items[i].values[v]) == 0) {
                                *item = (ProfileItem){v, told};
                                return 0;
                        }
                return refuse_value(i, value, error);
        }
        return cvm_error_invalid_spec(error, "profile",
                                      "unknown item '%s'; known are edk2, options, kernel, stub, "
                                      "mrtd, separator and boot",
                                      name);
}

int profile_parse(Profile *profile, const char *text, CvmError *error)
{
        for (const char *p = text; *p;) {
                size_t n = strcspn(p, ",");
                _cleanup_free_ char *pair = strndup(p, n);
                char *equals;
                int r;

                if (!pair)
                        return cvm_error_system(error, -ENOMEM, "read a profile");
                equals = strchr(pair, '=');
                if (!equals)
                        return cvm_error_invalid_spec(error, "profile",
                                                      "'%s' is not of the form NAME=VALUE", pair);
                *equals = 0;
                r = parse_item(profile, pair, equals + 1, error);
                if (r < 0)
                        return r;
                p += n + (p[n] == ',');
        }
        return 0;
}

int profile_parse_qemu(Profile *profile, const char *version, CvmError *error)
{
        unsigned major, minor;
        int end = 0;

        /* digits, for sscanf takes signs and spaces too */
        if (strspn(version, "0123456789") == 0 ||
            strspn(strchrnul(version, '.'), ".0123456789") < 2 ||
            sscanf(version, "%3u.%3u%n", &major, &minor, &end) != 2 || !end || major == 0 ||
            (version[end] && !strchr(". +-", version[end])))
                return cvm_error_invalid_spec(error, "qemu", "'%s' is not a version such as 10.0.2",
                                              version);
        profile->qemu_major = major;
        profile->qemu_minor = minor;
        return 0;
}

static void profile_set_once(ProfileItem *item, unsigned value, const char *source)
{
        if (!item->value)
                *item = (ProfileItem){value, source};
}

void profile_take_code(Profile *profile, const FirmwareCode *code)
{
        if (!profile->edk2 && code->version) {
                profile->edk2 = code->version;
                profile->edk2_source = "the firmware's version string";
        }
        if (code->options_suffix != code->options_prefix)
                profile_set_once(&profile->options,
                                 code->options_suffix ? PROFILE_OPTIONS_SUFFIX
                                                      : PROFILE_OPTIONS_PREFIX,
                                 "the firmware's code");
        if (!code->raw_kernel)
                profile_set_once(&profile->kernel, PROFILE_KERNEL_PATCHED,
                                 "the firmware's code: it does not ask for the unchanged kernel");
        else
                profile_set_once(&profile->separator, PROFILE_SEPARATOR_RTMR1,
                                 "the firmware's code, which is of edk2-stable202502 or newer");
        profile->takes_raw_kernel = code->raw_kernel;
}

void profile_take_stub(Profile *profile, const KernelStub *stub, ProfileGuest guest)
{
        static const char *const tpm[] = {
                [PROFILE_STUB_BOTH] = "the kernel's code",
                [PROFILE_STUB_INITRD] = "the kernel's code, like Linux before 6.1: it does not "
                                        "measure load options",
                [PROFILE_STUB_NONE] = "the kernel's code, like Linux before 5.17: it measures "
                                      "nothing through TCG2",
        };
        static const char *const td[] = {
                [PROFILE_STUB_BOTH] = "the kernel's code",
                [PROFILE_STUB_INITRD] = "the kernel's code: it does not measure load options",
                [PROFILE_STUB_NONE] = "the kernel's code, like Linux before 6.9: it measures "
                                      "nothing through the CC protocol",
        };
        bool has_protocol = guest == PROFILE_GUEST_TDX ? stub->cc : stub->tcg2;
        ProfileStub value = !has_protocol || !stub->initrd ? PROFILE_STUB_NONE
                            : stub->options                ? PROFILE_STUB_BOTH
                                                           : PROFILE_STUB_INITRD;

        profile_set_once(&profile->stub, value, (guest == PROFILE_GUEST_TDX ? td : tpm)[value]);
}

static void conclude_edk2(Profile *profile)
{
        static const char source[] = "the edk2 version";

        profile_set_once(&profile->options,
                         profile->edk2 >= EDK2_OPTIONS_PREFIX ? PROFILE_OPTIONS_PREFIX
                                                              : PROFILE_OPTIONS_SUFFIX,
                         source);
        profile_set_once(&profile->separator,
                         profile->edk2 >= EDK2_RTMR1_SEPARATOR ? PROFILE_SEPARATOR_RTMR1
                                                               : PROFILE_SEPARATOR_RTMR0,
                         source);
        if (profile->edk2 < EDK2_RAW_KERNEL)
                profile_set_once(&profile->kernel, PROFILE_KERNEL_PATCHED, source);
        else
                profile->takes_raw_kernel = true;
}

static void conclude_qemu(Profile *profile)
{
        if (profile->qemu_major < QEMU_RAW_KERNEL_MAJOR)
                profile_set_once(&profile->kernel, PROFILE_KERNEL_PATCHED, "the QEMU version");
        else if (profile->takes_raw_kernel)
                profile_set_once(
                        &profile->kernel, PROFILE_KERNEL_RAW,
                        "the QEMU version, with firmware that asks for the unchanged kernel");
        profile_set_once(&profile->mrtd,
                         profile->qemu_major < QEMU_MRTD_PAGE_MAJOR ? PROFILE_MRTD_SECTION
                                                                    : PROFILE_MRTD_PAGE,
                         "the QEMU version");
}

void profile_conclude(Profile *profile, ProfileGuest guest)
{
        /* before the firmware: its code cannot know that QEMU leaves these kernels alone */
        if (guest == PROFILE_GUEST_SEV && profile->kernel.source != told)
                profile->kernel = (ProfileItem){PROFILE_KERNEL_RAW,
                                                "QEMU does not change the kernels of SEV guests"};
        if (profile->edk2)
                conclude_edk2(profile);
        if (profile->qemu_major)
                conclude_qemu(profile);
        if (guest == PROFILE_GUEST_TDX)
                profile_set_once(&profile->mrtd, PROFILE_MRTD_PAGE,
                                 "upstream QEMU, which has TDX guests from 10.1 on");
}

json_object *profile_to_json(const Profile *profile, ProfileGuest guest)
{
        json_object *object = json_object_new_object();

        if (profile->edk2) {
                char text[16];

                snprintf(text, sizeof(text), "%u", profile->edk2);
                json_add(object, "edk2",
                         json_build("value", json_object_new_string(text), "source",
                                    json_object_new_string(profile->edk2_source), NULL));
        }
        for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
                const ProfileItem *item = item_of(profile, i);

                if (items[i].of_td && guest != PROFILE_GUEST_TDX)
                        continue;
                json_add(object, items[i].name,
                         json_build("value", json_object_new_string(items[i].values[item->value]),
                                    "source",
                                    item->source ? json_object_new_string(item->source) : NULL,
                                    NULL));
        }
        return object;
}
