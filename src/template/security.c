/* SPDX-License-Identifier: Apache-2.0 */

/* launchSecurity: what a template takes of it, and its variables. */

#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "template/template_internal.h"
#include "template/workload.h"

typedef struct Rule {
        char *initial, *set, *bind;
        int64_t bits;
} Rule;

static const JsonField rule_fields[] = {
        {"default", JSON_STRING, offsetof(Rule, initial)},
        {"bits", JSON_INT, offsetof(Rule, bits), 0, 1, 64},
        {"set", JSON_STRING, offsetof(Rule, set)},
        {"bind", JSON_STRING, offsetof(Rule, bind)},
        {},
};

static void rule_done(Rule *rule)
{
        free(rule->initial);
        free(rule->set);
        free(rule->bind);
}

static const SpecSecurityKey *security_find_key(const char *name)
{
        const SpecSecurityKey *key = spec_security_keys;

        while (key->name && strcmp(key->name, name) != 0)
                key++;
        return key->name ? key : NULL;
}

static int parse_rule(const SpecSecurityKey *key, json_object *object, const char *path,
                      JsonRefuse refuse, void *userdata)
{
        _cleanup_(rule_done) Rule rule = {};
        uint64_t number;
        int r = json_dispatch(object, rule_fields, &rule, path, refuse, userdata);

        if (r < 0)
                return r;
        if (key->kind != SPEC_SECURITY_NUMBER && (rule.initial || rule.set || rule.bits))
                return refuse(userdata, path, "only a number can have default, bits and set");
        if ((rule.initial && spec_security_parse_number(rule.initial, &number) < 0) ||
            (rule.set && spec_security_parse_number(rule.set, &number) < 0))
                return refuse(userdata, path, "default and set must be numbers, each as a string");
        if (rule.bind &&
            (key->kind != SPEC_SECURITY_BYTES || !workload_hash_fits(rule.bind, key->size)))
                return refuse(userdata, path,
                              "bind must be \"sha256\" for a field of 32 bytes, or \"sha384\" for "
                              "one of 48");
        return 0;
}

int security_parse(json_object *rules, JsonRefuse refuse, void *userdata)
{
        unsigned n_bind = 0;

        json_object_object_foreach (rules, name, rule) {
                const SpecSecurityKey *key = security_find_key(name);
                char path[128];
                int r;

                snprintf(path, sizeof(path), "launchSecurity.%s", name);
                if (!key)
                        return refuse(userdata, path, "is not a field of launchSecurity");
                if (!json_object_is_type(rule, json_type_object))
                        return refuse(userdata, path, "must be an object");
                r = parse_rule(key, rule, path, refuse, userdata);
                if (r < 0)
                        return r;
                n_bind += json_member(rule, "bind") != NULL;
                if (n_bind > 1)
                        return refuse(userdata, path, "another field already has bind");
        }
        return 0;
}

static void refuse_unknown(const Template *template, const char *field, CvmError *error)
{
        _cleanup_(buffer_done) Buffer names = {};

        if (template->security) {
                json_object_object_foreach (template->security, name, rule) {
                        (void)rule;
                        if (buffer_appendf(&names, "%s%s", names.size ? ", " : "", name) < 0)
                                break; /* the list is only for help */
                }
        }
        if (names.size)
                fault_add(error, field, "platform %s does not accept it; it accepts %s",
                          template->name, names.data);
        else
                fault_add(error, field, "platform %s does not accept launchSecurity",
                          template->name);
}

static void security_check_number(const Template *template, const char *field, json_object *rule,
                                  uint64_t number, CvmError *error)
{
        int64_t bits = json_member_int(rule, "bits", 64);
        const char *text = json_member_string(rule, "set");
        uint64_t set = 0;

        if (bits < 64 && number >> bits)
                fault_add(error, field, "must have at most %d bits on platform %s", (int)bits,
                          template->name);
        if (text)
                spec_security_parse_number(text, &set);
        if ((number & set) != set)
                fault_add(error, field, "must have the bits 0x%" PRIx64 " set on platform %s", set,
                          template->name);
}

static const char *const block_names[] = {"idBlock", "idAuth", "authorKeyEnabled"};

/* Whether a field belongs to the ID block, which cannot be given where the guest boots from an IGVM
 * file: QEMU's sev-snp-guest frees its ID block twice once it takes an IGVM file's policy (10.2,
 * target/i386/sev.c, cgs_set_guest_policy()). */
static bool refuses_block(const Template *template, bool has_igvm, const char *name)
{
        const TemplateArtifact *igvm = &template->artifacts[ARTIFACT_IGVM];

        if (!igvm->taken || !(igvm->needed || has_igvm))
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(block_names); i++)
                if (strcmp(block_names[i], name) == 0)
                        return json_member(template->security, name) ||
                               (igvm->guest && strcmp(igvm->guest, "sev-snp") == 0);
        return false;
}

int template_check_id_block(const Template *template, const CvmSpec *spec, bool has_igvm,
                            CvmError *error)
{
        for (size_t i = 0; i < ARRAY_SIZE(block_names); i++) {
                char field[64];

                if (!spec_security_find(spec, block_names[i]) ||
                    !refuses_block(template, has_igvm, block_names[i]))
                        continue;
                snprintf(field, sizeof(field), "launchSecurity.%s", block_names[i]);
                fault_add(error, field,
                          "QEMU crashes when an ID block is given with an IGVM file: the block "
                          "must be in the file, as its header 0x30b (SNP_ID_BLOCK); `cvmctl "
                          "measure --format igvm` writes such a file");
        }
        return fault_result(error);
}

/* The policy of an IGVM file is what the hardware is given: the spec's cannot be another one. */
static void check_igvm_policy(const Template *template, const PlanInputs *inputs, CvmError *error)
{
        const SpecSecurity *given = spec_security_find(inputs->spec, "policy");
        json_object *rule = json_member(template->security, "policy");
        const char *text = json_member_string(rule, "set");
        uint64_t policy = inputs->igvm.policy, set = 0;

        if (!rule || !inputs->igvm.has_policy)
                return;
        if (given && given->number != policy)
                fault_add(error, "launchSecurity.policy",
                          "is 0x%" PRIx64 ", but the IGVM file was made for the policy 0x%" PRIx64
                          ": omit it to use the file's policy",
                          given->number, policy);
        if (text)
                spec_security_parse_number(text, &set);
        if ((policy & set) != set)
                cvm_error_artifact(error, "igvm",
                                   "its policy 0x%" PRIx64 " lacks the bits 0x%" PRIx64
                                   ", which platform %s requires: build it with another policy",
                                   policy, set, template->name);
}

int security_check(const Template *template, const PlanInputs *inputs, CvmError *error)
{
        const CvmSpec *spec = inputs->spec;
        bool has_igvm = inputs->artifacts[ARTIFACT_IGVM].present;

        template_check_id_block(template, spec, has_igvm, error);
        for (size_t i = 0; i < spec->n_security; i++) {
                const SpecSecurity *entry = &spec->security[i];
                json_object *rule = json_member(template->security, entry->key->name);
                char field[64];

                snprintf(field, sizeof(field), "launchSecurity.%s", entry->key->name);
                if (refuses_block(template, has_igvm, entry->key->name))
                        continue;
                if (!rule)
                        refuse_unknown(template, field, error);
                else if (entry->key->kind == SPEC_SECURITY_NUMBER)
                        security_check_number(template, field, rule, entry->number, error);
        }
        check_igvm_policy(template, inputs, error);
        return fault_result(error);
}

/* QEMU's options take hexadecimal, which people know these numbers by; its JSON does not. */
static void add_number(json_object *variables, const char *name, bool given, uint64_t number)
{
        char key[64], hex[24];

        snprintf(hex, sizeof(hex), "0x%" PRIx64, number);
        json_object_object_add(variables, name, json_new_text(given ? hex : ""));
        snprintf(key, sizeof(key), "%sNumber", name);
        json_object_object_add(variables, key, json_object_new_uint64(number));
}

/* A number that the spec leaves out: the IGVM file's policy, or the template's default. */
static bool initial_number(const Template *template, const PlanInputs *inputs, const char *name,
                           uint64_t *ret)
{
        const char *text = json_member_string(json_member(template->security, name), "default");

        if (inputs->igvm.has_policy && strcmp(name, "policy") == 0)
                *ret = inputs->igvm.policy;
        else if (text)
                spec_security_parse_number(text, ret);
        else
                return false;
        return true;
}

json_object *security_variables(const Template *template, const PlanInputs *inputs)
{
        json_object *variables = json_object_new_object();

        for (const SpecSecurityKey *key = spec_security_keys; key->name; key++) {
                const SpecSecurity *entry = spec_security_find(inputs->spec, key->name);
                uint64_t number = entry ? entry->number : 0;

                if (key->kind == SPEC_SECURITY_NUMBER) {
                        bool given = entry || initial_number(template, inputs, key->name, &number);

                        add_number(variables, key->name, given, number);
                } else if (key->kind == SPEC_SECURITY_BOOL) {
                        json_object_object_add(variables, key->name,
                                               json_object_new_boolean(number != 0));
                } else {
                        json_object_object_add(variables, key->name,
                                               json_new_text(entry ? entry->text : ""));
                }
        }
        return variables;
}
