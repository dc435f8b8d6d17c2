/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/vmsa.h"

#include <string.h>

#include "measure/bytes.h"

typedef struct Segment {
        uint16_t selector, attributes;
        uint32_t base;
} Segment;

#define SEGMENT_LIMIT 0xffff

static void put_segment(uint8_t *vmsa, size_t offset, Segment segment)
{
        le16_put(vmsa + offset, segment.selector);
        le16_put(vmsa + offset + 2, segment.attributes);
        le32_put(vmsa + offset + 4, SEGMENT_LIMIT);
        le64_put(vmsa + offset + 8, segment.base);
}

static void put_segments(uint8_t *vmsa, uint32_t eip)
{
        static const size_t data_segments[] = {0x00 /* es */, 0x20 /* ss */, 0x30 /* ds */,
                                               0x40 /* fs */, 0x50 /* gs */};

        for (size_t i = 0; i < ARRAY_SIZE(data_segments); i++)
                put_segment(vmsa, data_segments[i], (Segment){.attributes = 0x93});
        put_segment(vmsa, 0x10, (Segment){0xf000, 0x9b, eip & 0xffff0000}); /* cs */
        put_segment(vmsa, 0x60, (Segment){});                               /* gdtr */
        put_segment(vmsa, 0x70, (Segment){.attributes = 0x82});             /* ldtr */
        put_segment(vmsa, 0x80, (Segment){});                               /* idtr */
        put_segment(vmsa, 0x90, (Segment){.attributes = 0x8b});             /* tr */
}

void vmsa_fill(const VmsaState *state, uint8_t ret[static VMSA_SIZE])
{
        memset(ret, 0, VMSA_SIZE);
        put_segments(ret, state->eip);
        le64_put(ret + 0xd0, 0x1000);                /* efer: SVME */
        le64_put(ret + 0x148, 0x40);                 /* cr4: MCE */
        le64_put(ret + 0x158, 0x10);                 /* cr0: ET */
        le64_put(ret + 0x160, 0x400);                /* dr7 */
        le64_put(ret + 0x168, 0xffff0ff0);           /* dr6 */
        le64_put(ret + 0x170, 0x2);                  /* rflags */
        le64_put(ret + 0x178, state->eip & 0xffff);  /* rip */
        le64_put(ret + 0x268, 0x7040600070406);      /* g_pat */
        le64_put(ret + 0x310, state->cpu_signature); /* rdx */
        le64_put(ret + 0x3b0, state->features);      /* sev_features */
        le64_put(ret + 0x3e8, 0x1);                  /* xcr0 */
        le32_put(ret + 0x408, 0x1f80);               /* mxcsr */
        le16_put(ret + 0x410, 0x37f);                /* x87 fcw */
}

/* Family, model and stepping that QEMU's models have (target/i386/cpu.c); a model's versions share
 * them. */
static const struct {
        const char *name;
        unsigned versions; /* NAME-v1 to NAME-vN are models too */
        uint32_t family, model, stepping;
} models[] = {
        {"EPYC", 5, 23, 1, 2},       {"EPYC-IBPB", 0, 23, 1, 2},   {"EPYC-Rome", 5, 23, 49, 0},
        {"EPYC-Milan", 3, 25, 1, 1}, {"EPYC-Genoa", 2, 25, 17, 0}, {"EPYC-Turin", 1, 26, 0, 0},
};

const char *vmsa_cpu_models(void)
{
        return "EPYC, EPYC-IBPB, EPYC-Rome, EPYC-Milan, EPYC-Genoa, EPYC-Turin, with or without a "
               "version as in EPYC-v4";
}

/* CPUID Specification, "Family, Model, Stepping Identifiers"; families above 15 only. */
static uint32_t signature(uint32_t family, uint32_t model, uint32_t stepping)
{
        return (family - 15) << 20 | (model >> 4) << 16 | 15u << 8 | (model & 15) << 4 | stepping;
}

/* Whether `suffix` is "" or "-v1" to "-vN". */
static bool is_version(const char *suffix, unsigned versions)
{
        if (!*suffix)
                return true;
        return strncmp(suffix, "-v", 2) == 0 && suffix[2] >= '1' &&
               suffix[2] <= '0' + (int)versions && !suffix[3];
}

int vmsa_cpu_signature(const char *model, uint32_t *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
                size_t n = strlen(models[i].name);

                if (strncmp(model, models[i].name, n) != 0 ||
                    !is_version(model + n, models[i].versions))
                        continue;
                *ret = signature(models[i].family, models[i].model, models[i].stepping);
                return 0;
        }
        if (strncmp(model, "0x", 2) == 0) {
                char *end;
                unsigned long value;

                errno = 0;
                value = strtoul(model, &end, 16);
                if (errno == 0 && end > model + 2 && !*end && value <= UINT32_MAX) {
                        *ret = (uint32_t)value;
                        return 0;
                }
        }
        return -EINVAL;
}
