/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/snp_product.h"

#include "base/text.h"
#include <string.h>

#define OID_PRODUCT "1.3.6.1.4.1.3704.1.2"
#define OID_PROVIDER "1.3.6.1.4.1.3704.1.5"
#define DER_IA5_STRING 0x16

const char *snp_product(const SnpReport *report)
{
        static const struct {
                uint8_t family, from, to;
                const char *name;
        } products[] = {
                {0x19, 0x00, 0x0f, "Milan"},
                {0x19, 0x10, 0x1f, "Genoa"},
                {0x19, 0xa0, 0xaf, "Genoa"}, /* Bergamo and Siena have Genoa's keys */
                {0x1a, 0x00, 0x1f, "Turin"},
        };

        for (size_t i = 0; report->has_cpuid && i < ARRAY_SIZE(products); i++)
                if (report->family == products[i].family && report->model >= products[i].from &&
                    report->model <= products[i].to)
                        return products[i].name;
        return NULL;
}

/* An IA5String of printable characters that fits. */
static bool snp_product_read_text(X509 *certificate, const char *oid, char ret[static SNP_NAME_MAX])
{
        Bytes value = certificate_extension(certificate, oid);

        if (value.size < 3 || value.data[0] != DER_IA5_STRING || value.data[1] != value.size - 2 ||
            value.size - 2 >= SNP_NAME_MAX)
                return false;
        for (size_t i = 2; i < value.size; i++)
                if (value.data[i] < ' ' || value.data[i] > '~')
                        return false;
        memcpy(ret, value.data + 2, value.size - 2);
        ret[value.size - 2] = 0;
        return true;
}

bool snp_product_of_certificate(X509 *certificate, char ret[static SNP_NAME_MAX])
{
        if (!snp_product_read_text(certificate, OID_PRODUCT, ret))
                return false;
        ret[strcspn(ret, "-")] = 0;
        return *ret;
}

bool snp_product_of_chain(const Certificates *chain, char ret[static SNP_NAME_MAX])
{
        static const char *const prefixes[] = {"ARK-", "SEV-VLEK-", "SEV-"};

        for (size_t i = 0; i < chain->n; i++) {
                char name[CERTIFICATE_NAME_MAX];

                certificate_name(chain->items[i], name);
                for (size_t j = 0; j < ARRAY_SIZE(prefixes); j++) {
                        size_t size = strlen(prefixes[j]);

                        if (strncmp(name, prefixes[j], size) != 0 ||
                            strlen(name + size) >= SNP_NAME_MAX ||
                            strcmp(name + size, "VCEK") == 0 || strcmp(name + size, "VLEK") == 0)
                                continue;
                        text_copy(ret, SNP_NAME_MAX, name + size);
                        return true;
                }
        }
        return false;
}

bool snp_product_vlek_provider(X509 *certificate, char ret[static SNP_NAME_MAX])
{
        return snp_product_read_text(certificate, OID_PROVIDER, ret);
}
