/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * CvmSpec: what to launch, validated and immutable. Its JSON form is the type Spec of
 * io.cvmd.Manager.varlink; cvm-spec(5) gives every field, range and default.
 *
 * spec_parse() refuses with InvalidSpec naming the field ("env.A B", "shares[1].tag"). It neither
 * touches the file system nor knows the host: paths and descriptor indexes are only carried.
 * Defaults that depend on configuration (cpus, memory, timeouts) stay 0 here.
 */

#include <json-c/json.h>

#include "base/error.h"
#include "base/hash.h"

#define SPEC_NAME_MAX 63
#define SPEC_PLATFORM_MAX 32
#define SPEC_DRIVER_MAX 32
#define SPEC_CPUS_MAX 512 /* what QEMU's q35 and the SVSM take at most */
#define SPEC_MEMORY_MIN (64ull << 20)
#define SPEC_MEMORY_UNIT (1ull << 20) /* memory is a multiple of it */
#define SPEC_CMDLINE_MAX 2047         /* COMMAND_LINE_SIZE of x86 Linux less its NUL */
#define SPEC_ENV_MAX 4096             /* variables */
#define SPEC_ENV_BYTES_MAX (4u << 20)
#define SPEC_ENV_NAMES_BYTES_MAX (256u << 10)
#define SPEC_CERTS_MAX 64
#define SPEC_CERT_BYTES_MAX (1u << 20)
#define SPEC_SHARES_MAX 16
#define SPEC_FORWARDS_MAX 64
#define SPEC_DISKS_MAX 16
#define SPEC_GPUS_MAX 16
#define SPEC_GPU_SIZE 13    /* of a full PCI address with its NUL */
#define SPEC_DISK_ID_MAX 20 /* of a serial number: VIRTIO_BLK_ID_BYTES */
#define SPEC_FD_MAX 63      /* index of a descriptor sent with the call, each named at most once */
#define SPEC_AGENT_PORT 7002
#define SPEC_SECURITY_MAX 16 /* fields of launchSecurity */
#define SPEC_MISSING_MAX (SPEC_ENV_MAX + SPEC_CERTS_MAX + SPEC_SHARES_MAX + SPEC_DISKS_MAX + 4)
#define SPEC_LABELS_MAX 32
#define SPEC_LABEL_NAME_MAX 63 /* bytes, as are the next two */
#define SPEC_LABEL_VALUE_MAX 255
#define SPEC_LABELS_BYTES_MAX 2048 /* of all names and values of a spec */

typedef struct SpecArtifact {
        bool given;
        char *name, *path; /* at most one of name, path, fd; none: the template's default */
        int64_t fd;        /* index of a sent descriptor, -1: none */
        bool has_sha256;
        uint8_t sha256[SHA256_SIZE];
} SpecArtifact;

typedef enum SpecArtifactKind {
        ARTIFACT_KERNEL,
        ARTIFACT_INITRAMFS,
        ARTIFACT_FIRMWARE,
        ARTIFACT_IGVM,
        _ARTIFACT_KIND_MAX,
} SpecArtifactKind;

/* "kernel", "initramfs", "firmware", "igvm". */
const char *spec_artifact_kind_name(SpecArtifactKind kind);

/* Images have names as CVMs have. */
typedef struct SpecImage {
        char *name; /* NULL: none */
        bool has_sha256;
        uint8_t sha256[SHA256_SIZE]; /* that its manifest must have */
} SpecImage;

/* NAME or NAME@sha256:HEX. False: it is neither, or there is no memory. */
bool spec_image_parse(const char *text, SpecImage *ret);

typedef struct SpecEnv {
        char *name, *value;
} SpecEnv;

/* A certificate file: content inline (text and base64 are decoded to bytes) or by path or fd. */
typedef struct SpecCert {
        char *name; /* no '/', not "." or "..", 1 to 255 bytes */
        uint8_t *data;
        size_t size;
        char *path;
        int64_t fd; /* -1: none */
} SpecCert;

typedef struct SpecShare {
        char *tag;
        char *path;
        int64_t fd; /* -1: none */
        bool read_only;
} SpecShare;

typedef enum SpecDiskFormat { SPEC_DISK_RAW, SPEC_DISK_QCOW2 } SpecDiskFormat;
typedef enum SpecDiskBus {
        SPEC_DISK_SCSI,
        SPEC_DISK_VIRTIO,
        SPEC_DISK_SVSM, /* not the guest's: the SVSM keeps its state there */
} SpecDiskBus;

/* A data disk: exactly one of path and fd. */
typedef struct SpecDisk {
        char *id; /* unique; the serial number that the guest sees */
        char *path;
        int64_t fd; /* -1: none */
        SpecDiskFormat format;
        SpecDiskBus bus;
        bool read_only;
} SpecDisk;

const char *spec_disk_format_name(SpecDiskFormat format); /* "raw", "qcow2" */
const char *spec_disk_bus_name(SpecDiskBus bus);          /* "scsi", "virtio", "svsm" */

typedef enum SpecProtocol { SPEC_TCP, SPEC_UDP } SpecProtocol;

typedef struct SpecForward {
        char *address;      /* dotted IPv4; "127.0.0.1" by default */
        uint16_t host_port; /* 0: any free one */
        uint16_t guest_port;
        SpecProtocol protocol;
} SpecForward;

const char *spec_protocol_name(SpecProtocol protocol); /* "tcp", "udp" */

typedef enum SpecNetwork {
        SPEC_NETWORK_USER,
        SPEC_NETWORK_NONE,
        SPEC_NETWORK_ISOLATED, /* forwards alone */
        SPEC_NETWORK_PASST,
        SPEC_NETWORK_BRIDGE,
        SPEC_NETWORK_TAP
} SpecNetwork;
/* Whether forwards lead to the guest. */
bool spec_network_forwards(SpecNetwork network);

/* A field of launchSecurity that some platform takes: settings of the confidential object. */
typedef enum SpecSecurityKind {
        SPEC_SECURITY_NUMBER, /* 64 bits, decimal or 0x… */
        SPEC_SECURITY_BOOL,   /* "true" or "false" */
        SPEC_SECURITY_BYTES,  /* base64 of exactly `size` bytes */
} SpecSecurityKind;

typedef struct SpecSecurityKey {
        const char *name;
        SpecSecurityKind kind;
        size_t size;
} SpecSecurityKey;

extern const SpecSecurityKey spec_security_keys[]; /* ended by {} */

typedef struct SpecSecurity {
        const SpecSecurityKey *key;
        char *text;      /* as given */
        uint64_t number; /* of NUMBER and BOOL */
} SpecSecurity;

/* Limits of the CVM's control group; 0: none given. */
typedef struct SpecLimits {
        uint64_t memory_high, memory_max; /* bytes */
        uint32_t cpu_weight;              /* 1 to 10000 */
        uint32_t tasks_max;
} SpecLimits;

typedef enum SpecRestartPolicy {
        SPEC_RESTART_NO,
        SPEC_RESTART_ON_FAILURE,
        SPEC_RESTART_ALWAYS,
} SpecRestartPolicy;

/* What follows the end of a CVM that nobody stopped; defaults are filled in. */
typedef struct SpecRestart {
        SpecRestartPolicy policy;
        uint32_t backoff_sec, backoff_max_sec; /* before the first restart, doubled up to the max */
        uint32_t limit;                        /* restarts in a row, 0: any number */
        uint32_t window_sec;                   /* a CVM that ran so long begins a new row */
} SpecRestart;

/* When the daemon removes the CVM and its logs by itself. */
typedef enum SpecRemove {
        SPEC_REMOVE_NEVER,
        SPEC_REMOVE_FAILED_LAUNCH,
        SPEC_REMOVE_ENDED, /* after any end, a failed launch included */
        _SPEC_REMOVE_MAX,
} SpecRemove;

/* "never", "failed-launch", "ended". */
const char *spec_remove_name(SpecRemove remove);
/* NULL: never. Returns 0 or -EINVAL. */
int spec_remove_parse(const char *name, SpecRemove *ret);

typedef enum SpecSvsmTransport { SPEC_SVSM_SERIAL, SPEC_SVSM_VSOCK } SpecSvsmTransport;

/* Of an SVSM alongside the guest. */
typedef struct SpecSvsm {
        bool given;
        bool log;
        char *url; /* of the server that its attestation proxy asks; NULL: there is no proxy */
        char *protocol;
        SpecSvsmTransport transport; /* between SVSM and proxy */
} SpecSvsm;

#define SPEC_TTL_SEC_MAX (10u * 366 * 86400)

typedef struct CvmSpec {
        char *name;
        char *platform;  /* "auto" if none was given */
        uint32_t cpus;   /* 0: default */
        uint64_t memory; /* bytes, 0: default */
        SpecArtifact artifacts[_ARTIFACT_KIND_MAX];
        SpecImage image; /* kernel and initramfs are then not given */
        char *cmdline;   /* NULL: default */
        SpecEnv *env;    /* sorted by name */
        size_t n_env;
        SpecCert *certs; /* sorted by name */
        size_t n_certs;
        SpecShare *shares;
        size_t n_shares;
        SpecDisk *disks;
        size_t n_disks;
        char *gpus[SPEC_GPUS_MAX]; /* full PCI addresses, "0000:41:00.0" */
        size_t n_gpus;
        bool forwards_given; /* false: n_forwards is 0 and on the user network the caller of
                              * spec_parse() adds one from a free port to SPEC_AGENT_PORT */
        SpecForward *forwards;
        size_t n_forwards;
        SpecNetwork network;
        char *interface; /* of bridge and tap */
        bool vsock;
        uint32_t vsock_cid; /* 0: a free one */
        SpecSvsm svsm;
        SpecSecurity *security; /* idBlock and idAuth are both there or neither; whether the
                                 * platform takes a field is the template's to say */
        size_t n_security;
        bool bind_workload; /* see template/workload.h */
        bool confidential;  /* refused on a platform that is not */
        bool debug;
        SpecLimits limits;
        uint32_t start_sec, ready_sec, powerdown_sec, quit_sec; /* 0: default */
        SpecRestart restart;
        SpecRemove remove;
        uint32_t ttl_sec; /* 0: no end is set */
        char *driver;     /* "qemu" by default */
        /* The JSON form as it was given, less what is secret: values of env and inline contents of
         * certs are empty strings. spec_parse() accepts it. */
        json_object *given;
        json_object *labels; /* name to value, an object; never changed; NULL: none */
} CvmSpec;

/* object is borrowed. */
int spec_parse(json_object *object, CvmSpec **ret, CvmError *error);
CvmSpec *spec_free(CvmSpec *spec); /* clears secret bytes first */
DEFINE_CLEANUP(CvmSpec *, spec_free)
/* Clears and frees values of env and inline contents of certs; the rest stays. */
void spec_clear_secrets(CvmSpec *spec);
/* The same in the JSON that spec_parse() was given, whatever it is. */
void spec_clear_json(json_object *json);

bool spec_name_is_valid(const char *name);
/* Whether the spec's image brings it. */
bool spec_image_has(const CvmSpec *spec, SpecArtifactKind kind);
/* Whether the spec says what the artifact is: itself, or by its image. */
bool spec_gives_artifact(const CvmSpec *spec, SpecArtifactKind kind);
/* A PCI address, the domain of which may be left out, in full and in lower case. 0 or -EINVAL. */
int spec_gpu_parse(const char *text, char ret[static SPEC_GPU_SIZE]);

/* Index of the disk of the SVSM; SIZE_MAX: none. */
size_t spec_svsm_disk(const CvmSpec *spec);
/* Whether the SVSM has devices of its own. */
bool spec_svsm_has_devices(const CvmSpec *spec);
/* Whether one of them is the CVM's vsock device, with its CID. */
bool spec_svsm_has_vsock(const CvmSpec *spec);

/* The command line that the kernel is given: the spec's, or the default. Borrowed. */
const char *spec_cmdline(const CvmSpec *spec);

/* The field that was given, or NULL. Borrowed. */
const SpecSecurity *spec_security_find(const CvmSpec *spec, const char *name);
/* Decimal, or hexadecimal after "0x". 0, -EINVAL or -ERANGE. */
int spec_security_parse_number(const char *text, uint64_t *ret);

/* Whether an object (NULL: none) may be the labels of a CVM. InvalidSpec of the field labels. */
int spec_check_labels(json_object *object, CvmError *error);
/* Whether labels (NULL: none) have each of `wanted` (an object of strings; NULL: nothing is) with
 * the same value. */
bool spec_labels_match(json_object *labels, json_object *wanted);

bool spec_has_limits(const CvmSpec *spec);
/* Whether they mean the same, however each was written. */
bool spec_limits_equal(const SpecLimits *a, const SpecLimits *b);
bool spec_restart_equal(const SpecRestart *a, const SpecRestart *b);
/* Whether the limits suit a CVM of that memory (bytes); spec_parse() asks where the spec names it.
 * InvalidSpec. */
int spec_check_limits(const CvmSpec *spec, uint64_t memory, CvmError *error);

/* The environment file in the syntax of systemd's EnvironmentFile= (systemd.exec(5)): each value in
 * double quotes, '"', '\\', '`' and '$' escaped. Newly allocated; clear it with explicit_bzero. */
int spec_environment_file(const CvmSpec *spec, char **ret, size_t *ret_size);

/* The spec in its JSON form without its secrets, for records: values of env and inline contents of
 * certs are empty strings, all else (names, paths, digests) is there. spec_parse() takes it. */
json_object *spec_to_json_redacted(const CvmSpec *spec);

/*
 * For a CVM's clients and for its next launch, from CvmSpec.given. paths: where the files that were
 * sent as descriptors are, as far as that is known, by field ("kernel", "disks[1]"); NULL: nowhere.
 */

/* The interface's Spec as clients see it: a descriptor is shown as the path that the client noted
 * with it, else as its path in `paths`, and an artifact then with its SHA-256 from `digests` (by
 * kind). Fields that cannot be shown are named in `missing`. NULL without memory. */
json_object *spec_given_show(json_object *given, json_object *paths, json_object *digests);
/* What spec_parse() is given for another launch: descriptors with a known path as that path. NULL
 * without memory. */
json_object *spec_given_again(json_object *given, json_object *paths);
