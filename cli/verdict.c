/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"
#include "verify/chain.h"

#define VALUE_ROOM_MIN 16 /* columns that a value has, however narrow the terminal is */
#define VALUE_DIGITS "0123456789abcdefx"

/* Texts of a foreign file may be among them. */
static void verify_print_line(const char *title, const char *text)
{
        _cleanup_free_ char *safe = text ? text_escape_control(text) : NULL;

        if (text)
                printf("    %s%s\n", title, safe ?: "-");
}

/* The sequence of a colour, or nothing if standard output is to have no colours. */
static const char *verify_colour(const char *sequence)
{
        return output_colour(stdout) ? sequence : "";
}

/* Of a difference: what is expected is green, what was found red, one below the other. On a
 * terminal, a value that is wider continues below its beginning. */
static void verify_print_value(const char *title, const char *text, const char *colour)
{
        _cleanup_free_ char *safe = text ? text_escape_control(text) : NULL;
        size_t indent = strlen("    ") + strlen(title), width = output_width(stdout);
        size_t room = width > indent + VALUE_ROOM_MIN ? width - indent : VALUE_ROOM_MIN;
        const char *rest = safe;

        if (!safe)
                return;
        if (width == 0 || strlen(safe) > strspn(safe, VALUE_DIGITS)) /* it is not a number */
                room = strlen(safe) + 1;
        for (bool first = true; first || *rest; first = false) {
                size_t size = strnlen(rest, room);

                printf("    %*s%s%.*s%s\n", (int)strlen(title), first ? title : "", colour,
                       (int)size, rest, *colour ? OUTPUT_PLAIN : "");
                rest += size;
        }
}

static const struct {
        const char *title, *colour;
} result_titles[] = {
        [FINDING_RIGHT] = {"pass", OUTPUT_GREEN},
        [FINDING_WRONG] = {"FAIL", OUTPUT_RED},
        [FINDING_NOT_CHECKED] = {"not checked", OUTPUT_YELLOW},
};

static void print_finding(const Finding *finding)
{
        bool differs = finding->result == FINDING_WRONG;
        const char *colour = verify_colour(result_titles[finding->result].colour);

        printf("%s%-11s%s %s\n", colour, result_titles[finding->result].title,
               *colour ? OUTPUT_PLAIN : "", finding->check);
        verify_print_line("", finding->reason);
        verify_print_value("expected ", finding->expected,
                           differs ? verify_colour(OUTPUT_GREEN) : "");
        verify_print_value("found    ", finding->found, differs ? verify_colour(OUTPUT_RED) : "");
}

static void verify_print_names(const Findings *findings, FindingResult result)
{
        const char *separator = ": ";

        for (size_t i = 0; i < findings->n; i++) {
                const Finding *finding = &findings->items[i];

                if (finding->result != result || !finding->needed)
                        continue;
                printf("%s%s", separator, finding->check);
                separator = ", ";
        }
}

/* "0x25: smt, ecc": what an object has besides its "value" are flags and numbers. */
static void print_members(json_object *object)
{
        const char *value = json_member_string(object, "value");
        const char *separator = value ? ": " : "";

        printf("%s", value ?: "");
        json_object_object_foreach (object, name, member) {
                bool flag = json_object_is_type(member, json_type_boolean);
                _cleanup_free_ char *safe = text_escape_control(json_object_get_string(member));

                if (strcmp(name, "value") == 0 || (flag && !json_object_get_boolean(member)))
                        continue;
                printf("%s%s", separator, name);
                if (!flag)
                        printf(" %s", safe ?: "-");
                separator = ", ";
        }
        printf("\n");
}

static void print_shown(json_object *shown)
{
        json_object_object_foreach (shown, name, value) {
                _cleanup_free_ char *safe = NULL;

                printf("shown       %s ", name);
                if (json_object_is_type(value, json_type_object)) {
                        print_members(value);
                        continue;
                }
                safe = text_escape_control(json_object_get_string(value));
                printf("%s\n", safe ?: "-");
        }
}

/* How the file had the attestation, and what else of the file was used. */
static void print_evidence(json_object *evidence)
{
        json_object *used = json_member(evidence, "certificates");
        const char *encoding = json_member_string(evidence, "encoding");
        size_t n = used ? json_object_array_length(used) : 0;

        printf("evidence    %s", json_member_string(evidence, "form"));
        if (encoding)
                printf(", from %s", encoding);
        for (size_t i = 0; i < n; i++)
                printf("%s%s",
                       i ? ", " : "; certificates taken from this file, because none were given: ",
                       json_object_get_string(json_object_array_get_idx(used, i)));
        printf("\n");
}

static void verdict_print_verified(const Verification *verification)
{
        const char *name;

        printf("verified%s", verification->findings.other_root ? " under a test root" : "");
        for (size_t i = 0; (name = verification_exception(verification, i)); i++)
                printf("%s%s", i ? ", " : " except: ", name);
}

static void verdict_print_unchecked(const Verification *verification)
{
        const char *name;

        for (size_t i = 0; (name = verification_exception(verification, i)); i++)
                if (strcmp(name, "tcb-level") == 0) /* then revocation, too */
                        printf(" (TCB and revocation not checked)");
}

static void verdict_print_last(const Verification *verification)
{
        const Findings *findings = &verification->findings;

        switch (findings_verdict(findings)) {
        case VERDICT_VERIFIED:
                printf("Verdict: ");
                verdict_print_verified(verification);
                break;
        case VERDICT_WRONG:
                printf("Verdict: failed");
                verify_print_names(findings, FINDING_WRONG);
                verdict_print_unchecked(verification);
                break;
        case VERDICT_NOT_VERIFIED:
                printf("Verdict: not verified; not checked");
                verify_print_names(findings, FINDING_NOT_CHECKED);
                if (!verification_lacks_only_binding(verification)) {
                        verdict_print_unchecked(verification);
                        break;
                }
                printf(" (all else is ");
                verdict_print_verified(verification);
                printf(")");
                break;
        }
        printf("\n");
}

/* A line for each link, so that a person can follow them from the root down. */
static void verdict_print_chain(const Findings *findings)
{
        ChainLink links[CHAIN_LINKS_MAX];
        size_t n = chain_links(findings, links);

        printf("chain\n");
        for (size_t i = 0; i < n; i++) {
                const Finding *finding = links[i].finding;
                const char *colour = verify_colour(result_titles[links[i].result].colour);
                _cleanup_free_ char *safe =
                        links[i].reason ? text_escape_control(links[i].reason) : NULL;
                bool right = links[i].result == FINDING_RIGHT;

                printf("    %s%-11s%s %s", colour, result_titles[links[i].result].title,
                       *colour ? OUTPUT_PLAIN : "", links[i].name);
                if (!right)
                        printf(": %s", finding->check);
                if (safe)
                        printf("%s%s", right ? ": " : ", ", safe);
                printf("\n");
        }
}

static void verdict_print_text(const Verification *verification)
{
        const Findings *findings = &verification->findings;

        print_evidence(verification->evidence);
        if (verification->shown)
                print_shown(verification->shown);
        for (size_t i = 0; i < findings->n; i++)
                print_finding(&findings->items[i]);
        if (verification->chained)
                verdict_print_chain(findings);
        verdict_print_last(verification);
}

/* A root of the caller's own weakens a verdict more than what is left open. */
static ExitStatus verdict_exit_status(const Verification *verification)
{
        switch (findings_verdict(&verification->findings)) {
        case VERDICT_VERIFIED:
                if (verification->findings.other_root)
                        return exit_status(EXIT_VERIFIED_TEST_ROOT);
                return exit_status(verification_exception(verification, 0) ? EXIT_VERIFIED_EXCEPT
                                                                           : EXIT_DONE);
        case VERDICT_WRONG:
                return exit_status(EXIT_REFUTED);
        default:
                return exit_status(EXIT_UNCHECKED);
        }
}

ExitStatus verdict_print(const Cli *cli, const Verification *verification)
{
        _cleanup_json_ json_object *object = NULL;

        if (cli->json) {
                object = verification_to_json(verification);
                if (!object)
                        return fail_memory(cli);
                output_json(object);
        } else {
                verdict_print_text(verification);
        }
        return verdict_exit_status(verification);
}
