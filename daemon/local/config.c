/* SPDX-License-Identifier: Apache-2.0 */
#include "local/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_place.h"
#include "base/program.h"
#include "base/text.h"
#include "host/libvirt_facts.h"
#include "local/config_uids.h"
#include "local/log.h"
#include "spec/spec.h"

/* The configuration while it is read, with the members that need more than a type next to it. */
typedef struct Raw {
        Config config;
        char *memory, *console_size, *memory_per_uid, *artifacts_per_uid, *secrets_per_uid,
                *ended_logs_per_uid;
        char *accelerator, *scopes, *machined, *host_access;
        json_object *ports, *vsock, *uids, *timeouts, *console, *limits, *groups, *qemu, *network,
                *libvirt, *devices;
        json_object *programs;
        json_object *bridges, *taps, *disks, *gpus, *images;
} Raw;

static const JsonField top_fields[] = {
        {"cpus", JSON_UINT32, offsetof(Raw, config.cpus), 0, 1, SPEC_CPUS_MAX},
        {"memory", JSON_STRING, offsetof(Raw, memory)},
        {"accelerator", JSON_STRING, offsetof(Raw, accelerator)},
        {"templates", JSON_STRING, offsetof(Raw, config.templates)},
        {"specs", JSON_STRING, offsetof(Raw, config.specs)},
        {"guest", JSON_STRING, offsetof(Raw, config.guest)},
        {"images", JSON_ARRAY, offsetof(Raw, images)},
        {"subuids", JSON_STRING, offsetof(Raw, config.subuids_path)},
        {"scopes", JSON_STRING, offsetof(Raw, scopes)},
        {"machined", JSON_STRING, offsetof(Raw, machined)},
        {"requireConfidential", JSON_BOOL, offsetof(Raw, config.require_confidential)},
        {"ports", JSON_OBJECT, offsetof(Raw, ports)},
        {"vsock", JSON_OBJECT, offsetof(Raw, vsock)},
        {"uids", JSON_OBJECT, offsetof(Raw, uids)},
        {"timeouts", JSON_OBJECT, offsetof(Raw, timeouts)},
        {"console", JSON_OBJECT, offsetof(Raw, console)},
        {"limits", JSON_OBJECT, offsetof(Raw, limits)},
        {"groups", JSON_OBJECT, offsetof(Raw, groups)},
        {"qemu", JSON_MAP, offsetof(Raw, qemu)},
        {"programs", JSON_MAP, offsetof(Raw, programs)},
        {"network", JSON_OBJECT, offsetof(Raw, network)},
        {"libvirt", JSON_OBJECT, offsetof(Raw, libvirt)},
        {"devices", JSON_OBJECT, offsetof(Raw, devices)},
        {},
};

static const JsonField ports_fields[] = {
        {"first", JSON_UINT32, offsetof(Raw, config.port_first), 0, 1, 65535},
        {"last", JSON_UINT32, offsetof(Raw, config.port_last), 0, 1, 65535},
        {},
};

static const JsonField vsock_fields[] = {
        {"first", JSON_UINT32, offsetof(Raw, config.cid_first), 0, 3, UINT32_MAX - 1},
        {"last", JSON_UINT32, offsetof(Raw, config.cid_last), 0, 3, UINT32_MAX - 1},
        {},
};

/* 65534 and 65535 are nobody and an invalid id; from 2^31 on some programs see negative numbers. */
static const JsonField uids_fields[] = {
        {"first", JSON_UINT32, offsetof(Raw, config.uid_first), 0, 65536, INT32_MAX},
        {"last", JSON_UINT32, offsetof(Raw, config.uid_last), 0, 65536, INT32_MAX},
        {},
};

static const JsonField timeouts_fields[] = {
        {"startSec", JSON_UINT32, offsetof(Raw, config.start_sec), 0, 1, 86400},
        {"readySec", JSON_UINT32, offsetof(Raw, config.ready_sec), 0, 1, 86400},
        {"powerdownSec", JSON_UINT32, offsetof(Raw, config.powerdown_sec), 0, 1, 86400},
        {"quitSec", JSON_UINT32, offsetof(Raw, config.quit_sec), 0, 1, 86400},
        {},
};

static const JsonField console_fields[] = {
        {"size", JSON_STRING, offsetof(Raw, console_size)},
        {"files", JSON_UINT32, offsetof(Raw, config.console_files), 0, 1, 100},
        {},
};

static const JsonField limits_fields[] = {
        {"cvms", JSON_UINT32, offsetof(Raw, config.cvms_max), 0, 1, 65536},
        {"vcpusPerCpu", JSON_UINT32, offsetof(Raw, config.vcpus_per_cpu), 0, 1, 65536},
        {"cvmsPerUid", JSON_UINT32, offsetof(Raw, config.cvms_per_uid_max), 0, 1, 65536},
        {"memoryPerUid", JSON_STRING, offsetof(Raw, memory_per_uid)},
        {"vcpusPerUid", JSON_UINT32, offsetof(Raw, config.vcpus_per_uid_max), 0, 1, INT32_MAX},
        {"artifactBytesPerUid", JSON_STRING, offsetof(Raw, artifacts_per_uid)},
        {"secretBytesPerUid", JSON_STRING, offsetof(Raw, secrets_per_uid)},
        {"portsPerUid", JSON_UINT32, offsetof(Raw, config.ports_per_uid_max), 0, 1, 65535},
        {"endedPerUid", JSON_UINT32, offsetof(Raw, config.ended_per_uid_max), 0, 1, 65536},
        {"endedLogBytesPerUid", JSON_STRING, offsetof(Raw, ended_logs_per_uid)},
        {"keysPerUid", JSON_UINT32, offsetof(Raw, config.keys_per_uid_max), 0, 1, 65536},
        {},
};

static const JsonField groups_fields[] = {
        {"users", JSON_STRING, offsetof(Raw, config.users_group)},
        {"admins", JSON_STRING, offsetof(Raw, config.admins_group)},
        {},
};

static const JsonField libvirt_fields[] = {
        {"uri", JSON_STRING, offsetof(Raw, config.libvirt_uri)},
        {"user", JSON_STRING, offsetof(Raw, config.libvirt_user)},
        {},
};

static const JsonField network_fields[] = {
        {"bridges", JSON_ARRAY, offsetof(Raw, bridges)},
        {"taps", JSON_ARRAY, offsetof(Raw, taps)},
        {"hostAccess", JSON_STRING, offsetof(Raw, host_access)},
        {},
};

static const JsonField devices_fields[] = {
        {"disks", JSON_ARRAY, offsetof(Raw, disks)},
        {"gpus", JSON_ARRAY, offsetof(Raw, gpus)},
        {},
};

typedef struct Source {
        const char *path, *state, *data; /* state: the daemon's directory */
        size_t size;
        char *message; /* owned until taken */
} Source;

static int config_refuse(void *userdata, const char *field, const char *reason)
{
        Source *source = userdata;
        unsigned line = json_place_line(source->data, source->size, field);

        free(source->message);
        source->message =
                text_format("%s:%u: field '%s': %s", source->path, line ?: 1, field, reason);
        return -EINVAL;
}

/* The place of a text among those that the field may have, ended by NULL. NULL: the default, which
 * is the first of them. */
static int parse_choice(const char *text, const char *field, const char *const *choices,
                        unsigned *ret, Source *source)
{
        _cleanup_(buffer_done) Buffer reason = {};
        int r;

        for (unsigned i = 0; choices[i]; i++)
                if (!text || strcmp(text, choices[i]) == 0) {
                        *ret = i;
                        return 0;
                }
        r = buffer_appendf(&reason, "must be %s", choices[0]);
        for (size_t i = 1; r >= 0 && choices[i]; i++)
                r = buffer_appendf(&reason, "%s%s", choices[i + 1] ? ", " : " or ", choices[i]);
        return r < 0 ? r : config_refuse(source, field, reason.data);
}

static int parse_choices(const Raw *raw, Config *c, Source *source)
{
        static const char *const accelerators[] = {"auto", "kvm", "tcg", NULL},
                                 *const scopes[] = {"auto", "required", "off", NULL},
                                 *const machined[] = {"auto", "off", NULL},
                                 *const host_access[] = {"deny", "allow", NULL};
        int r = parse_choice(raw->accelerator, "accelerator", accelerators, &c->accelerator,
                             source);

        if (r == 0)
                r = parse_choice(raw->scopes, "scopes", scopes, &c->scopes, source);
        if (r == 0)
                r = parse_choice(raw->machined, "machined", machined, &c->machined, source);
        if (r == 0)
                r = parse_choice(raw->host_access, "network.hostAccess", host_access,
                                 &c->host_access, source);
        return r;
}

static int parse_size(const char *text, const char *field, uint64_t min, uint64_t max,
                      uint64_t *ret, Source *source)
{
        char low[24], high[24], reason[128];
        uint64_t size;
        int r;

        if (!text)
                return 0;
        r = text_parse_size(text, &size);
        if (r < 0 || size < min || size > max) {
                snprintf(reason, sizeof(reason), "must be a size from \"%s\" to \"%s\"",
                         text_format_size(min, low), text_format_size(max, high));
                return config_refuse(source, field, reason);
        }
        *ret = size;
        return 0;
}

static int parse_names(json_object *array, const char *field, char ***ret, Source *source)
{
        size_t n = array ? json_object_array_length(array) : 0;
        char **names = calloc(n + 1, sizeof(char *));

        if (!names)
                return -ENOMEM;
        free(*ret);
        *ret = names;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);

                if (!json_object_is_type(item, json_type_string))
                        return config_refuse(source, field, "must be an array of strings");
                names[i] = strdup(json_object_get_string(item));
                if (!names[i])
                        return -ENOMEM;
        }
        return 0;
}

static int parse_paths(json_object *map, const char *name, json_object **ret, Source *source)
{
        if (!map)
                return 0;
        json_object_object_foreach (map, key, path) {
                if (json_object_get_string(path)[0] != '/') {
                        _cleanup_free_ char *field = NULL;

                        field = text_format("%s.%s", name, key);
                        if (!field)
                                return -ENOMEM;
                        return config_refuse(source, field, "must be an absolute path");
                }
        }
        *ret = json_object_get(map);
        return 0;
}

static int parse_fields(json_object *object, Raw *raw, Source *source)
{
        const struct {
                json_object *const *object;
                const JsonField *fields;
                const char *name;
        } sections[] = {
                {&raw->ports, ports_fields, "ports"},
                {&raw->vsock, vsock_fields, "vsock"},
                {&raw->uids, uids_fields, "uids"},
                {&raw->timeouts, timeouts_fields, "timeouts"},
                {&raw->console, console_fields, "console"},
                {&raw->limits, limits_fields, "limits"},
                {&raw->groups, groups_fields, "groups"},
                {&raw->network, network_fields, "network"},
                {&raw->libvirt, libvirt_fields, "libvirt"},
                {&raw->devices, devices_fields, "devices"},
        };
        int r = json_dispatch(object, top_fields, raw, "", config_refuse, source);

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sections); i++)
                if (*sections[i].object)
                        r = json_dispatch(*sections[i].object, sections[i].fields, raw,
                                          sections[i].name, config_refuse, source);
        return r;
}

/* Names the one that the file has: the other may be a default. */
static int refuse_range(Source *source, const char *first, const char *last)
{
        bool has_last = json_place_line(source->data, source->size, last) > 0;
        char reason[64];

        snprintf(reason, sizeof(reason), "must not be %s %s", has_last ? "below" : "above",
                 has_last ? first : last);
        return config_refuse(source, has_last ? last : first, reason);
}

static int config_check(Raw *raw, Source *source)
{
        Config *c = &raw->config;
        int r;

        r = parse_size(raw->memory, "memory", SPEC_MEMORY_MIN, INT64_MAX, &c->memory, source);
        if (r == 0 && c->memory % SPEC_MEMORY_UNIT)
                r = config_refuse(source, "memory", "must be a multiple of 1M");
        if (r == 0)
                r = parse_size(raw->console_size, "console.size", 4096, UINT64_C(1) << 30,
                               &c->console_bytes, source);
        if (r == 0)
                r = parse_size(raw->memory_per_uid, "limits.memoryPerUid", SPEC_MEMORY_MIN,
                               INT64_MAX, &c->memory_per_uid_max, source);
        if (r == 0)
                r = parse_size(raw->artifacts_per_uid, "limits.artifactBytesPerUid", 1u << 20,
                               INT64_MAX, &c->artifact_bytes_per_uid_max, source);
        if (r == 0)
                r = parse_size(raw->secrets_per_uid, "limits.secretBytesPerUid", 4096, INT64_MAX,
                               &c->secret_bytes_per_uid_max, source);
        if (r == 0)
                r = parse_size(raw->ended_logs_per_uid, "limits.endedLogBytesPerUid", 4096,
                               INT64_MAX, &c->ended_log_bytes_per_uid_max, source);
        r = r ?: parse_names(raw->bridges, "network.bridges", &c->bridges, source);
        r = r ?: parse_names(raw->taps, "network.taps", &c->taps, source);
        r = r ?: parse_names(raw->disks, "devices.disks", &c->disks, source);
        r = r ?: parse_names(raw->gpus, "devices.gpus", &c->gpus, source);
        r = r ?: parse_names(raw->images, "images", &c->images, source);
        for (char **address = c->gpus; r == 0 && *address; address++) {
                char full[SPEC_GPU_SIZE];

                if (spec_gpu_parse(*address, full) < 0 || strcmp(full, *address) != 0)
                        r = config_refuse(source, "devices.gpus",
                                          "must be full PCI addresses such as 0000:41:00.0");
        }
        for (char **path = c->disks; r == 0 && *path; path++)
                if (**path != '/')
                        r = config_refuse(source, "devices.disks", "must be absolute paths");
        for (char **path = c->images; r == 0 && *path; path++)
                if (**path != '/' || path - c->images >= CONFIG_IMAGES_MAX)
                        r = config_refuse(source, "images", "must be at most 16 absolute paths");
        if (r == 0)
                r = parse_paths(raw->qemu, "qemu", &c->qemu, source);
        if (r == 0)
                r = parse_paths(raw->programs, "programs", &c->programs, source);
        if (r < 0)
                return r;
        if (c->port_first > c->port_last)
                return refuse_range(source, "ports.first", "ports.last");
        if (c->cid_first > c->cid_last)
                return refuse_range(source, "vsock.first", "vsock.last");
        if (c->uid_first > c->uid_last)
                return config_refuse(source, "uids.last", "must not be below uids.first");
        r = parse_choices(raw, c, source);
        if (r < 0)
                return r;
        if (c->templates[0] != '/')
                return config_refuse(source, "templates", "must be an absolute path");
        if (c->specs[0] != '/')
                return config_refuse(source, "specs", "must be an absolute path");
        if (c->guest[0] != '/')
                return config_refuse(source, "guest", "must be an absolute path");
        if (c->subuids_path[0] != '/')
                return config_refuse(source, "subuids", "must be an absolute path");
        return 0;
}

static Config *config_new(void)
{
        Config *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        *c = (Config){
                .cpus = 2,
                .memory = UINT64_C(2) << 30,
                .port_first = 6100,
                .port_last = 7199,
                .cid_first = 1000,
                .cid_last = 65535,
                .uid_first = 1900000000,
                .uid_last = 1900000000 + CONFIG_UIDS_DEFAULT - 1,
                .start_sec = 30,
                .ready_sec = 120,
                .powerdown_sec = 30,
                .quit_sec = 5,
                .console_bytes = UINT64_C(2) << 20,
                .console_files = 3,
                .cvms_max = 4096,
                .cvms_per_uid_max = 256,
                .vcpus_per_cpu = 128,
                .artifact_bytes_per_uid_max = UINT64_C(4) << 30,
                .secret_bytes_per_uid_max = UINT64_C(128) << 20,
                .ended_per_uid_max = 32,
                .ended_log_bytes_per_uid_max = UINT64_C(64) << 20,
                .templates = strdup("/etc/cvmd/templates"),
                .specs = strdup("/etc/cvmd/cvms"),
                .guest = strdup(CVMD_GUEST_DIRECTORY),
                .subuids_path = strdup("/etc/subuid"),
                .libvirt_uri = strdup(LIBVIRT_URI),
                .libvirt_user = strdup("libvirt-qemu"),
                .users_group = strdup(CONFIG_USERS_GROUP),
                .admins_group = strdup(CONFIG_ADMINS_GROUP),
                .bridges = calloc(1, sizeof(char *)),
                .taps = calloc(1, sizeof(char *)),
                .disks = calloc(1, sizeof(char *)),
                .images = calloc(1, sizeof(char *)),
                .gpus = calloc(1, sizeof(char *)),
        };
        if (!c->templates || !c->specs || !c->guest || !c->users_group || !c->admins_group ||
            !c->images || !c->bridges || !c->taps || !c->disks || !c->gpus || !c->libvirt_uri ||
            !c->libvirt_user || !c->subuids_path)
                return config_free(c);
        return c;
}

static void names_free(char **names)
{
        for (char **n = names; n && *n; n++)
                free(*n);
        free(names);
}

Config *config_free(Config *config)
{
        if (!config)
                return NULL;
        free(config->templates);
        free(config->specs);
        free(config->guest);
        free(config->subuids_path);
        subuids_free(config->subuids);
        free(config->libvirt_uri);
        free(config->libvirt_user);
        free(config->users_group);
        free(config->admins_group);
        json_object_put(config->qemu);
        json_object_put(config->programs);
        config_free(config->previous);
        names_free(config->bridges);
        names_free(config->taps);
        names_free(config->images);
        names_free(config->disks);
        names_free(config->gpus);
        free(config);
        return NULL;
}

static int config_parse(Config *config, Source *source)
{
        _cleanup_json_ json_object *object = NULL;
        Raw raw = {.config = *config};
        JsonParseError where;
        int r;

        r = json_parse(source->data, source->size, &object, &where);
        if (r == -EBADMSG) {
                source->message = text_format("%s:%u:%u: not valid JSON: %s", source->path,
                                              where.line, where.column, where.reason);
                return -EINVAL;
        }
        if (r == 0)
                r = parse_fields(object, &raw, source);
        if (r == 0)
                r = config_check(&raw, source);
        if (r == 0 && !raw.uids)
                r = config_choose_uids(&raw.config, source->state);
        *config = raw.config;
        free(raw.memory);
        free(raw.console_size);
        free(raw.memory_per_uid);
        free(raw.artifacts_per_uid);
        free(raw.secrets_per_uid);
        free(raw.ended_logs_per_uid);
        free(raw.accelerator);
        free(raw.scopes);
        free(raw.machined);
        free(raw.host_access);
        return r;
}

/* Reads the file. A daemon of root's obeys it as root, so nobody else may have written it. */
static int read_file(const char *path, char **ret, size_t *ret_size, char **ret_message)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        const char *problem = NULL;
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                r = -errno;
        else if (!S_ISREG(st.st_mode))
                r = -EINVAL, problem = "is not a regular file";
        else if (geteuid() == 0 && (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH))))
                r = -EPERM, problem = "must belong to root and be writable only by root";
        else
                r = fd_read_all(fd, CONFIG_BYTES_MAX, ret, ret_size);
        if (r < 0)
                *ret_message = text_format("%s: %s", path, problem ?: strerror(-r));
        return r;
}

/* Only a daemon of root's has several users, and uids of CVMs. */
static int load_subuids(Config *config, char **ret_message)
{
        int r;

        if (geteuid() != 0)
                return 0;
        r = subuids_read(config->subuids_path, "/etc/passwd", &config->subuids, ret_message);
        return r < 0 ? r
                     : subuids_check(config->subuids, config->subuids_path, config->uid_first,
                                     config->uid_last, ret_message);
}

int config_load(const char *path, const char *state, Config **ret, char **ret_message)
{
        _cleanup_(config_freep) Config *config = config_new();
        _cleanup_free_ char *data = NULL;
        Source source = {.path = path ?: CONFIG_PATH, .state = state};
        int r;

        if (!config)
                return -ENOMEM;
        r = read_file(source.path, &data, &source.size, ret_message);
        if (r == -ENOENT && !path) {
                free(TAKE_PTR(*ret_message));
                r = config_choose_uids(config, state);
                if (r == 0)
                        r = load_subuids(config, ret_message);
                if (r == 0)
                        *ret = TAKE_PTR(config);
                return r;
        }
        if (r < 0)
                return r;
        source.data = data;
        r = config_parse(config, &source);
        if (r < 0) {
                *ret_message = source.message ?: strdup("out of memory");
                return r;
        }
        r = load_subuids(config, ret_message);
        if (r == 0)
                *ret = TAKE_PTR(config);
        return r;
}

char *config_qemu(const Config *config, const char *platform, const char *binary)
{
        return program_find(json_member_string(config->qemu, platform)
                                    ?: json_member_string(config->qemu, "default"),
                            binary);
}

char *config_program(const Config *config, const char *name)
{
        return program_find(json_member_string(config->programs, name), name);
}

static bool names_hold(char **names, const char *name)
{
        for (; *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

bool config_allows_bridge(const Config *config, const char *name)
{
        return names_hold(config->bridges, name);
}

bool config_allows_tap(const Config *config, const char *name)
{
        return names_hold(config->taps, name);
}

bool config_allows_disk(const Config *config, dev_t device)
{
        for (char **path = config->disks; *path; path++) {
                struct stat st;

                if (stat(*path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device)
                        return true;
        }
        return false;
}

bool config_allows_gpu(const Config *config, const char *address)
{
        return names_hold(config->gpus, address);
}
