/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * LaunchPlan: exactly what will be run. template_render() is a pure function: equal inputs give
 * equal plans; it opens nothing and allots nothing.
 *
 * Files reach QEMU as inherited descriptors. The renderer numbers them from PLAN_FD_FIRST in the
 * order in which the template first names them (${fd.kernel}, ${fd.qmp}, …); the driver places each
 * at that number in the child.
 */

#include "host/host.h"
#include "host/qemu_probe.h"
#include "template/template.h"
#include "template/workload_binding.h"

#define PLAN_FD_FIRST 3

/* An artifact as far as rendering cares. */
typedef struct PlanArtifact {
        bool present;
        const char *path;   /* where it came from, for render's output; NULL: embedded */
        const char *sha256; /* hex; NULL: unknown */
} PlanArtifact;

/* What a libvirt domain names by path, where QEMU's own command line has descriptors. */
typedef struct PlanDomain {
        const char *artifacts[_ARTIFACT_KIND_MAX]; /* NULL: there is none */
        const char *env_share, *certs_share;       /* directories */
        const char *console, *notify;              /* sockets that the driver makes */
        const char *companions;  /* directory with one, NAME.d, for each companion */
        const char *spec_sha256; /* hex */
        bool passt;              /* libvirt forwards ports through it */
        uid_t owner;             /* who launches it */
        uid_t uid;               /* that QEMU runs as; 0: libvirt's choice */
        gid_t gid;               /* likewise */
} PlanDomain;

/* What an IGVM file states for a launch; zeros if there is no such file. */
typedef struct PlanIgvm {
        bool service; /* highest VTL 0: it has no guest's firmware, and boots no kernel */
        bool has_policy;
        uint64_t policy; /* its GUEST_POLICY: what QEMU must be given, since it starts before
                            reading it */
} PlanIgvm;

/* All that goes into a plan; everything is borrowed. */
typedef struct PlanInputs {
        const CvmSpec *spec;
        const HostFacts *host;
        const char *qemu;            /* path of the binary */
        const char *id;              /* UUID of the CVM */
        uint32_t cpus;               /* effective, > 0 */
        uint64_t memory;             /* effective, bytes */
        const SpecForward *forwards; /* effective, with their real host ports */
        size_t n_forwards;
        bool vsock; /* true where template_needs_vsock() */
        uint32_t vsock_cid;
        uint32_t notify_port; /* vsock port on which cvmd hears the guest; 0: none */
        const char *cmdline;  /* effective */
        bool kvm;             /* the accelerator: KVM, else TCG */
        PlanArtifact artifacts[_ARTIFACT_KIND_MAX];
        bool disk_is_device[SPEC_DISKS_MAX]; /* a block device, not a file; by the spec's order */
        const PlanDomain *domain;            /* NULL: a command line is rendered, else a domain */
        PlanIgvm igvm;
        bool planes; /* QEMU has device-plane: it can give a plane's guest its devices */
} PlanInputs;

typedef struct PlanDescriptor {
        int number; /* in the child */
        char *what; /* kernel, initramfs, firmware, igvm, qmp, console, notify, svsm-log, env_share,
                       certs_share, share:TAG, disk:ID, vhost-vsock, tap, vhost-net,
                       companion:NAME */
} PlanDescriptor;

#define PLAN_COMPANIONS_MAX 8u
/* What a companion can be given by descriptor: its private directory; its end of a pair. */
#define PLAN_COMPANION_DIRECTORY "directory"
#define PLAN_COMPANION_SOCKET "socket"

typedef struct LaunchPlan LaunchPlan;

/* How a companion and QEMU meet: QEMU has the end of a connection as
 * descriptor "companion:NAME". */
typedef enum PlanMeeting {
        PLAN_MEETING_LISTEN, /* it listens on the socket "socket" in its directory; a domain's QEMU
                                connects to it by path */
        PLAN_MEETING_PAIR,   /* it gets one end of a connected pair */
        PLAN_MEETING_NONE,   /* they do not, or by what the daemon has no part in */
        _PLAN_MEETING_MAX,
} PlanMeeting;

/* A program that runs alongside QEMU, from before its start to its end. */
typedef struct PlanCompanion {
        char *name;    /* lowercase letters, digits, '-' */
        char *package; /* what installs the program */
        PlanMeeting meeting;
        LaunchPlan *command; /* argv and descriptors alone; argv[0] is a file name */
} PlanCompanion;

struct LaunchPlan {
        char **argv; /* ended by NULL; argv[0] is inputs->qemu; empty if there is a domain */
        size_t argc;
        char *domain;                /* XML; NULL: there is a command line */
        PlanDescriptor *descriptors; /* by number */
        size_t n_descriptors;
        /* Devices that QEMU opens by path ("/dev/kvm", "/dev/sev", "/dev/vhost-vsock"): the driver
         * gives the child the groups of these. Ended by NULL. */
        char **devices;
        WorkloadBinding binding;
        PlanCompanion companions[PLAN_COMPANIONS_MAX]; /* in the order of their start */
        size_t n_companions;
        HostCheckList missing; /* failed checks only: a launch refuses if there is one */
};

/* With inputs->domain the platform's XML is rendered, else its arguments.
 *
 * TemplateInvalid (a command line that is too long; template_set_load() already rejected everything
 * else, except what depends on several conditions of one option) or InvalidSpec (an artifact that
 * this platform cannot take; a platform or a share that libvirt cannot). An unknown cbitpos renders
 * as 51, the documents' value, and is listed as missing. */
int template_render(const TemplateSet *set, const Template *template, const PlanInputs *inputs,
                    LaunchPlan **ret, CvmError *error);
/* Adds failed checks for what no machine of the plan's type can have: more PCI devices than slots,
 * more vCPUs than this QEMU supports, more memory than its CPUs address. probe: NULL stands for
 * what holds for every QEMU. Returns 0 or -ENOMEM. */
int plan_check_machine(const LaunchPlan *plan, const Template *template, const PlanInputs *inputs,
                       const QemuProbe *probe, HostCheckList *missing);
LaunchPlan *launch_plan_free(LaunchPlan *plan);
DEFINE_CLEANUP(LaunchPlan *, launch_plan_free)
/* The number of the descriptor `what`, or -1 if the plan has none. */
int launch_plan_fd(const LaunchPlan *plan, const char *what);

/* Reply of Render: argv, descriptors (with inputs' paths and digests), companions, domain, missing,
 * binding. */
json_object *launch_plan_to_json(const LaunchPlan *plan, const PlanInputs *inputs);
