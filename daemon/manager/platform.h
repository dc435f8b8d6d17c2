/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which platforms this host can run: their templates, the host's checks, what QEMU has, and what
 * there is to boot from. */

#include "manager/manager.h"

/* The template that the spec's platform names, or the strongest available one for auto. */
int platform_choose(const Manager *manager, const CvmSpec *spec, const Template **ret,
                    CvmError *error);
bool platform_is_available(const Manager *manager, const Template *template);
/* By the configuration, or where that leaves it open by what the host has. */
bool platform_use_kvm(const Manager *manager);
/* Asks the QEMUs of those confidential platforms that the host could run what they can do, so that
 * `auto` knows from the first launch on. May wait for QEMU's answer. */
void platforms_ask_qemus(Manager *manager);
