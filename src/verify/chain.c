/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/chain.h"

#include <string.h>

#include "base/json.h"

#define CHAIN_AK "AK"

/* Names of checks that begin so belong to the link; the first link that takes one has it. */
static const struct {
        const char *link;
        const char *checks[12];
} chain_table[] = {
        {"root", {"certificates"}},
        {"platform certificate",
         {"certificate-tcb", "chip-id", "qe-identity", "qe-signature", "attestation-key"}},
        {"SVSM manifest", {"svsm-manifest"}},
        {"EK", {"ek"}},
        {CHAIN_AK, {"ak"}},
        {"quote", {"quote-"}},
        {"PCR 4 (kernel)", {"PCR4-", "log PCR4-", "events PCR4-"}},
        {"PCR 9 (command line, initramfs)", {"PCR9-", "log PCR9-", "events PCR9-"}},
        {"other PCRs", {"PCR", "log PCR", "events PCR"}},
        {"RTMR 1 (kernel)", {"RTMR1", "log RTMR1", "events RTMR1"}},
        {"RTMR 2 (command line, initramfs)", {"RTMR2", "log RTMR2", "events RTMR2"}},
};

/* All other checks that decide a verdict are about what the platform signed; it stands behind the
 * certificates. */
#define CHAIN_REPORT "report"
#define CHAIN_REPORT_AFTER 2

static bool chain_begins(const char *check, const char *prefix)
{
        return prefix && strncmp(check, prefix, strlen(prefix)) == 0;
}

/* ARRAY_SIZE(chain_table): the report. */
static size_t chain_find(const char *check)
{
        for (size_t i = 0; i < ARRAY_SIZE(chain_table); i++)
                for (size_t j = 0; j < ARRAY_SIZE(chain_table[i].checks); j++)
                        /* "certificates" is not "certificate-tcb", nor "certificate-table" */
                        if (chain_begins(check, chain_table[i].checks[j]))
                                return i;
        return ARRAY_SIZE(chain_table);
}

/* What says more of a link: wrong, then not checked, then right. */
static int chain_rank(FindingResult result)
{
        return result == FINDING_WRONG ? 2 : result == FINDING_NOT_CHECKED ? 1 : 0;
}

static void chain_add(ChainLink *link, const Finding *finding)
{
        if (finding->result == FINDING_NOT_CHECKED && !finding->needed)
                return;
        if (link->finding && chain_rank(finding->result) <= chain_rank(link->result))
                return;
        link->finding = finding;
        link->result = finding->result;
        link->reason = finding->reason;
}

/* No TPM vouches for the PCRs behind an AK that nothing ties to one. */
static void chain_doubt_pcrs(ChainLink *links, size_t n)
{
        bool open = false;

        for (size_t i = 0; i < n; i++) {
                if (strcmp(links[i].name, CHAIN_AK) == 0)
                        open = links[i].result == FINDING_NOT_CHECKED;
                if (!open || links[i].result != FINDING_RIGHT || !strstr(links[i].name, "PCR"))
                        continue;
                links[i].result = FINDING_NOT_CHECKED;
                links[i].reason = "as the file says";
        }
}

size_t chain_links(const Findings *findings, ChainLink ret[static CHAIN_LINKS_MAX])
{
        ChainLink links[ARRAY_SIZE(chain_table) + 1] = {};
        size_t n = 0;

        for (size_t i = 0; i < findings->n; i++) {
                size_t at = chain_find(findings->items[i].check);

                /* the report's place is behind that of the certificates */
                if (at == ARRAY_SIZE(chain_table))
                        at = CHAIN_REPORT_AFTER;
                else if (at >= CHAIN_REPORT_AFTER)
                        at++;
                chain_add(&links[at], &findings->items[i]);
        }
        for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
                if (!links[i].finding)
                        continue;
                links[i].name = i == CHAIN_REPORT_AFTER  ? CHAIN_REPORT
                                : i < CHAIN_REPORT_AFTER ? chain_table[i].link
                                                         : chain_table[i - 1].link;
                ret[n++] = links[i];
        }
        chain_doubt_pcrs(ret, n);
        return n;
}

json_object *chain_to_json(const Findings *findings)
{
        json_object *array = json_object_new_array();
        ChainLink links[CHAIN_LINKS_MAX];
        size_t n = chain_links(findings, links);

        for (size_t i = 0; array && i < n; i++) {
                const char *reason = links[i].reason;
                json_object *item =
                        json_build("link", json_object_new_string(links[i].name), "result",
                                   json_object_new_string(finding_result_name(links[i].result)),
                                   "check", json_new_text(links[i].finding->check), "reason",
                                   reason ? json_new_text(reason) : NULL, NULL);

                if (!item || json_object_array_add(array, item) < 0) {
                        json_object_put(item);
                        json_object_put(array);
                        return NULL;
                }
        }
        return array;
}
