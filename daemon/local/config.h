/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's configuration: one JSON file, cvmd.conf(5). Everything has a default; a file that is
 * not understood to the last field is refused with its line.
 */

#include <json-c/json.h>
#include <sys/types.h>

#include "base/error.h"
#include "local/subuids.h"

#define CONFIG_PATH "/etc/cvmd/cvmd.conf"
#define CONFIG_BYTES_MAX (1u << 20)
#define CONFIG_UIDS_DEFAULT 65536u /* uids of the default range */
#define CONFIG_IMAGES_MAX 16       /* directories of `images` */
#define CONFIG_USERS_GROUP "cvm"
#define CONFIG_ADMINS_GROUP "cvm-admin"
#define CONFIG_STATE_DIRECTORY "/var/lib/cvmd" /* of root's daemon, unless it is named */

typedef enum ConfigAccelerator {
        ACCELERATOR_AUTO,
        ACCELERATOR_KVM,
        ACCELERATOR_TCG
} ConfigAccelerator;
typedef enum ConfigScopes { SCOPES_AUTO, SCOPES_REQUIRED, SCOPES_OFF } ConfigScopes;
typedef enum ConfigMachined { MACHINED_AUTO, MACHINED_OFF } ConfigMachined;
/* Of guests to the host's own addresses. */
typedef enum ConfigHostAccess { HOST_ACCESS_DENY, HOST_ACCESS_ALLOW } ConfigHostAccess;

typedef struct Config {
        uint32_t cpus;   /* default of a spec */
        uint64_t memory; /* default of a spec, bytes */
        uint32_t port_first, port_last;
        uint32_t cid_first, cid_last;
        uint32_t uid_first, uid_last; /* of QEMUs, one each, where the daemon is root */
        uint32_t start_sec, ready_sec, powerdown_sec, quit_sec;
        uint64_t console_bytes; /* of one file */
        uint32_t console_files;
        uint32_t cvms_max;           /* live ones of the daemon */
        uint32_t vcpus_per_cpu;      /* of all live CVMs, for each CPU of the host */
        uint32_t cvms_per_uid_max;   /* of one uid, as are the next eight; see quota.h */
        uint64_t memory_per_uid_max; /* bytes; 0: no limit */
        uint32_t vcpus_per_uid_max;  /* 0: no limit */
        uint64_t artifact_bytes_per_uid_max, secret_bytes_per_uid_max;
        uint32_t ended_per_uid_max; /* CVMs that have ended and their logs; see ended.h */
        uint64_t ended_log_bytes_per_uid_max;
        uint32_t ports_per_uid_max; /* in the range; 0: a part of it */
        uint32_t keys_per_uid_max;  /* ASIDs, key IDs; 0: half of what the host has */
        ConfigAccelerator accelerator;
        ConfigScopes scopes;
        ConfigMachined machined;
        ConfigHostAccess host_access;
        bool require_confidential; /* refuse launches on other platforms */
        char *templates;           /* override directory */
        char *specs;               /* directory of those of cvm@.service */
        char *guest;               /* directory of the installed artifacts */
        char **images;             /* more directories of images, ended by NULL */
        char *libvirt_uri;         /* of driver libvirt */
        char *libvirt_user;        /* that its QEMUs run as */
        char *users_group, *admins_group;
        char *subuids_path;      /* subuid(5) */
        Subuids *subuids;        /* what that said when this was loaded; owned, or NULL */
        json_object *qemu;       /* platform or "default" to path; owned */
        json_object *programs;   /* file name of a companion's program to path; owned */
        char **bridges, **taps;  /* allowed host interfaces, ended by NULL */
        char **gpus;             /* full PCI addresses of what may be a CVM's, likewise */
        char **disks;            /* paths of block devices that may be disks, likewise */
        struct Config *previous; /* that was in force before; owned */
} Config;

/* path NULL: CONFIG_PATH if it is there, else the defaults. If the file does not set uids, their
 * range depends on `state`, the daemon's state directory, so that those of daemons side by side
 * differ; NULL stands for CONFIG_STATE_DIRECTORY. On failure *ret_message is a line for a person:
 * "FILE:LINE: field 'ports.first': reason". */
int config_load(const char *path, const char *state, Config **ret, char **ret_message);
Config *config_free(Config *config);
/* Before `config`, just loaded, takes the place of `old`: gives it old's templates, guest,
 * console.files, groups, machined and libvirt, which only a start can change. *ret_fixed: those
 * that the file would have changed, for a person, newly allocated; NULL: none. 0 or -ENOMEM. */
int config_keep_fixed(Config *config, const Config *old, char **ret_fixed);
DEFINE_CLEANUP(Config *, config_free)

/* The QEMU binary for a platform: the configured one, else `binary` in /usr/bin or /usr/local/bin.
 * Newly allocated. A configured path is not checked. Returns NULL if none was found. */
char *config_qemu(const Config *config, const char *platform, const char *binary);

/* The program of a companion, likewise. */
char *config_program(const Config *config, const char *name);

bool config_allows_bridge(const Config *config, const char *name);
bool config_allows_tap(const Config *config, const char *name);
bool config_allows_gpu(const Config *config, const char *address);
/* Whether a listed path leads to the block device of that number now; looks at the file system. */
bool config_allows_disk(const Config *config, dev_t device);
