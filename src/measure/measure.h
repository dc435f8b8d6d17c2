/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Computes from the files that boot what their attestation must show: the one entry to this layer.
 * It is pure: it opens nothing, and equal inputs give equal results.
 *
 * Only given inputs are measured: a register that requires an input that is not given states this.
 */

#include "measure/measurement.h"
#include "measure/rtmr0.h"

/* The names that a template's "measure" has. */
typedef enum MeasureMethod {
        MEASURE_NONE,         /* "none" */
        MEASURE_SEV_SNP_IGVM, /* "sev-snp-igvm": launch digest of the file, PCRs of its vTPM */
        MEASURE_SEV_SNP_OVMF, /* "sev-snp-ovmf": launch digest with kernel hashes */
        MEASURE_TDX,          /* "tdx": MRTD and RTMRs */
        MEASURE_VTPM,         /* "vtpm": PCRs; of firmware, or of an IGVM file's native platform */
        _MEASURE_METHOD_MAX,
} MeasureMethod;

const char *measure_method_name(MeasureMethod method);
/* _MEASURE_METHOD_MAX: there is none of that name. */
MeasureMethod measure_method_find(const char *name);

/* A file, with the digests of exactly these bytes. */
typedef struct MeasureFile {
        Bytes bytes; /* not given: it is not there */
        HashPairDigest digests;
        bool has_code;     /* false: it was not looked for */
        FirmwareCode code; /* what measure_read_code() found in it */
} MeasureFile;

/* All is borrowed. */
typedef struct MeasureInputs {
        MeasureMethod method;
        MeasureFile kernel, initrd, firmware, igvm;
        const char *image;     /* that kernel and initrd are of; it is only noted; NULL: none */
        const char *cmdline;   /* NULL: not given */
        uint32_t cpus;         /* 0: not given */
        uint64_t memory;       /* bytes; 0: not given */
        const char *cpu_model; /* NULL: VMSA_CPU_MODEL_DEFAULT */
        uint64_t features;     /* SEV_FEATURES; 0: VMSA_FEATURE_SNP */
        AcpiFiles acpi;        /* of a TD; loader not given: none of them */
        Profile profile;       /* what the user gave (--profile) */
        bool launching;        /* an IGVM file whose ID block is for another digest is an error */
} MeasureInputs;

/* Whether firmware and IGVM file are asked what their code shows, which takes some 0.1 s. */
bool measure_needs_code(MeasureMethod method, bool has_kernel, bool has_acpi);
/* What the code in firmware (or in an IGVM file's pages of the method's platform) shows. -ENOENT:
 * there is none that can be read; -ENOMEM. */
int measure_read_code(MeasureMethod method, Bytes file, bool igvm, FirmwareCode *ret);

/*
 * ArtifactInvalid (a file that is not what it should be; named "kernel", "firmware" or "igvm") or
 * InvalidSpec (cmdline, cpu-model, guest-features, acpi, or an input that the method does not
 * take).
 */
int measure_run(const MeasureInputs *inputs, Measurement **ret, CvmError *error);
