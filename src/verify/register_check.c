/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/register_check.h"

#include <stdio.h>
#include <string.h>

/* With several vCPUs and IGVM there are two launch digests; cvm-measure(7) says when which. */
#define LAUNCH_DIGEST "LaunchDigest"
#define LAUNCH_DIGEST_ALL "LaunchDigestAllVcpus"

void seen_registers_add(SeenRegisters *seen, const char *name, const uint8_t *value)
{
        SeenRegister *reg = &seen->items[seen->n++];

        *reg = (SeenRegister){.name = name, .value = hash_zero(HASH_SHA384), .needed = true};
        memcpy(reg->value.bytes, value, SHA384_SIZE);
}

const char *register_check_pcr_name(unsigned index)
{
        static const char *const names[PCRS] = {
                "PCR0",  "PCR1",  "PCR2",  "PCR3",  "PCR4",  "PCR5",  "PCR6",  "PCR7",
                "PCR8",  "PCR9",  "PCR10", "PCR11", "PCR12", "PCR13", "PCR14", "PCR15",
                "PCR16", "PCR17", "PCR18", "PCR19", "PCR20", "PCR21", "PCR22", "PCR23"};

        return names[index];
}

void seen_registers_add_pcrs(SeenRegisters *seen, const Pcrs *pcrs)
{
        for (unsigned i = 0; i < PCRS; i++)
                for (HashAlgorithm bank = 0; bank < _HASH_MAX; bank++)
                        if (pcrs->has[bank][i])
                                seen->items[seen->n++] =
                                        (SeenRegister){.name = register_check_pcr_name(i),
                                                       .value = pcrs->values[bank][i]};
}

static const SeenRegister *find_seen(const SeenRegisters *seen, const char *name,
                                     HashAlgorithm algorithm)
{
        for (size_t i = 0; i < seen->n; i++)
                if (seen->items[i].value.algorithm == algorithm &&
                    strcmp(seen->items[i].name, name) == 0)
                        return &seen->items[i];
        return NULL;
}

/* "PCR4-sha256" where a register has several banks. */
static void name_check(const char *name, HashAlgorithm algorithm, char ret[static 48])
{
        bool banked = strncmp(name, "PCR", 3) == 0;

        snprintf(ret, 48, "%s%s%s", name, banked ? "-" : "", banked ? hash_name(algorithm) : "");
}

static Bytes digest_bytes_of(const HashDigest *digest)
{
        return (Bytes){digest->bytes, hash_size(digest->algorithm)};
}

static bool equal(const HashDigest *a, const HashDigest *b)
{
        return memcmp(a->bytes, b->bytes, hash_size(a->algorithm)) == 0;
}

static void check_seen(const SeenRegister *seen, const Expectation *expectation, Findings *findings)
{
        const ExpectedRegister *expected = NULL, *all = NULL;
        Bytes found = digest_bytes_of(&seen->value);
        char check[48];

        name_check(seen->name, seen->value.algorithm, check);
        if (expectation)
                expected = expectation_find(expectation, seen->name, seen->value.algorithm);
        if (expectation && strcmp(seen->name, LAUNCH_DIGEST) == 0)
                all = expectation_find(expectation, LAUNCH_DIGEST_ALL, seen->value.algorithm);
        if (!expected && !seen->needed)
                return;
        if (all && all->has_value && equal(&all->value, &seen->value)) {
                findings_right(findings, NEEDED, check, "the VMSA of every vCPU is measured");
                findings_values_hex(findings, digest_bytes_of(&all->value), found);
        } else if (expected && expected->has_value) {
                findings_compare(findings, NEEDED, check, digest_bytes_of(&expected->value), found);
        } else {
                findings_unchecked(findings, NEEDED, check, "%s",
                                   !expectation       ? "no expectation given (--expect)"
                                   : !expected        ? "the expectation does not have it"
                                   : expected->reason ? expected->reason
                                                      : "the expectation has no value for it");
                findings_values_hex(findings, (Bytes){}, found);
        }
}

/* Whether another bank of the same PCR was compared and has the expected value. */
static bool is_right_elsewhere(const SeenRegisters *seen, const Expectation *expectation,
                               const char *name)
{
        for (size_t i = 0; i < expectation->n_registers; i++) {
                const ExpectedRegister *expected = &expectation->registers[i];
                const SeenRegister *found =
                        strcmp(expected->name, name) == 0 && expected->has_value
                                ? find_seen(seen, name, expected->value.algorithm)
                                : NULL;

                if (found && equal(&expected->value, &found->value))
                        return true;
        }
        return false;
}

/* A value that is expected of a quoted bank is always needed: otherwise a guest could leave out the
 * bank that shows another kernel. */
static void check_unseen(const SeenRegisters *seen, const Expectation *expectation,
                         const ExpectedRegister *expected, Findings *findings)
{
        bool needed = seen->quoted && expected->has_value;
        char check[48];

        if (find_seen(seen, expected->name, expected->value.algorithm) ||
            (strcmp(expected->name, LAUNCH_DIGEST_ALL) == 0 &&
             find_seen(seen, LAUNCH_DIGEST, expected->value.algorithm)))
                return;
        needed = needed || !is_right_elsewhere(seen, expectation, expected->name);
        name_check(expected->name, expected->value.algorithm, check);
        findings_unchecked(findings, needed ? NEEDED : NOT_NEEDED, check,
                           "it is expected, but the %s does not show it",
                           seen->quoted ? "evidence" : "report");
        if (expected->has_value)
                findings_values_hex(findings, digest_bytes_of(&expected->value), (Bytes){});
}

void registers_check(const SeenRegisters *seen, const Expectation *expectation, Findings *findings)
{
        for (size_t i = 0; i < seen->n; i++)
                check_seen(&seen->items[i], expectation, findings);
        for (size_t i = 0; expectation && i < expectation->n_registers; i++)
                check_unseen(seen, expectation, &expectation->registers[i], findings);
}

static bool expects_register(const Expectation *expectation, const char *name)
{
        for (size_t i = 0; expectation && i < expectation->n_registers; i++)
                if (strcmp(expectation->registers[i].name, name) == 0)
                        return true;
        return false;
}

void registers_check_kernel(const Expectation *expectation, Findings *findings)
{
        static const struct {
                unsigned pcr;
                const char *open;
        } needed[] = {{4, "the kernel is"}, {9, "the command line and the initramfs are"}};

        for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
                const char *name = register_check_pcr_name(needed[i].pcr);
                char check[48];

                name_check(name, HASH_SHA256, check);
                if (!expects_register(expectation, name))
                        findings_unchecked(findings, NEEDED, check,
                                           "no value of %s is expected: %s not judged", name,
                                           needed[i].open);
        }
}
