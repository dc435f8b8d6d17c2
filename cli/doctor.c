/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What this host lacks for each platform. It asks no daemon: the checks and templates are in this
 * program too, and cvmd.conf(5) is read for the paths of programs and of templates and for
 * libvirt's URI alone.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/program.h"
#include "base/text.h"
#include "check_block.h"
#include "fail.h"
#include "host/libvirt_probe.h"
#include "output.h"
#include "paragraph.h"
#include "template/survey.h"

#define CONFIG_PATH "/etc/cvmd/cvmd.conf"
#define CONFIG_BYTES_MAX (1u << 20)
#define TEMPLATES_PATH "/etc/cvmd/templates"

/* A QEMU binary that was asked already: most platforms share one. */
typedef struct Asked {
        char *path; /* owned */
        QemuProbe *probe;
        char *reason;
} Asked;

typedef struct Doctor {
        json_object *config; /* NULL: none that can be read */
        TemplateSet *templates;
        HostFacts *host;
        Asked *asked;
        size_t n_asked;
        bool by_libvirt;
        SurveyLibvirt libvirt; /* borrows from config and the next two */
        LibvirtFacts facts;
        char *reason;
} Doctor;

static void doctor_done(Doctor *doctor)
{
        json_object_put(doctor->config);
        template_set_free(doctor->templates);
        host_facts_free(doctor->host);
        for (size_t i = 0; i < doctor->n_asked; i++) {
                free(doctor->asked[i].path);
                free(doctor->asked[i].reason);
                qemu_probe_unref(doctor->asked[i].probe);
        }
        free(doctor->asked);
        free(doctor->reason);
}

static json_object *read_config(void)
{
        _cleanup_free_ char *text = NULL;
        json_object *config = NULL;
        size_t size;

        if (file_read_at(AT_FDCWD, CONFIG_PATH, CONFIG_BYTES_MAX, &text, &size) < 0 ||
            json_parse(text, size, &config, NULL) < 0)
                return NULL;
        if (!json_object_is_type(config, json_type_object)) {
                json_object_put(config);
                return NULL;
        }
        return config;
}

/* The daemon's rules: what the configuration names, else where programs are. */
static char *find_qemu(const Doctor *doctor, const Template *template)
{
        json_object *map = json_member(doctor->config, "qemu");
        const char *named = NULL;

        if (json_object_is_type(map, json_type_object))
                named = json_member_string(map, template_name(template))
                                ?: json_member_string(map, "default");
        return !named || access(named, X_OK) == 0 ? program_find(named, template_qemu(template))
                                                  : NULL;
}

/* Asks each binary once. NULL without memory. */
static const Asked *doctor_ask(Doctor *doctor, const char *path)
{
        Asked *grown;

        for (size_t i = 0; i < doctor->n_asked; i++)
                if (strcmp(doctor->asked[i].path, path) == 0)
                        return &doctor->asked[i];
        grown = reallocarray(doctor->asked, doctor->n_asked + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        doctor->asked = grown;
        grown += doctor->n_asked;
        *grown = (Asked){.path = strdup(path)};
        if (!grown->path)
                return NULL;
        doctor->n_asked++;
        (void)qemu_probe_cached(path, -1, &grown->probe, &grown->reason);
        return grown;
}

static int doctor_survey(Doctor *doctor, const Template *template, HostCheckList *ret)
{
        _cleanup_free_ char *path = find_qemu(doctor, template);
        const Asked *asked = path ? doctor_ask(doctor, path) : NULL;
        const SurveyHost host = {doctor->host, "", json_member(doctor->config, "programs"),
                                 geteuid() == 0};
        const SurveyQemu qemu = {path, asked ? asked->probe : NULL, asked ? asked->reason : NULL};
        _cleanup_(host_check_list_done) HostCheckList list = {};
        int r;

        if (path && !asked)
                return -ENOMEM;
        r = template_survey(template, &host, &qemu, &list);
        if (r == 0 && doctor->by_libvirt)
                r = template_survey_libvirt(doctor->templates, template, &doctor->libvirt, &list);
        if (r < 0)
                return r;
        *ret = TAKE_STRUCT(list);
        return 0;
}

static void ask_libvirt(Doctor *doctor)
{
        json_object *section = json_member(doctor->config, "libvirt");
        const char *uri = json_object_is_type(section, json_type_object)
                                  ? json_member_string(section, "uri")
                                  : NULL;

        doctor->by_libvirt = true;
        doctor->libvirt.uri = uri ?: LIBVIRT_URI;
        if (libvirt_probe(doctor->libvirt.uri, &doctor->facts, &doctor->reason) == 0)
                doctor->libvirt.facts = &doctor->facts;
        doctor->libvirt.reason = doctor->reason;
}

static json_object *platform_to_json(const Template *template, const HostCheckList *checks)
{
        const HostCheck *obstacle = survey_obstacle(checks);

        return json_build("name", json_new_text(template_name(template)), "confidential",
                          json_object_new_boolean(template_is_confidential(template)), "strength",
                          json_object_new_int64(template_strength(template)), "ready",
                          json_object_new_boolean(!obstacle), "obstacle",
                          obstacle ? json_new_text(obstacle->found) : NULL, "fix",
                          obstacle && obstacle->fix ? json_new_text(obstacle->fix) : NULL, "checks",
                          host_check_list_to_json(checks), NULL);
}

/* The strongest that is ready, as the daemon chooses; borrowed. */
static json_object *choose(json_object *platforms)
{
        json_object *best = NULL;

        for (size_t i = 0; i < json_object_array_length(platforms); i++) {
                json_object *platform = json_object_array_get_idx(platforms, i);
                int64_t strength = json_member_int(platform, "strength", 0);

                if (strength > 0 && json_member_bool(platform, "ready", false) &&
                    (!best || strength > json_member_int(best, "strength", 0)))
                        best = platform;
        }
        return best;
}

/* Why `auto` takes that one. */
static char *auto_reason(const Doctor *doctor, json_object *best)
{
        char *text = NULL;

        if (!best)
                return strdup("no usable platform on this host");
        text = text_format(
                "the platform of the highest strength that this host can run%s%s%s",
                json_member_bool(best, "confidential", false)
                        ? ""
                        : "; it is NOT confidential, and no confidential platform is usable "
                          "here",
                doctor->host->kvm_usable ? "" : "; guests run emulated (TCG), which is slow: ",
                doctor->host->kvm_usable ? "" : doctor->host->kvm_found);
        if (!text)
                return NULL;
        return text;
}

/* A block: whether it can be launched, and what prevents it. */
static void platform_print(json_object *platform)
{
        json_object *checks = json_member(platform, "checks"), *obstacle = NULL;
        bool ready = json_member_bool(platform, "ready", false);

        for (size_t i = 0; !obstacle && i < json_object_array_length(checks); i++) {
                json_object *check = json_object_array_get_idx(checks, i);

                obstacle = json_member_bool(check, "passed", false) ? NULL : check;
        }
        check_block_title(stdout, ready, json_member_string(platform, "name"),
                          json_member_bool(platform, "confidential", false) ? "confidential"
                                                                            : "NOT confidential");
        if (!ready)
                check_block_details(stdout, obstacle);
}

/* The check of what keeps guests from this host's addresses. No platform depends on it. Returns
 * NULL without memory. */
static json_object *check_nft(const Doctor *doctor)
{
        _cleanup_(host_check_list_done) HostCheckList list = {};
        _cleanup_json_ json_object *array = NULL;
        HostCheck check;

        if (host_check(doctor->host, "nft", &check) < 0)
                return NULL;
        if (host_check_list_add(&list, &check) < 0) {
                host_check_done(&check);
                return NULL;
        }
        array = host_check_list_to_json(&list);
        return json_object_get(json_object_array_get_idx(array, 0));
}

static void doctor_print_default(json_object *best, const char *reason)
{
        _cleanup_free_ char *text =
                text_format("Default platform ('auto'): %s, %s.",
                            best ? json_member_string(best, "name") : "none", reason);

        paragraph_print(stdout, text ?: reason, 0, 0);
}

/* What is not an obstacle: the check of nft, unless it passed. */
static void doctor_print_note(json_object *nft)
{
        _cleanup_free_ char *text = text_format("Note: %s; %s", json_member_string(nft, "found"),
                                                json_member_string(nft, "fix"));

        if (!json_member_bool(nft, "passed", false))
                paragraph_print(stdout, text ?: "", 0, 0);
}

static void doctor_print(const Cli *cli, const char *platform, json_object *platforms,
                         json_object *best, const char *reason, json_object *nft)
{
        json_object *first = json_object_array_get_idx(platforms, 0);

        if (cli->json) {
                _cleanup_json_ json_object *all = json_build(
                        "platforms", json_object_get(platforms), "auto",
                        best && !platform ? json_object_get(json_member(best, "name")) : NULL,
                        "reason", platform ? NULL : json_new_text(reason), "nft",
                        platform ? NULL : json_object_get(nft), NULL);

                output_json(all);
                return;
        }
        if (platform) {
                bool ready = json_member_bool(first, "ready", false);

                check_block_list(stdout, json_member(first, "checks"));
                printf("\n%s %s be launched here\n", platform, ready ? "can" : "cannot");
                return;
        }
        for (size_t i = 0; i < json_object_array_length(platforms); i++)
                platform_print(json_object_array_get_idx(platforms, i));
        putchar('\n');
        doctor_print_default(best, reason);
        doctor_print_note(nft);
        paragraph_print(stdout,
                        "To see every check for one platform: cvmctl doctor --platform NAME", 0, 0);
}

static ExitStatus examine(const Cli *cli, Doctor *doctor, const char *platform)
{
        _cleanup_json_ json_object *platforms = json_object_new_array();
        _cleanup_json_ json_object *nft = check_nft(doctor);
        _cleanup_free_ char *reason = NULL;
        json_object *best;

        for (size_t i = 0; i < template_set_size(doctor->templates); i++) {
                const Template *template = template_set_get(doctor->templates, i);
                _cleanup_(host_check_list_done) HostCheckList checks = {};

                if (platform && strcmp(platform, template_name(template)) != 0)
                        continue;
                if (doctor_survey(doctor, template, &checks) < 0)
                        return fail_memory(cli);
                json_object_array_add(platforms, platform_to_json(template, &checks));
        }
        if (json_object_array_length(platforms) == 0)
                return fail_usage(cli, "unknown platform '%s'; `cvmctl doctor` lists the platforms",
                                  platform);
        best = choose(platforms);
        reason = auto_reason(doctor, best);
        if (!reason || !nft)
                return fail_memory(cli);
        doctor_print(cli, platform, platforms, best, reason, nft);
        if (platform)
                best = json_member_bool(json_object_array_get_idx(platforms, 0), "ready", false)
                               ? platforms
                               : NULL;
        return exit_status(best ? EXIT_DONE : EXIT_UNAVAILABLE);
}

ExitStatus verb_doctor(const Arguments *arguments)
{
        _cleanup_(doctor_done) Doctor doctor = {.config = read_config()};
        _cleanup_(cvm_error_done) CvmError error = {};
        const char *directory = json_member_string(doctor.config, "templates") ?: TEMPLATES_PATH;
        const char *driver = arguments_value(arguments, "driver");

        if (template_set_load(directory, &doctor.templates, &error) < 0)
                return fail_error(&arguments->cli, &error, NULL);
        if (host_probe("", &doctor.host) < 0)
                return fail_memory(&arguments->cli);
        if (driver && strcmp(driver, "libvirt") == 0)
                ask_libvirt(&doctor);
        return examine(&arguments->cli, &doctor, arguments_value(arguments, "platform"));
}
