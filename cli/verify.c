/* SPDX-License-Identifier: Apache-2.0 */

/* Whether an attestation shows what is expected of it. */

#include <stdio.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"
#include "verify_files.h"

/* Texts of a foreign file may be among them. */
static void print_line(const char *title, const char *text)
{
        _cleanup_free_ char *safe = text ? text_escape_control(text) : NULL;

        if (text)
                printf("    %s%s\n", title, safe ?: "-");
}

static void print_finding(const Finding *finding)
{
        static const char *const titles[] = {
                [FINDING_RIGHT] = "right",
                [FINDING_WRONG] = "WRONG",
                [FINDING_NOT_CHECKED] = "not checked",
        };

        printf("%-11s %s\n", titles[finding->result], finding->check);
        print_line("", finding->reason);
        print_line("expected ", finding->expected);
        print_line("found    ", finding->found);
}

static void print_names(const Findings *findings, FindingResult result)
{
        const char *separator = ": ";

        for (size_t i = 0; i < findings->n; i++) {
                const Finding *finding = &findings->items[i];

                if (finding->result != result || !finding->needed)
                        continue;
                printf("%s%s", separator, finding->check);
                separator = ", ";
        }
        printf("\n");
}

static void print(const Verification *verification)
{
        const Findings *findings = &verification->findings;

        for (size_t i = 0; i < findings->n; i++)
                print_finding(&findings->items[i]);
        switch (findings_verdict(findings)) {
        case VERDICT_VERIFIED:
                printf("Verdict: verified\n");
                break;
        case VERDICT_WRONG:
                printf("Verdict: wrong");
                print_names(findings, FINDING_WRONG);
                break;
        case VERDICT_NOT_VERIFIED:
                printf("Verdict: not verified, as these were not checked");
                print_names(findings, FINDING_NOT_CHECKED);
                break;
        }
}

static int exit_code(Verdict verdict)
{
        switch (verdict) {
        case VERDICT_VERIFIED:
                return CLI_DONE;
        case VERDICT_WRONG:
                return CLI_WRONG;
        default:
                return CLI_NOT_VERIFIED;
        }
}

static int run(const Arguments *arguments, const VerifyInputs *inputs)
{
        _cleanup_(verification_done) Verification verification = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *object = NULL;
        int r = verify_run(inputs, &verification, &error);

        if (r < 0)
                return cvm_error_is_set(&error) ? fail_error(arguments, &error, NULL)
                                                : fail_memory(arguments);
        if (arguments->json) {
                object = verification_to_json(&verification);
                if (!object)
                        return fail_memory(arguments);
                output_json(object);
        } else {
                print(&verification);
        }
        return exit_code(findings_verdict(&verification.findings));
}

int verb_verify(const Arguments *arguments)
{
        _cleanup_(verify_files_done) VerifyFiles files = {};
        VerifyInputs inputs = {};
        int r = verify_files_load(arguments, &files, &inputs);

        return r == 0 ? run(arguments, &inputs) : r;
}
