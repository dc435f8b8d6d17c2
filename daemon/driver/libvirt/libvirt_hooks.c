/* SPDX-License-Identifier: Apache-2.0 */

/* What the daemon asks of driver libvirt besides the life of a CVM: who runs its QEMUs, and what
 * the libvirt of this host can do. */

#include <stdlib.h>
#include <unistd.h>

#include "driver/libvirt/driver_libvirt.h"
#include "driver/libvirt/libvirt_hooks.h"
#include "driver/libvirt/libvirt_loop.h"

#define FACTS_MSEC 10000 /* how long a launch waits for libvirt to be there */

typedef struct LibvirtProbe {
        DriverProbe base;
        bool has_facts;
        LibvirtFacts facts;
        char *reason; /* why there are none; owned, may be NULL */
} LibvirtProbe;

/* One for all its QEMUs: libvirt's own directories admit no other. */
int libvirt_hooks_uid(const DriverHome *base, uid_t *ret, CvmError *error)
{
        const LibvirtHome *home = container_of(base, LibvirtHome, base);

        if (geteuid() == 0 && !base->uid)
                return cvm_error_host(error, "libvirt-user", home->user,
                                      "an existing user, as which libvirt runs QEMU",
                                      "install the package libvirt-daemon-system, or set the user "
                                      "of qemu.conf in cvmd.conf (libvirt.user)");
        *ret = base->uid;
        return 0;
}

bool libvirt_hooks_has_threads(void)
{
        return libvirt_loop_runs();
}

int libvirt_hooks_probe_begin(DriverHome *base)
{
        return libvirt_link_begin(container_of(base, LibvirtHome, base)->link);
}

DriverProbe *libvirt_hooks_probe_qemu(DriverHome *base, const char *qemu)
{
        LibvirtProbe *probe = calloc(1, sizeof(*probe));

        if (!probe)
                return NULL;
        probe->base.ops = base->ops;
        probe->has_facts = libvirt_link_facts(container_of(base, LibvirtHome, base)->link, qemu,
                                              FACTS_MSEC, &probe->facts, &probe->reason) == 0;
        return &probe->base;
}

void libvirt_hooks_probe_free(DriverProbe *base)
{
        LibvirtProbe *probe = container_of(base, LibvirtProbe, base);

        free(probe->reason);
        free(probe);
}

int libvirt_hooks_check(const DriverHome *home, const DriverProbe *base, const TemplateSet *set,
                        const Template *template, HostCheckList *missing)
{
        const LibvirtProbe *probe = container_of(base, LibvirtProbe, base);
        const LibvirtNeeds needs = template_set_domain_needs(set, template);

        return libvirt_needs_check(probe->has_facts ? &probe->facts : NULL,
                                   container_of(home, LibvirtHome, base)->uri, probe->reason,
                                   &needs, false, missing);
}

void libvirt_hooks_fit_domain(const DriverProbe *base, PlanDomain *domain)
{
        const LibvirtProbe *probe = base ? container_of(base, LibvirtProbe, base) : NULL;

        domain->passt = !probe || !probe->has_facts || probe->facts.passt;
}
