/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/spec.h"

#include <string.h>

#include "base/text.h"
#include "spec/spec_internal.h"

#define TIMEOUT_MAX_SEC 86400
#define CMDLINE_DEFAULT "console=null quiet"
#define CMDLINE_DEBUG "console=ttyS0"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* The spec and the parts of its JSON form that are taken apart in a second step. */
typedef struct Input {
        CvmSpec spec;
        char *memory, *network, *remove, *image;
        json_object *artifacts[_ARTIFACT_KIND_MAX]; /* borrowed, like those below */
        json_object *env, *certs, *shares, *disks, *gpus, *forwards, *vsock, *svsm, *security,
                *limits, *timeouts, *restart, *labels, *missing;
} Input;

static const JsonField spec_fields[] = {
        {"name", JSON_STRING, offsetof(Input, spec.name), JSON_REQUIRED},
        {"platform", JSON_STRING, offsetof(Input, spec.platform)},
        {"cpus", JSON_UINT32, offsetof(Input, spec.cpus), 0, 1, SPEC_CPUS_MAX},
        {"memory", JSON_SIZE, offsetof(Input, memory)},
        {"image", JSON_STRING, offsetof(Input, image)},
        {"kernel", JSON_OBJECT, offsetof(Input, artifacts[ARTIFACT_KERNEL])},
        {"initramfs", JSON_OBJECT, offsetof(Input, artifacts[ARTIFACT_INITRAMFS])},
        {"firmware", JSON_OBJECT, offsetof(Input, artifacts[ARTIFACT_FIRMWARE])},
        {"igvm", JSON_OBJECT, offsetof(Input, artifacts[ARTIFACT_IGVM])},
        {"cmdline", JSON_STRING, offsetof(Input, spec.cmdline)},
        {"env", JSON_OBJECT, offsetof(Input, env)},
        {"certs", JSON_OBJECT, offsetof(Input, certs)},
        {"shares", JSON_ARRAY, offsetof(Input, shares)},
        {"disks", JSON_ARRAY, offsetof(Input, disks)},
        {"gpus", JSON_ARRAY, offsetof(Input, gpus)},
        {"forwards", JSON_ARRAY, offsetof(Input, forwards)},
        {"network", JSON_STRING, offsetof(Input, network)},
        {"vsock", JSON_OBJECT, offsetof(Input, vsock)},
        {"svsm", JSON_OBJECT, offsetof(Input, svsm)},
        {"launchSecurity", JSON_MAP, offsetof(Input, security)},
        {"bindWorkload", JSON_BOOL, offsetof(Input, spec.bind_workload)},
        {"confidential", JSON_BOOL, offsetof(Input, spec.confidential)},
        {"debug", JSON_BOOL, offsetof(Input, spec.debug)},
        {"limits", JSON_OBJECT, offsetof(Input, limits)},
        {"timeouts", JSON_OBJECT, offsetof(Input, timeouts)},
        {"restart", JSON_OBJECT, offsetof(Input, restart)},
        {"remove", JSON_STRING, offsetof(Input, remove)},
        {"ttlSec", JSON_UINT32, offsetof(Input, spec.ttl_sec), 0, 1, SPEC_TTL_SEC_MAX},
        {"driver", JSON_STRING, offsetof(Input, spec.driver)},
        {"labels", JSON_OBJECT, offsetof(Input, labels)},
        {"missing", JSON_ARRAY, offsetof(Input, missing)},
        {},
};

static const JsonField timeout_fields[] = {
        {"startSec", JSON_UINT32, offsetof(CvmSpec, start_sec), 0, 1, TIMEOUT_MAX_SEC},
        {"readySec", JSON_UINT32, offsetof(CvmSpec, ready_sec), 0, 1, TIMEOUT_MAX_SEC},
        {"powerdownSec", JSON_UINT32, offsetof(CvmSpec, powerdown_sec), 0, 1, TIMEOUT_MAX_SEC},
        {"quitSec", JSON_UINT32, offsetof(CvmSpec, quit_sec), 0, 1, TIMEOUT_MAX_SEC},
        {},
};

const char *spec_cmdline(const CvmSpec *spec)
{
        if (spec->cmdline)
                return spec->cmdline;
        return spec->debug ? CMDLINE_DEBUG : CMDLINE_DEFAULT;
}

static bool platform_is_valid(const char *platform)
{
        size_t length = strlen(platform);

        return length >= 1 && length <= SPEC_PLATFORM_MAX &&
               strspn(platform, LOWER DIGITS "-") == length && platform[0] != '-';
}

/* Which drivers there are, the daemon knows. */
static bool driver_is_valid(const char *driver)
{
        size_t length = strlen(driver);

        return length >= 1 && length <= SPEC_DRIVER_MAX && strspn(driver, LOWER DIGITS) == length;
}

static void spec_check_names(const CvmSpec *spec, CvmError *error)
{
        if (spec->name && !spec_name_is_valid(spec->name))
                fault_add(error, "name",
                          "must be 1 to %d letters, digits, '.', '_' and '-', "
                          "begin with a letter or digit and not contain '..'",
                          SPEC_NAME_MAX);
        if (!platform_is_valid(spec->platform))
                fault_add(error, "platform",
                          "must be 'auto' or a template's name: 1 to %d lowercase letters, digits "
                          "and '-', not beginning with '-'",
                          SPEC_PLATFORM_MAX);
        if (!driver_is_valid(spec->driver))
                fault_add(error, "driver",
                          "must be a driver's name, such as 'qemu' or 'libvirt': 1 to %d lowercase "
                          "letters and digits",
                          SPEC_DRIVER_MAX);
}

/* spec->memory stays 0 after a fault, so that nothing is compared with it. */
static int parse_memory(const char *text, CvmSpec *spec, CvmError *error)
{
        uint64_t memory = 0;
        int r = text_parse_size(text, &memory);

        if (r == -ENOMEM)
                return r;
        if (r == -ERANGE)
                return fault_add(error, "memory", "is more than any machine supports");
        if (r < 0)
                return fault_add(error, "memory",
                                 "must be a number of bytes, or a number with a suffix K, M, G or "
                                 "T, for example '2G'");
        if (memory < SPEC_MEMORY_MIN)
                return fault_add(error, "memory", "must be at least 64M");
        if (memory % SPEC_MEMORY_UNIT)
                return fault_add(error, "memory", "must be a multiple of 1M");
        spec->memory = memory;
        return 0;
}

static int check_cmdline(const char *cmdline, CvmError *error)
{
        size_t length = strlen(cmdline);

        for (size_t i = 0; i < length; i++)
                if (cmdline[i] < 0x20 || cmdline[i] > 0x7e)
                        return fault_add(error, "cmdline",
                                         "must be printable ASCII; byte %zu is 0x%02x", i + 1,
                                         (unsigned char)cmdline[i]);
        if (length > SPEC_CMDLINE_MAX)
                return fault_add(error, "cmdline",
                                 "is %zu bytes long; a Linux kernel accepts at most %d", length,
                                 SPEC_CMDLINE_MAX);
        return 0;
}

static int set_default(char **text, const char *value)
{
        if (!*text)
                *text = strdup(value);
        return *text ? 0 : -ENOMEM;
}

static int parse_parts(Input *input, CvmError *error)
{
        CvmSpec *spec = &input->spec;
        int r = 0;

        if (input->memory)
                r = parse_memory(input->memory, spec, error);
        for (SpecArtifactKind kind = 0; r >= 0 && kind < _ARTIFACT_KIND_MAX; kind++)
                r = spec_parse_artifact(input->artifacts[kind], kind, spec, error);
        if (r >= 0)
                r = spec_parse_image(input->image, spec, error);
        if (r >= 0 && spec->cmdline)
                r = check_cmdline(spec->cmdline, error);
        if (r >= 0)
                r = spec_parse_env(input->env, spec, error);
        if (r >= 0)
                r = spec_parse_certs(input->certs, input->missing, spec, error);
        if (r >= 0)
                r = spec_parse_shares(input->shares, input->missing, spec, error);
        if (r >= 0)
                r = spec_parse_disks(input->disks, input->missing, spec, error);
        if (r >= 0)
                r = spec_parse_gpus(input->gpus, spec, error);
        if (r >= 0)
                r = spec_parse_network(input->network, spec, error);
        if (r >= 0)
                r = spec_parse_forwards(input->forwards, spec, error);
        if (r >= 0)
                r = spec_parse_vsock(input->vsock, spec, error);
        if (r >= 0)
                r = spec_parse_svsm(input->svsm, spec, error);
        if (r >= 0)
                r = spec_parse_security(input->security, spec, error);
        if (r >= 0)
                r = spec_parse_limits(input->limits, spec, error);
        if (r >= 0 && input->timeouts)
                r = spec_dispatch(input->timeouts, timeout_fields, spec, "timeouts", error);
        if (r >= 0)
                r = spec_parse_restart(input->restart, spec, error);
        if (r >= 0)
                r = spec_parse_remove(input->remove, spec, error);
        if (r >= 0)
                r = spec_parse_labels(input->labels, spec, error);
        if (r >= 0)
                spec_check_descriptors(spec, error);
        return r;
}

static void clear_bytes(void *data, size_t size)
{
        if (data)
                explicit_bzero(data, size);
        free(data);
}

void spec_clear_secrets(CvmSpec *spec)
{
        for (size_t i = 0; i < spec->n_env; i++) {
                char *value = TAKE_PTR(spec->env[i].value);

                clear_bytes(value, value ? strlen(value) : 0);
        }
        for (size_t i = 0; i < spec->n_certs; i++) {
                clear_bytes(TAKE_PTR(spec->certs[i].data), spec->certs[i].size);
                spec->certs[i].size = 0;
        }
}

void spec_clear_json(json_object *json)
{
        json_clear_strings(json_object_object_get(json, "env"));
        json_clear_strings(json_object_object_get(json, "certs"));
}

static void spec_done(CvmSpec *spec)
{
        spec_clear_secrets(spec);
        free(spec->name);
        free(spec->platform);
        free(spec->cmdline);
        free(spec->image.name);
        free(spec->interface);
        free(spec->driver);
        json_object_put(spec->given);
        json_object_put(spec->labels);
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                free(spec->artifacts[kind].name);
                free(spec->artifacts[kind].path);
        }
        for (size_t i = 0; i < spec->n_env; i++)
                free(spec->env[i].name);
        free(spec->env);
        for (size_t i = 0; i < spec->n_certs; i++) {
                free(spec->certs[i].name);
                free(spec->certs[i].path);
        }
        free(spec->certs);
        for (size_t i = 0; i < spec->n_shares; i++) {
                free(spec->shares[i].tag);
                free(spec->shares[i].path);
        }
        free(spec->shares);
        for (size_t i = 0; i < spec->n_disks; i++) {
                free(spec->disks[i].id);
                free(spec->disks[i].path);
        }
        free(spec->disks);
        for (size_t i = 0; i < spec->n_gpus; i++)
                free(spec->gpus[i]);
        for (size_t i = 0; i < spec->n_forwards; i++)
                free(spec->forwards[i].address);
        free(spec->forwards);
        for (size_t i = 0; i < spec->n_security; i++)
                free(spec->security[i].text);
        free(spec->security);
        free(spec->svsm.url);
        free(spec->svsm.protocol);
}

static void spec_input_done(Input *input)
{
        spec_done(&input->spec);
        free(input->memory);
        free(input->network);
        free(input->remove);
        free(input->image);
}

/* Collects the faults of the spec; *ret is set if there are none. */
static int spec_parse_input(json_object *object, CvmSpec **ret, CvmError *error)
{
        _cleanup_(spec_input_done) Input input = {};
        CvmSpec *spec;
        int r;

        r = spec_dispatch(object, spec_fields, &input, "", error);
        if (r < 0)
                return r;
        if (set_default(&input.spec.platform, "auto") < 0 ||
            set_default(&input.spec.driver, "qemu") < 0)
                return -ENOMEM;
        spec_check_names(&input.spec, error);
        r = parse_parts(&input, error);
        if (r >= 0)
                r = spec_check_missing(object, input.missing, error);
        if (r >= 0)
                r = fault_result(error);
        if (r < 0)
                return r;
        input.spec.given = spec_given_new(object, &input.spec);
        if (!input.spec.given)
                return -ENOMEM;

        spec = malloc(sizeof(*spec));
        if (!spec)
                return -ENOMEM;
        *spec = input.spec;
        input.spec = (CvmSpec){};
        *ret = spec;
        return 0;
}

int spec_parse(json_object *object, CvmSpec **ret, CvmError *error)
{
        int r = spec_parse_input(object, ret, error);

        return r == -ENOMEM ? cvm_error_system(error, r, "read the spec") : r;
}

CvmSpec *spec_free(CvmSpec *spec)
{
        if (spec) {
                spec_done(spec);
                free(spec);
        }
        return NULL;
}
