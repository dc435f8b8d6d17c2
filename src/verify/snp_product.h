/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which processors an SEV-SNP report and its certificates are of: "Milan", "Genoa", "Turin" and
 * what AMD names later. For messages and for whom it concerns; no check depends on it.
 *
 * Source: AMD, 57230, 3.1 (productName, cspID), and the names of AMD's keys ("ARK-Milan").
 */

#include "verify/certificates.h"
#include "verify/snp_report.h"

#define SNP_NAME_MAX 64

/* From CPUID; NULL: the report has none, or it is not known. Static. */
const char *snp_product(const SnpReport *report);

/* The product that a VCEK's or VLEK's certificate is for, without the stepping. False: it names
 * none. */
bool snp_product_of_certificate(X509 *certificate, char ret[static SNP_NAME_MAX]);

/* Of the first ASK or ARK among them. False: none names any. */
bool snp_product_of_chain(const Certificates *chain, char ret[static SNP_NAME_MAX]);

/* Whom a VLEK was lent to: the cspID of its certificate. False: it has none. */
bool snp_product_vlek_provider(X509 *certificate, char ret[static SNP_NAME_MAX]);
