/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The optional functions of driver libvirt (DriverOps). */

#include "driver/driver.h"

int libvirt_hooks_uid(const DriverHome *home, uid_t *ret, CvmError *error);
bool libvirt_hooks_has_threads(void);
int libvirt_hooks_probe_begin(DriverHome *home);
DriverProbe *libvirt_hooks_probe_qemu(DriverHome *home, const char *qemu);
void libvirt_hooks_probe_free(DriverProbe *probe);
int libvirt_hooks_check(const DriverHome *home, const DriverProbe *probe, const TemplateSet *set,
                        const Template *template, HostCheckList *missing);
void libvirt_hooks_fit_domain(const DriverProbe *probe, PlanDomain *domain);
