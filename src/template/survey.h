/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether a platform can be launched on a host, and why not: for `cvmctl doctor` and DescribeHost.
 * It differs from a plan's `missing` in that it lists what passed too, and needs no spec. */

#include "host/libvirt_facts.h"
#include "host/qemu_probe.h"
#include "template/template.h"

typedef struct SurveyHost {
        const HostFacts *facts;
        const char *root;      /* of its devices, as host_probe() has it */
        json_object *programs; /* what the configuration says of programs' paths, or NULL */
        bool own_uid;          /* QEMU runs as a user of its own, else as this process's */
} SurveyHost;

/* The QEMU that the platform would run on; all borrowed. */
typedef struct SurveyQemu {
        const char *path;       /* NULL: there is none */
        const QemuProbe *probe; /* NULL: it could not be asked, because of `reason` */
        const char *reason;
} SurveyQemu;

/* The libvirt that would run it by driver libvirt; all borrowed. */
typedef struct SurveyLibvirt {
        const char *uri;
        const LibvirtFacts *facts; /* NULL: it could not be asked, because of `reason` */
        const char *reason;
} SurveyLibvirt;

/* Checks of the host, the devices and QEMU, in that order. 0 or -ENOMEM. */
int template_survey(const Template *template, const SurveyHost *host, const SurveyQemu *qemu,
                    HostCheckList *ret);
/* Adds what driver libvirt requires in addition. 0 or -ENOMEM. */
int template_survey_libvirt(const TemplateSet *set, const Template *template,
                            const SurveyLibvirt *libvirt, HostCheckList *list);
/* The obstacle: the first check that failed, or NULL. Borrowed. */
const HostCheck *survey_obstacle(const HostCheckList *list);
