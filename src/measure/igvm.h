/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * IGVM files (Independent Guest Virtual Machine): headers that state which pages a loader puts
 * where, for one or more platforms.
 *
 * Source: the IGVM file format specification, which is the documentation of the Rust crate
 * igvm_defs: IGVM_FIXED_HEADER (version 1: 24 bytes; version 2: and architecture, page size),
 * IGVM_VHS_VARIABLE_HEADER (u32 type, u32 length, body, padded to 8), and the IGVM_VHS_ structures
 * below. igvm_parse() checks everything once: afterwards every offset lies within the file.
 */

#include "base/error.h"
#include "measure/bytes.h"

/* A header concerns a platform if the two masks have a bit in common. Builders also set bits
 * of platforms that the file does not name, and a mask of 0 concerns no platform: neither is
 * an error. */
#define IGVM_PLATFORMS_MAX 32       /* bits of a compatibility mask */
#define IGVM_HEADERS_MAX (1u << 20) /* more than a page header for each page of 4 GiB */
#define IGVM_AREAS_MAX 256
#define IGVM_PAGE_SIZE 4096u
#define IGVM_LARGE_PAGE_SIZE (2u << 20)

typedef enum IgvmType {
        IGVM_SUPPORTED_PLATFORM = 0x1,
        IGVM_GUEST_POLICY = 0x101,
        IGVM_RELOCATABLE_REGION = 0x102,
        IGVM_PAGE_TABLE_RELOCATION_REGION = 0x103,
        IGVM_CORIM_DOCUMENT = 0x104,
        IGVM_CORIM_SIGNATURE = 0x105,
        IGVM_CCA_POLICY = 0x106,
        IGVM_PARAMETER_AREA = 0x301,
        IGVM_PAGE_DATA = 0x302,
        IGVM_PARAMETER_INSERT = 0x303,
        IGVM_VP_CONTEXT = 0x304,
        IGVM_REQUIRED_MEMORY = 0x305,
        IGVM_VP_COUNT = 0x307,
        IGVM_SRAT = 0x308,
        IGVM_MADT = 0x309,
        IGVM_MMIO_RANGES = 0x30a,
        IGVM_SNP_ID_BLOCK = 0x30b,
        IGVM_MEMORY_MAP = 0x30c,
        IGVM_ERROR_RANGE = 0x30d,
        IGVM_COMMAND_LINE = 0x30e,
        IGVM_SLIT = 0x30f,
        IGVM_PPTT = 0x310,
        IGVM_VBS_MEASUREMENT = 0x311,
        IGVM_DEVICE_TREE = 0x312,
        IGVM_ENVIRONMENT_INFO = 0x313,
} IgvmType;

#define IGVM_OPTIONAL 0x80000000u /* in a header's type: a loader may ignore it */

/* "PAGE_DATA", with IGVM_OPTIONAL or without; NULL: unknown */
const char *igvm_type_name(uint32_t type);
/* Whether the loader of QEMU 10.1 and 10.2 (backends/igvm.c) takes such a header. */
bool igvm_type_loads(uint32_t type);

typedef enum IgvmPlatformType {
        IGVM_PLATFORM_NATIVE = 0,
        IGVM_PLATFORM_VSM = 1,
        IGVM_PLATFORM_SEV_SNP = 2,
        IGVM_PLATFORM_TDX = 3,
        IGVM_PLATFORM_SEV = 4,
        IGVM_PLATFORM_SEV_ES = 5,
        IGVM_PLATFORM_CCA = 6,
} IgvmPlatformType;

const char *igvm_platform_name(uint32_t type); /* "sev-snp"; "unknown" */

typedef struct IgvmPlatform {
        uint32_t mask;       /* one bit */
        uint8_t highest_vtl; /* 2: a paravisor with the guest's firmware behind it; 0: service only,
                                or a native platform */
        uint8_t type;        /* IgvmPlatformType */
        uint16_t version;
        uint64_t shared_gpa_boundary;
} IgvmPlatform;

typedef struct IgvmArea {
        uint32_t index;
        uint64_t size; /* bytes, whole pages */
} IgvmArea;

typedef struct Igvm {
        Bytes file; /* borrowed */
        uint32_t version;
        uint32_t architecture; /* 0: x86-64 */
        uint32_t headers_offset, headers_size;
        size_t n_headers;
        IgvmPlatform platforms[IGVM_PLATFORMS_MAX];
        size_t n_platforms;
        IgvmArea areas[IGVM_AREAS_MAX]; /* parameter areas */
        size_t n_areas;
} Igvm;

/* A header as it stands in the file; body is borrowed. */
typedef struct IgvmHeader {
        uint32_t type; /* IgvmType; any other, perhaps with IGVM_OPTIONAL: igvm_read() keeps it */
        size_t offset; /* in the file */
        Bytes body;
} IgvmHeader;

/* The bodies that are looked into. */
typedef struct IgvmPage {
        uint64_t gpa;
        uint32_t mask;
        uint32_t size; /* IGVM_PAGE_SIZE or IGVM_LARGE_PAGE_SIZE */
        bool unmeasured, shared;
        uint16_t data_type; /* IgvmDataType */
        Bytes data;         /* IGVM_PAGE_SIZE bytes; not given: zeros */
} IgvmPage;

typedef enum IgvmDataType {
        IGVM_DATA_NORMAL = 0,
        IGVM_DATA_SECRETS = 1,
        IGVM_DATA_CPUID = 2,
        IGVM_DATA_CPUID_XF = 3,
} IgvmDataType;

typedef struct IgvmInsert {
        uint64_t gpa;
        uint32_t mask, area; /* the area's index */
        uint64_t size;       /* of its area */
} IgvmInsert;

typedef struct IgvmVpContext {
        uint64_t gpa;
        uint32_t mask;
        uint16_t vp_index;
        Bytes data; /* a page; of VSM up to one */
} IgvmVpContext;

typedef struct IgvmPolicy {
        uint64_t policy;
        uint32_t mask;
} IgvmPolicy;

/*
 * ArtifactInvalid: not an IGVM file, truncated, of an unknown version, for another architecture or
 * page size, with a wrong checksum, without data, or with a header that the library refuses through
 * which QEMU reads these files (igvm_header.h, igvm_check.h): the error has its type and offset.
 * What a known type means for a launch is the caller's to say.
 */
int igvm_parse(Bytes file, const char *name, Igvm *ret, CvmError *error);

/* The same, but it keeps headers of unknown types and those that are marked as optional: for those
 * who show a file, and do not launch or measure it. */
int igvm_read(Bytes file, const char *name, Igvm *ret, CvmError *error);

/* The header at *cursor (0 is the first), which is moved on. False: there are no more. */
bool igvm_next(const Igvm *igvm, size_t *cursor, IgvmHeader *ret);

/* The same for a file that is being parsed: what is wrong with the header, or NULL. *cursor must be
 * before the headers' end. */
const char *igvm_read_header(const Igvm *igvm, size_t *cursor, IgvmHeader *ret);

/* Whether these bytes lie behind the headers and within the file. */
bool igvm_has_data(const Igvm *igvm, uint64_t offset, uint64_t size);

/* NULL: there is none of that index. */
const IgvmArea *igvm_find_area(const Igvm *igvm, uint32_t index);

/* Of a header of that type, of a parsed file. */
IgvmPlatform igvm_platform(const IgvmHeader *header);
IgvmPage igvm_page(const Igvm *igvm, const IgvmHeader *header);
IgvmInsert igvm_insert(const Igvm *igvm, const IgvmHeader *header);
IgvmVpContext igvm_vp_context(const Igvm *igvm, const IgvmHeader *header);
IgvmPolicy igvm_policy(const IgvmHeader *header);

/* The guest policy that the file has for a platform of that type: of several the last, as in QEMU.
 * -ENOENT: none. */
int igvm_find_policy(const Igvm *igvm, IgvmPlatformType type, uint64_t *ret);

/* Whether the platform's guest is a service VM: it has no firmware, and boots no kernel. A native
 * platform has a single VTL, so that its highest one says nothing of that: it is never one. */
bool igvm_is_service(const IgvmPlatform *platform);

/* The platform of that type; NULL: the file is not for it. */
const IgvmPlatform *igvm_find_platform(const Igvm *igvm, IgvmPlatformType type);
